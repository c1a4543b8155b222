"""The posterior learner behind fit and score, told in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.rotate import RotatE, train_rotate
from coldplug.encode.text import encode_texts, item_texts
from coldplug.learn.posterior.blend import Blend
from coldplug.learn.posterior.episodes import AnchorVectors, UserModel
from coldplug.learn.posterior.features import (
    EMBEDDING,
    TEXT,
    ItemFeatures,
    Vocabulary,
    item_features,
    learn_vocabulary,
)
from coldplug.learn.posterior.moments import Moments
from coldplug.learn.posterior.profiles import RatingScale
from coldplug.learn.posterior.relevance import ItemMap, Relevance, learn_relevance, predict
from coldplug.learn.posterior.settings import PosteriorSettings, checked
from coldplug.learn.posterior.users import ItemVectors, UserVectors, user_vectors
from coldplug.learn.posterior.userside import UserSide, fit_users
from coldplug.learn.posterior.validate import FOLDS, fit_blend
from coldplug.learn.threads import one_thread
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData

_EPOCHS = 20
"""Of RotatE, half of its own default: here it is one kernel of some twenty."""


def _silent(text: str) -> None:
    return None


@dataclass
class Posterior:
    """The default learner; see the package's docstring. Built by `fit`, or from a saved state by `state.py`."""

    settings: PosteriorSettings
    scale: RatingScale
    encoder: AttributeEncoder
    moments: Moments
    model: UserModel
    items: ItemVectors
    blend: Blend
    vocabulary: Vocabulary
    rotate: RotatE | None
    relevance: Relevance
    anchors: ItemFeatures
    map_weights: FloatArray
    map_mean: FloatArray
    name: str = "posterior"

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = _silent, **settings: Any
    ) -> Self:
        """Learn from graph, attributes and interactions.

        Args:
            data: all that may be seen.
            seed: of every random draw; the same seed on the same data gives the same model.
            note: called with the name of each stage as it begins.
            settings: fields of PosteriorSettings.

        Raises:
            UserError: a setting that does not exist or cannot be, or too little to learn from.
        """
        with one_thread():
            return cls._fit(data, seed, note, checked(settings))

    @classmethod
    def _fit(
        cls, data: TrainingData, seed: int, note: Callable[[str], None], chosen: PosteriorSettings
    ) -> Self:
        side = fit_users(data, chosen, seed, note)
        note("features of items")
        vocabulary = learn_vocabulary(data.graph)
        rotate = train_rotate(data.graph, epochs=_EPOCHS, seed=seed) if vocabulary.columns else None
        features = item_features(data.graph, vocabulary, embeddings(data.graph, rotate))
        anchors = features.rows(side.profiles.anchors)
        note("relevance of relations")
        targets = side.basis * side.strengths
        relevance = learn_relevance(
            anchors, targets, read=vocabulary.read, steps=chosen.kernel_steps, seed=seed
        )
        note("vectors of items")
        own, held = stacked(side.vectors, side.basis), stacked(side.held_vectors, side.basis)
        item_map = ItemMap(relevance, anchors, np.hstack([own, held]))
        note("weights of the parts")
        blend = fit_blend(side, _folds(item_map, side, seed), seed)
        width = own.shape[1]
        weights, mean = np.ascontiguousarray(item_map.weights[:, :width]), item_map.mean[:width]
        vectors = predict(relevance, features, anchors, weights, mean)
        vectors[side.profiles.anchors] = own
        column = np.full(data.graph.n_items, -1, np.int64)
        column[side.profiles.anchors] = np.arange(len(own))
        items = unstacked(vectors, chosen.dim, column)
        return cls(
            chosen,
            side.scale,
            side.encoder,
            side.moments,
            side.model,
            items,
            blend,
            vocabulary,
            rotate,
            relevance,
            anchors,
            weights,
            mean,
        )

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32 logits, comparable within a row, of learned and of new items alike."""
        out = np.empty((len(queries), len(items)), np.float32)
        encoded = self.encoder.transform([query.attributes for query in queries])
        for row, query in enumerate(queries):
            out[row] = self.adapt(query, encoded[row]).total().scores(self.items, items, self.blend)[0]
        return out

    def adapt(self, query: Query, encoded: FloatArray | None = None) -> UserVectors:
        """The user's vectors after their support: row 0 is the prior, row s what support item s added."""
        if encoded is None:
            encoded = self.encoder.transform([query.attributes])[0]
        return user_vectors(
            self.moments,
            self.model,
            self.items,
            encoded,
            query.items,
            self.scale.grade(query.ratings),
            self.scale.liked(query.ratings).astype(np.float32),
        )

    def contributions(self, query: Query, item: int) -> tuple[float, list[tuple[str, float]], FloatArray]:
        """What makes up one score: the base, each known attribute by name, each support item (k,); they sum to it."""
        encoded = self.encoder.transform([query.attributes])[0]
        one = np.array([item])
        whole = self.adapt(query, encoded)
        rows = whole.scores(self.items, one, self.blend)[:, 0]
        zero = np.zeros_like(encoded)
        sizes = whole.support_size
        base = self._prior_score(zero, sizes, one)
        named = []
        for column in np.flatnonzero(encoded):
            single = zero.copy()
            single[column] = encoded[column]
            named.append((self.encoder.names[column], self._prior_score(single, sizes, one) - base))
        return base, named, rows[1:]

    def _prior_score(self, encoded: FloatArray, support_size: int, item: IntArray) -> float:
        """The prior part of one score, as weighed for a support of that size."""
        bare = user_vectors(
            self.moments,
            self.model,
            self.items,
            encoded,
            np.empty(0, np.int64),
            np.empty(0, np.float32),
            np.empty(0, np.float32),
            at=support_size,
        )
        return float(bare.scores(self.items, item, self.blend)[0, 0])

    def fact_weight(self, relation: str, value_iri: str) -> float:
        """How much sharing this value says: the relation's relevance times the value's rarity; 0 where none shares it."""
        for group, columns in self.vocabulary.columns.items():
            found = columns.get(f"{relation} {value_iri}")
            if found:
                return self.relevance.weights.get(group, 0.0) * found[1]
        return 0.0

    def is_new(self, item: int) -> bool:
        """Whether the item's vectors are predicted, for want of interactions."""
        return bool(self.items.column[item] < 0)

    def variance(self, query: Query, items: IntArray) -> FloatArray:
        """(n_items,) posterior variance of the learned logit e . u: large for a newcomer, falling with the support.

        Of the Gaussian user vector alone; the closed-form part and an item's own uncertainty are not in it.
        """
        covariance = self.model.covariance(self.items.keys[query.items])
        values = self.items.values[items]
        weight = self.blend.at(len(query.items))[0][1]
        return np.asarray(weight**2 * np.einsum("id,de,ie->i", values, covariance, values), np.float32)

    def add_items(self, graph: ItemGraph) -> None:
        """Append items described by a graph of their own; they score from their facts and text, nothing is retrained."""
        found = embeddings(graph, self.rotate)
        # Items without a text, in a model that learned from texts, have a row of zeros: like no other text.
        dense = {
            name: found.get(name, np.zeros((graph.n_items, rows.shape[1]), np.float32))
            for name, rows in self.anchors.embeddings.items()
        }
        features = item_features(graph, self.vocabulary, dense)
        vectors = predict(self.relevance, features, self.anchors, self.map_weights, self.map_mean)
        new = unstacked(vectors, self.settings.dim, np.full(graph.n_items, -1, np.int64))
        old = self.items
        self.items = ItemVectors(
            np.concatenate([old.values, new.values]),
            np.concatenate([old.keys, new.keys]),
            np.concatenate([old.bias, new.bias]),
            np.concatenate([old.rows, new.rows]),
            np.concatenate([old.column, new.column]),
        )


