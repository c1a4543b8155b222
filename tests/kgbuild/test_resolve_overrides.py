"""The overrides file: merges that the user demands or forbids, and what the messages say when it is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgbuild.resolve import Resolution, resolve
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention
from plugbase.errors import UserError

SCHEMA = load_schema()
MENTIONS = [
    Mention("1", "director", "John Lasseter", 0.9, "t"),
    Mention("2", "directed by", "J. Lasseter", 0.9, "t"),
    Mention("2", "film by", "J. Lasseter", 0.9, "t"),
    Mention("3", "theme", "revenge", 0.9, "t"),
    Mention("4", "theme", "vengeance", 0.9, "t"),
    Mention("5", "theme", "Vengeance", 0.9, "t"),
    Mention("6", "soundtrack", "Hans Zimmer", 0.9, "t"),
    Mention("7", "brand", "Sony", 1.0, CATALOGUE),
    Mention("8", "brand", "Sony Group", 1.0, CATALOGUE),
    Mention("9", "based_on", "1984", 0.9, "t"),
    Mention("9", "based_on", "Nineteen Eighty-Four", 0.9, "t"),
]


def resolved(tmp_path: Path, text: str, name: str = "overrides.yaml") -> Resolution:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return resolve(MENTIONS, SCHEMA, overrides=file)


def test_keep_apart_undoes_a_merge(tmp_path: Path) -> None:
    assert resolve(MENTIONS, SCHEMA).values[("person", "John Lasseter")] == ["J. Lasseter"]
    found = resolved(tmp_path, "- range: person\n  keep_apart: [John Lasseter, J. Lasseter]\n")
    assert found.values[("person", "John Lasseter")] == []
    assert found.values[("person", "J. Lasseter")] == []


def test_keep_apart_splits_even_labels_of_the_same_letters(tmp_path: Path) -> None:
    found = resolved(tmp_path, "- range: theme\n  keep_apart: [vengeance, Vengeance]\n")
    assert {("theme", "vengeance"), ("theme", "Vengeance")} <= set(found.values)


def test_merge_joins_what_nothing_else_would(tmp_path: Path) -> None:
    found = resolved(tmp_path, "- range: theme\n  merge: [vengeance, revenge]\n  note: one motive\n")
    assert found.values[("theme", "vengeance")] == ["Vengeance", "revenge"]
    (record,) = [one for one in found.merges if one.from_label == "revenge"]
    assert (record.into, record.score, record.reason) == ("vengeance", 1.0, "overrides file")


def test_merge_overrules_the_guards_and_the_catalogue(tmp_path: Path) -> None:
    text = (
        "- {range: brand, merge: [Sony Group, Sony]}\n- {range: work, merge: [Nineteen Eighty-Four, 1984]}\n"
    )
    found = resolved(tmp_path, text)
    assert found.values[("brand", "Sony Group")] == ["Sony"]
    assert found.values[("work", "Nineteen Eighty-Four")] == ["1984"]


def test_relations_merge_and_part(tmp_path: Path) -> None:
    found = resolved(tmp_path, "- merge: [soundtrack, theme]\n- keep_apart: [director, directed by]\n")
    assert found.relations["soundtrack"] == ["theme"]
    assert found.relations["director"] == ["film by"]
    assert found.relations["directed by"] == []


def test_jsonl_says_the_same_as_yaml(tmp_path: Path) -> None:
    yaml = resolved(
        tmp_path, "- range: theme\n  merge: [vengeance, revenge]\n- keep_apart: [director, film by]\n"
    )
    lines = (
        '{"range": "theme", "merge": ["vengeance", "revenge"]}\n\n{"keep_apart": ["director", "film by"]}\n'
    )
    assert resolved(tmp_path, lines, "overrides.jsonl") == yaml


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert resolved(tmp_path, "") == resolve(MENTIONS, SCHEMA)


def test_a_merge_record_names_what_an_override_needs(tmp_path: Path) -> None:
    (record,) = [one for one in resolve(MENTIONS, SCHEMA).merges if one.range == "person"]
    said = record.as_json()
    pair = f"['{said['into']}', '{said['from']}']"
    text = f"- kind: {said['kind']}\n  range: {said['range']}\n  keep_apart: {pair}\n"
    assert len(resolved(tmp_path, text).merges) == len(resolve(MENTIONS, SCHEMA).merges) - 1


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("- range: theme\n  merge: [revenge, vengence]\n", 1, "did you mean 'vengeance'?"),
        ("# why\n\n- range: persn\n  merge: [a, b]\n", 3, "did you mean 'person'?"),
        ("- merge: [director, sondtrack]\n", 1, "did you mean 'soundtrack'?"),
        ("- range: theme\n  keep_appart: [a, b]\n", 1, "did you mean 'keep_apart'?"),
        ("- range: theme\n  merge: [revenge]\n", 1, "two or more"),
        ("- range: theme\n  merge: revenge\n", 1, "two or more"),
        ("- range: theme\n", 1, "one of 'merge' and 'keep_apart'"),
        (
            "- merge: [director, theme]\n- range: theme\n  kind: relation\n  merge: [a, b]\n",
            2,
            "names their range",
        ),
        ("- kind: valeu\n  range: theme\n  merge: [a, b]\n", 1, "did you mean 'value'?"),
        ("- just text\n", 1, "not a mapping"),
        ("merge: [a, b]\n", 1, "not a list of entries"),
        ("- [unclosed\n", 2, "not YAML"),
        (
            "- {range: theme, merge: [revenge, vengeance]}\n"
            "- {range: theme, keep_apart: [revenge, vengeance]}\n",
            1,
            "both merged and kept apart",
        ),
    ],
)
def test_a_wrong_entry_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(UserError) as caught:
        resolved(tmp_path, text)
    assert caught.value.line == line
    assert caught.value.file == str(tmp_path / "overrides.yaml")
    assert says in str(caught.value)


def test_a_wrong_jsonl_line_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"overrides\.jsonl:2: not JSON"):
        resolved(
            tmp_path, '{"range": "theme", "merge": ["revenge", "vengeance"]}\n{"range"\n', "overrides.jsonl"
        )


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the overrides"):
        resolve(MENTIONS, SCHEMA, overrides=tmp_path / "nowhere.yaml")
