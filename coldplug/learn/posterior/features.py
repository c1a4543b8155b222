"""Item features by relation: what two items share, one kernel a relation, so that each can be weighed on its own.

A relation's features are its values, weighted by confidence and rarity. Where the catalogue states them, each item's row is
scaled to length 1, so the kernel of a relation is the cosine of two items' values: 1 for the same director, 0 for items
that share none. Where they were read from texts the rows keep their lengths, 1 in the mean: a second shared theme tells
more than one, and a doubtful one less than a sure one. A number gives two radial kernels, a near and a far one. Text
is a group of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from coldplug.types import FloatArray, IntArray, ItemGraph

MOST_RELATIONS = 24
"""Relations with a weight of their own, by how many facts connect items; the rest share one."""
OTHERS = "other relations"
TEXT = "text"
LENGTH = "length of the description"
"""A number, in characters, of items that have one."""
_NEAR, _FAR = 0.2, 0.7
"""Length scales of a number's two kernels, in standard deviations of the number."""


@dataclass(frozen=True)
class Vocabulary:
    """The columns: per relation group the values known to it with their rarity weights; numbers' scales."""

    columns: Mapping[str, Mapping[str, tuple[int, float]]]
    """group -> "relation value-iri" -> (column, weight)."""
    numbers: Mapping[str, tuple[float, float]]
    """relation -> (mean, standard deviation)."""
    read: frozenset[str] = frozenset()
    """The groups whose facts were read from texts, for the most part; those of the others the catalogue states."""


@dataclass(frozen=True)
class ItemFeatures:
    """Rows of features for some items: sparse rows a relation, numbers a relation (NaN where none), dense embeddings."""

    count: int
    facts: Mapping[str, sparse.csr_matrix] = field(default_factory=dict)
    numbers: Mapping[str, FloatArray] = field(default_factory=dict)
    embeddings: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def groups(self) -> list[str]:
        """Names of the kernels, in a fixed order."""
        near_far = [f"{name} ({reach})" for name in sorted(self.numbers) for reach in ("near", "far")]
        return sorted(self.facts) + near_far + sorted(self.embeddings)

    def without(self, number: str) -> ItemFeatures:
        """The same items without one of the numbers."""
        kept = {name: values for name, values in self.numbers.items() if name != number}
        return ItemFeatures(self.count, self.facts, kept, self.embeddings)

    def rows(self, chosen: IntArray) -> ItemFeatures:
        """The features of some of the items."""
        return ItemFeatures(
            len(chosen),
            {name: rows[chosen] for name, rows in self.facts.items()},
            {name: values[chosen] for name, values in self.numbers.items()},
            {name: rows[chosen] for name, rows in self.embeddings.items()},
        )

    def kernel(self, group: str, other: ItemFeatures) -> FloatArray:
        """(n_items, n_other) kernel of one group between these items and others."""
        if group in self.facts:
            return np.asarray((self.facts[group] @ other.facts[group].T).todense(), np.float32)
        if group in self.embeddings:
            return self.embeddings[group] @ other.embeddings[group].T
        name, _, reach = group.rpartition(" (")
        scale = _NEAR if reach == "near)" else _FAR
        apart = (self.numbers[name][:, None] - other.numbers[name][None, :]) / scale
        return np.nan_to_num(np.exp(-(apart**2) / 2), nan=0.0).astype(np.float32)

    def self_kernel(self, group: str) -> FloatArray:
        """(n_items,) the kernel of each item with itself: 1 where it has anything of this group, else 0."""
        if group in self.facts:
            return np.asarray(self.facts[group].multiply(self.facts[group]).sum(1), np.float32).ravel()
        if group in self.embeddings:
            return np.einsum("ij,ij->i", self.embeddings[group], self.embeddings[group])
        return (~np.isnan(self.numbers[group.rpartition(" (")[0]])).astype(np.float32)


