"""What a learner is given and asked: one item id space, users with attributes, interactions, queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float32]
Attributes = Mapping[str, object]
"""One user's attributes: name -> text, number, or a list of texts. Missing names and None mean 'not known'."""


@dataclass(frozen=True)
class ItemGraph:
    """graph.ttl as arrays. Items, relations and values are numbered in the order of their ids.

    Triples: `heads[t]` is an item, `relations[t]` a relation, `tails[t]` a value, `weights[t]` the confidence in (0, 1],
    `stated[t]` true where the catalogue knew the fact (as against read out of the text).
    Literals (years, prices): `literal_items`, `literal_relations`, `literal_numbers`.
    """

    item_ids: Sequence[str]
    titles: Sequence[str]
    descriptions: Sequence[str]
    relation_names: Sequence[str]
    value_iris: Sequence[str]
    value_labels: Sequence[str]
    heads: IntArray
    relations: IntArray
    tails: IntArray
    weights: FloatArray
    stated: NDArray[np.bool_]
    literal_items: IntArray
    literal_relations: IntArray
    literal_numbers: FloatArray
    literal_stated: NDArray[np.bool_]

    @property
    def n_items(self) -> int:
        return len(self.item_ids)


@dataclass(frozen=True)
class Interactions:
    """Who met what: rows of (user number, item number, rating, timestamp); ratings are NaN where there are none."""

    users: IntArray
    items: IntArray
    ratings: FloatArray
    timestamps: IntArray | None = None


@dataclass(frozen=True)
class TrainingData:
    """All that a learner may see. Users are numbered as in `user_ids`; items as in `graph.item_ids`."""

    graph: ItemGraph
    user_ids: Sequence[str]
    user_attributes: Sequence[Attributes]
    interactions: Interactions
    positive_at: float = 0.0
    """Ratings at or above this are positives; a missing rating is a positive."""

    def positives(self) -> NDArray[np.bool_]:
        """(n_interactions,) True where the interaction is a positive."""
        ratings = self.interactions.ratings
        return np.isnan(ratings) | (ratings >= self.positive_at)


@dataclass(frozen=True)
class Query:
    """A user as the learner meets them: attributes and a support set of items already met."""

    attributes: Attributes = field(default_factory=dict)
    items: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    ratings: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))
    """Same length as `items`; NaN where a rating was not given, which counts as a positive."""
