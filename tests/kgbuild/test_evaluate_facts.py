"""The scorer against cases worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgbuild.evaluate import GoldFact, GoldItem, load_gold, normalise, score_facts
from kgbuild.types import Item, Mention
from plugbase.errors import UserError

GOLD = [
    GoldItem(
        Item("1", category="movie"),
        (
            GoldFact("setting", "small fishing town", ("fishing town",)),
            GoldFact("period", "WWII"),
            GoldFact("theme", "grief"),
        ),
    ),
    GoldItem(
        Item("2", category="product"), (GoldFact("made_of", "oak"), GoldFact("feature", "12-hour battery"))
    ),
]


def said(item: str, relation: str, value: str, quote: str | None = None) -> Mention:
    return Mention(item, relation, value, 0.5, "test", quote=quote)


def test_counts_precision_and_recall_by_relation_and_category() -> None:
    table = score_facts(
        [
            said("1", "setting", "the Fishing Towns"),
            said("1", "theme", "revenge"),
            said("2", "made_of", "Oak"),
            said("2", "genre", "Furniture"),
            said("9", "theme", "grief"),
        ],
        GOLD,
    )
    assert (table.overall.right, table.overall.wrong, table.overall.missed) == (2, 1, 3)
    assert table.overall.precision == pytest.approx(2 / 3)
    assert table.overall.recall == pytest.approx(2 / 5)
    assert table.overall.f1 == pytest.approx(0.5)
    assert table.by_relation["theme"].as_json() == {
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
        "right": 0,
        "wrong": 1,
        "missed": 1,
    }
    assert table.by_category["product"].precision == 1.0
    assert list(table.wrong) == [("1", "theme", "revenge")]
    assert ("2", "feature", "12-hour battery") in table.missed


def test_the_relation_must_be_the_labels_own() -> None:
    table = score_facts([said("1", "theme", "fishing town")], GOLD)
    assert (table.overall.right, table.overall.wrong) == (0, 1)


def test_a_label_is_met_once_and_a_repeated_prediction_counts_once() -> None:
    table = score_facts(
        [
            said("1", "setting", "fishing town"),
            said("1", "setting", "small fishing town"),
            said("1", "theme", "love"),
            said("1", "theme", "the love"),
        ],
        GOLD,
    )
    assert (table.overall.right, table.overall.wrong) == (1, 1)


def test_a_canonical_value_is_right_only_by_its_quote() -> None:
    predicted = [said("1", "period", "World War II", quote="WWII")]
    assert score_facts(predicted, GOLD).overall.right == 0
    assert score_facts(predicted, GOLD, accept_quotes=True).overall.right == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("the lighthouse keepers", "Lighthouse keeper"),
        ("12-hour battery", "12 hour batteries"),
        ("watches", "watch"),
        ("children", "a child"),
        ("Pride and Prejudice", "pride and prejudice"),
    ],
)
def test_forms_that_count_as_the_same(left: str, right: str) -> None:
    assert normalise(left) == normalise(right)


@pytest.mark.parametrize(
    ("left", "right"), [("bus", "bu"), ("Vol. 1", "Vol. 2"), ("glass", "glas"), ("C++", "C")]
)
def test_forms_that_stay_apart(left: str, right: str) -> None:
    assert normalise(left) != normalise(right)


def test_no_prediction_and_no_label_give_zeros_not_errors() -> None:
    table = score_facts([], [GoldItem(Item("1"), ())])
    assert table.overall.as_json()["f1"] == 0.0
    assert "all" in table.as_text()


def test_gold_is_read_with_its_accepted_wordings(tmp_path: Path) -> None:
    row = {
        "id": "g1",
        "title": "T",
        "description": "D",
        "category": "movie",
        "attributes": {"year": 1990},
        "facts": [{"relation": "theme", "value": "grief", "accept": ["loss"]}],
    }
    file = tmp_path / "gold.jsonl"
    file.write_text(json.dumps(row) + "\n\n", encoding="utf-8")
    [entry] = load_gold([file])
    assert entry.facts == (GoldFact("theme", "grief", ("loss",)),)
    assert entry.item.attributes == {"year": (1990,)}


def test_a_line_that_is_no_labelled_item_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gold.jsonl"
    file.write_text('{"id": "1", "facts": []}\n{"id": "2"}\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"gold\.jsonl:2: not a labelled item"):
        load_gold([file])
