"""Embeddings of a graph in which a relation is a rotation: ranks of facts, and a new entity's place from its facts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.rotate.facts import Triples, Truth
from coldplug.types import FloatArray, IntArray

_CHUNK = 512


@dataclass(frozen=True)
class GraphEmbedding:
    """Entities and relations of any graph (RotatE: Sun, Deng, Nie and Tang, 2019, eq. 2).

    A fact (h, r, t) scores b_h + b_t - ||h o r - t||^2: r turns each complex coordinate of h by an angle of its
    own towards t, so |r_i| = 1 whatever was learned. A row of `dim` complex numbers is stored as 2 dim reals,
    real parts first.
    """

    entities: FloatArray
    """(n_entities, 2 dim)."""
    phases: FloatArray
    """(n_relations, dim) angles in radians."""
    biases: FloatArray
    """(n_entities,) how likely an entity is an answer, whatever the question."""

    @cached_property
    def rotations(self) -> FloatArray:
        """(n_relations, 2 dim): e^(i phase)."""
        return rotations(self.phases)

    def rank(
        self, facts: Triples, known: Triples | None = None, *, asked: Literal["heads", "tails"] = "tails"
    ) -> NDArray[np.float64]:
        """(n,) the rank of each fact's tail (or head) among all entities, 1 the best; see `realistic_ranks`.

        Args:
            facts: in the numbers of the training.
            known: facts that are true as well; their answers do not compete ("filtered" ranks).
            asked: which end is the question.
        """
        tails = asked == "tails"
        given, wanted = (facts.heads, facts.tails) if tails else (facts.tails, facts.heads)
        truth = None
        if known is not None:
            ends = (known.heads, known.tails) if tails else (known.tails, known.heads)
            truth = Truth.of(ends[0], known.relations, ends[1])
        rotations = self.rotations if tails else conjugate(self.rotations)
        ranks = [
            realistic_ranks(
                product(self.entities[given[part]], rotations[facts.relations[part]]),
                self.entities,
                self.biases,
                wanted[part],
                None if truth is None else truth.pairs(truth.rows(given[part], facts.relations[part])),
            )
            for part in chunks(len(facts))
        ]
        return np.concatenate(ranks) if ranks else np.empty(0)

    def place(self, as_heads: Triples, as_tails: Triples, n_new: int) -> FloatArray:
        """(n_new, 2 dim) the rows nearest to all their facts on entities that are embedded: see `nearest`.

        Args:
            as_heads: facts whose head is new (a number below `n_new`) and whose tail is embedded.
            as_tails: facts whose tail is new and whose head is embedded.
            n_new: rows of the result; zeros for one without facts.
        """
        pointed = np.vstack(
            [
                product(self.entities[as_heads.tails], conjugate(self.rotations)[as_heads.relations]),
                product(self.entities[as_tails.heads], self.rotations[as_tails.relations]),
            ]
        )
        owners = np.concatenate([as_heads.heads, as_tails.tails])
        return nearest(pointed, owners, np.ones(len(owners), np.float32), n_new)


def realistic_ranks(
    points: FloatArray,
    rows: FloatArray,
    biases: FloatArray,
    wanted: IntArray,
    also: tuple[IntArray, IntArray] | None = None,
) -> NDArray[np.float64]:
    """(n,) the rank of row `wanted[i]` by bias - ||points[i] - row||^2 among all rows, 1 the best.

    It is the mean of the optimistic and the pessimistic rank ("realistic": Berrendorf, Faerman, Vermue and Tresp,
    2020): ties count half, so that a constant score is worth a chance order.

    Args:
        points: (n, d).
        rows: (m, d).
        biases: (m,).
        wanted: (n,) numbers of rows.
        also: pairs (point, row) that are no competitors; the wanted one always is.
    """
    # What all candidates of a point have in common, ||point||^2, does not matter.
    scores = biases - (rows**2).sum(axis=1) + 2 * (points @ rows.T)
    here = np.arange(len(points))
    own = scores[here, wanted][:, None].copy()
    if also is not None:
        scores[also] = -np.inf
    scores[here, wanted] = own[:, 0]
    return np.asarray(1 + (scores > own).sum(axis=1) + ((scores == own).sum(axis=1) - 1) / 2, np.float64)


def nearest(pointed: FloatArray, owners: IntArray, weights: FloatArray, n: int) -> FloatArray:
    """(n, 2 dim) the rows that minimise the weighted sum of squared distances of their facts: weighted means.

    Turning both sides back leaves lengths as they are, ||h o r - t|| = ||h - t o conj(r)||; so what a fact says
    of its head is the point t o conj(r), and of its tail h o r.

    Args:
        pointed: (n_facts, 2 dim) such points.
        owners: (n_facts,) the row that a fact is about.
        weights: (n_facts,) above 0.
        n: rows; zeros for a row without facts.
    """
    by_owner = sparse.csr_array((weights, (owners, np.arange(len(owners)))), shape=(n, len(owners)))
    total = np.asarray(by_owner.sum(axis=1), np.float32).reshape(-1, 1)
    return np.asarray((by_owner @ pointed) / np.where(total > 0, total, 1), np.float32)


def rotations(phases: FloatArray) -> FloatArray:
    """(n, 2 dim) e^(i phase), real parts first."""
    return np.hstack([np.cos(phases), np.sin(phases)]).astype(np.float32)


def conjugate(rows: FloatArray) -> FloatArray:
    """Rows with the signs of their imaginary parts turned."""
    return np.hstack(np.split(rows, 2, axis=1) * np.array([1, -1], np.float32)[:, None, None])


def product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Complex products of rows, real parts first."""
    (a, b), (c, d) = np.split(left, 2, axis=1), np.split(right, 2, axis=1)
    return np.hstack([a * c - b * d, a * d + b * c])


def chunks(n: int) -> list[slice]:
    """Slices that cover n rows, so that a table of scores stays small."""
    return [slice(start, start + _CHUNK) for start in range(0, n, _CHUNK)]
