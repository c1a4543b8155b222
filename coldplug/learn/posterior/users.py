"""A user as the posterior sees them: three vectors, each a sum of a prior part and one part a support item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldplug.learn.posterior.blend import COARSE, PARTS, Blend
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.moments import SIZES, Moments, mixing
from coldplug.learn.posterior.neighbours import Neighbours
from coldplug.types import FloatArray, IntArray


@dataclass(frozen=True)
class ItemVectors:
    """Vectors of all items.

    `values` and `keys` (n, dim), `bias` (n,), `rows` (n, width), `likings` (n, rank), `links` (n, LINKS). `likings` are the
    rows that a user's likes are held against: those of an anchor are its principal components, the first of its rows; those
    of a new item are put together from direction and popularity (`newcomers.py`), while its `rows` are the expectation.
    `column` (n,) is the item's column among the anchors, -1 for a new item, whose vectors are predicted.
    """

    values: FloatArray
    keys: FloatArray
    bias: FloatArray
    rows: FloatArray
    likings: FloatArray
    links: FloatArray
    column: IntArray

    def expected_keys(self, moments: Moments, size: int, support: IntArray) -> FloatArray:
        """(k, width) what meeting each support item adds to the expected profile at a size of the grid.

        A new item has no weights of its own; those of the anchors, regressed on their components, stand in.
        """
        column = self.column[support]
        keys = moments.keys[size][np.maximum(column, 0)]
        new = column < 0
        if new.any():
            keys[new] = self.rows[support[new], : moments.bridge.shape[1]] @ moments.bridge[size]
        return keys


@dataclass(frozen=True)
class UserVectors:
    """One user: the prior parts, and the parts that each support item added, which sum to the posterior.

    `expected` (1 + k, width): the expected profile; `user` (1 + k, dim): the user vector; `likes` (1 + k, rank): the
    profile of the support itself; `linked` (1 + k, LINKS): its associations; `near` (1 + k, WIDTH): the mean profile of
    the likeliest neighbours. Row 0 is the prior, all 0 in likes and linked; row s is the s-th support item.
    """

    expected: FloatArray
    user: FloatArray
    likes: FloatArray
    linked: FloatArray
    near: FloatArray
    support_size: int

    def total(self) -> UserVectors:
        """The same user with the parts summed: one row each."""
        return UserVectors(
            self.expected.sum(0)[None],
            self.user.sum(0)[None],
            self.likes.sum(0)[None],
            self.linked.sum(0)[None],
            self.near.sum(0)[None],
            self.support_size,
        )

    def scores(self, items: ItemVectors, chosen: IntArray, blend: Blend) -> FloatArray:
        """(1 + k, n_chosen) what the prior and each support item add to the score; the column sums are the scores."""
        anchor, new = blend.at(self.support_size)
        kind = items.column[chosen] < 0
        out = np.empty((len(self.user), len(chosen)), np.float32)
        for weights, mine in ((anchor, ~kind), (new, kind)):
            if not mine.any():
                continue
            picked = chosen[mine]
            profile = weights[0] * self.expected
            profile[:, : self.near.shape[1]] += weights[6] * self.near
            part = profile @ items.rows[picked].T
            part += (weights[1] * self.user) @ items.values[picked].T
            part[0] += weights[2] * items.bias[picked] + weights[7]
            if weights[3] or weights[4]:
                likes = weights[3] * self.likes
                likes[:, :COARSE] += weights[4] * self.likes[:, :COARSE]
                part += likes @ items.likings[picked].T
            if weights[5]:
                part += (weights[5] * self.linked) @ items.links[picked].T
            out[:, mine] = part
        return out


def score_parts(users: Sequence[UserVectors], items: ItemVectors) -> FloatArray:
    """(n_users, n_items, len(PARTS)) the parts of the scores of all items, for users whose support has been summed."""
    expected = np.concatenate([user.expected for user in users])
    likes = np.concatenate([user.likes for user in users])
    out = np.empty((len(users), len(items.bias), len(PARTS)), np.float32)
    out[:, :, 0] = expected @ items.rows.T
    out[:, :, 1] = np.concatenate([user.user for user in users]) @ items.values.T
    out[:, :, 2] = items.bias
    out[:, :, 3] = likes @ items.likings.T
    out[:, :, 4] = likes[:, :COARSE] @ items.likings[:, :COARSE].T
    out[:, :, 5] = np.concatenate([user.linked for user in users]) @ items.links.T
    near = np.concatenate([user.near for user in users])
    out[:, :, 6] = near @ items.rows[:, : near.shape[1]].T
    out[:, :, 7] = 1.0
    return out


def user_vectors(
    moments: Moments,
    model: UserModel,
    neighbours: Neighbours,
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
    expected = np.zeros((1 + len(support), items.rows.shape[1]), np.float32)
    thin = min(1.0, SIZES[-1] / max(k, 1))
    for size, share in mixing(SIZES, k):
        expected[0] += share * (x @ moments.prior[size])
        expected[1:] += (share * thin) * liked[:, None] * items.expected_keys(moments, size, support)
    user = np.empty((1 + len(support), items.values.shape[1]), np.float32)
    user[0] = x @ model.prior
    _, user[1:] = model.posterior(user[0], items.keys[support], grades)
    rank = items.likings.shape[1]
    likes = np.zeros((1 + len(support), rank), np.float32)
    likes[1:] = grades[:, None] * items.rows[support, :rank]
    length = float(np.linalg.norm(likes.sum(0)))
    if length > 0:
        likes /= length
    linked = np.zeros((1 + len(support), items.links.shape[1]), np.float32)
    # Support items are not independent: over their root, so that a long support does not drown the rest.
    linked[1:] = liked[:, None] * items.links[support] / np.sqrt(np.float32(max(k, 1)))
    telling = (items.column[support] >= 0) & (liked > 0)
    met = support[telling]
    near = np.zeros((1 + len(support), neighbours.profiles.shape[1]), np.float32)
    near[np.concatenate([[True], telling])] = neighbours.mean_profile(items.column[met], items.values[met])
    return UserVectors(expected, user, likes, linked, near, k)
