"""Simple raters that any other has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from scipy import sparse

from coldplug.learn.baselines.ials import apply_map, ridge_map
from coldplug.learn.baselines.matrices import fact_matrix
from coldplug.learn.ratings.rows import Array, Ratings, told
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class SupportMean:
    """The mean of the user's support, for every item; the training mean without one."""

    name = "support-mean"

    def __init__(self, mean: float) -> None:
        self.mean = mean

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Keep the mean of the training ratings; nothing is random."""
        return cls(Ratings.of(data).mean)

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items), equal in a row."""
        out = np.empty((len(queries), len(items)), np.float32)
        for row, query in enumerate(queries):
            _, ratings = told(query)
            out[row] = self._middle(ratings) if len(ratings) else self.mean
        return out

    @staticmethod
    def _middle(ratings: Array) -> float:
        return float(ratings.mean())


class SupportMedian(SupportMean):
    """The median of the user's support, halfway between the middle two where their number is even."""

    name = "support-median"

    @staticmethod
    def _middle(ratings: Array) -> float:
        return float(np.median(ratings))


class DampedBias:
    """mean + b_i + c_u: how far an item's, then a user's ratings lie above what was expected, drawn towards 0."""

    name = "damped-bias"

    def __init__(self, mean: float, bias: Array, damping: float) -> None:
        self.mean, self.bias, self.damping = mean, bias, damping

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, item_damping: float = 10.0, damping: float = 3.0, **_: Any
    ) -> Self:
        """Item biases from the training ratings; nothing is random.

        Args:
            item_damping, damping: ratings of the expected value that each item, each user is given beforehand.
        """
        rows = Ratings.of(data)
        return cls(rows.mean, rows.item_bias(item_damping), damping)

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items); a new item has the bias 0."""
        out = np.empty((len(queries), len(items)), np.float32)
        for row, query in enumerate(queries):
            met, ratings = told(query)
            rest = ratings - self.mean - self.bias[met]
            out[row] = self.mean + self.bias[items] + rest.sum() / (len(rest) + self.damping)
        return out


class BiasContentRidge:
    """Damped biases, then for each user a ridge regression of what is left on the item's catalogue facts.

    The biases of new items are predicted from the same facts by a ridge regression over the rated items.
    """

    name = "bias-content-ridge"

    def __init__(self, base: DampedBias, features: sparse.csr_array, ridge: float) -> None:
        self.base, self.features, self.ridge = base, features, ridge

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, item_ridge: float = 20.0, ridge: float = 20.0, **_: Any
    ) -> Self:
        """Biases, and the regression that predicts them; nothing is random.

        Args:
            item_ridge: penalty of the regression of biases on facts.
            ridge: penalty of a user's regression.
        """
        base = DampedBias.fit(data)
        features = sparse.csr_array(
            fact_matrix(data.graph, ("genre", "director", "actor", "rated"), stated=True)
        )
        rated = Ratings.of(data).counts > 0
        if features.shape[1] and not rated.all():
            weights = ridge_map(features[rated], base.bias[rated][:, None], item_ridge)
            base.bias[~rated] = apply_map(features[~rated], weights)[:, 0]
        return cls(base, features, ridge)

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        out = self.base.predict_ratings(queries, items)
        for row, query in enumerate(queries):
            met, ratings = told(query)
            if not len(met):
                continue
            rest = ratings - self.base.predict_ratings([query], met)[0]
            mine = self.features[met]
            gram = (mine @ mine.T).toarray() + self.ridge * np.eye(len(met))
            out[row] += self.features[items] @ (mine.T @ np.linalg.solve(gram, rest))
        return out


class ALSFoldIn:
    """Damped biases and factors of what is left, by alternating ridge regressions; a new user is folded in.

    Penalties grow with the number of ratings (Zhou et al. 2008). A new item has no factors.
    """

    name = "als-fold-in"

    def __init__(self, base: DampedBias, factors: Array, ridge: float) -> None:
        self.base, self.factors, self.ridge = base, factors, ridge

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        rank: int = 16,
        ridge: float = 0.15,
        sweeps: int = 10,
        **_: Any,
    ) -> Self:
        """Alternate for `sweeps` rounds.

        Args:
            rank: length of the factors.
            ridge: penalty a rating.
        """
        rows, base = Ratings.of(data), DampedBias.fit(data)
        rest = rows.matrix.copy()
        rest.data = rest.data - base.mean - base.bias[rest.indices]
        count = np.diff(rest.indptr)
        level = np.asarray(rest.sum(1)).ravel() / (count + base.damping)
        rest.data -= np.repeat(level, count)
        turned = sparse.csr_array(rest.T)
        factors = np.random.default_rng(seed).normal(0.0, 0.1, (rest.shape[1], rank))
        for _sweep in range(sweeps):
            factors = _alternate(turned, _alternate(rest, factors, ridge), ridge)
        return cls(base, factors, ridge)

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        out = self.base.predict_ratings(queries, items)
        for row, query in enumerate(queries):
            met, ratings = told(query)
            if len(met):
                rest = ratings - self.base.predict_ratings([query], met)[0]
                out[row] += self.factors[items] @ _folded(self.factors[met], rest, self.ridge)
        return out


def _folded(other: Array, targets: Array, ridge: float) -> Array:
    """(rank,) the ridge regression of targets (k,) on the rows of other (k, rank), with a penalty of k ridges."""
    gram = other.T @ other + ridge * len(other) * np.eye(other.shape[1])
    return np.asarray(np.linalg.solve(gram, other.T @ targets))


def _alternate(rest: sparse.csr_array, other: Array, ridge: float) -> Array:
    """Row factors given column factors."""
    out = np.zeros((rest.shape[0], other.shape[1]))
    for row in np.flatnonzero(np.diff(rest.indptr)):
        part = slice(rest.indptr[row], rest.indptr[row + 1])
        out[row] = _folded(other[rest.indices[part]], rest.data[part], ridge)
    return out
