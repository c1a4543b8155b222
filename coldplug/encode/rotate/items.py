"""RotatE for items: the values that items share, embedded, and any item from its facts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.encode.rotate.embedding import chunks, conjugate, nearest, product, realistic_ranks, rotations
from coldplug.encode.rotate.facts import Triples, Truth
from coldplug.errors import ModelFormatError
from coldplug.types import FloatArray, IntArray, ItemGraph

_TINY = 1e-12


@dataclass(frozen=True)
class RotatE:
    """Trained values and relations (Sun, Deng, Nie and Tang, RotatE, 2019, eq. 2).

    A fact (h, r, t) scores -||h o r - t||: r turns each complex coordinate of the item h by an angle of its own
    towards the value t, so |r_i| = 1 whatever was learned. A row of `dim` complex numbers is stored as 2 dim reals,
    real parts first.
    """

    relation_names: Sequence[str]
    value_iris: Sequence[str]
    """The values that were trained, those that at least two items share."""
    trained: IntArray
    """(n_values,) their numbers in the graph of the training, rising."""
    phases: FloatArray
    """(n_relations, dim) angles in radians."""
    values: FloatArray
    """(n_values, 2 dim)."""

    @property
    def dim(self) -> int:
        """Complex coordinates of an embedding."""
        return int(self.phases.shape[1])

    @cached_property
    def rotations(self) -> FloatArray:
        """(n_relations, 2 dim): e^(i phase)."""
        return rotations(self.phases)

    def closed_form(
        self, heads: IntArray, relations: IntArray, tails: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """(n_items, 2 dim) the h that minimises sum w ||h o r - t||^2 over the facts of each item; see `nearest`.

        Args:
            heads: (n,) which of the `n_items` rows a fact belongs to.
            relations: (n,) in the numbers of the graph of the training.
            tails: (n,) likewise; values that were not trained are passed over.
            weights: (n,) confidences, above 0.
            n_items: rows of the result; zeros for an item without facts on trained values.
        """
        where = np.searchsorted(self.trained, tails)
        where[where == len(self.trained)] = 0
        known = self.trained[where] == tails if len(self.trained) else np.zeros(len(tails), np.bool_)
        return self._mean(heads[known], relations[known], where[known], weights[known], n_items)

    def embed_items(
        self, heads: IntArray, relations: IntArray, tails: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """(n_items, 2 dim) `closed_form` with rows of length 1, or 0 for an item without facts."""
        return _unit(self.closed_form(heads, relations, tails, weights, n_items))

    def embed_graph(self, graph: ItemGraph) -> FloatArray:
        """(graph.n_items, 2 dim) `embed_items` for any graph: values and relations are found by name."""
        return _unit(self.embed_raw(graph))

    def embed_raw(self, graph: ItemGraph) -> FloatArray:
        """(graph.n_items, 2 dim) `closed_form` for any graph: values and relations are found by name."""
        values = {iri: number for number, iri in enumerate(self.value_iris)}
        names = {name: number for number, name in enumerate(self.relation_names)}
        value_of = np.array([values.get(iri, -1) for iri in graph.value_iris], np.int64)
        relation_of = np.array([names.get(name, -1) for name in graph.relation_names], np.int64)
        if not len(graph.heads):
            return np.zeros((graph.n_items, 2 * self.dim), np.float32)
        relations, tails = relation_of[graph.relations], value_of[graph.tails]
        known = (relations >= 0) & (tails >= 0)
        return self._mean(
            graph.heads[known], relations[known], tails[known], graph.weights[known], graph.n_items
        )

    def rank(self, items: FloatArray, facts: Triples, known: Triples | None = None) -> NDArray[np.float64]:
        """(n,) the rank of each fact's value among all trained values as the tail, 1 the best; `realistic_ranks`.

        Args:
            items: (n_items, 2 dim) embeddings, not of length 1: as trained, or as `closed_form` gives them.
            facts: in the numbers of the graph of the training, on trained values.
            known: facts that are true as well; their values do not count as competitors ("filtered" ranks).

        Raises:
            ValueError: a fact is on a value that was not trained.
        """
        if not np.isin(facts.tails, self.trained).all():
            raise ValueError("a fact is on a value that was not trained")
        wanted, truth = np.searchsorted(self.trained, facts.tails), None
        if known is not None:
            known = known.chosen(np.isin(known.tails, self.trained))
            truth = Truth.of(known.heads, known.relations, np.searchsorted(self.trained, known.tails))
        ranks = [
            realistic_ranks(
                product(items[facts.heads[part]], self.rotations[facts.relations[part]]),
                self.values,
                np.zeros(len(self.values), np.float32),
                wanted[part],
                None if truth is None else truth.pairs(truth.rows(facts.heads[part], facts.relations[part])),
            )
            for part in chunks(len(facts))
        ]
        return np.concatenate(ranks) if ranks else np.empty(0)

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays, for a safetensors file; with `vocabulary` all there is to know."""
        return {"phases": self.phases, "values": self.values, "trained": self.trained}

    def vocabulary(self) -> dict[str, list[str]]:
        """The names of the arrays' rows, for plain-text files or JSON."""
        return {"relations": list(self.relation_names), "values": list(self.value_iris)}

    @classmethod
    def from_state(
        cls, arrays: Mapping[str, NDArray[Any]], vocabulary: Mapping[str, Sequence[str]]
    ) -> RotatE:
        """The embeddings whose `state` and `vocabulary` these are.

        Raises:
            ModelFormatError: an array or a list is missing or of another size than the others.
        """
        try:
            phases, values = (np.asarray(arrays[name], np.float32) for name in ("phases", "values"))
            trained = np.asarray(arrays["trained"], np.int64)
            relations, iris = list(vocabulary["relations"]), list(vocabulary["values"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"not the state of graph embeddings: {error!r}") from error
        n = len(iris)
        fits = values.shape == (n, 2 * phases.shape[1] if phases.ndim == 2 else -1)
        if not fits or len(phases) != len(relations) or trained.shape != (n,):
            raise ModelFormatError("graph embeddings whose arrays and names are not of one size")
        return cls(relations, iris, trained, phases, values)

    def _mean(
        self, rows: IntArray, relations: IntArray, values: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """`nearest` to t o conj(r), in the numbers of `values`."""
        pointed = product(self.values[values], conjugate(self.rotations)[relations])
        return nearest(pointed, rows, weights, n_items)


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > _TINY, lengths, 1), np.float32)
