"""People whose likes make this one's likely, and what else they liked: a user as a mixture of users who are known.

The other parts of the score are sums over the support, so two likes together say no more than each by itself. Here they
do: the weight of a known user v, given a support S, is a product over it,

    w_v ~ prod_{s in S} (q(s | v) / q(s))^t        q(s | v) = (1 - a) p(s | v) + a 1[v likes s] / n_v

with p(s | v) the multinomial of v's own vector over the anchors, n_v their number of likes, and q(s) the mean over users.
What v is known to like counts beside what v would like. The likes of a support are not independent, so the exponent
t = 1 / (1 + k / 12) falls with its size k. The mean profile of the likeliest hundred, by these weights, is scored like an
expected profile, over its leading directions. It is the posterior mean of a profile when the prior is the sample of known
users itself; nearest neighbours with a likelihood in the place of a similarity (Wang, de Vries and Reinders, A
User-Item Relevance Model for Log-Based Collaborative Filtering, 2006).

An item that is not among the anchors says nothing here. Neither does a user whose likes all lie in the support: most often
that is the very user who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.learn.posterior.episodes import AnchorVectors, UserModel
from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import FloatArray, IntArray

WIDTH = 64
"""Leading directions of the basis that the mean profile is written in; more of them score no better."""
MOST = 6000
"""Users that are kept, drawn at random where there are more."""
_NEAREST = 100
_OBSERVED = 0.3
"""a above, the share of what a user is known to like."""
_INDEPENDENT = 12.0
"""Support size at which a like counts for half of what it would by itself."""
_LEAST_LIKES = 5
_CHUNK = 1024


@dataclass(frozen=True)
class Neighbours:
    """Known users, without their ids or attributes.

    `vectors` (n, dim) and `totals` (n,): v's multinomial is exp(e_s . vectors_v + b_s - totals_v). `profiles`
    (n, WIDTH): their likes in the leading directions. `starts` (n_anchors + 1,), `users` and `grades` (n_likes,): who likes
    each anchor, in the manner of a CSC matrix. `surprise` (n_likes,): what having liked it adds to the logarithm of
    q(s | v) / q(s), and `levels` (n_anchors,) what that is at e_s . vectors_v - totals_v = 0 without.
    `sizes` (n,) counts likes.
    """

    vectors: FloatArray
    totals: FloatArray
    profiles: FloatArray
    starts: IntArray
    users: NDArray[np.int32]
    grades: FloatArray
    surprise: FloatArray
    levels: FloatArray
    sizes: NDArray[np.int32]

    @classmethod
    def of(
        cls, profiles: Profiles, model: UserModel, anchors: AnchorVectors, directions: FloatArray, seed: int
    ) -> Neighbours:
        """From the likes of users.

        Args:
            profiles: of the users.
            model: that gives a user's vector.
            anchors: their vectors.
            directions: (n_anchors, at least WIDTH) the basis's leading directions.
            seed: draws the users that are kept, where there are too many.
        """
        liked = likes_of(profiles)
        if liked.shape[0] > MOST:
            chosen = np.random.default_rng(seed).choice(liked.shape[0], MOST, replace=False)
            liked = liked[np.sort(chosen)]
        return cls.learned(liked, model, anchors, directions)

    def joined(
        self, profiles: Profiles, model: UserModel, anchors: AnchorVectors, directions: FloatArray
    ) -> Neighbours:
        """These users and new ones, as the model has them now; where they are too many, the first go."""
        shape = (len(self.sizes), len(self.levels))
        mine = sparse.csc_matrix((self.grades, self.users, self.starts), shape=shape).tocsr()
        liked = sparse.vstack([mine, likes_of(profiles)], format="csr")[-MOST:]
        return self.learned(liked, model, anchors, directions)

    @classmethod
    def learned(
        cls, liked: sparse.csr_matrix, model: UserModel, anchors: AnchorVectors, directions: FloatArray
    ) -> Neighbours:
        """From the grades of what each user likes (n, n_anchors), stored for nothing else."""
        liked.sort_indices()
        n, n_anchors = liked.shape
        sizes = np.diff(liked.indptr)
        vectors = np.zeros((n, anchors.values.shape[1]), np.float32)
        for row in range(n):
            mine = slice(liked.indptr[row], liked.indptr[row + 1])
            vectors[row], _ = model.posterior(
                model.prior[0], anchors.keys[liked.indices[mine]], liked.data[mine]
            )
        totals = np.zeros(n, np.float32)
        mean = np.zeros(n_anchors)
        for start in range(0, n, _CHUNK):
            rows = slice(start, start + _CHUNK)
            logits = vectors[rows] @ anchors.values.T + anchors.bias
            top = logits.max(1, keepdims=True)
            chances = np.exp(logits - top)
            summed = chances.sum(1, keepdims=True)
            totals[rows] = (top + np.log(summed))[:, 0]
            mean += (chances / summed).sum(0)
        by_item = liked.tocsc()
        by_item.sort_indices()
        place = np.repeat(np.arange(n_anchors), np.diff(by_item.indptr))
        users = by_item.indices
        seen = 1 / np.maximum(sizes, 1)[users]
        expected = np.einsum("ld,ld->l", vectors[users], anchors.values[place]) + anchors.bias[place]
        chance = np.exp(expected - totals[users])
        surprise = np.log1p(_OBSERVED / (1 - _OBSERVED) * seen / np.maximum(chance, 1e-12))
        overall = (1 - _OBSERVED) * mean + _OBSERVED * np.bincount(place, seen, n_anchors)
        levels = np.log(1 - _OBSERVED) + anchors.bias - np.log(np.maximum(overall / max(n, 1), 1e-12))
        return cls(
            vectors,
            totals,
            np.asarray(liked @ directions[:, :WIDTH], np.float32),
            by_item.indptr.astype(np.int64),
            users.astype(np.int32),
            by_item.data.astype(np.float32),
            surprise.astype(np.float32),
            levels.astype(np.float32),
            sizes.astype(np.int32),
        )

    @cached_property
    def _overall(self) -> FloatArray:
        return np.asarray(self.profiles.mean(0))

    def mean_profile(self, columns: IntArray, values: FloatArray) -> FloatArray:
        """(1 + k, width) the mean profile of the likeliest: its rows sum to it.

        Row 0 is the mean over all users; row s is what support item s adds, each neighbour's weight being shared out by
        how much likelier than anybody's their like of s is.

        Args:
            columns: (k,) which anchors the support items are, none below 0.
            values: (k, dim) their vectors e_s.
        """
        k = len(columns)
        out = np.zeros((1 + k, self.profiles.shape[1]), np.float32)
        if not len(self.sizes):
            return out
        out[0] = self._overall
        if not k:
            return out
        power = np.float32(1 / (1 + k / _INDEPENDENT))
        lengths = self.starts[columns + 1] - self.starts[columns]
        item = np.repeat(np.arange(k), lengths)
        at = np.arange(len(item)) + np.repeat(self.starts[columns] - np.cumsum(lengths) + lengths, lengths)
        users, surprise = self.users[at], self.surprise[at]
        evidence = self.vectors @ values.sum(0) - k * self.totals
        evidence += np.bincount(users, surprise, len(evidence)).astype(np.float32)
        evidence[np.bincount(users, minlength=len(evidence)) >= self.sizes] = -np.inf
        nearest = np.argpartition(-evidence, min(_NEAREST, len(evidence) - 1))[:_NEAREST]
        nearest = nearest[np.isfinite(evidence[nearest])]
        if not len(nearest):
            return out
        weights = np.exp(power * (evidence[nearest] - evidence[nearest].max()))
        weights /= weights.sum()
        each = values @ self.vectors[nearest].T - self.totals[nearest] + self.levels[columns][:, None]
        position = np.full(len(evidence), -1)
        position[nearest] = np.arange(len(nearest))
        met = position[users] >= 0
        each[item[met], position[users[met]]] += surprise[met]
        shares = np.exp(power * (each - each.max(0)))
        shares *= weights / shares.sum(0)
        out[1:] = shares @ (self.profiles[nearest] - out[0])
        return out


def likes_of(profiles: Profiles) -> sparse.csr_matrix:
    """(n, n_anchors) the grades of likes alone, of the users who have enough of them to be told by."""
    liked = profiles.grades.multiply(profiles.liked).tocsr()
    liked.eliminate_zeros()
    return liked[np.flatnonzero(np.diff(liked.indptr) >= _LEAST_LIKES)]
