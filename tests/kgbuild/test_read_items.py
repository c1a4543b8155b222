"""Records become items, or rejects with file, line, reason and value."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from kgbuild.read import ItemReader, Reject
from kgbuild.read.record import BadItem, item_of
from kgbuild.types import Item


def test_the_record_of_the_documentation() -> None:
    record = {
        "id": "1",
        "title": "Toy Story",
        "description": "A little boy named Andy ...",
        "category": "movie",
        "attributes": {"director": ["John Lasseter"], "genre": ["Animation", "Comedy"], "year": 1995},
    }
    attributes = {"director": ("John Lasseter",), "genre": ("Animation", "Comedy"), "year": (1995,)}
    expected = Item("1", "Toy Story", "A little boy named Andy ...", "movie", attributes)
    assert item_of(record) == (expected, [])


def test_unknown_keys_become_attributes_and_join_those_of_the_same_name() -> None:
    item, _ = item_of({"id": 1, "title": "A", "genre": "War", "attributes": {"genre": ["Drama", "War"]}})
    assert item.attributes == {"genre": ("Drama", "War")}


@pytest.mark.parametrize(
    ("given", "identifier"), [(7, "7"), (7.0, "7"), (" 007 ", " 007 "), (2**70, str(2**70))]
)
def test_ids_become_text(given: object, identifier: str) -> None:
    assert item_of({"id": given, "title": "A"})[0].id == identifier


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (True, ("true",)),
        (" War ", ("War",)),
        ("", ()),
        (None, ()),
        ([], ()),
        ([1, 1.0, 1, "1"], (1, 1.0, "1")),
        ("1995-11-22", (date(1995, 11, 22),)),
        ("1995-13-22", ("1995-13-22",)),
        (date(1995, 11, 22), (date(1995, 11, 22),)),
        (datetime(1995, 11, 22), (date(1995, 11, 22),)),
        (datetime(1995, 11, 22, 8), ("1995-11-22T08:00:00",)),
        (Decimal("7.00"), (7,)),
        (Decimal("7.25"), (7.25,)),
    ],
)
def test_attribute_values(value: object, kept: tuple[object, ...]) -> None:
    attributes = item_of({"id": 1, "title": "A", "attributes": {"x": value}})[0].attributes
    found = attributes.get("x", ())
    assert found == kept
    assert [type(each) for each in found] == [type(each) for each in kept]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ({"title": "A"}, "no id"),
        ({"id": None, "title": "A"}, "no id"),
        ({"id": True, "title": "A"}, "neither text nor a whole number"),
        ({"id": ["1"], "title": "A"}, "neither text nor a whole number"),
        ({"id": 1.5, "title": "A"}, "not a whole number"),
        ({"id": float("nan"), "title": "A"}, "not a whole number"),
        ({"id": " ", "title": "A"}, "the id is empty"),
        ({"id": "a\ud800", "title": "A"}, "half of a surrogate pair"),
        ({"id": 1}, "neither title nor description"),
        ({"id": 1, "title": " \n"}, "neither title nor description"),
        ({"id": 1, "descripton": "A boy"}, "did you mean 'description'?"),
        ({"id": 1, "Title": "A boy"}, "did you mean 'title'?"),
        ({"id": 1, "title": 1984}, "the title is not text"),
        ({"id": 1, "title": "A", "category": ["movie"]}, "the category is not text"),
        ({"id": 1, "title": "A", "attributes": ["movie"]}, "the attributes are not an object"),
        ({"id": 1, "title": "A", "attributes": "{movie"}, "the attributes are not a JSON object"),
        ({"id": 1, "title": "A", "attributes": {"size": {"x": 1}}}, "attribute 'size' is not text"),
        ({"id": 1, "title": "A", "attributes": {"size": [[1]]}}, "attribute 'size' is not text"),
        ({"id": 1, "title": "A", "attributes": {" ": 1}}, "an attribute has no name"),
        ({"id": 1, "title": "A", "price": float("nan")}, "attribute 'price' is not a finite number"),
        ({"id": 1, "title": "A", "price": float("inf")}, "attribute 'price' is not a finite number"),
        ({"id": 1, "title": "A", "price": b"1"}, "attribute 'price' is not text"),
    ],
)
def test_what_is_no_item(record: dict[str, object], reason: str) -> None:
    with pytest.raises(BadItem) as bad:
        item_of(record)
    assert reason in bad.value.reason
    assert len(bad.value.value) <= 200


def test_lone_surrogates_in_text_are_replaced_one_for_one() -> None:
    item, oddities = item_of({"id": 1, "title": "A\ud83d!", "mood\udc00": "sad\ud800"})
    assert item.title == "A\ufffd!"
    assert item.attributes == {"mood\ufffd": ("sad\ufffd",)}
    assert len(oddities) == 2


def test_near_misses_warn_and_related_words_do_not() -> None:
    assert item_of({"id": 1, "title": "A", "descripton": "B"})[1] == [
        "key 'descripton' was taken as an attribute; did you mean 'description'?"
    ]
    assert item_of({"id": 1, "title": "A", "attribute": "B"})[1]
    for key in ("subtitle", "director", "ids", "tile_size", "catalogue"):
        assert item_of({"id": 1, "title": "A", key: "B"})[1] == []
    assert item_of({"id": 1, "title": "A", "description": "B", "descripton": "C"})[1] == []


def test_attributes_of_parquet_maps_and_json_columns(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    kind = pyarrow.map_(pyarrow.string(), pyarrow.string())
    pairs = pyarrow.array([[("genre", "War")], None], kind)
    table = pyarrow.table({"id": [1, 2], "title": ["A", "B"], "attributes": pairs})
    parquet.write_table(table, tmp_path / "map.parquet")
    (_, first), (_, second) = ItemReader(tmp_path / "map.parquet")
    assert isinstance(first, Item)
    assert isinstance(second, Item)
    assert (first.attributes, second.attributes) == ({"genre": ("War",)}, {})
    (tmp_path / "json.csv").write_text('id,title,attributes,year\n007,1984,"{""genre"": ""War""}",1995\n')
    ((line, item),) = ItemReader(tmp_path / "json.csv")
    assert (line, item) == (2, Item("007", "1984", attributes={"genre": ("War",), "year": (1995,)}))


def test_every_bad_line_becomes_a_reject_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    lines = [
        json.dumps({"id": 1, "title": "A", "titel": "B"}),
        "{",
        json.dumps({"id": 2}),
        '{"id": 3, "title": "C"}',
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    reader = ItemReader(path)
    found = list(reader)
    assert [line for line, _ in found] == [1, 2, 3, 4]
    rejects = [item for _, item in found if isinstance(item, Reject)]
    assert [(reject.file, reject.line, reject.value) for reject in rejects] == [
        (str(path), 2, "{"),
        (str(path), 3, "2"),
    ]
    assert rejects[1].reason == "neither title nor description"
    assert set(rejects[0].as_json()) == {"file", "line", "reason", "value"}
    assert reader.warnings == {}
