"""Pairs of labels that tempt resolution, one by one: those that must stay apart and those that must meet."""

from __future__ import annotations

import pytest

from kgbuild.resolve import resolve
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention

SCHEMA = load_schema()

APART = """
series | Vol. 1 | Vol. 2
series | Part II | Part III
series | Volume One | Volume Two
series | Rocky | Rocky II
series | Season 1 | Season 11
series | First Edition | Second Edition
product | iPhone 15 | iPhone 15 Pro
product | iPhone 15 Pro | iPhone 15 Pro Max
product | Galaxy S21 | Galaxy S22
product | Galaxy S21 | Galaxy M21
product | PlayStation 4 | PlayStation 5
product | Kindle | Kindle Paperwhite
product | iPad Air | iPad Mini
feature | 5 GHz | 2.4 GHz
feature | 5 GHz | 5 MHz
feature | 16 GB | 16 MB
feature | 10 cm | 10 inch
feature | 1 1 | 11
feature | -5 | 5
feature | C | C++
feature | C++ | C#
feature | Hardcover edition | Paperback edition
feature | extended edition | special edition
feature | vegan | non-vegan
feature | vegan | vegetarian
feature | sugar | sugar-free
feature | not able | notable
feature | wired | wireless
feature | indoor use | outdoor use
feature | left-handed | right-handed
feature | single player | multiplayer
feature | fiction | non-fiction
feature | dairy | diary
theme | desert | dessert
theme | immoral | immortal
theme | moral | amoral
theme | hunter | hunt
theme | grumpy old men | grumpier old men
theme | war | peace
theme | friendship | friendlessness
theme | small town | small desert town
theme | dictator | anti-dictator
character | boy | girl
character | hero | anti-hero
character | hero | antihero
character | mother | father
character | young woman | old woman
character | black cat | white cat
period | World War I | World War II
period | 19th century | 18th century
period | summer | winter
period | 1980s | 1990s
setting | North Korea | South Korea
setting | Slovenia | Slovakia
setting | Austria | Australia
setting | Iran | Iraq
setting | haunted house | haunted mansion
setting | Niger | Nigeria
made_of | glass | glasses
made_of | silver | sliver
brand | Philips | Phillips
brand | Canon | Cannon
based_on | Alien | Aliens
based_on | The Shining | The Shining Hour
based_on | Toy Story 2 | Toy Story 3
based_on | The Boys | Boys
based_on | The Secret Agent | Secret Agent
actor | John Smith Jr. | John Smith
actor | John Smith Jr. | John Smith Sr.
actor | Paul Anderson | Paul Andersen
actor | Paul Thomas Anderson | Paul W. S. Anderson
actor | Michael Jordan | Michael B. Jordan
actor | Christian Bale | Christina Bale
actor | Daniel Craig | Daniela Craig
actor | Jane Austen | June Austen
actor | Eric Roberts | Erik Roberts
actor | J. Smith | K. Smith
actor | Harrison Ford | Henry Ford
actor | Ethan Coen | Joel Coen
actor | Elizabeth I | Elizabeth II
"""

TOGETHER = """
theme | Friendship | friendship
theme | friendships | friendship
theme | toy rivalry | rivalry of toys
theme | adolescense | adolescence
theme | coming-of-age | coming of age
theme | the sea | sea
feature | Wi-Fi | wifi
feature | 5GHz | 5 GHz
feature | non-fiction | nonfiction
feature | rock & roll | rock and roll
feature | water-proof | waterproof
setting | Málaga | Malaga
setting | USA | United States
setting | the moon | Moon
period | World War II | World War Two
period | Second World War | World War 2
period | nineteenth century | 19th century
series | Volume 2 | Vol. II
series | Rocky II | Rocky 2
series | The Lord of the Rings | Lord of the Rings, The
brand | The North Face | North Face
mood | humour | humor
genre | sci-fi | Science Fiction
character | detectives | detective
character | police officers | police officer
character | serial killer | serial murderer
audience | teens | teenagers
audience | kids | children
used_for | travelling | traveling
actor | John Lasseter | J. Lasseter
actor | Lasseter, John | John Lasseter
actor | Samuel L Jackson | Samuel L. Jackson
actor | J.R.R. Tolkien | John Ronald Reuel Tolkien
director | Quentin Tarantino | Quentin Tarrantino
director | Steven Spielberg | Steven Speilberg
director | Pedro Almodóvar | pedro almodovar
"""


