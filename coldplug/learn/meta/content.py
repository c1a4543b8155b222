"""Items as dense rows made from the graph: what every learner here knows of an item that nobody has met yet.

An item's facts, numbers and text make one long sparse row (the features of posterior/features.py, side by side). One
matrix takes it to a few hundred numbers, of three kinds:

* directions in which the items of the catalogue differ most (randomised SVD of facts and of text; Halko, Martinsson and
  Tropp 2011, algorithm 4.4), whoever likes them;
* numbers such as the year, as soft bins;
* audience: what a ridge regression expects of the item's audience, expressed in the principal directions of the users'
  profiles, and of its popularity. An item that was met in training gets the expectation of a regression that had not seen
  that item (leave one out, in closed form), so that the column means the same for items old and new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.text import encode_texts, item_texts
from coldplug.learn.posterior.features import Vocabulary, item_features, learn_vocabulary
from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import FloatArray, IntArray, ItemGraph

FACTS, TEXTS, AUDIENCE = 8, 8, 64
"""Columns of each kind at most."""
_BINS = np.linspace(-2, 2, 6)
_STATED, _READ = 2.0, 0.05
"""Weight of all stated relations, numbers and text together, and of each relation read from texts (as a start, those of
posterior/relevance.py): many of the read ones say little of who will like an item, and would drown those that do."""
_RIDGES = (0.15, 0.3, 0.6, 1.2)
"""Penalties of the regression, in mean squared lengths of the rows."""
MOST_REGRESSED = 6000
"""Items that the regression is fitted on, those with the most positives; its memory grows with their square."""


@dataclass(frozen=True)
class Features:
    """The long rows: facts sparse, numbers in soft bins, text embeddings, thought of as lying side by side."""

    facts: sparse.csr_matrix
    numbers: FloatArray
    text: FloatArray

    @classmethod
    def of(cls, graph: ItemGraph, vocabulary: Vocabulary, has_text: bool) -> Features:
        """The rows of a graph's items in the columns of a vocabulary; what it does not know is left out."""
        found = item_features(graph, vocabulary, {})
        stated = len(set(vocabulary.columns) - vocabulary.read) + len(vocabulary.numbers) + has_text
        share = (_STATED / max(stated, 1)) ** 0.5
        rows = [
            found.facts[group] * (_READ**0.5 if group in vocabulary.read else share)
            for group in vocabulary.columns
        ]
        none = sparse.csr_matrix(np.zeros((graph.n_items, 0), np.float32))
        facts = sparse.csr_matrix(sparse.hstack([none, *rows]), dtype=np.float32)
        binned = [
            np.nan_to_num(np.exp(-((found.numbers[name][:, None] - _BINS) ** 2) / 0.6), nan=0.0)
            for name in vocabulary.numbers
        ]
        empty = np.zeros((graph.n_items, 0), np.float32)
        text = encode_texts(item_texts(graph)) if has_text else empty
        return cls(facts, share * np.hstack([empty, *binned]).astype(np.float32), share * text)

    @property
    def width(self) -> int:
        """Columns of all three."""
        return int(self.facts.shape[1] + self.numbers.shape[1] + self.text.shape[1])

    def rows(self, chosen: IntArray) -> Features:
        """Some of the rows."""
        return Features(self.facts[chosen], self.numbers[chosen], self.text[chosen])

    def times(self, matrix: FloatArray) -> FloatArray:
        """(n_items, any) the rows times a matrix of (width, any)."""
        first, second = self.facts.shape[1], self.facts.shape[1] + self.numbers.shape[1]
        found = (
            self.facts @ matrix[:first] + self.numbers @ matrix[first:second] + self.text @ matrix[second:]
        )
        return np.asarray(found, np.float32)

    def transposed_times(self, matrix: FloatArray) -> FloatArray:
        """(width, any) the transposed rows times a matrix of (n_items, any)."""
        return np.vstack([self.facts.T @ matrix, self.numbers.T @ matrix, self.text.T @ matrix])

    def kernel(self) -> NDArray[np.float64]:
        """(n_items, n_items) inner products of the rows."""
        dense = self.numbers @ self.numbers.T + self.text @ self.text.T
        return np.asarray((self.facts @ self.facts.T).toarray() + dense, np.float64)


