"""Resolution under hypothesis: order does not matter, guards hold, a second pass changes nothing."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild.resolve import Resolution, meaning, resolve
from kgbuild.resolve.guards import conflict, turned_round
from kgbuild.resolve.labels import Label, range_kind
from kgbuild.resolve.text import compact_form, normal_form
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention

SCHEMA = load_schema()
QUICK = settings(
    max_examples=int(os.environ.get("RESOLVE_EXAMPLES", "40")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

WORDS = [
    "vegan", "non-vegan", "hero", "anti-hero", "boy", "girls", "girl", "detective", "Detectives",
    "robot", "robots", "teens", "teenagers", "the", "of", "toy", "rivalry", "rivallry", "small", "town",
    "towns", "adolescence", "adolescense"
]  # fmt: skip
NUMBERS = ["1", "2", "II", "III", "two", "second", "5 GHz", "5GHz", "2.4 GHz", "Vol.", "volume", "Pro", "Max"]
GIVEN = ["John", "Jane", "Jhon", "J.", "Q.", "Quentin", "Qeuntin", "J. R.", "John R."]
FAMILY = ["Lasseter", "Laseter", "Lasseter Jr.", "Tarantino", "Tarrantino", "Smith"]

plain = st.lists(st.sampled_from(WORDS + NUMBERS), min_size=1, max_size=3).map(" ".join)
anything = st.text(min_size=1, max_size=12)
persons = st.tuples(st.sampled_from(GIVEN), st.sampled_from(FAMILY)).map(" ".join)


def mention(relation: str, values: st.SearchStrategy[str]) -> st.SearchStrategy[Mention]:
    made = st.builds(
        Mention,
        item=st.sampled_from(["1", "2", "3"]),
        relation=st.sampled_from([relation, relation.upper()]),
        value=values,
        confidence=st.sampled_from([0.3, 0.9]),
        source=st.sampled_from(["local:x@1", "other:y@2", CATALOGUE]),
    )
    return made.map(lambda one: replace(one, confidence=1.0) if one.source == CATALOGUE else one)


mentions = st.lists(
    st.one_of(
        mention("theme", plain),
        mention("series", plain),
        mention("director", persons),
        mention("mood", anything),
    ),
    min_size=1,
    max_size=14,
)


def names(resolution: Resolution) -> set[tuple[str, str, str, str]]:
    return {(fact.mention.item, fact.relation, fact.range, str(fact.value)) for fact in resolution.facts}


@pytest.fixture(autouse=True, scope="module")
def _warm() -> None:
    meaning.encode(["warm"])


@QUICK
@given(given=mentions, data=st.data())
def test_order_does_not_matter(given: list[Mention], data: st.DataObject) -> None:
    assert resolve(data.draw(st.permutations(given)), SCHEMA) == resolve(given, SCHEMA)


@QUICK
@given(given=mentions)
def test_guards_hold(given: list[Mention]) -> None:
    for merge in resolve(given, SCHEMA).merges:
        if merge.kind == "relation":
            continue
        kind = range_kind(merge.range)
        one, other = Label(merge.into, kind), Label(merge.from_label, kind)
        if normal_form(merge.into) == normal_form(merge.from_label):
            continue
        if compact_form(merge.into) == compact_form(merge.from_label):
            assert not turned_round(one, other)
        else:
            assert conflict(one, other) is None, merge


@QUICK
@given(given=mentions)
def test_second_pass_changes_nothing(given: list[Mention]) -> None:
    first = resolve(given, SCHEMA)
    again = [
        replace(fact.mention, relation=fact.relation, value=fact.value, range=fact.range)
        for fact in first.facts
    ]
    second = resolve(again, SCHEMA)
    assert names(second) == names(first)
    assert second.merges == []


@QUICK
@given(given=mentions)
def test_nothing_is_lost(given: list[Mention]) -> None:
    """Every raw label stands in the result, as a canonical label or among one value's other labels."""
    found = resolve(given, SCHEMA)
    labels = {(value_range, label) for (value_range, label) in found.values}
    others = {(value_range, other) for (value_range, _), rest in found.values.items() for other in rest}
    assert not labels & others
    for one in given:
        value_range = SCHEMA.range_of(one.relation.lower())
        assert (value_range, one.value) in labels | others
    assert {(fact.range, fact.value) for fact in found.facts} == labels
    assert {(merge.range, merge.from_label) for merge in found.merges if merge.kind == "value"} == others


@QUICK
@given(text=st.text(max_size=30))
def test_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal_form(normal_form(text)) == normal_form(text)
    assert bool(normal_form(text)) == bool(text.split())
