"""The rating posterior behind fit and predict_ratings, told in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, eigh

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.text import encode_texts, item_texts
from coldplug.learn.posterior.features import (
    TEXT,
    ItemFeatures,
    Vocabulary,
    item_features,
    learn_vocabulary,
)
from coldplug.learn.posterior.relevance import Relevance, learn_relevance, predict
from coldplug.learn.ratings.factors import Factors, fit_factors
from coldplug.learn.ratings.rows import Array, Ratings, told
from coldplug.learn.ratings.settings import RatingSettings
from coldplug.learn.ratings.stars import Stars
from coldplug.learn.settings import checked
from coldplug.learn.threads import one_thread
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData
from plugbase.errors import UserError

_SURE = 20.0
"""Ratings at which an anchor's noise as a target of the item map is twice that of one with very many."""
_LEAST_EIGENVALUE = 1e-6
_TOLD_AT_MOST, _ASKED = 60, 10
"""Of a training user's ratings, those told and those predicted where the levels of ratings are fitted."""
_USERS = 600


def _silent(text: str) -> None:
    return None


@dataclass(frozen=True)
class RatedItems:
    """`bias` (n,), `vectors` (n, width) as the user's weights meet them, `noise` (n,) variance of a rating, and `new` (n,)
    True where all of it is predicted, for want of ratings."""

    bias: FloatArray
    vectors: FloatArray
    noise: FloatArray
    new: IntArray


