"""The training ratings as a sparse matrix, and the ratings of a support that say something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.types import IntArray, Query, TrainingData
from plugbase.errors import UserError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ratings:
    """`matrix` (n_users, n_items) of the ratings given, one row a user who gave any; `users` are their numbers."""

    users: IntArray
    matrix: sparse.csr_array

    @classmethod
    def of(cls, data: TrainingData) -> Ratings:
        """The rows of the data that have a rating; of a pair that comes twice, the mean.

        Raises:
            UserError: no row has one.
        """
        rows = data.interactions
        known = ~np.isnan(rows.ratings)
        if not known.any():
            raise UserError(
                "the interactions have no ratings, so there is nothing to predict ratings from",
                mend="give interactions a column `rating`, or score with a method for clicks",
            )
        users, row = np.unique(rows.users[known], return_inverse=True)
        shape = (len(users), data.graph.n_items)
        where = (row, rows.items[known])
        total = sparse.csr_array((rows.ratings[known].astype(np.float64), where), shape=shape)
        count = sparse.csr_array((np.ones(len(row)), where), shape=shape)
        total.data /= count.data
        return cls(users, total)

    @cached_property
    def counts(self) -> IntArray:
        """(n_items,) ratings of each item."""
        return np.bincount(self.matrix.indices, minlength=self.matrix.shape[1]).astype(np.int64)

    @cached_property
    def mean(self) -> float:
        """Mean of all ratings."""
        return float(self.matrix.data.mean())

    def item_bias(self, damping: float) -> Array:
        """(n_items,) sum of the ratings' distance from the mean over count + damping; 0 without ratings."""
        total = np.bincount(self.matrix.indices, self.matrix.data - self.mean, self.matrix.shape[1])
        return np.asarray(total / np.maximum(self.counts + damping, 1e-9))


def told(query: Query) -> tuple[IntArray, Array]:
    """Items and ratings of the support; an item met without a rating says nothing of the ratings to come."""
    known = ~np.isnan(query.ratings)
    return query.items[known], query.ratings[known].astype(np.float64)
