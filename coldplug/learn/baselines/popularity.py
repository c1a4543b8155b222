"""Popularity, for everyone alike and within the groups that a user's attributes put them in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coldplug.learn.baselines.matrices import AttributeCoder, positive_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class Popularity:
    """Score of an item: how many training users liked it. Items without interactions all tie at zero."""

    name = "popularity"

    def __init__(self, counts: FloatArray) -> None:
        self.counts = counts

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Count positives; nothing is random and there are no settings."""
        return cls(np.asarray(positive_matrix(data).sum(axis=0), np.float32))

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items): the same row for every query."""
        return np.tile(self.counts[items], (len(queries), 1))


class PopularityByAttributes:
    """Score of an item: its share of the likes of users with the same attribute values, averaged over
    attributes.

    Each group's shares are drawn towards everyone's, so that small groups say little.
    """

    name = "popularity-attributes"

    def __init__(self, coder: AttributeCoder, overall: NDArray[Any], groups: NDArray[Any]) -> None:
        self.coder, self.overall, self.groups = coder, overall, groups

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, shrink: float = 0.005, **settings: Any) -> Self:
        """Count the positives of each group of users.

        Args:
            shrink: likes of everyone's taste added to each group's own, as a share of all likes.
        """
        liked = positive_matrix(data)
        coder = AttributeCoder(data.user_attributes)
        counts = np.asarray((coder.encode(data.user_attributes).T @ liked).todense(), np.float64)
        overall = np.asarray(liked.sum(axis=0), np.float64)
        added = max(shrink * overall.sum(), 1.0)
        overall /= max(overall.sum(), 1.0)
        groups = (counts + added * overall) / (counts.sum(1, keepdims=True) + added)
        return cls(coder, overall, groups - overall)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items); a query without known attributes gets everyone's popularity."""
        member = self.coder.encode([q.attributes for q in queries])
        size = np.maximum(np.asarray(member.sum(axis=1)), 1.0)
        return np.asarray(self.overall[items] + member @ self.groups[:, items] / size[:, None], np.float32)
