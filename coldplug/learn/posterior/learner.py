"""The posterior learner behind fit and score, told in the order in which it happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.text import encode_texts, item_texts
from coldplug.learn import State
from coldplug.learn.posterior.blend import Blend
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.features import (
    TEXT,
    Vocabulary,
    item_features,
    learn_vocabulary,
)
from coldplug.learn.posterior.memory import Fisher, Precisions
from coldplug.learn.posterior.moments import Moments
from coldplug.learn.posterior.neighbours import Neighbours
from coldplug.learn.posterior.newcomers import NewcomerFit, Newcomers
from coldplug.learn.posterior.profiles import RatingScale
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.learn.posterior.users import ItemVectors, UserVectors, user_vectors
from coldplug.learn.posterior.userside import fit_users
from coldplug.learn.posterior.validate import FOLDS, fit_blend
from coldplug.learn.settings import checked
from coldplug.learn.threads import one_thread
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData


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
    neighbours: Neighbours
    items: ItemVectors
    blend: Blend
    vocabulary: Vocabulary
    newcomers: Newcomers
    precisions: Precisions
    fisher: Fisher
    name: str = "posterior"
    settings_class: ClassVar[type[PosteriorSettings]] = PosteriorSettings

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
            return cls._fit(data, seed, note, checked(PosteriorSettings, settings))

    @classmethod
    def _fit(
        cls, data: TrainingData, seed: int, note: Callable[[str], None], chosen: PosteriorSettings
    ) -> Self:
        side = fit_users(data, chosen, seed, note)
        note("features of items")
        vocabulary = learn_vocabulary(data.graph)
        features = item_features(data.graph, vocabulary, embeddings(data.graph))
        anchors = features.rows(side.profiles.anchors)
        note("relevance of relations")
        fitted = NewcomerFit(side, anchors, read=vocabulary.read, steps=chosen.kernel_steps, seed=seed)
        note("weights of the parts")
        order = np.random.default_rng(seed).permutation(anchors.count)
        folds = [np.sort(order[fold::FOLDS]) for fold in range(FOLDS)]
        blend = fit_blend(side, folds, fitted.left_out(folds), seed)
        note("vectors of items")
        newcomers = fitted.newcomers()
        items = newcomers.vectors(features, chosen.dim)
        place = side.profiles.anchors
        items.values[place], items.keys[place] = side.vectors.values, side.vectors.keys
        items.bias[place], items.links[place] = side.vectors.bias, side.links
        items.rows[place], items.likings[place] = side.basis.rows, side.basis.plain
        items.column[place] = np.arange(len(place))
        return cls(
            chosen,
            side.scale,
            side.encoder,
            side.moments,
            side.model,
            side.neighbours,
            items,
            blend,
            vocabulary,
            newcomers,
            side.precisions,
            side.fisher,
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
            self.neighbours,
            self.items,
            encoded,
            query.items,
            self.scale.grade(query.ratings),
            self.scale.liked(query.ratings).astype(np.float32),
        )

    def contributions(
        self, query: Query, items: IntArray
    ) -> tuple[FloatArray, list[tuple[str, FloatArray]], FloatArray]:
        """What makes up the scores: bases (n,), each known attribute by name (n,), each support item (k, n)."""
        encoded = self.encoder.transform([query.attributes])[0]
        whole = self.adapt(query, encoded)
        support = whole.scores(self.items, items, self.blend)[1:]
        zero = np.zeros_like(encoded)
        base = self._prior_scores(zero, whole.support_size, items)
        named = []
        for column in np.flatnonzero(encoded):
            single = zero.copy()
            single[column] = encoded[column]
            with_it = self._prior_scores(single, whole.support_size, items)
            named.append((self.encoder.names[column], with_it - base))
        return base, named, support

    def _prior_scores(self, encoded: FloatArray, support_size: int, items: IntArray) -> FloatArray:
        """(n_items,) the prior part of the scores, as weighed for a support of that size."""
        bare = user_vectors(
            self.moments,
            self.model,
            self.neighbours,
            self.items,
            encoded,
            np.empty(0, np.int64),
            np.empty(0, np.float32),
            np.empty(0, np.float32),
            at=support_size,
        )
        return bare.scores(self.items, items, self.blend)[0]

    def fact_weight(self, relation: str, value_iri: str) -> float:
        """How much sharing this value says: the relation's relevance times the value's rarity; 0 where none shares it."""
        for group, columns in self.vocabulary.columns.items():
            found = columns.get(f"{relation} {value_iri}")
            if found:
                return self.newcomers.tastes.weights.get(group, 0.0) * found[1]
        return 0.0

    def relevance(self) -> Mapping[str, float]:
        """Relation -> how much sharing a value of it says about sharing an audience."""
        return self.newcomers.tastes.weights

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
        found = embeddings(graph)
        # Items without a text, in a model that learned from texts, have a row of zeros: like no other text.
        dense = {
            name: found.get(name, np.zeros((graph.n_items, rows.shape[1]), np.float32))
            for name, rows in self.newcomers.anchors.embeddings.items()
        }
        features = item_features(graph, self.vocabulary, dense)
        new = self.newcomers.vectors(features, self.settings.dim)
        old = self.items
        self.items = ItemVectors(
            np.concatenate([old.values, new.values]),
            np.concatenate([old.keys, new.keys]),
            np.concatenate([old.bias, new.bias]),
            np.concatenate([old.rows, new.rows]),
            np.concatenate([old.likings, new.likings]),
            np.concatenate([old.links, new.links]),
            np.concatenate([old.column, new.column]),
        )

    def update(self, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = _silent) -> None:
        """Learn from new users without forgetting those of the training; see `UpdatableLearner` and `update.py`."""
        from coldplug.learn.posterior.update import update

        with one_thread():
            update(self, data, seed=seed, note=note)

    def to_state(self) -> State:
        """JSON-able settings, arrays, and lists of texts: what a model folder holds."""
        from coldplug.learn.posterior.state import to_state

        return to_state(self)

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> Posterior:
        """The learner that `to_state` took apart.

        Raises:
            ModelFormatError: something is missing or of the wrong kind.
        """
        from coldplug.learn.posterior.state import from_state

        return from_state(meta, arrays, texts)


def embeddings(graph: ItemGraph) -> Mapping[str, FloatArray]:
    """Dense features of a graph's items by name; none where no item has a text."""
    if not (any(graph.titles) or any(graph.descriptions)):
        return {}
    return {TEXT: encode_texts(item_texts(graph))}
