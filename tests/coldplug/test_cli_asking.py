"""How a user, a support and item ids are written on the command line, and what is said about slips."""

from __future__ import annotations

import doctest

import pytest

from coldplug.cli import asking
from coldplug.cli.asking import parse_support, parse_user, shown, split_ids
from plugbase.errors import UserError


def test_the_examples_in_the_docstrings() -> None:
    found = doctest.testmod(asking)
    assert found.attempted >= 3
    assert found.failed == 0


def test_attributes_as_they_stand_in_a_users_file() -> None:
    assert parse_user(["age=25", "zip=02139", "motto=a=b", "note="]) == {
        "age": "25",
        "zip": "02139",
        "motto": "a=b",
        "note": "",
    }
    assert parse_user([]) == {}
    assert parse_user(['{"age": 25, "likes": ["film", "books"], "zip": null}']) == {
        "age": 25,
        "likes": ["film", "books"],
        "zip": None,
    }
    assert parse_user(["likes=film", "likes=books|games"]) == {"likes": ["film", "books", "games"]}


@pytest.mark.parametrize("text", ["25", "=25", "{age: 25}", '{"age": 25', ""])
def test_a_user_that_is_neither_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError) as refused:
        parse_user([text])
    assert repr(text) in refused.value.message
    assert refused.value.mend


def test_supports() -> None:
    assert parse_support(["260=5, 1196=3.5", "50"]) == [("260", 5.0), ("1196", 3.5), "50"]
    # only a number behind the last equals sign is a rating
    assert parse_support(["sku=ab", "sku=ab=4"]) == ["sku=ab", ("sku=ab", 4.0)]
    assert parse_support(['["1196", 7, ["a,b", 4]]']) == ["1196", "7", ("a,b", 4.0)]


@pytest.mark.parametrize(
    "text", ["", "1,,2", "1,", "[1", "[[1, 2, 3]]", '[["1", "5"]]', "[true]", "[[1, true]]"]
)
def test_a_support_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(UserError):
        parse_support([text])


def test_ids() -> None:
    assert split_ids(["1, 50,", "x", '["a,b", 3]']) == ["1", "50", "x", "a,b", "3"]
    with pytest.raises(UserError):
        split_ids(["["])


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert shown("Amélie ♥") == "Amélie ♥"
    assert shown("a\x1b[31mb\n") == "a\\x1b[31mb\\n"