def embeddings(graph: ItemGraph, rotate: RotatE | None) -> Mapping[str, FloatArray]:
    """Dense features of a graph's items by name; a kind that no item has is left out."""
    found = {}
    if any(graph.titles) or any(graph.descriptions):
        found[TEXT] = encode_texts(item_texts(graph))
    if rotate is not None:
        found[EMBEDDING] = rotate.embed_graph(graph)
    return found


def stacked(vectors: AnchorVectors, basis: FloatArray) -> FloatArray:
    """(n_anchors, 2 dim + 1 + rank): values, keys, bias and rows side by side, to be predicted together."""
    return np.hstack([vectors.values, vectors.keys, vectors.bias[:, None], basis])


def unstacked(vectors: FloatArray, dim: int, column: IntArray) -> ItemVectors:
    """The item vectors that `stacked` laid side by side."""
    values, keys, bias, rows = np.split(vectors, [dim, 2 * dim, 2 * dim + 1], axis=1)
    values, keys, bias, rows = map(np.ascontiguousarray, (values, keys, bias[:, 0], rows))
    return ItemVectors(values, keys, bias, rows, column)


def _folds(item_map: ItemMap, side: UserSide, seed: int) -> list[tuple[IntArray, ItemVectors]]:
    """For each fold of the anchors, its columns and the held-out users' item vectors with the fold predicted."""
    width = item_map.vectors.shape[1] // 2
    order = np.random.default_rng(seed).permutation(len(item_map.vectors))
    found = []
    for fold in range(FOLDS):
        block = np.sort(order[fold::FOLDS])
        vectors = item_map.vectors[:, width:].copy()
        vectors[block] = item_map.left_out(block)[:, width:]
        column = np.arange(len(vectors))
        column[block] = -1
        found.append((block, unstacked(vectors, side.held_vectors.values.shape[1], column)))
    return found
