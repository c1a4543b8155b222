"""Series that only several titles together show: what is linked, what is not, and that order plays no part."""

from __future__ import annotations

import random

import pytest

from kgbuild.extract.siblings import FIRST, FOLLOWING, sibling_mentions
from kgbuild.types import Item, Mention


def _item(title: str, *people: str, category: str = "movie") -> Item:
    return Item(f"{title}/{category}", title, "", category, {"actor": people} if people else {})


def _numbered(title: str, name: str, *people: str) -> tuple[Item, list[Mention]]:
    item = _item(title, *people)
    mention = Mention(
        item.id, "series", name, 0.9, "local:numbered-title@1", "title", 0, len(name), name, "series"
    )
    return item, [mention]


def _linked(rows: list[tuple[Item, list[Mention]]]) -> dict[str, tuple[object, float]]:
    found = sibling_mentions(lambda: iter(rows))
    return {item.title: (m.value, m.confidence) for item, _ in rows if (m := found.get(item.id))}


# Values that many items share bear out nothing; a catalogue of three has no such thing as many.
_OTHERS = [(_item(f"Quite {word} another thing", "Someone"), []) for word in "abcdefghij"]


def test_the_first_of_a_numbered_series_is_linked_without_further_evidence() -> None:
    rows = [(_item("The Long Dive"), []), _numbered("The Long Dive 2", "The Long Dive"), *_OTHERS]
    assert _linked(rows) == {"The Long Dive": ("The Long Dive", FIRST)}


def test_an_item_of_another_category_is_not_the_first() -> None:
    rows = [(_item("The Long Dive", category="book"), []), _numbered("The Long Dive 2", "The Long Dive")]
    assert _linked(rows) == {}


@pytest.mark.parametrize(
    ("title", "value"),
    [("Harrow: The Return", "Harrow"), ("Long Harrow Rising", None), ("Harrow Rides Again", None)],
)
def test_one_shared_value_bears_out_a_head_before_a_colon_but_no_single_word(
    title: str, value: str | None
) -> None:
    rows = [(_item("Harrow", "Ann Orr"), []), (_item(title, "Ann Orr"), []), *_OTHERS]
    expected = {"Harrow": (value, FOLLOWING), title: (value, FOLLOWING)} if value else {}
    assert {k: v for k, v in _linked(rows).items() if k == title} == {
        k: v for k, v in expected.items() if k == title
    }


def test_two_shared_values_bear_out_a_single_word() -> None:
    rows = [
        (_item("Harrow", "Ann Orr", "Bo Lind"), []),
        (_item("Harrow Rides Again", "Bo Lind", "Ann Orr"), []),
        *_OTHERS,
    ]
    assert _linked(rows)["Harrow Rides Again"] == ("Harrow", FOLLOWING)


def test_titles_that_begin_alike_and_share_nothing_rare_are_no_series() -> None:
    rows = [(_item("Harrow: One Day", "Someone"), []), (_item("Harrow: Two Days", "Someone"), []), *_OTHERS]
    assert _linked(rows) == {}


def test_the_quote_is_the_beginning_of_the_title_and_articles_do_not_count() -> None:
    rows = [
        (_item("The Salt Family", "Ann Orr"), []),
        (_item("Salt Family Values", "Ann Orr"), []),
        (_item("Salt Family, The (1950)", "Ann Orr"), []),
        *_OTHERS,
    ]
    found = sibling_mentions(lambda: iter(rows))
    for item, _ in rows[:3]:
        mention = found[item.id]
        assert mention.start == 0
        assert item.title[: mention.end] == mention.quote == mention.value
    assert found[rows[2][0].id].value == "Salt Family"


def test_an_item_with_a_series_of_its_own_keeps_that_alone() -> None:
    rows = [_numbered("Long Dive 2", "Long Dive", "Ann Orr"), (_item("Long Dive: Home", "Ann Orr"), [])]
    assert set(_linked(rows)) == {"Long Dive: Home"}


def test_order_plays_no_part() -> None:
    rows = [
        (_item("Harrow", "Ann Orr"), []),
        (_item("Harrow: The Return", "Ann Orr"), []),
        (_item("Harrow: The End", "Ann Orr", "Bo Lind"), []),
        _numbered("Harrow 4", "Harrow", "Bo Lind"),
        *_OTHERS,
    ]
    expected = _linked(rows)
    assert expected
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        assert _linked(rows) == expected
