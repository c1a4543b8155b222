"""Relation wordings: those of one relation meet, a relation and its inverse never do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kgbuild.resolve import resolve
from kgbuild.resolve.phrases import agent_verb, direction, opposed, relation_phrase
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention

SCHEMA = load_schema()


def relations(*wordings: str, catalogue: tuple[str, ...] = ()) -> dict[str, str]:
    """Raw wording -> canonical relation."""
    mentions = [
        Mention("1", wording, f"value {n}", 0.5, CATALOGUE if wording in catalogue else "test")
        for n, wording in enumerate(wordings)
    ]
    facts = resolve(mentions, SCHEMA).facts
    return {fact.mention.relation: fact.relation for fact in facts}


@pytest.mark.parametrize(
    ("wording", "relation"),
    [
        ("directed by", "director"),
        ("Directed By", "director"),
        ("directed_by", "director"),
        ("directedBy", "director"),
        ("is directed by", "director"),
        ("film by", "director"),
        ("directors", "director"),
        ("has director", "director"),
        ("starring", "actor"),
        ("Actors", "actor"),
        ("screenplay by", "writer"),
        ("is set in", "setting"),
        ("takes_place_in", "setting"),
        ("based on", "based_on"),
        ("is about", "theme"),
        ("themes", "theme"),
        ("made from", "made_of"),
        ("Genres", "genre"),
        ("manufactured by", "brand"),
        ("part of", "series"),
    ],
)
def test_wording_meets_the_relation_of_the_schema(wording: str, relation: str) -> None:
    assert relations(wording)[wording] == relation


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("parent of", "child of"),
        ("based on", "basis for"),
        ("sequel", "prequel"),
        ("sequel", "sequel to"),
        ("sequel to", "prequel to"),
        ("influences", "influenced by"),
        ("influences", "influence"),
        ("inspired", "inspired by"),
        ("directs", "directed by"),
        ("director", "director of"),
        ("author", "author of"),
        ("has part", "part of"),
        ("contains", "contained in"),
        ("followed by", "follows"),
        ("precedes", "preceded by"),
        ("owner", "owner of"),
        ("owns", "owned by"),
        ("teacher", "student"),
        ("made of", "made by"),
        ("adapted from", "adapted into"),
        ("predecessor", "successor"),
        ("won by", "won"),
        ("birth place", "death place"),
        ("minimum age", "maximum age"),
        ("price", "list price"),
        ("release date", "publication date"),
    ],
)
def test_inverse_and_neighbour_stay_apart(one: str, other: str) -> None:
    for found in (relations(one, other), relations(one, other, catalogue=(one,))):
        assert found[one] != found[other]


def test_open_wordings_of_one_phrase_or_one_verb_meet() -> None:
    found = relations("composed by", "composed_by", "composer", "composers", "composer of", "composes")
    assert found["composed by"] == found["composed_by"] == found["composer"] == found["composers"]
    assert len({found["composer"], found["composer of"], found["composes"]}) == 3


def test_catalogue_relation_names_that_nobody_lists_stay_as_they_are() -> None:
    names = ("colour family", "colour", "list price", "price", "rating", "rated")
    assert relations(*names, catalogue=names) == {name: name for name in names}


def test_range_follows_the_relation() -> None:
    mentions = [
        Mention("1", "directed_by", "Agnès Varda", 0.5, "t"),
        Mention("1", "composed_by", "Hans Zimmer", 0.5, "t", range="person"),
        Mention("1", "composed by", "Ennio Morricone", 0.5, "t", range="composed by"),
    ]
    found = {fact.value: fact.range for fact in resolve(mentions, SCHEMA).facts}
    assert found == {"Agnès Varda": "person", "Hans Zimmer": "person", "Ennio Morricone": "composed by"}


def test_raw_wordings_are_kept_and_every_merge_recorded() -> None:
    mentions = [Mention("1", wording, "x", 0.5, "t") for wording in ("directed by", "film by", "director")]
    found = resolve(mentions, SCHEMA)
    assert found.relations == {"director": ["directed by", "film by"]}
    records = [(one.kind, one.range, one.from_label, one.into, one.score) for one in found.merges]
    assert records == [("relation", "", raw, "director", 1.0) for raw in ("directed by", "film by")]
    assert {one.reason for one in found.merges} == {"wording of the schema"}


def test_direction_of_wordings() -> None:
    assert relation_phrase("isPartOf") == ("part", "of")
    assert direction(("part", "of")) == "of"
    assert direction(("director",)) == ""
    assert agent_verb(("produced", "by")) == agent_verb(("producer",)) == ("produc",)
    assert opposed(("parent", "of"), ("child", "of"))
    assert not opposed(("produced", "by"), ("producer",))


def test_known_relations_need_no_encoder() -> None:
    code = (
        "import sys\n"
        "from kgbuild.resolve import resolve\n"
        "from kgbuild.schema import load_schema\n"
        "from kgbuild.types import Mention\n"
        "resolve([Mention('1', 'directed by', 'A B', 0.5, 't'), Mention('1', 'actor', 'C D', 0.5, 't'),\n"
        "         Mention('1', 'hue', 'red', 1.0, 'catalogue')], load_schema())\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