@dataclass
class RatingPosterior:
    """The rater of the default; see the package's docstring. Built by `fit`, or from a saved state by `state.py`.

    `mean` is that of the ratings; `prior` (1 + n_attributes, width) maps [1, attributes] to a user's expected weights,
    `variance` (width,) is how far users lie from them. `map_weights` (n_anchors, width - 1) and `map_mean` predict bias,
    factors and directions of a new item; `new_noise` is the variance of its ratings. `stars` are those of ratings of items
    learned from ratings, and of new ones.
    """

    settings: RatingSettings
    encoder: AttributeEncoder
    mean: float
    prior: Array
    variance: Array
    items: RatedItems
    vocabulary: Vocabulary
    relevance: Relevance
    anchors: ItemFeatures
    map_weights: FloatArray
    map_mean: FloatArray
    new_noise: float
    stars: tuple[Stars, Stars]
    name: str = "rating-posterior"

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = _silent, **settings: Any
    ) -> Self:
        """Learn from graph, attributes and ratings.

        Args:
            data: all that may be seen; interactions without a rating are left out.
            seed: of every random draw; the same seed on the same data gives the same model.
            note: called with the name of each stage as it begins.
            settings: fields of RatingSettings.

        Raises:
            UserError: no ratings, too few, or a setting that does not exist or cannot be.
        """
        chosen = checked(RatingSettings, settings)
        with one_thread():
            return cls._fit(data, seed, note, chosen)

    @classmethod
    def _fit(cls, data: TrainingData, seed: int, note: Callable[[str], None], chosen: RatingSettings) -> Self:
        rows = Ratings.of(data)
        encoder = AttributeEncoder.fit(data.user_attributes)
        attributes = encoder.transform([data.user_attributes[user] for user in rows.users])
        note("factors of items, from ratings")
        found = fit_factors(
            rows, attributes, rank=chosen.rank, sweeps=chosen.sweeps, item_ridge=chosen.item_ridge, seed=seed
        )
        anchors = _anchors(rows.counts, chosen)
        note("features of items")
        vocabulary = learn_vocabulary(data.graph)
        features = item_features(data.graph, vocabulary, _embeddings(data.graph))
        near = features.rows(anchors)
        note("relevance of relations")
        learned = np.hstack([found.bias[:, None], found.vectors])[anchors]
        counts = rows.counts[anchors]
        middle = np.average(learned, axis=0, weights=np.sqrt(counts))
        relevance = learn_relevance(
            near,
            (learned - learned.mean(0)).astype(np.float32),
            read=vocabulary.read,
            steps=chosen.kernel_steps,
            seed=seed,
        )
        note("vectors of items")
        kernel = relevance.kernel(near, near).astype(np.float64)
        directions = _directions(kernel, chosen.directions)
        kernel[np.diag_indices_from(kernel)] += relevance.noise * (1 + _SURE / counts)
        inverse = cho_solve(cho_factor(kernel, overwrite_a=True), np.eye(len(kernel)))
        weights = inverse @ (learned - middle)
        map_weights = np.hstack([weights, directions]).astype(np.float32)
        map_mean = np.concatenate([middle, np.zeros(directions.shape[1])]).astype(np.float32)
        bias, vectors = _unstacked(predict(relevance, features, near, map_weights, map_mean))
        bias[anchors] = found.bias[anchors]
        vectors[anchors, 1 : 1 + chosen.rank] = found.vectors[anchors]
        vectors[anchors, -1] = 0
        new_noise = float(np.average(found.noise[anchors], weights=counts))
        noise = np.full(len(bias), new_noise, np.float32)
        noise[anchors] = found.noise[anchors]
        new = np.ones(len(bias), np.int64)
        new[anchors] = 0
        prior, variance = _widened(found, chosen, directions.shape[1])
        items = RatedItems(bias, vectors, noise, new)
        unknown = Stars(np.zeros(0), np.zeros(0), 1.0)
        rater = cls(
            chosen,
            encoder,
            found.mean,
            prior,
            variance,
            items,
            vocabulary,
            relevance,
            near,
            map_weights,
            map_mean,
            new_noise,
            (unknown, unknown),
        )
        note("levels of ratings")
        # each anchor as if it were new: predicted from the others (Rasmussen and Williams 2006, eq. 5.12)
        left_out = learned - weights / np.diag(inverse)[:, None]
        as_new = RatedItems(bias.copy(), vectors.copy(), np.full_like(noise, new_noise), np.ones_like(new))
        as_new.bias[anchors], as_new.vectors[anchors, 1 : 1 + chosen.rank] = left_out[:, 0], left_out[:, 1:]
        as_new.vectors[:, -1] = 1
        rater.stars = (
            rater._fit_stars(rows, attributes, items, new == 0, seed),
            rater._fit_stars(rows, attributes, as_new, new == 0, seed),
        )
        return rater

    def _fit_stars(
        self,
        rows: Ratings,
        encoded: FloatArray,
        items: RatedItems,
        anchor: NDArray[np.bool_],
        seed: int,
    ) -> Stars:
        """Levels under which ratings of training users are likeliest, each predicted from others of the same user."""
        rng = np.random.default_rng(seed)
        given, expected, ratings = rows.matrix, [], []
        for row in rng.permutation(len(encoded))[:_USERS]:
            part = slice(given.indptr[row], given.indptr[row + 1])
            order = rng.permutation(np.flatnonzero(anchor[given.indices[part]]))
            if len(order) <= _ASKED:
                continue
            met, stars = given.indices[part][order], given.data[part][order]
            told = slice(_ASKED, _ASKED + int(rng.integers(3, _TOLD_AT_MOST)))
            weights = self._condition(items, encoded[row], met[told], stars[told])
            expected.append(self.mean + items.bias[met[:_ASKED]] + items.vectors[met[:_ASKED]] @ weights)
            ratings.append(stars[:_ASKED])
        levels = np.unique(given.data)
        if not ratings:
            return Stars(levels, np.zeros(0), 1.0)
        return Stars.fit(np.concatenate(expected), np.concatenate(ratings), levels)

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32: between mean and median of each rating's posterior, neither rounded nor clipped."""
        out = np.empty((len(queries), len(items)), np.float32)
        encoded = self.encoder.transform([query.attributes for query in queries])
        base = self.mean + self.items.bias[items]
        vectors = self.items.vectors[items]
        for row, query in enumerate(queries):
            out[row] = base + vectors @ self.weights(query, encoded[row]).astype(np.float32)
        new = self.items.new[items] == 1
        out[:, ~new] = self.stars[0].predict(out[:, ~new])
        out[:, new] = self.stars[1].predict(out[:, new])
        return out

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """The same as `predict_ratings`: what a user would rate higher comes first."""
        return self.predict_ratings(queries, items)

    def weights(self, query: Query, encoded: FloatArray | None = None) -> Array:
        """(width,) the posterior mean of the user's weights: the prior's, and what each rating adds.

        w = m + S Z' (Z S Z' + noise)^-1 (r - mean - b - Z m), Z the support's vectors: a solve of the support's size.
        """
        if encoded is None:
            encoded = self.encoder.transform([query.attributes])[0]
        return self._condition(self.items, encoded, *told(query))

    def _condition(self, items: RatedItems, encoded: FloatArray, met: IntArray, ratings: Array) -> Array:
        expected = self.prior[0] + encoded @ self.prior[1:]
        if not len(met):
            return np.asarray(expected)
        vectors = items.vectors[met].astype(np.float64)
        spread = vectors * self.variance
        surprise = ratings - self.mean - items.bias[met] - vectors @ expected
        covariance = spread @ vectors.T
        covariance[np.diag_indices_from(covariance)] += items.noise[met]
        found = cho_solve(cho_factor(covariance, overwrite_a=True, check_finite=False), surprise)
        return np.asarray(expected + spread.T @ found)

    def is_new(self, item: int) -> bool:
        """Whether the item's vectors are predicted, for want of ratings."""
        return bool(self.items.new[item])

    def add_items(self, graph: ItemGraph) -> None:
        """Append items described by a graph of their own; nothing is retrained."""
        found = _embeddings(graph)
        # items without a text, in a model that learned from texts, are like no other text
        dense = {
            name: found.get(name, np.zeros((graph.n_items, rows.shape[1]), np.float32))
            for name, rows in self.anchors.embeddings.items()
        }
        features = item_features(graph, self.vocabulary, dense)
        bias, vectors = _unstacked(
            predict(self.relevance, features, self.anchors, self.map_weights, self.map_mean)
        )
        old = self.items
        self.items = RatedItems(
            np.concatenate([old.bias, bias]),
            np.concatenate([old.vectors, vectors]),
            np.concatenate([old.noise, np.full(len(bias), self.new_noise, np.float32)]),
            np.concatenate([old.new, np.ones(len(bias), np.int64)]),
        )


