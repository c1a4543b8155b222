"""What comes out of resolution: one fact a triple, its evidence, typed values, speed."""

from __future__ import annotations

import time
from datetime import date

from kgbuild.resolve import resolve
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention

SCHEMA = load_schema()


def test_one_fact_a_triple_with_the_best_evidence() -> None:
    weak = Mention("1", "theme", "Friendship", 0.4, "local:a@1", "description", 3, 13, "friendship")
    strong = Mention("1", "is about", "friendship", 0.9, "local:b@1", "title", 0, 10, "friendship")
    (fact,) = resolve([weak, strong], SCHEMA).facts
    assert fact.mention == strong
    assert (fact.relation, fact.value, fact.range) == ("theme", "Friendship", "theme")


def test_the_catalogue_comes_before_a_surer_reading() -> None:
    read = Mention("1", "director", "John Lasseter", 1.0, "aaa:x@1", "description", 0, 13, "John Lasseter")
    stated = Mention("1", "director", "John Lasseter", 1.0, CATALOGUE)
    (fact,) = resolve([read, stated], SCHEMA).facts
    assert fact.mention == stated


def test_ties_are_settled_by_place() -> None:
    late = Mention("1", "theme", "war", 0.5, "s", "description", 40, 43, "war")
    early = Mention("1", "theme", "war", 0.5, "s", "description", 4, 7, "war")
    assert resolve([late, early], SCHEMA).facts == resolve([early, late], SCHEMA).facts
    assert resolve([late, early], SCHEMA).facts[0].mention == early


def test_numbers_and_dates_pass_through() -> None:
    values = [1995, 1995.5, date(1995, 11, 22), "1995", True]
    mentions = [Mention("1", "year", value, 1.0, CATALOGUE) for value in values]
    found = [fact.value for fact in resolve(mentions, SCHEMA).facts]
    assert sorted((type(v).__name__, v) for v in found) == sorted((type(v).__name__, v) for v in values)
    assert list(resolve(mentions, SCHEMA).values) == [("year", "1995")]


def test_a_label_without_letters_is_still_a_value() -> None:
    labels = ["!!!", "???", "...", "\ud800", "\u202e", "👍", "👎"]
    facts = resolve([Mention("1", "brand", label, 0.5, "t") for label in labels], SCHEMA).facts
    assert {fact.value for fact in facts} == set(labels)


def test_the_best_supported_label_stays() -> None:
    mentions = [Mention(str(n), "theme", "coming-of-age", 0.5, "t") for n in range(3)]
    mentions.append(Mention("9", "theme", "Coming of Age", 0.9, "t"))
    found = resolve(mentions, SCHEMA)
    assert found.values == {("theme", "coming-of-age"): ["Coming of Age"]}
    mentions.append(Mention("10", "theme", "COMING OF AGE", 1.0, CATALOGUE))
    found = resolve(mentions, SCHEMA)
    assert found.values == {("theme", "COMING OF AGE"): ["Coming of Age", "coming-of-age"]}
    assert {(one.from_label, one.into, one.score, one.reason) for one in found.merges} == {
        ("Coming of Age", "COMING OF AGE", 1.0, "same letters"),
        ("coming-of-age", "COMING OF AGE", 1.0, "same letters"),
    }


def test_of_equally_supported_labels_the_one_in_capitals_does_not_stay() -> None:
    labels = ["JOHN LASSETER", "John Lasseter"]
    found = resolve([Mention(str(n), "actor", label, 0.5, "t") for n, label in enumerate(labels)], SCHEMA)
    assert found.values == {("person", "John Lasseter"): ["JOHN LASSETER"]}


def test_nothing_in_nothing_out() -> None:
    found = resolve([], SCHEMA)
    assert (found.facts, found.relations, found.values, found.merges) == ([], {}, {}, [])


def test_ten_thousand_names_in_seconds() -> None:
    """Pairs are found by blocks, not one by one: every pair of these names would be fifty million
    comparisons."""
    syllables = [a + b for a in "bdfgklmnprst" for b in ("ar", "el", "in", "om", "us", "ake", "ort", "ash")]
    names = [
        f"{one.title()}{two} {three.title()}son"
        for one in syllables
        for two in syllables[::8]
        for three in syllables[::10]
    ][:10_000]
    mentions = [Mention(str(n), "actor", name, 0.5, "t") for n, name in enumerate(names)]
    start = time.process_time()
    found = resolve(mentions, SCHEMA)
    assert time.process_time() - start < 20
    assert len(found.facts) == len(names) == 10_000
