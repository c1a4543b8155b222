"""What the baselines share: interactions and supports as sparse matrices, attributes and facts as one-
hots."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.types import Attributes, IntArray, ItemGraph, Query, TrainingData

Matrix = sparse.csr_array
MIN_USERS = 5
"""Attribute values that fewer users share say nothing; most zip codes are of this kind."""
BINS = 8
"""Groups that a number with many values, such as an exact age, is cut into."""


def positive_matrix(data: TrainingData) -> Matrix:
    """(n_users, n_items) of 1 where the user met the item and liked it; all ratings are otherwise ignored."""
    keep = data.positives()
    shape = (len(data.user_ids), data.graph.n_items)
    return _ones(data.interactions.users[keep], data.interactions.items[keep], shape)


def support_matrix(queries: Sequence[Query], n_items: int, positive_at: float) -> Matrix:
    """(n_queries, n_items) of 1 at each query's positive support items."""
    rows, columns = [], []
    for row, query in enumerate(queries):
        liked = query.items[np.isnan(query.ratings) | (query.ratings >= positive_at)]
        columns.append(liked)
        rows.append(np.full(len(liked), row, np.int64))
    if not rows:
        return _ones(np.empty(0, np.int64), np.empty(0, np.int64), (0, n_items))
    return _ones(np.concatenate(rows), np.concatenate(columns), (len(queries), n_items))


def _ones(rows: IntArray, columns: IntArray, shape: tuple[int, int]) -> Matrix:
    matrix = sparse.csr_array((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    matrix.data[:] = 1.0
    return matrix


def fact_matrix(
    graph: ItemGraph, relations: Collection[str] | None = None, *, stated: bool = False
) -> Matrix:
    """(n_items, n_features) of confidences: one column a (relation, value) pair that two or more items share.

    Args:
        relations: names to keep; all where None or where the graph has none of them.
        stated: keep only facts that the catalogue knew.
    """
    keep = np.ones(len(graph.heads), np.bool_)
    if stated:
        keep &= graph.stated
    if relations is not None and set(relations) & set(graph.relation_names):
        wanted = [n for n, name in enumerate(graph.relation_names) if name in relations]
        keep &= np.isin(graph.relations, wanted)
    pair = graph.relations[keep] * max(1, len(graph.value_iris)) + graph.tails[keep]
    names, column, count = np.unique(pair, return_inverse=True, return_counts=True)
    matrix = sparse.csr_array(
        (graph.weights[keep], (graph.heads[keep], column)), shape=(graph.n_items, len(names))
    )
    return sparse.csr_array(matrix[:, count > 1])


class AttributeCoder:
    """User attributes as one-hots: one column a value that enough users share; numbers in groups of
    equal size."""

    def __init__(self, users: Sequence[Attributes], min_users: int = MIN_USERS) -> None:
        counts: dict[str, dict[str, int]] = {}
        numbers: dict[str, list[float]] = {}
        for attributes in users:
            for name, value in attributes.items():
                for text in _texts(value):
                    counts.setdefault(name, {}).setdefault(text, 0)
                    counts[name][text] += 1
                if _is_number(value):
                    numbers.setdefault(name, []).append(float(value))  # type: ignore[arg-type]
        self.edges: dict[str, NDArray[np.float64]] = {name: _edges(found) for name, found in numbers.items()}
        self.columns: dict[tuple[str, str | int], int] = {}
        for name in sorted(counts):
            for text in sorted(t for t, n in counts[name].items() if n >= min_users):
                self.columns[name, text] = len(self.columns)
        for name, edges in sorted(self.edges.items()):
            for group in range(len(edges) + 1):
                self.columns[name, group] = len(self.columns)

    def encode(self, users: Sequence[Attributes]) -> Matrix:
        """(n_users, n_columns); unknown names and values, and None, leave zeros."""
        rows, columns = [], []
        for row, attributes in enumerate(users):
            for key in self._keys(attributes):
                if key in self.columns:
                    rows.append(row)
                    columns.append(self.columns[key])
        return _ones(np.array(rows, np.int64), np.array(columns, np.int64), (len(users), len(self.columns)))

    def _keys(self, attributes: Mapping[str, Any]) -> list[tuple[str, str | int]]:
        keys: list[tuple[str, str | int]] = []
        for name, value in attributes.items():
            if _is_number(value) and name in self.edges:
                keys.append((name, int(np.searchsorted(self.edges[name], float(value), side="right"))))
            keys.extend((name, text) for text in _texts(value))
        return keys


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and bool(np.isfinite(value))


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, bool):
        return [str(value).lower()]
    if isinstance(value, list | tuple | set | frozenset):
        return sorted({str(v) for v in value if v is not None})
    return []


def _edges(values: Sequence[float]) -> NDArray[np.float64]:
    distinct = np.unique(np.array(values))
    if len(distinct) <= BINS:
        return distinct[1:]
    return np.unique(np.quantile(np.array(values), np.arange(1, BINS) / BINS))
