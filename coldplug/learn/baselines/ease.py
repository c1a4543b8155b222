"""EASE: a linear model from items to items in closed form (Steck 2019, Embarrassingly Shallow
Autoencoders)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coldplug.learn.baselines.matrices import positive_matrix, support_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class EASE:
    """Score of an item: sum of the support's rows of B, where B = -P / diag(P) off the diagonal, P =
    (X'X + l I)^-1.

    Only items with a positive take part; all others score zero. A query without support gets popularity.
    """

    name = "ease"

    def __init__(self, weights: FloatArray, column: IntArray, counts: FloatArray, positive_at: float) -> None:
        self.weights, self.column, self.counts, self.positive_at = weights, column, counts, positive_at

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, ridge: float = 500.0, **settings: Any) -> Self:
        """Invert the item-item Gram matrix: memory grows with the square of the number of items that
        were liked.

        Args:
            ridge: the l of the formula.
        """
        liked = positive_matrix(data)
        counts = np.asarray(liked.sum(axis=0), np.float32)
        seen = np.flatnonzero(counts)
        column = np.full(len(counts), -1, np.int64)
        column[seen] = np.arange(len(seen))
        block = liked[:, seen]
        gram: NDArray[np.float64] = (block.T @ block).toarray().astype(np.float64)
        gram[np.diag_indices_from(gram)] += ridge
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return cls(weights.astype(np.float32), column, counts, data.positive_at)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        support = support_matrix(queries, len(self.counts), self.positive_at)
        scores = np.zeros((len(queries), len(items)), np.float32)
        known = self.column[items] >= 0
        liked = support[:, np.flatnonzero(self.column >= 0)]
        scores[:, known] = (liked @ self.weights)[:, self.column[items][known]]
        scores[support.sum(axis=1) == 0] = self.counts[items]
        return scores
