"""Prompts as files, and the search for quotes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgbuild.extract.llm.quotes import find_quote
from kgbuild.types import Item
from plugbase.errors import UserError
from prompts import load_prompt

LOCKED = {"extract_facts@1": "c1368458dfa08e0a2a23257a8ba4a5ba242a59dc9809c163c58a2282898f3548"}
"""A prompt that answers were paid for under never changes: write a new version instead."""


@pytest.mark.parametrize("name", LOCKED)
def test_a_version_never_changes(name: str) -> None:
    assert load_prompt(name).sha256 == LOCKED[name]


def test_slots_are_filled_once() -> None:
    prompt = load_prompt("extract_facts@1")
    system, user = prompt.messages(
        relations="- {{item}}", answer_format="{{relations}}", item='{"title": "{{x}}"}'
    )
    assert [system["role"], user["role"]] == ["system", "user"]
    assert user["content"] == '<item>{"title": "{{x}}"}</item>'
    assert "- {{item}}" in system["content"]
    assert "Slots:" not in system["content"]


def test_an_unknown_prompt_is_named() -> None:
    with pytest.raises(UserError, match=r"did you mean 'extract_facts@1'\?"):
        load_prompt("extract_fact@1")


@pytest.mark.parametrize(
    ("quote", "found"),
    [
        ("a tale of friendship", "A tale of\n friendship"),
        ('"A Tale of friendship."', "A tale of\n friendship"),
        ("Andy's toys", "Andy’s toys"),
        ("STRASSE", "Straße"),
        ("- and then -", "— and then —"),
        ("war", None),
        ("tale", "tale"),
        ("friend", None),
        ("a tale friendship", None),
        ("", None),
        ("...", None),
    ],
)
def test_quotes_are_found_whole_words_and_all(quote: str, found: str | None) -> None:
    item = Item("1", "Warsaw", "A tale of\n friendship. Andy’s toys in the Straße — and then — dust.")
    place = find_quote(item, quote)
    assert (None if place is None else item.description[place[1] : place[2]]) == found


def test_the_description_comes_before_the_title() -> None:
    assert find_quote(Item("1", "War", "A war."), "war") == ("description", 2, 5)
    assert find_quote(Item("1", "War", "A peace."), "war") == ("title", 0, 3)


@given(st.text(max_size=40), st.text(max_size=8))
def test_a_found_quote_says_what_was_asked(text: str, quote: str) -> None:
    place = find_quote(Item("1", "", text), quote)
    if place is not None:
        name, start, end = place
        assert name == "description"
        assert 0 <= start < end <= len(text)
        assert find_quote(Item("1", "", text[start:end]), quote) is not None