@dataclass(frozen=True)
class ContentMap:
    """`features(graph) @ matrix - shift`; the same for the items of the training and for new ones."""

    vocabulary: Vocabulary
    has_text: bool
    matrix: FloatArray
    """(n_features, width)."""
    shift: FloatArray
    """(width,)."""

    @property
    def width(self) -> int:
        """Numbers an item."""
        return int(self.matrix.shape[1])

    @classmethod
    def fit(cls, graph: ItemGraph, profiles: Profiles, seed: int) -> tuple[ContentMap, FloatArray]:
        """The map, and (n_items, width) the rows of the graph's items."""
        vocabulary = learn_vocabulary(graph)
        has_text = any(graph.titles) or any(graph.descriptions)
        features = Features.of(graph, vocabulary, has_text)
        rng = np.random.default_rng(seed)
        facts, text = principal(features.facts, FACTS, rng), principal(features.text, TEXTS, rng)
        n_numbers = features.numbers.shape[1]
        audience, left_out = _audience(features, profiles, rng)
        own = sparse.block_diag([facts, np.eye(n_numbers), text]).toarray()
        matrix = np.hstack([own.reshape(features.width, own.shape[1]), audience]).astype(np.float32)
        dense = features.times(matrix)
        if len(left_out):
            dense[left_out_items(profiles), -audience.shape[1] :] = left_out
        shift = dense.mean(0)
        dense -= shift
        # One scale a kind, so that within a kind the leading directions stay the largest.
        start = 0
        for width in (facts.shape[1], n_numbers, text.shape[1], audience.shape[1]):
            part = slice(start, start + width)
            scale = 1 / max(float(np.sqrt((dense[:, part] ** 2).mean())), 1e-6) if width else 1.0
            matrix[:, part] *= scale
            dense[:, part] *= scale
            shift[part] *= scale
            start += width
        return cls(vocabulary, has_text, matrix, shift), dense

    def rows(self, graph: ItemGraph) -> FloatArray:
        """(graph.n_items, width) for any graph: what the training did not know of counts as missing."""
        return Features.of(graph, self.vocabulary, self.has_text).times(self.matrix) - self.shift

    def facts(self, graph: ItemGraph) -> sparse.csr_matrix:
        """(graph.n_items, n_values) the facts alone, weighed as in the content."""
        return Features.of(graph, self.vocabulary, False).facts

    def to_state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, list[str]]]:
        """JSON-able settings, arrays, lists of texts."""
        columns = self.vocabulary.columns
        meta = {
            "groups": list(columns),
            "numbers": {name: list(scale) for name, scale in self.vocabulary.numbers.items()},
            "read": sorted(self.vocabulary.read),
            "has_text": self.has_text,
        }
        arrays: dict[str, NDArray[Any]] = {"content.matrix": self.matrix, "content.shift": self.shift}
        texts = {}
        for place, values in enumerate(columns.values()):
            texts[f"values-{place}"] = list(values)
            arrays[f"rarity.{place}"] = np.array([rarity for _, rarity in values.values()], np.float64)
        return meta, arrays, texts

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> ContentMap:
        """What `to_state` took apart; a KeyError or ValueError where something is missing."""
        columns = {}
        for place, group in enumerate(meta["groups"]):
            rarity = arrays[f"rarity.{place}"].tolist()
            pairs = zip(texts[f"values-{place}"], rarity, strict=True)
            columns[group] = {key: (at, weight) for at, (key, weight) in enumerate(pairs)}
        numbers = {name: (float(mean), float(sd)) for name, (mean, sd) in meta["numbers"].items()}
        vocabulary = Vocabulary(columns, numbers, frozenset(meta["read"]))
        return cls(vocabulary, bool(meta["has_text"]), arrays["content.matrix"], arrays["content.shift"])


def principal(rows: Any, rank: int, rng: np.random.Generator) -> FloatArray:
    """(n_columns, <= rank) the leading right singular vectors, by random projection and two power iterations."""
    width = min(rank, *rows.shape)
    if not width:
        return np.zeros((rows.shape[1], 0), np.float32)
    found = np.linalg.qr(rows @ rng.standard_normal((rows.shape[1], min(width + 16, *rows.shape))))[0]
    for _ in range(2):
        found = np.linalg.qr(rows @ (rows.T @ found))[0]
    return np.asarray(np.linalg.svd((rows.T @ found).T, full_matrices=False)[2][:width].T, np.float32)


def left_out_items(profiles: Profiles) -> IntArray:
    """Numbers of the items that the regression is fitted on."""
    return profiles.anchors[_regressed(profiles)]


def _regressed(profiles: Profiles) -> IntArray:
    counts = np.asarray(profiles.liked.sum(0)).ravel()
    return np.sort(np.argsort(-counts, kind="stable")[:MOST_REGRESSED])


def _audience(
    features: Features, profiles: Profiles, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """(n_features, width) ridge weights to the items' audiences, and (n_regressed, width) leave-one-out predictions.

    The penalty is the one with the least leave-one-out error; with H = (K + p I)^-1 and a = H Y that error is a_i / H_ii.
    """
    chosen = _regressed(profiles)
    liked = profiles.liked[:, chosen]
    if not features.width or len(chosen) < 10:
        return np.zeros((features.width, 0), np.float32), np.zeros((0, 0), np.float32)
    popular = np.log1p(np.asarray(liked.sum(0)).ravel())
    taste = principal(liked, AUDIENCE - 1, rng)
    taste = taste * np.linalg.norm(liked @ taste, axis=0)
    wanted = np.hstack([(popular / max(popular.std(), 1e-6))[:, None], taste / max(float(taste.std()), 1e-9)])
    mine = features.rows(profiles.anchors[chosen])
    mean = wanted.mean(0)
    kernel = mine.kernel()
    best: tuple[float, FloatArray, FloatArray] | None = None
    for ridge in _RIDGES:
        penalty = ridge * float(np.diag(kernel).mean()) + 1e-6
        inverse = np.linalg.inv(kernel + penalty * np.eye(len(kernel)))
        dual = inverse @ (wanted - mean)
        missed = dual / np.diag(inverse)[:, None]
        error = float((missed**2).mean())
        if best is None or error < best[0]:
            best = (
                error,
                np.asarray(mine.transposed_times(dual), np.float32),
                (wanted - mean - missed).astype(np.float32),
            )
    assert best is not None
    return best[1], best[2]
