"""iALS with ridge maps: factors for what was trained on, regressions from features for what was not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.learn.baselines.content import text_vectors
from coldplug.learn.baselines.matrices import (
    AttributeCoder,
    Matrix,
    fact_matrix,
    positive_matrix,
    support_matrix,
)
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData

Array = NDArray[Any]


class IALSRidge:
    """Implicit ALS (Hu, Koren and Volinsky 2008); cold items and users without support by ridge regression.

    Factors minimise sum c (p - x.y)^2 + ridge (|x|^2 + |y|^2) with p = 1 and c = 1 + alpha at positives,
    p = 0 and c = 1 elsewhere. Item factors are regressed on item features, user factors on attribute
    one-hots, each with an intercept. A query with positives in its support is folded in; one without is
    scored by the regression.
    """

    name = "ials-ridge"
    facts: tuple[str, ...] | None = None
    """Relations among the catalogue facts; None means all of them, the empty tuple none."""
    text = True

    def __init__(
        self,
        factors: Array,
        coder: AttributeCoder,
        from_attributes: Array,
        alpha: float,
        ridge: float,
        positive_at: float,
    ) -> None:
        self.factors, self.coder, self.from_attributes = factors, coder, from_attributes
        self.alpha, self.ridge, self.positive_at = alpha, ridge, positive_at
        self.gram = np.zeros((0, 0))
        self.warm = np.zeros(0, np.bool_)

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        dimension: int = 64,
        alpha: float = 10.0,
        ridge: float = 0.01,
        sweeps: int = 10,
        item_ridge: float = 5.0,
        user_ridge: float = 30.0,
        **settings: Any,
    ) -> Self:
        """Alternate for `sweeps` rounds, then fit the two regressions.

        Args:
            dimension: length of the factors.
            alpha: weight of a positive, as in the formula.
            ridge: the formula's penalty, as a share of the number of users with a positive.
            item_ridge, user_ridge: penalties of the regressions from features and from attributes.
        """
        liked = positive_matrix(data)
        by_item = sparse.csr_array(liked.T)
        users, items = np.diff(liked.indptr) > 0, np.diff(by_item.indptr) > 0
        penalty = max(ridge * float(users.sum()), 1e-6)
        random = np.random.default_rng(seed)
        item_factors = random.normal(0.0, 0.1, (liked.shape[1], dimension))
        item_factors[~items] = 0.0
        user_factors = np.zeros((liked.shape[0], dimension))
        for _ in range(sweeps):
            user_factors = solve(liked, item_factors, alpha, penalty)
            item_factors = solve(by_item, user_factors, alpha, penalty)
        coder = AttributeCoder(data.user_attributes)
        attributes = coder.encode(data.user_attributes).astype(np.float64)
        from_attributes = ridge_map(attributes[users], user_factors[users], user_ridge)
        features = cls.features(data.graph)
        if features.shape[1] and not items.all():
            weights = ridge_map(features[items], item_factors[items], item_ridge)
            item_factors[~items] = apply_map(features[~items], weights)
        fitted = cls(item_factors, coder, from_attributes, alpha, penalty, data.positive_at)
        fitted.warm = items
        fitted.gram = item_factors[items].T @ item_factors[items]
        return fitted

    @classmethod
    def features(cls, graph: ItemGraph) -> Matrix:
        """(n_items, n_features): facts, and text embeddings scaled to be heard among them."""
        parts: list[Matrix] = []
        if cls.facts != ():
            parts.append(fact_matrix(graph, cls.facts, stated=True))
        if cls.text:
            parts.append(sparse.csr_array(text_vectors(graph) * TEXT_SCALE))
        return sparse.csr_array(sparse.hstack(parts).astype(np.float64))

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        support = support_matrix(queries, len(self.factors), self.positive_at)
        vectors = apply_map(self.coder.encode([q.attributes for q in queries]), self.from_attributes)
        told = support.sum(axis=1) > 0
        if told.any():
            vectors[told] = solve(support[told], self.factors, self.alpha, self.ridge, self.gram)
        return np.asarray(vectors @ self.factors[items].T, np.float32)


TEXT_SCALE = 3.0
"""Length of a text embedding beside facts of length one each."""


class IALSGenres(IALSRidge):
    """iALS with the relation `genre` as item features."""

    name = "ials-ridge-genres"
    facts = ("genre",)
    text = False


class IALSCatalogue(IALSRidge):
    """iALS with everything the catalogue knew as item features."""

    name = "ials-ridge-catalogue"
    text = False


class IALSText(IALSRidge):
    """iALS with text embeddings as item features."""

    name = "ials-ridge-text"
    facts = ()


def solve(liked: Matrix, other: Array, alpha: float, ridge: float, gram: Array | None = None) -> Array:
    """Row factors given column factors: (Y'Y + alpha Y_u'Y_u + ridge I)^-1 (1 + alpha) sum of Y_u.

    Args:
        liked: (n_rows, n_columns) of ones.
        other: (n_columns, dimension).
        gram: Y'Y where it is known already.
    """
    dimension = other.shape[1]
    base = (other.T @ other if gram is None else gram) + ridge * np.eye(dimension)
    out = np.zeros((liked.shape[0], dimension))
    targets = (1.0 + alpha) * (liked @ other)
    for row in np.flatnonzero(np.diff(liked.indptr)):
        mine = other[liked.indices[liked.indptr[row] : liked.indptr[row + 1]]]
        out[row] = np.linalg.solve(base + alpha * (mine.T @ mine), targets[row])
    return out


def ridge_map(features: Matrix, targets: Array, penalty: float) -> Array:
    """(n_features + 1, n_targets): ridge regression on centred features, the intercept in the last row.

    Solved in whichever of the two spaces, features or rows, is smaller; memory grows with its square.
    """
    n_rows, n_features = features.shape
    mean_f, mean_t = np.asarray(features.mean(axis=0), np.float64), targets.mean(0)
    y = targets - mean_t
    if n_features <= n_rows:
        gram = (features.T @ features).toarray() - n_rows * np.outer(mean_f, mean_f)
        weights = np.linalg.solve(gram + penalty * np.eye(n_features), features.T @ y)
    else:
        # centring both sides of the kernel matrix is centring the features; the solution then sums to zero
        kernel = (features @ features.T).toarray()
        kernel -= kernel.mean(0)
        kernel -= kernel.mean(1, keepdims=True)
        weights = features.T @ np.linalg.solve(kernel + penalty * np.eye(n_rows), y)
    return np.vstack([weights, mean_t - mean_f @ weights])


def apply_map(features: Matrix, weights: Array) -> Array:
    """(n_rows, n_targets): what a `ridge_map` says of these features."""
    return np.asarray(features @ weights[:-1] + weights[-1], np.float64)
