"""The numbers of the report against graphs small enough to count by hand, and the words made of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from made_graph import made

from kgbuild.report import graph_numbers, items_met
from kgbuild.report.doubts import read_merges, suspicious
from kgbuild.report.facts import read_facts
from kgbuild.report.numbers import Numbers, entropy, hub_above
from kgbuild.report.verdict import percent
from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention, Scalar
from kgbuild.write import OutputPaths, write_graph
from plugbase.errors import UserError

Row = tuple[str, str, Scalar, str]


def written(folder: Path, n_items: int, rows: list[Row]) -> Path:
    """A graph of `n_items` items "0", "1", ... with the given (item, relation, value, source)."""
    people = ("actor", "director")
    facts = [
        Fact(
            Mention(item, relation, value, 1.0 if source == CATALOGUE else 0.55, source),
            relation,
            value,
            "person" if relation in people else relation,
        )
        for item, relation, value, source in rows
    ]
    items = sorted((Item(str(n), f"Item {n}") for n in range(n_items)), key=lambda item: item.id)
    write_graph(items, Resolution(facts=facts), OutputPaths(folder / "graph.ttl"))
    return folder / "graph.ttl"


@pytest.fixture
def counted(tmp_path: Path) -> Path:
    """Ten items. A hub on all; "Ann" acts in 0 and directs 1; "sea" (text) ties 1 and 2; 3 has a value alone;
    4 and 5 share a year only; 6 to 9 have the hub alone."""
    rows: list[Row] = [(str(n), "category", "film", CATALOGUE) for n in range(10)]
    rows += [("0", "actor", "Ann", CATALOGUE), ("1", "director", "Ann", CATALOGUE)]
    rows += [("0", "director", "Ann", CATALOGUE), ("3", "actor", "Bob", CATALOGUE)]
    rows += [("1", "theme", "sea", "local:x@1"), ("2", "theme", "sea", "local:x@1")]
    rows += [("4", "year", 1995, CATALOGUE), ("5", "year", 1995, CATALOGUE)]
    return written(tmp_path, 10, rows)


def test_values_and_ties_are_counted(counted: Path) -> None:
    n = graph_numbers(counted)
    assert (n["items"], n["facts"], n["relations"], n["values"]) == (10, 18, 5, 4)
    assert (n["facts_from_catalogue"], n["facts_from_text"], n["facts_with_numbers_or_dates"]) == (16, 2, 2)
    assert n["hub_above"] == 4
    assert (n["values_on_one_item"], n["values_that_tie"], n["values_that_are_hubs"]) == (1, 2, 1)
    assert n["hubs"] == [{"value": "film", "range": "category", "items": 10}]
    assert [(view["facts"], view["items"], view["share"]) for view in n["tied"]] == [
        ("whole graph", 3, 0.3),
        ("catalogue alone", 2, 0.2),
        ("text alone", 2, 0.2),
    ]
    assert n["ties_an_item"]["bins"] == [
        {"from": 0, "to": 0, "items": 7},
        {"from": 1, "to": 1, "items": 2},
        {"from": 2, "to": 2, "items": 1},
    ]
    assert n["facts_an_item"]["mean"] == 1.8
    assert n["cold_items"] is None


def test_cold_items_are_tied_to_met_ones_only_through_shared_values(counted: Path, tmp_path: Path) -> None:
    table = tmp_path / "interactions.csv"
    table.write_text("user_id,item_id\nu,0\nu,3\nv,0\nv,elsewhere\n", encoding="utf-8")
    n = graph_numbers(counted, table)
    assert (n["cold_items"], n["warm_items"]) == (8, 2)
    whole = n["tied"][0]
    # 1 and 2 are cold and tied; only 1 is tied to an item with interactions, 0
    assert (whole["cold_items"], whole["cold_to_warm_items"], whole["cold_to_warm_share"]) == (2, 1, 0.125)


def test_relations_are_ordered_and_described(counted: Path) -> None:
    rows = {row["relation"]: row for row in graph_numbers(counted)["by_relation"]}
    assert list(rows) == ["category", "actor", "director", "theme", "year"]
    assert rows["category"]["entropy"] == 0.0
    assert rows["category"]["facts_on_hubs"] == 10
    assert (rows["actor"]["values"], rows["actor"]["shared_values"], rows["actor"]["entropy"]) == (2, 0, 1.0)
    assert (rows["theme"]["from_text"], rows["theme"]["mean_confidence"]) == (2, 0.55)
    assert [row["part"] for row in rows.values()] == ["head", "head", "head", "head", "tail"]


@pytest.mark.parametrize(
    ("counts", "bits"), [([], 0), ([7], 0), ([1, 1], 1), ([2, 2, 2, 2], 2), ([1, 3], 0.8113)]
)
def test_entropy(counts: list[int], bits: float) -> None:
    assert entropy(counts) == bits
    assert entropy(np.array(counts, np.int32)) == bits


@pytest.mark.parametrize(("items", "above"), [(1, 4), (40, 4), (50, 5), (225, 22), (1000, 100)])
def test_a_hub_is_on_more_than_a_tenth(items: int, above: int) -> None:
    assert hub_above(items) == above


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.004, "under 1 %"), (0.5, "50 %"), (0.996, "over 99 %"), (1, "100 %"), (None, "–")],
)
def test_percent_never_rounds_some_to_none(share: float | None, text: str) -> None:
    assert percent(share) == text


def test_the_verdict_says_what_the_numbers_say(counted: Path) -> None:
    said = graph_numbers(counted)["verdict"]
    assert "of little use" in said
    assert "3 of 10 items (30 %)" in said
    assert "the texts tie 1 more" in said
    assert "'category'" in said
    assert "\n" not in said


def test_the_verdict_follows_the_share(tmp_path: Path) -> None:
    rows: list[Row] = [(str(n), "theme", f"pair {n // 2}", CATALOGUE) for n in range(20)]
    assert "should be of use" in graph_numbers(written(tmp_path, 20, rows))["verdict"]
    assert "of some use" in graph_numbers(written(tmp_path, 30, rows))["verdict"]
    assert "of little use" in graph_numbers(written(tmp_path, 50, rows))["verdict"]


def test_a_graph_with_nothing_in_it_is_not_judged(tmp_path: Path) -> None:
    assert "nothing to judge" in graph_numbers(written(tmp_path, 1, []))["verdict"]
    assert "nothing to judge" in graph_numbers(written(tmp_path, 3, []))["verdict"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Numbers:
    return graph_numbers(made(5000, tmp_path_factory.mktemp("made")))


def test_the_least_and_most_certain_are_the_extremes_and_varied(large: Numbers) -> None:
    least, most = large["certainty"]["least"], large["certainty"]["most"]
    assert len(least) == len(most) == 10
    assert max(row["confidence"] for row in least) < 0.55
    assert min(row["confidence"] for row in most) > 0.95
    for rows in (least, most):
        names = [row["relation"] for row in rows]
        assert max(names.count(name) for name in names) <= 2
        assert all(row["quote"] and (row["before"] or row["after"]) for row in rows)
    assert sum(one["facts"] for one in large["certainty"]["bins"]) == large["facts_from_text"]


def test_counts_agree_with_each_other(large: Numbers) -> None:
    assert sum(row["facts"] for row in large["by_relation"]) == large["facts"] == 5000
    assert sum(one["items"] for one in large["facts_an_item"]["bins"]) == large["items"]
    parts = ("values_on_one_item", "values_that_tie", "values_that_are_hubs")
    assert sum(large[name] for name in parts) == large["values"]
    json.dumps(large, allow_nan=False)


def test_suspicious_merges_come_lowest_first_and_numbers_apart(counted: Path, tmp_path: Path) -> None:
    path = tmp_path / "graph.merges.jsonl"
    merges = [
        {"kind": "value", "range": "theme", "from": "ocean", "into": "sea", "score": 0.8, "reason": "a"},
        {"kind": "value", "range": "theme", "from": "Sea", "into": "sea", "score": 1.0, "reason": "b"},
        {
            "kind": "value",
            "range": "series",
            "from": "Part 2",
            "into": "Part 3",
            "score": 0.99,
            "reason": "c",
        },
        {"kind": "relation", "range": "", "from": "about", "into": "theme", "score": 0.7, "reason": "d"},
    ]
    path.write_text("".join(json.dumps(merge) + "\n" for merge in merges), encoding="utf-8")
    found = suspicious(read_facts(counted), read_merges(path))
    assert (found["values"], found["relations"], found["spelling_alone"]) == (3, 1, 1)
    assert [merge["from"] for merge in found["lowest"]] == ["about", "ocean", "Part 2"]
    assert [merge["from"] for merge in found["numbers_shown"]] == ["Part 2"]
    assert "1 merge joins labels with different numbers" in graph_numbers(counted)["verdict"]


def test_a_broken_merge_is_named_with_its_line(counted: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.merges.jsonl").write_text('{"kind": "value"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"merges\.jsonl:1"):
        graph_numbers(counted)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("user_id,item_id\n", "no rows"),
        ("user,item\nu,1\n", "no item_id"),
        ("user_id,item_id\nu,x\n", "none"),
    ],
)
def test_interactions_that_say_nothing_are_errors(
    counted: Path, tmp_path: Path, text: str, reason: str
) -> None:
    table = tmp_path / "interactions.csv"
    table.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=reason):
        graph_numbers(counted, table)


def test_ids_that_look_like_numbers_are_texts(tmp_path: Path) -> None:
    table = tmp_path / "interactions.csv"
    table.write_text("user_id,item_id\nu,007\n", encoding="utf-8")
    assert items_met(table).items == {"007"}
