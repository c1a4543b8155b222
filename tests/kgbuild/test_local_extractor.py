"""The local extractor on made-up texts: what it reads, what it must not, and that it reads the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kgbuild.extract import Extractor, load_extractor
from kgbuild.extract.local import LocalExtractor
from kgbuild.schema import load_schema
from kgbuild.types import Item, Mention

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def extractor() -> LocalExtractor:
    return LocalExtractor(schema=load_schema())


def facts(
    extractor: LocalExtractor, description: str, category: str, title: str = ""
) -> set[tuple[str, str]]:
    return {(m.relation, str(m.value)) for m in extractor.mentions(Item("1", title, description, category))}


def test_it_is_an_extractor_of_the_registry() -> None:
    made = load_extractor("local", schema=load_schema())
    assert isinstance(made, Extractor)
    assert made.fingerprint != LocalExtractor(schema=load_schema(), min_confidence=0.9).fingerprint


@pytest.mark.parametrize(
    ("category", "description", "expected"),
    [
        (
            "movie",
            "A retired detective returns to a small fishing village in 1950s Cornwall. This tender, "
            "melancholy drama about grief is based on the novel by Ruth Ellery and won the Harbour Prize.",
            {
                ("character", "retired detective"),
                ("period", "1950s"),
                ("setting", "Cornwall"),
                ("mood", "tender"),
                ("mood", "melancholy"),
                ("theme", "grief"),
                ("based_on", "novel"),
                ("source_author", "Ruth Ellery"),
                ("award", "Harbour Prize"),
            },
        ),
        (
            "book",
            "Set in Lisbon during the Second World War, the third book in the Tagus Street series follows "
            "a locksmith in search of revenge.",
            {
                ("setting", "Lisbon"),
                ("period", "World War II"),
                ("series", "Tagus Street"),
                ("character", "locksmith"),
                ("theme", "revenge"),
            },
        ),
        (
            "Kitchen",
            "A kettle made of stainless steel with a bamboo handle. It is cordless, works with induction "
            "hobs and is ideal for camping.",
            {
                ("made_of", "stainless steel"),
                ("made_of", "bamboo"),
                ("feature", "cordless"),
                ("compatible_with", "induction hobs"),
                ("used_for", "camping"),
            },
        ),
        (
            "video game",
            "Play as a smuggler in this turn-based game set in a flooded city. Suitable for beginners. "
            "Available on PlayStation 5.",
            {
                ("character", "smuggler"),
                ("feature", "turn-based"),
                ("setting", "flooded city"),
                ("audience", "beginners"),
                ("compatible_with", "PlayStation 5"),
            },
        ),
    ],
)
def test_reads_what_the_text_says(
    extractor: LocalExtractor, category: str, description: str, expected: set[tuple[str, str]]
) -> None:
    assert expected <= facts(extractor, description, category)


@pytest.mark.parametrize(
    ("category", "description", "wrong"),
    [
        ("Outdoor", "A light jacket that is not waterproof.", ("feature", "waterproof")),
        ("Kitchen", "A bottle made without plastic.", ("made_of", "plastic")),
        ("Kitchen", "A sponge, free of latex.", ("made_of", "latex")),
        (
            "movie",
            "Unlike the earlier film, it is set in no city and has no detective.",
            ("character", "detective"),
        ),
        ("book", "For fans of robots and of Paris: a story about bread.", ("character", "robots")),
        ("movie", "It was nominated for the Harbour Prize.", ("award", "Harbour Prize")),
        ("book", "By the Booker Prize-winning author of Salt.", ("award", "Booker Prize")),
        ("movie", "The story is not based on a novel.", ("based_on", "novel")),
        ("Garden", "A saw for wood.", ("made_of", "wood")),
    ],
)
def test_denials_and_comparisons_are_no_facts(
    extractor: LocalExtractor, category: str, description: str, wrong: tuple[str, str]
) -> None:
    assert wrong not in facts(extractor, description, category)


def test_stories_have_no_materials_and_kettles_no_heroes(extractor: LocalExtractor) -> None:
    text = "A detective finds a wooden box in a steel tower."
    assert not {relation for relation, _ in facts(extractor, text, "movie")} & {"made_of", "compatible_with"}
    assert not {relation for relation, _ in facts(extractor, text, "Kitchen")} & {"character", "setting"}


TEXTS = [
    Item(
        "a",
        "Northern Wake II",
        "Set in nineteenth-century Bergen, Norway, it follows an exiled shipwright. “Salt”—bleak…",
        "film",
    ),
    Item("b", "", "A tale of revenge, set aboard a whaling ship; winner of the Tern Medal.", "book"),
    Item(
        "c",
        "Lamp",
        "A dimmable lamp in oak with a 3-metre cable. \u200e\U0001f4a1 Fits E14 bulbs.",
        "lighting",
    ),
    Item("d", "", "  ", "movie"),
    Item("e", "Kein Titel", "Ein Film über Liebe.", ""),
]


def test_quotes_are_where_they_say(extractor: LocalExtractor) -> None:
    found = [mention for _, mentions in extractor.extract(TEXTS) for mention in _list(mentions)]
    assert len(found) > 8
    for mention in found:
        item = next(item for item in TEXTS if item.id == mention.item)
        if mention.field is not None:
            assert getattr(item, mention.field)[mention.start : mention.end] == mention.quote
        assert 0 < mention.confidence <= 1
        assert mention.source.startswith("local:")
        assert str(mention.value).strip()


def test_range_comes_from_the_schema(extractor: LocalExtractor) -> None:
    ranges = {m.relation: m.range for _, mentions in extractor.extract(TEXTS) for m in _list(mentions)}
    assert ranges["setting"] == "place"
    assert ranges["character"] == "character_kind"


def test_an_item_gives_the_same_whatever_stands_beside_it(extractor: LocalExtractor) -> None:
    together = {item.id: mentions for item, mentions in extractor.extract(TEXTS)}
    alone = LocalExtractor(schema=load_schema())
    for item in reversed(TEXTS):
        assert alone.mentions(item) == together[item.id]


def test_the_hash_seed_changes_nothing() -> None:
    program = (
        "from kgbuild.extract.local import LocalExtractor\n"
        "from kgbuild.schema import load_schema\n"
        "from kgbuild.types import Item\n"
        "text = 'A widowed cartographer, a smuggler and a monk meet in 1920s Trieste in a wry tale of greed, "
        "love and exile, winner of the Tern Medal.'\n"
        "print(LocalExtractor(schema=load_schema()).mentions(Item('1', 'Karst 2', text, 'movie')))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            cwd=ROOT,
        ).stdout
        for seed in ("0", "4711")
    }
    assert len(outputs) == 1
    assert "greed" in outputs.pop()


def test_importing_it_loads_no_model() -> None:
    program = (
        "import sys, kgbuild.extract.local\n"
        "from kgbuild.schema import load_schema\n"
        "made = kgbuild.extract.local.LocalExtractor(schema=load_schema())\n"
        "print(sorted({'spacy', 'torch', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert run.stdout.strip() == "[]"


def test_relations_outside_the_schema_are_left_out(tmp_path: Path) -> None:
    file = tmp_path / "schema.yaml"
    file.write_text("version: 1\nrelations:\n  period:\n    definition: when\n", encoding="utf-8")
    only = LocalExtractor(schema=load_schema(file))
    text = "A detective in 1920s Paris."
    assert {m.relation for m in only.mentions(Item("1", "", text, "movie"))} == {"period"}


def _list(mentions: object) -> list[Mention]:
    assert isinstance(mentions, list)
    return mentions
