"""LightFM (Kula 2015), a factorisation of features, with the WARP loss: attributes of the user, facts and id of the item.

A new user is their attributes, so a support changes nothing. A new item is its facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from lightfm import LightFM
from scipy import sparse

from coldplug.evaluate.peers.matrices import compiled
from coldplug.learn.baselines.matrices import AttributeCoder, fact_matrix, positive_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class LightFMPeer:
    """Inner product of the summed vectors of the user's and of the item's features, plus their biases."""

    name = "lightfm"

    def __init__(self, model: Any, coder: AttributeCoder, item_features: Any) -> None:
        self.model, self.coder = model, coder
        self.item_biases, self.item_vectors = model.get_item_representations(item_features)

    @classmethod
    def fit(
        cls, data: TrainingData, *, seed: int = 0, factors: int = 32, epochs: int = 20, **settings: Any
    ) -> Self:
        """`settings` are those of `LightFM`."""
        liked = positive_matrix(data)
        coder = AttributeCoder(data.user_attributes)
        # an id that was never trained on is noise, so only items that were met have one
        met = np.asarray(liked.sum(axis=0)) > 0
        features = sparse.hstack([sparse.diags_array(met.astype(np.float32)), fact_matrix(data.graph)])
        item_features = compiled(features)
        model = LightFM(no_components=factors, loss="warp", random_state=seed, **settings)
        model.fit(
            compiled(liked).tocoo(),
            user_features=cls._users(coder, data.user_attributes),
            item_features=item_features,
            epochs=epochs,
            num_threads=1,
        )
        return cls(model, coder, item_features)

    @staticmethod
    def _users(coder: AttributeCoder, users: Sequence[Any]) -> Any:
        """One-hots, and a column that all have, for users of whom nothing is known."""
        told = coder.encode(users)
        everyone = sparse.csr_array(np.ones((len(users), 1), np.float32))
        return compiled(sparse.hstack([everyone, told]))

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        told = self._users(self.coder, [query.attributes for query in queries])
        _, users = self.model.get_user_representations(told)
        scores = users @ self.item_vectors[items].T + self.item_biases[items]
        return np.asarray(scores, np.float32)
