"""Content cosine: how like the support an item is, by its genres or by the embedding of its text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.learn.baselines.matrices import fact_matrix, support_matrix
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData


def text_vectors(graph: ItemGraph) -> FloatArray:
    """(n_items, 384) MiniLM embeddings of title and description; zeros where both are blank.

    A graph without any text gives (n_items, 0).
    """
    if not any(graph.titles) and not any(graph.descriptions):
        return np.zeros((graph.n_items, 0), np.float32)
    from coldplug.encode.text import encode_texts, item_texts

    return encode_texts(item_texts(graph))


class _Cosine:
    """Score of an item: cosine between its features and the summed features of the liked support."""

    name = ""

    def __init__(self, raw: Any, unit: Any, positive_at: float) -> None:
        self.raw, self.unit, self.positive_at = raw, unit, positive_at

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Scale each item's features to length one; interactions are not used, nothing is random."""
        features: Any = cls.features(data.graph)
        if isinstance(features, sparse.csr_array):
            length = np.sqrt(np.asarray(features.multiply(features).sum(axis=1)))
            unit: Any = sparse.csr_array(sparse.diags_array(1.0 / np.maximum(length, 1e-12)) @ features)
        else:
            unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
        return cls(features, unit, data.positive_at)

    @staticmethod
    def features(graph: ItemGraph) -> Any:
        """(n_items, n_features)."""
        raise NotImplementedError

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items); a query without a positive in its support scores every item zero."""
        profile: Any = support_matrix(queries, self.raw.shape[0], self.positive_at) @ self.raw
        scores: NDArray[Any]
        if isinstance(profile, sparse.csr_array):
            profile = profile.toarray()
        length = np.maximum(np.linalg.norm(profile, axis=1, keepdims=True), 1e-12)
        scores = (self.unit[items] @ (profile / length).T).T
        return np.ascontiguousarray(scores, np.float32)


class ContentGenre(_Cosine):
    """Cosine over one-hots of the relation `genre`, or of all relations where the graph has no genres."""

    name = "content-genre"

    @staticmethod
    def features(graph: ItemGraph) -> Any:
        """(n_items, n_genres) sparse."""
        return fact_matrix(graph, ("genre",))


class ContentText(_Cosine):
    """Cosine over MiniLM embeddings of title and description."""

    name = "content-text"

    @staticmethod
    def features(graph: ItemGraph) -> Any:
        """(n_items, 384)."""
        return text_vectors(graph)
