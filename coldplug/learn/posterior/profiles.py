"""The users' profiles as matrices: who liked what, and how much, over the items that have enough interactions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.types import FloatArray, IntArray, TrainingData

LIKED = 0.8
"""Grade of a rating right at the threshold; the highest rating has 1, a quarter of the scale lower has 0.2."""


@dataclass(frozen=True)
class RatingScale:
    """Turns ratings into grades in [0, 1]; a missing rating is a like without a degree, grade 1."""

    positive_at: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, data: TrainingData) -> RatingScale:
        """The scale that the ratings of the training data span."""
        known = data.interactions.ratings[~np.isnan(data.interactions.ratings)]
        if not len(known):
            return cls(0.0, 0.0, 0.0)
        return cls(data.positive_at, float(known.min()), float(known.max()))

    def grade(self, ratings: FloatArray) -> FloatArray:
        """(n,) ratings -> (n,) grades: 0.8 at the threshold, 1 at the top, falling to 0 below."""
        above = LIKED + (1 - LIKED) * (ratings - self.positive_at) / max(
            self.highest - self.positive_at, 1e-6
        )
        quarter = max((self.highest - self.lowest) / 4, 1e-6)
        below = LIKED - 0.6 * (self.positive_at - ratings) / quarter
        grades = np.where(ratings >= self.positive_at, above, below)
        return np.where(np.isnan(ratings), 1.0, np.clip(grades, 0.0, 1.0)).astype(np.float32)

    def liked(self, ratings: FloatArray) -> NDArray[np.bool_]:
        """(n,) True where a rating is a positive."""
        return np.isnan(ratings) | (ratings >= self.positive_at)


@dataclass(frozen=True)
class Profiles:
    """Graded profiles over the anchors: the items with enough positives to be learned from themselves.

    `grades` is (n_users, n_anchors) sparse, stored for every rated pair, so a stored 0 is a dislike; `liked` is the
    same pattern cut down to the positives, all ones. `anchors[j]` is the item number of column j.
    """

    users: IntArray
    anchors: IntArray
    grades: sparse.csr_matrix
    liked: sparse.csr_matrix

    @classmethod
    def of(cls, data: TrainingData, scale: RatingScale, *, least: int, most: int) -> Profiles:
        """Profiles of the users with interactions, over the `most` items that have the most positives, `least` each."""
        seen = data.interactions
        counts = np.bincount(seen.items[scale.liked(seen.ratings)], minlength=data.graph.n_items)
        ranked = np.argsort(-counts, kind="stable")[:most]
        return cls.over(data, scale, np.sort(ranked[counts[ranked] >= least]).astype(np.int64))

    @classmethod
    def over(cls, data: TrainingData, scale: RatingScale, anchors: IntArray) -> Profiles:
        """Profiles of the users with interactions, over these items."""
        seen = data.interactions
        liked = scale.liked(seen.ratings)
        column = np.full(data.graph.n_items, -1, np.int64)
        column[anchors] = np.arange(len(anchors))
        users = np.unique(seen.users)
        keep = column[seen.items] >= 0
        rows = np.searchsorted(users, seen.users[keep])
        columns = column[seen.items[keep]]
        shape = (len(users), len(anchors))
        grades = scale.grade(seen.ratings[keep])
        graded = sparse.csr_matrix((grades, (rows, columns)), shape=shape, dtype=np.float32)
        ones = np.ones(int(liked[keep].sum()), np.float32)
        positives = sparse.csr_matrix((ones, (rows[liked[keep]], columns[liked[keep]])), shape=shape)
        return cls(users, anchors, graded, positives)

    def rows(self, chosen: IntArray) -> Profiles:
        """The profiles of some of the users."""
        return Profiles(self.users[chosen], self.anchors, self.grades[chosen], self.liked[chosen])

    @property
    def shape(self) -> tuple[int, int]:
        """(n_users, n_anchors)."""
        return len(self.users), len(self.anchors)
