"""Values of one range: which labels are the same value, and under which label it goes into the graph."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from kgbuild.resolve import meaning
from kgbuild.resolve.guards import conflict, narrower, turned_round
from kgbuild.resolve.labels import Label, RangeKind, range_kind
from kgbuild.resolve.overrides import Rulings
from kgbuild.resolve.persons import (
    abbreviates,
    bare_name,
    could_be_meant,
    differ_as_persons,
    is_one_name,
)
from kgbuild.resolve.records import MergeRecord
from kgbuild.resolve.spelling import misspelling, slip_signatures
from kgbuild.resolve.text import compact_form, normal_form

NEAR_IN_MEANING = 0.88
"""Least cosine of two labels that may be one value: "teens" and "teenagers" lie above, "haunted house" and
"haunted mansion" at it, with the next bar before them."""
NEAR_IN_THE_REST = 0.75
"""Least cosine of what is left of two labels without the words they share."""
MOST_ENCODED = 20_000
"""Labels that are encoded in one run, shared out among the ranges; the best supported first: half a minute
on one core."""

SAME_LETTERS = "same letters"
SAME_WORDS = "same words"
SAME_SINGULAR = "same words in the singular"
MISSPELT = "misspelling"
INITIALS = "initials"
SYNONYMS = "synonyms"
NEAR_MEANING = "near in meaning"
BY_HAND = "overrides file"
Order = tuple[bool, int, bool, str]
_WITH_MEANING = (RangeKind.PLAIN, RangeKind.PLACE)


@dataclass(frozen=True, slots=True)
class Support:
    """How often a label was given, and whether the catalogue gave it."""

    catalogue: bool
    mentions: int

    def order(self, label: str) -> Order:
        """Sorts the best-supported label first: the catalogue's, then the most frequent, then by the label.

        Of labels with equal support, one that shouts comes last.
        """
        return (not self.catalogue, -self.mentions, len(label) > 5 and label.isupper(), label)


@dataclass(eq=False, slots=True)
class _Node:
    """The surfaces that are one label but for case, accents and punctuation; the best supported one speaks
    for them."""

    label: Label
    surfaces: list[str]
    support: Support
    leader: _Node | None = None
    chosen: bool = False
    members: list[str] = field(default_factory=list)

    @property
    def order(self) -> Order:
        return self.support.order(self.label.text)


def shares(labels: Mapping[str, Mapping[str, Support]], most: int = MOST_ENCODED) -> dict[str, int]:
    """How many labels of each range may be encoded: all, or a share of `most` by the number of labels."""
    sizes = {
        name: len(found)
        for name, found in labels.items()
        if range_kind(name) in _WITH_MEANING and not all(one.catalogue for one in found.values())
    }
    total = max(1, sum(sizes.values()))
    return {name: size if total <= most else most * size // total for name, size in sizes.items()}


def resolve_range(
    value_range: str, labels: Mapping[str, Support], rulings: Rulings, most_encoded: int = MOST_ENCODED
) -> tuple[dict[str, str], list[MergeRecord]]:
    """Canonical label of each label of one range, and the records of what was merged.

    Every label that is merged matches the label it is merged into by itself, never by way of a third.
    Labels of the catalogue meet one another only where they differ in case, accents, spacing or
    punctuation.
    """
    nodes = _same_letters(value_range, labels, rulings)
    clusters = _Clusters(value_range, nodes, rulings, most_encoded)
    records = clusters.settle()
    canonical: dict[str, str] = {}
    for node in nodes:
        into = (node.leader or node).label.text
        for surface in node.surfaces:
            canonical[surface] = into
            if node.leader is None and surface != into:
                records.append(MergeRecord("value", value_range, into, surface, 1.0, SAME_LETTERS))
    return canonical, records


def _same_letters(value_range: str, labels: Mapping[str, Support], rulings: Rulings) -> list[_Node]:
    """Nodes in order of support; labels of one compact form share one unless kept apart or turned round."""
    kind = range_kind(value_range)
    by_form: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_form[compact_form(label)].append(label)
    nodes: list[_Node] = []
    for surfaces in by_form.values():
        surfaces.sort(key=lambda text: labels[text].order(text))
        chosen = [text for text in surfaces if rulings.leads(value_range, text)]
        found: list[_Node] = []
        for surface in [*chosen, *(text for text in surfaces if text not in chosen)]:
            home = next((node for node in found if _shares_node(node, surface, value_range, rulings)), None)
            if home is None:
                home = _Node(Label(surface, kind), [], Support(False, 0))
                found.append(home)
            home.surfaces.append(surface)
            home.chosen |= surface in chosen
            both = labels[surface], home.support
            home.support = Support(any(one.catalogue for one in both), sum(one.mentions for one in both))
        nodes.extend(found)
    for node in nodes:
        node.members = list(node.surfaces)
    return sorted(nodes, key=lambda node: node.order)


def _shares_node(node: _Node, surface: str, value_range: str, rulings: Rulings) -> bool:
    if rulings.apart(value_range, node.surfaces, [surface]):
        return False
    if normal_form(surface) == normal_form(node.label.text):
        return True
    return not turned_round(node.label, Label(surface, node.label.kind))


class _Clusters:
    """One pass over the nodes, best supported first: each joins the nearest leader that it matches, or
    leads."""

    def __init__(self, value_range: str, nodes: Sequence[_Node], rulings: Rulings, most: int) -> None:
        self.value_range, self.nodes, self.rulings, self.most = value_range, nodes, rulings, most
        self.kind = range_kind(value_range)
        self.by_key: dict[tuple[str, ...], list[_Node]] = defaultdict(list)
        self.by_slip: dict[str, list[_Node]] = defaultdict(list)
        self.by_meaning: dict[_Node, list[tuple[_Node, float]]] = defaultdict(list)
        self.by_family_name: dict[str, list[_Node]] = defaultdict(list)
        self.leaders: set[_Node] = set()
        self.records: list[MergeRecord] = []
        self.read_slips: set[str] = set()

    def settle(self) -> list[MergeRecord]:
        """Give every merged node its leader; the records of it."""
        taken = self._by_hand()
        free = [node for node in self.nodes if node not in taken]
        extracted = [node for node in free if not node.support.catalogue]
        if not extracted:
            return self.records
        self.read_slips = {slip for node in extracted for slip in slip_signatures(node.label)}
        self._read_meanings(extracted)
        abbreviated = self._abbreviated()
        written_out = _written_out(abbreviated)
        leading = [node for node in self.nodes if node in taken and node.leader is None]
        for node in leading:
            self._lead(node)
        later = [node for node in free if node in abbreviated and not node.support.catalogue]
        for node in free:
            if node not in abbreviated or node.support.catalogue:
                self._place(node, written_out.get(node, ()))
        for node in sorted(later, key=lambda node: (sum(len(t) == 1 for t in node.label.tokens), node.order)):
            self._place(node, abbreviated[node])
        return self.records

    def _by_hand(self) -> set[_Node]:
        """What the overrides file merges; its leaders and members take no part in being merged further."""
        home = {surface: node for node in self.nodes for surface in node.surfaces}
        taken: set[_Node] = set()
        for into, others in self.rulings.merges(self.value_range):
            leader = home[into]
            taken.add(leader)
            for other in others:
                node = home[other]
                if node is leader:
                    continue
                taken.add(node)
                self._join(node, leader, 1.0, BY_HAND)
        return taken

    def _place(self, node: _Node, by_initials: Sequence[_Node]) -> None:
        """Join the nearest leader, `by_initials` being the nodes that initials may connect with this one."""
        matches = [] if node.support.catalogue else list(self._matches(node, by_initials))
        if matches:
            score, _, leader, reason = min(matches, key=lambda match: (-match[0], match[1]))
            self._join(node, leader, score, reason)
        else:
            self._lead(node)

    def _join(self, node: _Node, leader: _Node, score: float, reason: str) -> None:
        node.leader = leader
        leader.members.extend(node.surfaces)
        into = leader.label.text
        self.records.extend(
            MergeRecord("value", self.value_range, into, surface, score, reason) for surface in node.surfaces
        )

    def _lead(self, node: _Node) -> None:
        self.leaders.add(node)
        for key in _keys(node.label):
            self.by_key[key].append(node)
        for slip in slip_signatures(node.label):
            if slip in self.read_slips:
                self.by_slip[slip].append(node)

    def _matches(
        self, node: _Node, by_initials: Sequence[_Node]
    ) -> Iterator[tuple[float, Order, _Node, str]]:
        """(score, order, leader, reason) for every leader that the node matches by itself."""
        for leader, score, reason in self._candidates(node, by_initials):
            apart = self.rulings.apart(self.value_range, leader.members, node.surfaces)
            if leader in self.leaders and not apart:
                yield score, leader.order, leader, reason

    def _candidates(self, node: _Node, by_initials: Sequence[_Node]) -> Iterator[tuple[_Node, float, str]]:
        label = node.label
        for leader in _distinct(self.by_key[key] for key in _keys(label)):
            if conflict(label, leader.label) is None:
                yield leader, *_words_in_common(label, leader.label)
        for leader in _distinct(self.by_slip.get(slip, ()) for slip in slip_signatures(label)):
            score = misspelling(label, leader.label) if _may_be_slip(node, leader) else None
            if score is not None and conflict(label, leader.label) is None:
                yield leader, score, MISSPELT
        for other, nearness in self.by_meaning.get(node, ()):
            yield other, nearness, NEAR_MEANING
        meant = {other.leader or other for other in by_initials}
        if len(meant) == 1:
            leader = meant.pop()
            names = label.tokens, leader.label.tokens
            if (abbreviates(*names) or abbreviates(*names[::-1])) and conflict(label, leader.label) is None:
                yield leader, 0.9, INITIALS

    def _abbreviated(self) -> dict[_Node, list[_Node]]:
        """Each node with initials for given names -> the nodes that it might stand for."""
        if self.kind is not RangeKind.PERSON:
            return {}
        for node in self.nodes:
            name = bare_name(node.label.tokens)
            if is_one_name(name):
                self.by_family_name[name[-1]].append(node)
        found: dict[_Node, list[_Node]] = {}
        for node in self.nodes:
            short = node.label.tokens
            if not is_one_name(short) or all(len(token) > 1 for token in short[:-1]):
                continue
            names = [(other, bare_name(other.label.tokens)) for other in self.by_family_name[short[-1]]]
            found[node] = [
                other
                for other, full in names
                if other is not node and (abbreviates(short, full) or could_be_meant(short, full))
            ]
        return found

    def _read_meanings(self, extracted: Sequence[_Node]) -> None:
        """Pairs near in meaning, in the ranges and for the labels where meaning says something about
        identity."""
        if self.kind not in _WITH_MEANING:
            return
        known = [node for node in self.nodes if node.support.catalogue and not node.label.numbers]
        known = known[: self.most // 2]
        wanted = [node for node in extracted if _has_meaning(node.label)][: self.most - len(known)]
        nodes = sorted([*known, *wanted], key=lambda node: node.order)
        if not wanted or len(nodes) < 2:
            return
        rows = meaning.encode([" ".join(node.label.tokens) for node in nodes])
        pairs = [
            (nodes[i], nodes[j], nearness)
            for i, j, nearness in meaning.near_pairs(rows, NEAR_IN_MEANING)
            if not nodes[j].support.catalogue and _may_be_synonyms(nodes[i].label, nodes[j].label)
        ]
        rests = [_rests(a.label, b.label) for a, b, _ in pairs]
        left, right = (meaning.encode([rest[side] for rest in rests]) for side in (0, 1))
        for (a, b, nearness), rest in zip(pairs, np.einsum("ij,ij->i", left, right), strict=True):
            if rest >= NEAR_IN_THE_REST:
                self.by_meaning[a].append((b, nearness))
                self.by_meaning[b].append((a, nearness))


def _written_out(abbreviated: Mapping[_Node, Sequence[_Node]]) -> dict[_Node, list[_Node]]:
    """Each full name of the text -> the catalogue's abbreviations that stand for it and for nobody else."""
    found: dict[_Node, list[_Node]] = defaultdict(list)
    for short, meant in abbreviated.items():
        names = [bare_name(node.label.tokens) for node in meant]
        if short.support.catalogue and not any(differ_as_persons(*two) for two in combinations(names, 2)):
            for node in meant:
                found[node].append(short)
    return found


