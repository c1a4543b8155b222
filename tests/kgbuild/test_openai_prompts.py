"""Prompts as files, and the search for quotes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import prompts
from kgbuild.extract.llm import StatedFact
from kgbuild.extract.llm.answers import Checker
from kgbuild.extract.llm.quotes import find_quote
from kgbuild.schema import load_schema
from kgbuild.types import Item
from plugbase.errors import UserError
from prompts import load_prompt

LOCKED = {
    "extract_facts@1": "c1368458dfa08e0a2a23257a8ba4a5ba242a59dc9809c163c58a2282898f3548",
    "extract_facts@2": "d0e8a0e2f674df97ee9dbc4fbaf04aa211d229bc8b6f210934bafe63fd6c77de",
}
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


def test_every_prompt_is_locked() -> None:
    assert {path.stem for path in Path(prompts.__file__).parent.glob("*@*.md")} == set(LOCKED)


def test_the_worked_example_of_the_prompt_is_an_answer_as_it_is_read() -> None:
    parts = load_prompt("extract_facts@2").messages(relations="", answer_format="", items="")
    assert [part["role"] for part in parts] == ["system", "user", "assistant", "user"]
    asked = [json.loads(line) for line in parts[1]["content"].splitlines()[1:-1]]
    for item, answer in zip(asked, json.loads(parts[2]["content"])["answers"], strict=True):
        assert answer["item"] == item["item"]
        facts = [StatedFact(*fact) for fact in answer["facts"]]
        given = Item("x", item["title"], item["description"])
        mentions, dropped = Checker(load_schema(), "x").mentions(given, facts)
        assert len(mentions) == len(facts)
        assert not dropped


def test_an_unknown_prompt_is_named() -> None:
    with pytest.raises(UserError, match=r"did you mean 'extract_facts@[12]'\?"):
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


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=40), st.text(max_size=8))
def test_a_found_quote_says_what_was_asked(text: str, quote: str) -> None:
    place = find_quote(Item("1", "", text), quote)
    if place is not None:
        name, start, end = place
        assert name == "description"
        assert 0 <= start < end <= len(text)
        assert find_quote(Item("1", "", text[start:end]), quote) is not None
