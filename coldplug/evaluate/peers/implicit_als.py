"""implicit's alternating least squares (Hu, Koren and Volinsky 2008): ids alone, the support folded in.

It has no vector for an item that nobody met, so cold items tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from implicit.als import AlternatingLeastSquares

from coldplug.evaluate.peers.matrices import compiled
from coldplug.learn.baselines.matrices import positive_matrix, support_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class ImplicitALS:
    """Inner product of an item's factors and those the library finds for the support."""

    name = "implicit-als"

    def __init__(self, model: Any, counts: FloatArray, positive_at: float) -> None:
        self.model, self.counts, self.positive_at = model, counts, positive_at

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, factors: int = 64, **settings: Any) -> Self:
        """`settings` are those of `AlternatingLeastSquares`; its own defaults but for the number of factors."""
        liked = positive_matrix(data)
        model = AlternatingLeastSquares(
            factors=factors, use_gpu=False, num_threads=1, random_state=seed, **settings
        )
        model.fit(compiled(liked), show_progress=False)
        return cls(model, np.asarray(liked.sum(axis=0), np.float32), data.positive_at)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items); popularity without a support."""
        support = compiled(support_matrix(queries, len(self.counts), self.positive_at))
        users = self.model.recalculate_user(np.arange(len(queries)), support)
        met = self.counts[items] > 0
        scores = np.zeros((len(queries), len(items)), np.float32)
        scores[:, met] = np.asarray(users) @ np.asarray(self.model.item_factors)[items[met]].T
        scores[:, ~met] = scores.min(initial=0.0)
        scores[np.diff(support.indptr) == 0] = self.counts[items]
        return scores
