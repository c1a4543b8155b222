"""A user as the posterior sees them: three vectors, each a sum of a prior part and one part a support item."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coldplug.learn.posterior.blend import COARSE, PARTS, Blend
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.moments import SIZES, Moments, mixing
from coldplug.types import FloatArray, IntArray


@dataclass(frozen=True)
class ItemVectors:
    """Vectors of all items: `values` and `keys` (n, dim), `bias` (n,), `rows` (n, rank).

    `column` (n,) is the item's column among the anchors, -1 for a new item, whose vectors are predicted.
    """

    values: FloatArray
    keys: FloatArray
    bias: FloatArray
    rows: FloatArray
    column: IntArray

    def expected_keys(self, moments: Moments, size: int, support: IntArray) -> FloatArray:
        """(k, rank) what meeting each support item adds to the expected profile at a size of the grid.

        A new item has no weights of its own; those of the anchors, regressed on their rows, stand in.
        """
        column = self.column[support]
        known = moments.keys[size][np.maximum(column, 0)]
        guessed = self.rows[support] @ moments.bridge[size]
        return np.where((column >= 0)[:, None], known, guessed)


@dataclass(frozen=True)
class UserVectors:
    """One user: the prior parts, and the parts that each support item added, which sum to the posterior.

    `expected` (1 + k, rank): the expected profile; `user` (1 + k, dim): the user vector; `likes` (1 + k, rank): the
    profile of the support itself, its first row 0. Row 0 is the prior, row s the s-th support item.
    """

    expected: FloatArray
    user: FloatArray
    likes: FloatArray
    support_size: int

    def parts(self, items: ItemVectors, chosen: IntArray) -> FloatArray:
        """(1 + k, n_chosen, len(PARTS)): what the prior and each support item add to each part of each score."""
        rows, values = items.rows[chosen], items.values[chosen]
        out = np.zeros((len(self.user), len(chosen), len(PARTS)), np.float32)
        out[:, :, 0] = self.expected @ rows.T
        out[:, :, 1] = self.user @ values.T
        out[0, :, 2] = items.bias[chosen]
        out[:, :, 3] = self.likes @ rows.T
        out[:, :, 4] = self.likes[:, :COARSE] @ rows[:, :COARSE].T
        out[0, :, 5] = 1.0
        return out

    def total(self) -> UserVectors:
        """The same user with the parts summed: one row each."""
        return UserVectors(
            self.expected.sum(0)[None], self.user.sum(0)[None], self.likes.sum(0)[None], self.support_size
        )

    def scores(self, items: ItemVectors, chosen: IntArray, blend: Blend) -> FloatArray:
        """(1 + k, n_chosen) what the prior and each support item add to the score; the column sums are the scores."""
        anchor, new = blend.at(self.support_size)
        rows, values, kind = items.rows[chosen], items.values[chosen], items.column[chosen] < 0
        out = np.empty((len(self.user), len(chosen)), np.float32)
        for weights, mine in ((anchor, ~kind), (new, kind)):
            if not mine.any():
                continue
            row_vector = weights[0] * self.expected + weights[3] * self.likes
            row_vector[:, :COARSE] += weights[4] * self.likes[:, :COARSE]
            part = row_vector @ rows[mine].T + (weights[1] * self.user) @ values[mine].T
            part[0] += weights[2] * items.bias[chosen[mine]] + weights[5]
            out[:, mine] = part
        return out


def user_vectors(
    moments: Moments,
    model: UserModel,
    items: ItemVectors,
    attributes: FloatArray,
    support: IntArray,
    grades: FloatArray,
    liked: FloatArray,
    *,
    at: int | None = None,
) -> UserVectors:
    """Adapt to one user.

    Args:
        attributes: (n_attributes,) encoded.
        support: (k,) item numbers, distinct.
        grades: (k,) their grades in [0, 1].
        liked: (k,) 1 where the grade is that of a positive; others tell nothing to the expected profile.
        at: weigh the prior as for a support of this size; by default as for the support there is.
    """
    x = np.concatenate([np.ones(1, np.float32), attributes])
    k = int(liked.sum()) if at is None else at
    rank = items.rows.shape[1]
    expected = np.zeros((1 + len(support), rank), np.float32)
    thin = min(1.0, SIZES[-1] / max(k, 1))
    for size, share in mixing(SIZES, k):
        expected[0] += share * (x @ moments.prior[size])
        expected[1:] += (share * thin) * liked[:, None] * items.expected_keys(moments, size, support)
    user = np.empty((1 + len(support), items.values.shape[1]), np.float32)
    user[0] = x @ model.prior
    _, user[1:] = model.posterior(user[0], items.keys[support], grades)
    likes = np.zeros_like(expected)
    likes[1:] = grades[:, None] * items.rows[support]
    length = float(np.linalg.norm(likes.sum(0)))
    if length > 0:
        likes /= length
    return UserVectors(expected, user, likes, k)
