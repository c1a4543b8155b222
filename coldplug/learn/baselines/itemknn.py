"""ItemKNN: items that the same users liked, by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy import sparse

from coldplug.learn.baselines.matrices import Matrix, positive_matrix, support_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class ItemKNN:
    """Score of an item: sum of its cosines to the support (Sarwar et al. 2001), all neighbours, itself
    left out.

    A query without a positive in its support gets popularity.
    """

    name = "itemknn"

    def __init__(self, similarity: Matrix, counts: FloatArray, positive_at: float) -> None:
        self.similarity, self.counts, self.positive_at = similarity, counts, positive_at

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Cosines between the columns of the binary matrix of positives; nothing is random."""
        liked = positive_matrix(data)
        counts = np.asarray(liked.sum(axis=0), np.float32)
        unit = sparse.csr_array(
            liked.astype(np.float64) @ sparse.diags_array(1.0 / np.sqrt(np.maximum(counts, 1.0)))
        )
        similarity = sparse.csr_array(unit.T @ unit)
        similarity.setdiag(0.0)
        return cls(similarity, counts, data.positive_at)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        support = support_matrix(queries, len(self.counts), self.positive_at)
        scores = np.asarray((support @ self.similarity).toarray()[:, items], np.float32)
        scores[support.sum(axis=1) == 0] = self.counts[items]
        return scores