def pairs(table: str) -> list[tuple[str, str, str]]:
    rows = [line.split(" | ") for line in table.strip().splitlines()]
    return [(relation, first, second) for relation, first, second in rows]


def canonical(relation: str, *values: str, catalogue: tuple[str, ...] = ()) -> list[str]:
    """The label under which each value ends, the values of `catalogue` given by the catalogue."""
    mentions = [
        Mention(str(n), relation, value, 1.0 if value in catalogue else 0.5, source)
        for n, value in enumerate(values)
        for source in [CATALOGUE if value in catalogue else "test"]
    ]
    facts = {fact.mention.item: fact.value for fact in resolve(mentions, SCHEMA).facts}
    return [str(facts[str(n)]) for n in range(len(values))]


@pytest.mark.parametrize(("relation", "first", "second"), pairs(APART))
def test_tempting_pair_stays_apart(relation: str, first: str, second: str) -> None:
    assert canonical(relation, first, second) == [first, second]
    assert canonical(relation, first, second, catalogue=(first,)) == [first, second]


@pytest.mark.parametrize(("relation", "first", "second"), pairs(TOGETHER))
def test_same_value_meets(relation: str, first: str, second: str) -> None:
    one, other = canonical(relation, first, second)
    assert one == other
    assert canonical(relation, first, second, catalogue=(first,)) == [first, first]


@pytest.mark.parametrize(("relation", "first", "second"), pairs(TOGETHER))
def test_catalogue_labels_meet_by_their_letters_alone(relation: str, first: str, second: str) -> None:
    from kgbuild.resolve.text import compact_form

    one, other = canonical(relation, first, second, catalogue=(first, second))
    assert (one == other) == (compact_form(first) == compact_form(second))


def test_initials_that_fit_two_names_fit_none() -> None:
    names = ["John Lasseter", "Jane Lasseter", "J. Lasseter"]
    assert canonical("director", *names) == names
    middle = ["John Lasseter", "John A. Lasseter", "J. Lasseter"]
    assert canonical("director", *middle) == middle


def test_initials_meet_the_one_name_that_two_misspellings_lead_to() -> None:
    found = canonical(
        "director", "Quentin Tarantino", "Quentin Tarantino", "Qeuntin Tarantino", "Q. Tarantino"
    )
    assert set(found) == {"Quentin Tarantino"}


def test_no_chain_of_merges() -> None:
    """Each label is one slip from the next: the ends, two slips apart, are not one value."""
    labels = ["Abernathyson", "Abernatyson", "Aberntyson"]
    found = canonical("theme", "Abernathyson", *labels)
    assert found[1] == "Abernathyson"
    assert found[3] == "Aberntyson"


def test_identity_is_scoped_by_range() -> None:
    mentions = [Mention("1", "brand", "Apple", 0.9, "t"), Mention("1", "flavour", "apple", 0.9, "t")]
    facts = resolve(mentions, SCHEMA).facts
    assert {(fact.range, fact.value) for fact in facts} == {("brand", "Apple"), ("flavour", "apple")}


def test_relations_of_one_range_share_values() -> None:
    mentions = [
        Mention("1", "actor", "Clint Eastwood", 0.9, "t"),
        Mention("1", "director", "clint eastwood", 0.9, "t"),
    ]
    facts = resolve(mentions, SCHEMA).facts
    assert {(fact.relation, fact.value) for fact in facts} == {
        ("actor", "Clint Eastwood"),
        ("director", "Clint Eastwood"),
    }