def _anchors(counts: IntArray, chosen: RatingSettings) -> IntArray:
    """The items rated often enough, the most rated of them where there are too many."""
    anchors = np.flatnonzero(counts >= chosen.least_ratings)
    if len(anchors) < 2:
        raise UserError(
            f"only {len(anchors)} items have {chosen.least_ratings} ratings or more",
            mend="train on more ratings",
        )
    if len(anchors) > chosen.most_anchors:
        anchors = np.sort(anchors[np.argsort(-counts[anchors], kind="stable")[: chosen.most_anchors]])
    return anchors


def _embeddings(graph: ItemGraph) -> Mapping[str, FloatArray]:
    return {TEXT: encode_texts(item_texts(graph))} if any(graph.titles) or any(graph.descriptions) else {}


def _directions(kernel: Array, most: int) -> Array:
    """(n, d) D such that k(., anchors) D has the kernel's d strongest directions as columns (Nystroem)."""
    n = len(kernel)
    values, vectors = eigh(kernel, subset_by_index=[max(0, n - most), n - 1])
    strong = values > _LEAST_EIGENVALUE * values[-1]
    return np.asarray(vectors[:, strong] / np.sqrt(values[strong]))


def _unstacked(predicted: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Bias (n,) and vectors (n, width): a 1 for the user's level, what was predicted, a 1 for the level on new items."""
    ones = np.ones((len(predicted), 1), np.float32)
    return np.ascontiguousarray(predicted[:, 0]), np.hstack([ones, predicted[:, 1:], ones])


def _widened(found: Factors, chosen: RatingSettings, directions: int) -> tuple[Array, Array]:
    """Prior and variance of the users' weights with the kernel's directions and the new items' level behind the factors."""
    prior = np.hstack([found.prior, np.zeros((len(found.prior), directions + 1))])
    return prior, np.concatenate([found.variance, np.full(directions, chosen.taste), [chosen.drift]])
