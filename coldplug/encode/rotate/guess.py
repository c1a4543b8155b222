"""Facts that an item may have besides those it has, each with its chance: guesses, which are never facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from coldplug.encode.rotate.embedding import product
from coldplug.encode.rotate.items import RotatE
from coldplug.encode.rotate.items_training import TEMPERATURE, train_rotate
from coldplug.types import FloatArray, IntArray, ItemGraph

HELD_OUT = 0.1
"""Share of the items that are not trained on: the chances are fitted to them."""
_LEAST = 20
"""Items of those that have to have a relation, or there is nothing to tell its chances by."""
_MOST = 400
_CHUNK = 256
_STEPS = 25
_BY_COMMONNESS = np.array([0.0, 1.0, 0.0])
"""Weights with which a chance is the value's share: where fitting begins, and what it is drawn to."""
_RIDGE = 1.0

Floats = NDArray[np.float64]


class Guess(NamedTuple):
    """What one item may have: `weight` is the chance that it is so, if the item has anything in that relation."""

    item: int
    relation: str
    value: str
    weight: float


@dataclass(frozen=True)
class Questions:
    """Items, each asked for a relation, and the embedding that their facts in other relations give them."""

    items: IntArray
    rows: FloatArray
    """(n, 2 dim)."""


@dataclass(frozen=True)
class Guesser:
    """RotatE, and for each relation how its scores and the commonness of a value make a chance.

    logit P(item has value) = w0 + w1 log share + w2 log softmax(-temperature x distance), where the share is that of the
    value among the items that have the relation, and the softmax is over the values met in it. The weights are
    fitted by logistic regression to items that RotatE was not trained on, each asked for one relation by its facts
    in the others. With w = (0, 1, 0) a guess is what is common; what the item's facts add is w2's.
    """

    model: RotatE
    values: Mapping[int, IntArray]
    """By relation, the rows of `model.values` met in it."""
    shares: Mapping[int, FloatArray]
    weights: Mapping[int, Floats]
    """By relation (3,); a relation with fewer than 20 items to fit to is not guessed."""

    def chances(self, rows: FloatArray, relation: int) -> Floats:
        """(n, len(values[relation])) the chance of each value, for items with these embeddings."""
        features = self._features(rows, relation)
        return np.asarray(1 / (1 + np.exp(-(features @ self.weights[relation]))))

    def guess(self, graph: ItemGraph, *, k: int = 5) -> list[Guess]:
        """At most `k` guesses, likeliest first, for every item and every relation in which it has no fact.

        An item without facts on trained values is passed over: nothing tells it from any other. Items, relations
        and values are those of `graph`, which may be newer than the training.
        """
        names = {name: number for number, name in enumerate(graph.relation_names)}
        embedded = self.model.embed_raw(graph)
        found: list[Guess] = []
        for relation in self.weights:
            name = self.model.relation_names[relation]
            has = graph.heads[graph.relations == names[name]] if name in names else graph.heads[:0]
            lacks = np.ones(graph.n_items, np.bool_)
            lacks[has] = False
            lacks &= embedded.any(axis=1)
            asked = np.flatnonzero(lacks)
            for begin in range(0, len(asked), _CHUNK):
                items = asked[begin : begin + _CHUNK]
                chances = self.chances(embedded[items], relation)
                best = np.argsort(-chances, axis=1, kind="stable")[:, :k]
                for item, row, columns in zip(items.tolist(), chances, best, strict=True):
                    for column in columns.tolist():
                        value = self.model.value_iris[self.values[relation][column]]
                        found.append(Guess(item, name, value, float(row[column])))
        return found

    def _features(self, rows: FloatArray, relation: int) -> Floats:
        values = self.model.values[self.values[relation]].astype(np.float64)
        turned = product(rows, self.model.rotations[relation][None]).astype(np.float64)
        squared = (turned**2).sum(1)[:, None] + (values**2).sum(1) - 2 * turned @ values.T
        scores = -TEMPERATURE * np.sqrt(np.maximum(squared, 0))
        scores -= scores.max(axis=1, keepdims=True)
        scores -= np.log(np.exp(scores).sum(axis=1, keepdims=True))
        common = np.broadcast_to(np.log(self.shares[relation]), scores.shape)
        return np.stack([np.ones_like(scores), common, scores], axis=2)


