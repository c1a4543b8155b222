"""Which relations and which values of two graphs are the same: each is paired with at most one of the other graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from kgbuild.read.graph import GraphFile
from kgbuild.resolve import MergeRecord, resolve
from kgbuild.schema import Schema
from kgbuild.types import CATALOGUE, Mention

Value = tuple[str, str]
"""(range, label)"""
Key = TypeVar("Key", bound=Hashable)
OTHER_NAME = "other label in the other graph"


@dataclass
class Usage:
    """How one graph uses its relations and values: facts, and whether the catalogue states one."""

    relations: Counter[str]
    values: Counter[Value]
    stated: set[Value]

    @classmethod
    def of(cls, graph: GraphFile) -> Usage:
        """Read through the graph once."""
        usage = cls(Counter(graph.relations.keys()), Counter(graph.values.keys()), set())
        for _, facts in graph.items():
            for fact in facts:
                usage.relations[fact.relation] += 1
                if isinstance(fact.value, str):
                    usage.values[fact.range, fact.value] += 1
                    if fact.mention.source == CATALOGUE:
                        usage.stated.add((fact.range, fact.value))
        return usage


@dataclass
class Pairing(Generic[Key]):
    """What stands in the merged graph for each relation or value of either graph.

    `into[side]` maps those of one graph whose name changes; `records` tells every change.
    """

    into: tuple[dict[Key, Key], dict[Key, Key]]
    records: list[MergeRecord]


def pair_relations(graphs: Sequence[GraphFile], usages: Sequence[Usage]) -> Pairing[str]:
    """Relations of one label are one, and so are two of which one has the other's label among its wordings."""
    pairs = list(_by_labels(graphs[0].relations, graphs[1].relations))
    pairing = Pairing[str](({}, {}), [])
    for one, two in pairs:
        chosen = min(
            one, two, key=lambda label: (-usages[0].relations[label] - usages[1].relations[label], label)
        )
        for side, label in enumerate((one, two)):
            if label != chosen:
                pairing.into[side][label] = chosen
                pairing.records.append(MergeRecord("relation", "", chosen, label, 1.0, OTHER_NAME))
    pairing.records = sorted(set(pairing.records))
    return pairing


def pair_values(graphs: Sequence[GraphFile], usages: Sequence[Usage]) -> Pairing[Value]:
    """Values of one range are paired by label, then by other label, then as resolution would merge them.

    Two values of one graph never become one, for what built that graph kept them apart.
    """
    values = graphs[0].values, graphs[1].values
    pairs = [(one, two, 1.0, OTHER_NAME) for one, two in _by_labels(*map(_scoped, values))]
    paired = {one for one, *_ in pairs}, {two for _, two, *_ in pairs}
    alone = [[value for value in values[side] if value not in paired[side]] for side in (0, 1)]
    pairs.extend(_by_resolution(alone, usages))
    pairing = Pairing[Value](({}, {}), [])
    stated = usages[0].stated | usages[1].stated
    for one, two, score, reason in pairs:
        if one == two:
            continue
        chosen, other = sorted(
            (one, two),
            key=lambda value: (
                value not in stated,
                -usages[0].values[value] - usages[1].values[value],
                value,
            ),
        )
        pairing.into[(one, two).index(other)][other] = chosen
        pairing.records.append(MergeRecord("value", chosen[0], chosen[1], other[1], score, reason))
    pairing.records.sort()
    return pairing


def _scoped(values: Mapping[Value, Sequence[str]]) -> dict[Value, list[Value]]:
    return {value: [(value[0], other) for other in others] for value, others in values.items()}


def _by_labels(
    one: Mapping[Key, Sequence[Key]], two: Mapping[Key, Sequence[Key]]
) -> Iterator[tuple[Key, Key]]:
    """Pairs of the same label, then pairs of which one is among the other's names; each at most once."""
    same = one.keys() & two.keys()
    yield from ((label, label) for label in sorted(same))  # type: ignore[type-var]
    links: set[tuple[Key, Key]] = set()
    for left, right, turned in ((one, two, False), (two, one, True)):
        for label in left:
            links.update(
                (other, label) if turned else (label, other)
                for other in left[label]
                if label not in same and other in right and other not in same
            )
    yield from _matching(links)


def _matching(links: Iterable[tuple[Key, Key]]) -> Iterator[tuple[Key, Key]]:
    """The links whose two ends have no other link: where it is not clear which is meant, none is taken."""
    links = sorted(links)
    left, right = Counter(one for one, _ in links), Counter(two for _, two in links)
    yield from ((one, two) for one, two in links if left[one] == right[two] == 1)


def _by_resolution(
    alone: Sequence[Sequence[Value]], usages: Sequence[Usage]
) -> Iterator[tuple[Value, Value, float, str]]:
    """Pairs among the values that have no partner yet, as resolution sees them."""
    if not all(alone):
        return
    sides = {value: side for side in (0, 1) for value in alone[side]}
    # A relation that the catalogue has is taken as it is: only the values are in question here.
    mentions = [Mention("", "value", 0, 1.0, CATALOGUE)]
    for value, side in sides.items():
        source = CATALOGUE if value in usages[side].stated else "merge"
        mention = Mention("", "value", value[1], 1.0, source, range=value[0])
        mentions.extend([mention] * usages[side].values[value])
    groups: dict[Value, list[MergeRecord]] = {}
    for record in resolve(mentions, Schema(1, {})).merges:
        if record.kind == "value":
            groups.setdefault((record.range, record.into), []).append(record)
    for leader, records in sorted(groups.items()):
        others = [record for record in records if sides[record.range, record.from_label] != sides[leader]]
        if others:
            best = min(others, key=lambda record: (-record.score, record.from_label))
            found = best.range, best.from_label
            one, two = (leader, found) if sides[leader] == 0 else (found, leader)
            yield one, two, best.score, best.reason
