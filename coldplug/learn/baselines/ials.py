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
        ridge: float = 50.0,
        sweeps: int = 10,
        item_ridge: float = 5.0,
        user_ridge: float = 30.0,
        **settings: Any,
    ) -> Self:
        """Alternate for `sweeps` rounds, then fit the two regressions.

        Args:
            dimension: length of the factors.
            alpha, ridge: weight of a positive and the penalty, as in the formula.
            item_ridge, user_ridge: penalties of the regressions from features and from attributes.
        """
        liked = positive_matrix(data)
        by_item = sparse.csr_array(liked.T)
        users, items = np.diff(liked.indptr) > 0, np.diff(by_item.indptr) > 0
        random = np.random.default_rng(seed)
        item_factors = random.normal(0.0, 0.1, (liked.shape[1], dimension))
        item_factors[~items] = 0.0
        user_factors = np.zeros((liked.shape[0], dimension))
        for _ in range(sweeps):
            user_factors = solve(liked, item_factors, alpha, ridge)
            item_factors = solve(by_item, user_factors, alpha, ridge)
        coder = AttributeCoder(data.user_attributes)
        attributes = _with_intercept(coder.encode(data.user_attributes).toarray())
        from_attributes = ridge_map(attributes[users], user_factors[users], user_ridge)
        features = _with_intercept(cls.features(data.graph))
        if features.shape[1] > 1 and not items.all():
            item_factors[~items] = features[~items] @ ridge_map(
                features[items], item_factors[items], item_ridge
            )
        fitted = cls(item_factors, coder, from_attributes, alpha, ridge, data.positive_at)
        fitted.warm = items
        fitted.gram = item_factors[items].T @ item_factors[items]
        return fitted

    @classmethod
    def features(cls, graph: ItemGraph) -> Array:
        """(n_items, n_features) dense: facts, and text embeddings scaled to be heard among them."""
        parts: list[Array] = []
        if cls.facts is None:
            parts.append(fact_matrix(graph, stated=True).toarray())
        elif cls.facts:
            parts.append(fact_matrix(graph, cls.facts, stated=True).toarray())
        if cls.text:
            parts.append(text_vectors(graph) * TEXT_SCALE)
        return np.concatenate(parts, axis=1)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        support = support_matrix(queries, len(self.factors), self.positive_at)
        users = _with_intercept(self.coder.encode([q.attributes for q in queries]).toarray())
        vectors = users @ self.from_attributes
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


def ridge_map(features: Array, targets: Array, penalty: float) -> Array:
    """(n_features, n_targets) by ridge regression; the last feature is the intercept and not penalised.

    Solved in whichever of the two spaces, features or rows, is smaller.
    """
    mean_f, mean_t = features[:, :-1].mean(0), targets.mean(0)
    x, y = features[:, :-1] - mean_f, targets - mean_t
    if x.shape[1] <= x.shape[0]:
        weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    else:
        weights = x.T @ np.linalg.solve(x @ x.T + penalty * np.eye(x.shape[0]), y)
    return np.vstack([weights, mean_t - mean_f @ weights])


def _with_intercept(features: Array) -> Array:
    return np.hstack([features, np.ones((len(features), 1))]).astype(np.float64)