def learn_vocabulary(graph: ItemGraph) -> Vocabulary:
    """Values that two items or more share, grouped by relation; the rarer, the heavier (root of the log odds)."""
    counts: dict[tuple[int, int], int] = {}
    seen = np.unique(np.stack([graph.relations, graph.tails, graph.heads], 1), axis=0)
    for relation, tail, _ in seen.tolist():
        counts[relation, tail] = counts.get((relation, tail), 0) + 1
    shared = {key: n for key, n in counts.items() if n >= 2}
    facts_of: dict[int, int] = {}
    for (relation, _), n in shared.items():
        facts_of[relation] = facts_of.get(relation, 0) + n
    ranked = sorted(facts_of, key=lambda r: (-facts_of[r], graph.relation_names[r]))
    own = set(ranked[:MOST_RELATIONS])
    columns: dict[str, dict[str, tuple[int, float]]] = {}
    for relation, tail in sorted(shared, key=lambda k: (graph.relation_names[k[0]], graph.value_iris[k[1]])):
        name = graph.relation_names[relation]
        group = columns.setdefault(name if relation in own else OTHERS, {})
        rarity = np.log((graph.n_items + 1) / (shared[relation, tail] + 1))
        group[f"{name} {graph.value_iris[tail]}"] = (len(group), float(np.sqrt(rarity)))
    read = _read_groups(graph, own)
    for name, length in _lengths(graph, columns, read).items():
        columns[name] = {key: (at, weight / length) for key, (at, weight) in columns[name].items()}
    numbers = {}
    for name, values in _numbers(graph).items():
        known = values[~np.isnan(values)]
        if len(known) >= 2 and known.std() > 0:
            numbers[name] = (float(known.mean()), float(known.std()))
    return Vocabulary(columns, numbers, read)


def _read_groups(graph: ItemGraph, own: set[int]) -> frozenset[str]:
    """The groups of which the catalogue states less than half; `own` are the relations that are groups by themselves."""
    stated: dict[str, list[bool]] = {}
    for relation, known in zip(graph.relations.tolist(), graph.stated.tolist(), strict=True):
        stated.setdefault(graph.relation_names[relation] if relation in own else OTHERS, []).append(known)
    return frozenset(group for group, known in stated.items() if 2 * sum(known) < len(known))


def item_features(
    graph: ItemGraph, vocabulary: Vocabulary, embeddings: Mapping[str, FloatArray]
) -> ItemFeatures:
    """The features of every item of a graph, in the vocabulary's columns.

    Args:
        graph: the training graph, or one of new items.
        embeddings: (n_items, any) rows of length 1 or 0, by name.
    """
    facts = {}
    for group, rows in _rows(graph, vocabulary.columns).items():
        if group not in vocabulary.read:
            lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
            rows = rows.multiply(1 / np.maximum(lengths, 1e-9)[:, None])
        facts[group] = sparse.csr_matrix(rows, dtype=np.float32)
    found, missing = _numbers(graph), np.full(graph.n_items, np.nan, np.float32)
    numbers = {
        name: (found.get(name, missing) - mean) / deviation
        for name, (mean, deviation) in vocabulary.numbers.items()
    }
    return ItemFeatures(graph.n_items, facts, numbers, dict(embeddings))


def _numbers(graph: ItemGraph) -> dict[str, FloatArray]:
    """Number -> (n_items,) its value for each item, NaN where it has none; the last of several."""
    found = {}
    for relation in np.unique(graph.literal_relations):
        mine = graph.literal_relations == relation
        values = np.full(graph.n_items, np.nan, np.float32)
        values[graph.literal_items[mine]] = graph.literal_numbers[mine]
        found[graph.relation_names[relation]] = values
    lengths = np.array([len(text) or np.nan for text in graph.descriptions], np.float32)
    return found | {LENGTH: lengths}


def _rows(
    graph: ItemGraph, columns: Mapping[str, Mapping[str, tuple[int, float]]]
) -> dict[str, sparse.csr_matrix]:
    """group -> (n_items, n_columns) the weights of the values that each item has, times their confidence."""
    place = {key: (group, *where) for group, keys in columns.items() for key, where in keys.items()}
    entries: dict[str, list[tuple[int, int, float]]] = {group: [] for group in columns}
    names = graph.relation_names
    for head, relation, tail, weight in zip(
        graph.heads.tolist(),
        graph.relations.tolist(),
        graph.tails.tolist(),
        graph.weights.tolist(),
        strict=True,
    ):
        found = place.get(f"{names[relation]} {graph.value_iris[tail]}")
        if found:
            group, column, rarity = found
            entries[group].append((head, column, rarity * weight))
    made = {}
    for group, listed in entries.items():
        heads, at, weights = zip(*listed, strict=True) if listed else ((), (), ())
        shape = (graph.n_items, len(columns[group]))
        made[group] = sparse.csr_matrix((np.asarray(weights, np.float32), (heads, at)), shape=shape)
    return made


def _lengths(
    graph: ItemGraph, columns: Mapping[str, Mapping[str, tuple[int, float]]], read: frozenset[str]
) -> dict[str, float]:
    """group -> root mean square length of the rows that are not empty, of the groups read from texts."""
    found = {}
    for group, rows in _rows(graph, {name: columns[name] for name in columns if name in read}).items():
        squares = np.asarray(rows.multiply(rows).sum(1)).ravel()
        found[group] = float(np.sqrt(squares[squares > 0].mean()))
    return found
