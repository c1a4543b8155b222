"""The schema of relations, as kgbuild brings it and as a user may write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgbuild.schema import load_schema
from plugbase.errors import UserError


def test_our_own_schema() -> None:
    schema = load_schema()
    assert schema.relations["actor"].range == schema.relations["director"].range == "person"
    assert schema.range_of("mood") == "mood"
    assert schema.range_of("something else") == "something else"
    assert "directed by" in schema.relations["director"].wordings
    for spec in schema.relations.values():
        assert spec.definition
    wordings = [wording for spec in schema.relations.values() for wording in (spec.name, *spec.wordings)]
    assert len(wordings) == len(set(wordings)), "a wording that stands for two relations stands for neither"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("relations: [", "items.yaml:1: the schema is not YAML"),
        ("relations: 3", "has no 'relations'"),
        ("[]", "has no 'relations'"),
        ("version: 2\nrelations: {}", "schema version 2 is not known"),
        ("extends: ours\nrelations: {}", "extends 'ours' is not known"),
        ("relations: {mood: the tone}", "relation 'mood' has no definition"),
        ("relations: {mood: {definition: the tone, wording: [tone]}}", "did you mean 'wordings'"),
        ("relations: {mood: {definition: the tone, wordings: tone}}", "not a list of texts"),
        ("relations: {mood: {definition: the tone, range: [a]}}", "range of relation 'mood' is not text"),
    ],
)
def test_what_is_wrong_with_a_schema(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "items.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_schema(path)


def test_a_schema_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        load_schema(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"version: \xe9")
    with pytest.raises(UserError, match="not UTF-8"):
        load_schema(tmp_path / "latin.yaml")


def test_a_schema_that_extends_ours(tmp_path: Path) -> None:
    path = tmp_path / "more.yaml"
    path.write_text(
        "extends: default\n"
        "relations:\n"
        "  grape: {definition: the grape that the wine is made from, wordings: [varietal]}\n"
        "  mood: {definition: how it feels, wordings: [vibe]}\n",
        encoding="utf-8",
    )
    ours, more = load_schema(), load_schema(path)
    assert set(more.relations) == {*ours.relations, "grape"}
    assert more.relations["theme"] == ours.relations["theme"]
    assert more.relations["mood"].definition == "how it feels"
    assert more.relations["mood"].wordings == (*ours.relations["mood"].wordings, "vibe")


def test_a_schema_alone_replaces_ours(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("relations: {grape: {definition: the grape}}", encoding="utf-8")
    assert set(load_schema(path).relations) == {"grape"}
