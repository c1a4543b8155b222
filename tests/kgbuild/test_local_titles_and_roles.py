"""Series out of numbered titles, and sources out of the roles behind names."""

from __future__ import annotations

import pytest

from kgbuild.extract.local.roles import mentions_from_roles, source_kind
from kgbuild.extract.local.times import century_label
from kgbuild.extract.local.titles import series_in_title
from kgbuild.types import Item


@pytest.mark.parametrize(
    ("title", "series"),
    [
        ("Star Trek III: The Search for Spock", "Star Trek"),
        ("Rocky II", "Rocky"),
        ("Scream 3", "Scream"),
        ("Friday the 13th Part VI: Jason Lives", "Friday the 13th"),
        ("The Karate Kid, Part II", "The Karate Kid"),
        ("Father of the Bride Part II", "Father of the Bride"),
        ("Catching Fire (The Hunger Games, #2)", "The Hunger Games"),
        ("Star Wars: Episode IV - A New Hope", "Star Wars"),
        ("Kill Bill: Vol. 2", "Kill Bill"),
        ("Saga, Volume Three", "Saga"),
    ],
)
def test_numbered_titles_name_their_series(title: str, series: str) -> None:
    found = series_in_title(title, "work")
    assert found is not None
    assert title[found[0] : found[1]] == series


@pytest.mark.parametrize(
    "title",
    [
        "Apollo 13",
        "Henry V",
        "Malcolm X",
        "Se7en",
        "Toy Story",
        "Alien: Covenant",
        "2001",
        "12 Angry Men",
        "District 9",
    ],
)
def test_numbers_that_belong_to_the_name_are_no_series(title: str) -> None:
    assert series_in_title(title, "work") is None


def test_a_products_model_number_is_no_series() -> None:
    assert series_in_title("Aerolite Fan 3", "product") is None


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        ("book", "book"),
        ("novel", "novel"),
        ("based on the novel by", "novel"),
        ("play", "play"),
        ("characters", "characters"),
        ("character created by: Superman", "characters"),
        ("comic book", "comic book"),
        ('short story "Children of the Corn"', "short story"),
        ("from a story by", "story"),
        ("screenplay", None),
        ("screen play by", None),
        ("story", None),
        ("original story by", None),
        ("additional dialogue", None),
    ],
)
def test_roles_that_name_a_source(role: str, kind: str | None) -> None:
    assert source_kind(role) == kind


def test_credits_with_a_source_role_become_mentions_without_a_place() -> None:
    item = Item(
        "2",
        attributes={
            "writer": (
                "Jonathan Hensleigh (screenplay)",
                "Chris Van Allsburg (book)",
                'A. B. (short story "Rain")',
            ),
            "year": (1995,),
        },
    )
    ranges = {"source_author": "person", "based_on": "work"}
    found = {(m.relation, m.value, m.range, m.field, m.start) for m in mentions_from_roles(item, ranges)}
    assert found == {
        ("source_author", "Chris Van Allsburg", "person", None, None),
        ("based_on", "book", "work", None, None),
        ("source_author", "A. B.", "person", None, None),
        ("based_on", "Rain", "work", None, None),
    }
    assert mentions_from_roles(item, {}) == []


@pytest.mark.parametrize(
    ("words", "label"),
    [("nineteenth-century", "19th century"), ("21st-century", "21st century"), ("12th century", None)],
)
def test_centuries_come_under_one_label(words: str, label: str | None) -> None:
    assert century_label(words) == label