def _keys(label: Label) -> list[tuple[str, ...]]:
    """Labels of the same words share one of their keys; the first element keeps the kinds of key apart."""
    alike: tuple[str, ...] = ("".join(label.alike_key) if not label.numbers else " ".join(label.alike_key),)
    plural, meant = label.plural_key, label.meant_key
    keys = [alike] if plural is None else [alike, ("singular", *plural)]
    return keys if meant is None else [*keys, ("meant", *meant)]


def _words_in_common(a: Label, b: Label) -> tuple[float, str]:
    """Score and reason of a merge of two labels that share a key."""
    if a.alike_key == b.alike_key:
        return 0.98, SAME_WORDS
    if a.plural_key is not None and a.plural_key == b.plural_key:
        return 0.95, SAME_SINGULAR
    return 0.9, SYNONYMS


def _may_be_slip(node: _Node, leader: _Node) -> bool:
    """A slip is rare beside the right spelling: two names that many sources write are two names."""
    seen = node.support.mentions
    return node.label.kind is RangeKind.PLAIN or seen <= 2 or seen * 5 <= leader.support.mentions


def _distinct(groups: Iterable[Iterable[_Node]]) -> list[_Node]:
    return list(dict.fromkeys(node for group in groups for node in group))


def _has_meaning(label: Label) -> bool:
    """A common noun or a short phrase of them: a name, a number or a sentence has no synonym.

    MiniLM reads English: it finds words of other languages near to what they merely look like.
    """
    return (
        label.text.isascii()
        and not label.has_capital
        and not label.numbers
        and len(label.tokens) <= 5
        and all(token.isalpha() for token in label.tokens)
    )


def _may_be_synonyms(a: Label, b: Label) -> bool:
    return conflict(a, b) is None and not narrower(a, b)


def _rests(a: Label, b: Label) -> tuple[str, str]:
    """What is left of each label without the words they share; the whole labels where nothing is left."""
    rest_a, rest_b = a.word_counts - b.word_counts, b.word_counts - a.word_counts
    if not rest_a or not rest_b:
        return " ".join(a.tokens), " ".join(b.tokens)
    return " ".join(sorted(rest_a.elements())), " ".join(sorted(rest_b.elements()))
