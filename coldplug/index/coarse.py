"""A short space for long vectors, in which the items that a user would score highest are the nearest.

Scores are inner products u . v. Not all directions of the items count alike: what matters is how much they move the scores
of users who come. With C the covariance of the items and M the second moment of the users, and M = L L', the leading
eigenvectors B of L' C L give the map of the least squared error in the scores among all of that length:

    item v -> B' L' (v - mean)          user u -> B' L^-1 u

No users are kept in a model. Those for M are made: each likes a few of the items that the model ranks high for somebody who
likes one item, drawn at random. A column more makes the highest inner product the nearest neighbour (Bachrach et al. 2014,
Speeding Up the Xbox Recommender System Using a Euclidean Transformation for Inner-Product Spaces): items are moved onto a
sphere of the radius of the longest, users get a 0 there. Indices that walk a graph fail on inner products as they are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from coldplug.types import FloatArray, IntArray, Query
from coldplug.vectors import Vectors

WIDTH = 48
"""Columns of the short space, without the one that makes the sphere; fewer where the vectors are shorter."""
_SAMPLE = 20_000
"""Items that the covariance is taken of."""
_FLOOR = 1e-3
"""Of the users' mean square, added in all directions: the made users are not all there are."""
_SIZES = (0, 1, 2, 3, 5, 10, 20, 50)
_ALIKE = 100
"""A made user's likes come from so many items that rank highest for one."""
_RADIUS = 1.05
"""Of the longest item: those that come later may be longer, and those beyond the sphere stay beyond it."""


@dataclass(frozen=True)
class Coarse:
    """The two maps: `item_map` (d, width), `user_map` (d, width), `mean` (d,), and the sphere's radius."""

    item_map: FloatArray
    user_map: FloatArray
    mean: FloatArray
    radius: float

    @classmethod
    def fit(cls, items: FloatArray, users: FloatArray, width: int = WIDTH) -> Coarse:
        """The maps for items like these, (n, d), and users like these, (m, d)."""
        mean = items.mean(0, dtype=np.float64)
        centred = items - mean
        covariance = centred.T @ centred / max(len(items), 1)
        moment = users.astype(np.float64).T @ users / max(len(users), 1)
        moment[np.diag_indices_from(moment)] += max(_FLOOR * np.trace(moment) / len(moment), 1e-12)
        root = np.linalg.cholesky(moment)
        directions = np.linalg.eigh(root.T @ covariance @ root)[1][:, ::-1][:, :width]
        item_map = root @ directions
        radius = _RADIUS * float(np.linalg.norm(centred @ item_map, axis=1).max(initial=1e-6))
        return cls(
            item_map.astype(np.float32),
            np.linalg.solve(root.T, directions).astype(np.float32),
            mean.astype(np.float32),
            radius,
        )

    def items(self, vectors: FloatArray) -> FloatArray:
        """(n, width + 1) float32 on the sphere."""
        out = np.empty((len(vectors), self.item_map.shape[1] + 1), np.float32)
        out[:, :-1] = (vectors - self.mean) @ self.item_map
        out[:, -1] = np.sqrt(np.maximum(self.radius**2 - np.einsum("nd,nd->n", out[:, :-1], out[:, :-1]), 0))
        return out

    def around(self, short: FloatArray) -> Coarse:
        """These maps with a sphere that has room for all of these short vectors, which are moved onto it in place.

        An item outside the sphere would seem farther from every user than it is, and those are the ones with high scores.
        """
        squares = np.einsum("nd,nd->n", short[:, :-1], short[:, :-1])
        radius = max(self.radius, _RADIUS * float(np.sqrt(squares.max(initial=0.0))))
        short[:, -1] = np.sqrt(radius**2 - squares)
        return replace(self, radius=radius)

    def user(self, vector: FloatArray) -> FloatArray:
        """(width + 1,) float32 of the sphere's radius; which items are nearest does not depend on it."""
        out = np.zeros(self.user_map.shape[1] + 1, np.float32)
        out[:-1] = vector @ self.user_map
        length = float(np.linalg.norm(out))
        return out * np.float32(self.radius / length) if length > 0 else out


def made_users(vectors: Vectors, count: int, seed: int) -> FloatArray:
    """(count, d) vectors of users who might come, made of the items alone."""
    rng = np.random.default_rng(seed)
    total = len(vectors.learned())
    shown = np.sort(rng.choice(total, min(total, _SAMPLE), replace=False))
    base = vectors.items(shown)
    out = np.empty((count, vectors.width), np.float32)
    for start in range(0, count, 200):
        part = slice(start, min(start + 200, count))
        firsts = [_likes(rng.integers(0, total, 1)) for _ in range(start, part.stop)]
        scores = vectors.users(firsts) @ base.T
        few = min(_ALIKE, len(shown))
        alike = shown[np.argpartition(-scores, few - 1, axis=1)[:, :few]]
        sizes = np.minimum(rng.choice(_SIZES, len(firsts)), few)
        queries = [_likes(rng.choice(mine, k, replace=False)) for mine, k in zip(alike, sizes, strict=True)]
        out[part] = vectors.users(queries)
    return out


def _likes(items: IntArray) -> Query:
    return Query({}, np.asarray(items, np.int64), np.full(len(items), np.nan, np.float32))


def sampled(vectors: Vectors, rows: IntArray, seed: int) -> FloatArray:
    """(at most _SAMPLE, d) vectors of some of these items."""
    rng = np.random.default_rng(seed)
    return vectors.items(np.sort(rng.choice(rows, min(len(rows), _SAMPLE), replace=False)))
