"""What a score is made of: parts that sum to it, the way from the user to the item, and the text that says so."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from coldplug.catalogue import Catalogue
from coldplug.learn import ExplainingLearner
from coldplug.types import FloatArray, IntArray, Query

_FACTS = 5
_ALIKE = 3


@dataclass(frozen=True)
class SharedFact:
    """A fact that two items share; `weight` is how much its relation says about sharing an audience.

    `quote` is the text of the scored item that says so, empty where the catalogue knew it.
    """

    relation: str
    value: str
    weight: float
    quote: str


@dataclass(frozen=True)
class Step:
    """A place on the way from a user to an item: `by` is what leads to it, "met" or a relation; empty at the start.

    `id` is an item's id or a value's IRI, empty for the user; `label` is its name in words.
    """

    kind: Literal["user", "item", "value"]
    id: str
    label: str
    by: str


@dataclass(frozen=True)
class Reason:
    """One part of a score.

    `kind` says whether `label` is an attribute of the user ("occupation=artist", "age=25") or the title of a support
    item, or whether the part is the base: the item's appeal to everyone. `share` is what it adds to the score.
    `path` leads from the user over a support item and the weightiest fact, `facts[0]`, to the scored item; it is empty
    where the two share no fact.
    """

    kind: Literal["base", "attribute", "support"]
    label: str
    share: float
    facts: list[SharedFact]
    path: list[Step] = field(default_factory=list)


@dataclass(frozen=True)
class Alike:
    """A known item that lends a new one its vectors, and why."""

    item_id: str
    title: str
    likeness: float
    facts: list[SharedFact]


@dataclass(frozen=True)
class Explanation:
    """A score taken apart: the shares of `reasons`, the base among them, sum to `score`.

    `prior` is the score before anything was met. From there to `score` the way is as exact: the shares of the support
    items, and `reweighed`, by which base and attributes count otherwise for so large a support than without one.
    `alike` is for an item without interactions of its own: the known items that it resembles most.
    """

    item_id: str
    title: str
    score: float
    prior: float
    reweighed: float
    reasons: list[Reason]
    alike: list[Alike]

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def explained(learner: ExplainingLearner, catalogue: Catalogue, query: Query, item: int) -> Explanation:
    """Take the score of one item for one user apart."""
    one = np.array([item])
    [parts] = _parts(learner, catalogue, query, one)
    parts.sort(key=lambda part: (-abs(part[0].share), part[0].kind, part[0].label))
    reasons = [_with_facts(learner, catalogue, item, *part) for part in parts]
    prior = float(learner.score([Query(query.attributes)], one)[0, 0])
    known_before = sum(reason.share for reason in reasons if reason.kind != "support")
    nearest = _nearest(learner, catalogue, item) if learner.is_new(item) else []
    alike = [
        Alike(catalogue.item_ids[n], catalogue.titles[n], near, _shared(learner, catalogue, item, n)[0])
        for n, near in nearest
    ]
    return Explanation(
        catalogue.item_ids[item],
        catalogue.titles[item],
        float(learner.score([query], one)[0, 0]),
        prior,
        known_before - prior,
        reasons,
        alike,
    )


def speaking_for(
    learner: ExplainingLearner, catalogue: Catalogue, query: Query, items: IntArray, most: int
) -> list[list[Reason]]:
    """Of each item the largest parts of its score that raise it, so many at most."""
    found = []
    for item, parts in zip(items.tolist(), _parts(learner, catalogue, query, items), strict=True):
        raising = [part for part in parts if part[0].share > 0]
        raising.sort(key=lambda part: (-part[0].share, part[0].kind, part[0].label))
        found.append([_with_facts(learner, catalogue, item, *part) for part in raising[:most]])
    return found


def _parts(
    learner: ExplainingLearner, catalogue: Catalogue, query: Query, items: IntArray
) -> list[list[tuple[Reason, int | None]]]:
    """The parts of each score, each with the support item that it is of, their facts not yet looked up."""
    base, attributes, support = learner.contributions(query, items)
    by_attribute: dict[str, FloatArray] = {}
    for name, shares in attributes:
        label = _as_given(name, query)
        by_attribute[label] = by_attribute.get(label, np.zeros_like(base)) + shares
    met = [(number, _name(catalogue, number)) for number in query.items.tolist()]
    found = []
    for place in range(len(items)):
        parts: list[tuple[Reason, int | None]] = [
            (Reason("base", "appeal to everyone", float(base[place]), []), None)
        ]
        parts += [
            (Reason("attribute", label, float(shares[place]), []), None)
            for label, shares in by_attribute.items()
        ]
        parts += [
            (Reason("support", title, float(share), []), number)
            for (number, title), share in zip(met, support[:, place], strict=True)
        ]
        found.append(parts)
    return found


def _as_given(column: str, query: Query) -> str:
    """An attribute as the user gave it: a number between two knots, "age@25" and "age@34", is one "age=27" to people."""
    name, _, knot = column.rpartition("@")
    value = query.attributes.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON has one kind of number, and 25.0 is no age
    is_knot = re.fullmatch(r"-?[\d.]+(e[+-]?\d+)?", knot) is not None
    return f"{name}={value}" if is_knot and isinstance(value, str | int | float) else column


def _with_facts(
    learner: ExplainingLearner, catalogue: Catalogue, item: int, reason: Reason, met: int | None
) -> Reason:
    """A reason with what its support item shares with the scored one, and the way over the weightiest of it."""
    if met is None:
        return reason
    facts, iris = _shared(learner, catalogue, item, met)
    if not facts:
        return reason
    first = facts[0]
    path = [
        Step("user", "", "the user", ""),
        Step("item", catalogue.item_ids[met], reason.label, "met"),
        Step("value", iris[0], first.value, first.relation),
        Step("item", catalogue.item_ids[item], _name(catalogue, item), first.relation),
    ]
    return replace(reason, facts=facts, path=path)


def _name(catalogue: Catalogue, item: int) -> str:
    return catalogue.titles[item] or catalogue.item_ids[item]


def _shared(
    learner: ExplainingLearner, catalogue: Catalogue, item: int, other: int
) -> tuple[list[SharedFact], list[str]]:
    """What two items have in common, the weightiest first, and the IRIs of its values."""
    facts, theirs = catalogue.facts(item), catalogue.facts(other)
    found = [
        (SharedFact(fact.relation, fact.value, learner.fact_weight(*key) * fact.weight, fact.quote), key[1])
        for key, fact in facts.items()
        if key in theirs
    ]
    found.sort(key=lambda pair: (-pair[0].weight, pair[0].relation, pair[0].value, pair[1]))
    return [fact for fact, _ in found[:_FACTS]], [iri for _, iri in found[:_FACTS]]


def _nearest(learner: ExplainingLearner, catalogue: Catalogue, item: int) -> list[tuple[int, float]]:
    """The items with interactions that share the most with a new one: (item, sum of the shared facts' weights)."""
    likeness: dict[int, float] = {}
    for (relation, iri), fact in catalogue.facts(item).items():
        weight = learner.fact_weight(relation, iri) * fact.weight
        if not weight:
            continue
        same = np.flatnonzero(catalogue.tails == catalogue.tail_of[iri])
        for row in same.tolist():
            other = int(catalogue.heads[row])
            matches = catalogue.relation_names[catalogue.relations[row]] == relation
            if matches and other != item and not learner.is_new(other):
                likeness[other] = likeness.get(other, 0.0) + weight * float(catalogue.weights[row])
    return sorted(likeness.items(), key=lambda pair: (-pair[1], pair[0]))[:_ALIKE]