def fit_guesser(graph: ItemGraph, *, seed: int = 0, **settings: Any) -> Guesser:
    """Train RotatE on nine tenths of the items, and the chances of guesses on the others.

    Args:
        graph: facts to learn from; literal facts and values that one item has are left out.
        seed: of the choice of items and of the training.
        settings: of `fit_rotate`.
    """
    apart = np.random.default_rng(seed).random(graph.n_items) < HELD_OUT
    kept = facts_of(graph, ~apart[graph.heads])
    model = train_rotate(kept, seed=seed, **settings)
    values: dict[int, IntArray] = {}
    shares: dict[int, FloatArray] = {}
    for relation in range(len(graph.relation_names)):
        here = kept.relations == relation
        tails, counts = np.unique(kept.tails[here], return_counts=True)
        trained = np.isin(tails, model.trained)
        if trained.any():
            values[relation] = np.searchsorted(model.trained, tails[trained])
            n_items = len(np.unique(kept.heads[here]))
            shares[relation] = (counts[trained] / n_items).astype(np.float32)
    guesser = Guesser(model, values, shares, {})
    weights = {}
    for relation in values:
        asked = questions(model, graph, relation, np.flatnonzero(apart))
        if len(asked.items) >= _LEAST:
            some = Questions(asked.items[:_MOST], asked.rows[:_MOST])
            features = guesser._features(some.rows, relation)
            weights[relation] = logistic(
                features.reshape(-1, 3), answers(guesser, graph, some.items, relation).ravel()
            )
    return replace(guesser, weights=weights)


def questions(model: RotatE, graph: ItemGraph, relation: int, items: IntArray) -> Questions:
    """Those of `items` that have the relation and a fact on a trained value in another, embedded by the latter alone.

    Args:
        graph: with the numbers of the training.
    """
    have = np.intersect1d(items, graph.heads[graph.relations == relation])
    others = np.isin(graph.heads, have) & (graph.relations != relation)
    rows = model.closed_form(
        np.searchsorted(have, graph.heads[others]),
        graph.relations[others],
        graph.tails[others],
        graph.weights[others],
        len(have),
    )
    told = rows.any(axis=1)
    return Questions(have[told], rows[told])


def answers(guesser: Guesser, graph: ItemGraph, items: IntArray, relation: int) -> NDArray[np.bool_]:
    """(n_items, len(values[relation])) True where the item has the value."""
    tails = guesser.model.trained[guesser.values[relation]]
    here = (graph.relations == relation) & np.isin(graph.heads, items) & np.isin(graph.tails, tails)
    true = np.zeros((len(items), len(tails)), np.bool_)
    true[np.searchsorted(items, graph.heads[here]), np.searchsorted(tails, graph.tails[here])] = True
    return true


def logistic(features: Floats, true: NDArray[np.bool_]) -> Floats:
    """(3,) the weights of the likeliest logistic regression, by Newton's method; few rows leave them by commonness.

    Args:
        features: (n, 3).
        true: (n,).
    """
    weights = _BY_COMMONNESS.copy()
    for _ in range(_STEPS):
        chances = 1 / (1 + np.exp(-(features @ weights)))
        slope = features.T @ (chances - true) + _RIDGE * (weights - _BY_COMMONNESS)
        bend = (features * (chances * (1 - chances))[:, None]).T @ features + _RIDGE * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        # A long step may overshoot, where chances are all but 0 or 1.
        weights = weights - step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-8:
            break
    return weights


def facts_of(graph: ItemGraph, chosen: NDArray[np.bool_] | Sequence[bool]) -> ItemGraph:
    """The graph with those of its facts that a mask chooses."""
    which = np.asarray(chosen, np.bool_)
    return replace(
        graph,
        heads=graph.heads[which],
        relations=graph.relations[which],
        tails=graph.tails[which],
        weights=graph.weights[which],
        stated=graph.stated[which],
    )
