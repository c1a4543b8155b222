"""One cell of the C1 table: a method fitted on a salt's training block under a control, then measured."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate import bootstrap
from coldplug.evaluate.controls import control
from coldplug.evaluate.metrics import accuracy
from coldplug.evaluate.split import POOL, Split, grouped
from coldplug.learn import Learner, learner_class
from coldplug.types import FloatArray, IntArray, Query

SHOTS = (0, 1, 3, 5, 10)
BATCH_CELLS = 2_000_000
"""Scores held at once; bounds the memory of a data set with many items."""


@dataclass(frozen=True)
class Scenario:
    """What is cold, and how many interactions of the user are known; None stands for a whole history."""

    name: str
    shots: int | None

    @property
    def key(self) -> str:
        """ "user_cold@5", "item_cold"."""
        return self.name if self.shots is None else f"{self.name}@{self.shots}"


SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario("user_cold", k) for k in SHOTS),
    *(Scenario("both_cold", k) for k in SHOTS),
    Scenario("item_cold", None),
)


def run_cell(
    split: Split, method: str, view: str, *, seed: int = 0, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fit, score every scenario and measure; the learner gets `split.train` with the graph under the control.

    Returns:
        JSON-able: `scenarios` (key -> ndcg, recall, queries and the bootstrap's replicate means), seconds of
        fitting and of scoring, and the process's peak memory in MiB so far.
    """
    train = replace(split.train, graph=control(view, split.train.graph, seed))
    chosen = learner_class(method)
    began = time.perf_counter()
    learner = chosen.fit(train, seed=seed, **(settings or {}))
    fitted = time.perf_counter()
    scenarios = {scenario.key: _measure(learner, split, scenario) for scenario in SCENARIOS}
    return {
        "method": method,
        "control": view,
        "salt": split.salt,
        "seed": seed,
        "settings": dict(settings or {}),
        "scenarios": {key: found for key, found in scenarios.items() if found is not None},
        "fit_seconds": round(fitted - began, 3),
        "score_seconds": round(time.perf_counter() - fitted, 3),
        "peak_memory_mib": peak_memory_mib(),
    }


def peak_memory_mib() -> float:
    """High-water mark of this process's resident memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _measure(learner: Learner, split: Split, scenario: Scenario) -> dict[str, Any] | None:
    items = split.warm_items if scenario.name == "user_cold" else split.cold_items
    relevant_items = {
        "user_cold": split.targets,
        "both_cold": split.cold_positives,
        "item_cold": split.warm_user_cold_positives,
    }[scenario.name]
    if not len(items) or not sum(map(len, relevant_items)):
        return None
    column = np.full(split.train.graph.n_items, -1, np.int64)
    column[items] = np.arange(len(items))
    relevant = [column[row] for row in relevant_items]
    ndcg, recall, kept = [], [], []
    for rows, queries in _batches(split, scenario, max(1, BATCH_CELLS // len(items))):
        scores = checked(learner, queries, items)
        wanted = _mask([relevant[row] for row in rows], len(items))
        excluded = None
        if scenario.name == "user_cold":
            excluded = _mask([column[row] for row in split.pools[rows]], len(items))
        found = accuracy(scores, wanted, excluded)
        ndcg.append(found.ndcg)
        recall.append(found.recall)
        if scenario.name != "user_cold":
            kept.append(bootstrap.kept_ranks(scores))
    per_user = np.concatenate(ndcg)
    name = f"{split.salt}{scenario.name}"
    if scenario.name == "user_cold":
        drawn = bootstrap.draws(name, len(per_user), 0)
        replicates = bootstrap.over_users(per_user, drawn.users)
    else:
        drawn = bootstrap.draws(name, len(per_user), len(items))
        replicates = bootstrap.over_users_and_items(np.concatenate(kept), relevant, drawn)
    return {
        "ndcg": float(np.nanmean(per_user)),
        "recall": float(np.nanmean(np.concatenate(recall))),
        "queries": int((~np.isnan(per_user)).sum()),
        "replicates": [round(float(value), 6) for value in replicates],
    }


def checked(learner: Learner, queries: Sequence[Query], items: IntArray) -> FloatArray:
    """The learner's scores, or an error that says what is wrong with them."""
    scores = np.asarray(learner.score(queries, items))
    if scores.shape != (len(queries), len(items)):
        raise ValueError(
            f"{learner.name} scored {scores.shape}, expected {(len(queries), len(items))} (queries, items)"
        )
    if np.isnan(scores).any():
        raise ValueError(f"{learner.name} scored {int(np.isnan(scores).sum())} NaN")
    return scores


def _batches(split: Split, scenario: Scenario, size: int) -> Iterator[tuple[IntArray, list[Query]]]:
    attributes, rows = split.train.user_attributes, split.train.interactions
    if scenario.shots is None:
        history = grouped(rows.users, len(attributes))
        users = split.warm_users
        for start in range(0, len(users), size):
            batch = np.arange(start, min(start + size, len(users)))
            mine = [(user, history[user]) for user in users[batch].tolist()]
            yield batch, [Query(attributes[u], rows.items[h], rows.ratings[h]) for u, h in mine]
        return
    k = min(scenario.shots, POOL)
    users = split.users
    for start in range(0, len(users), size):
        batch = np.arange(start, min(start + size, len(users)))
        yield (
            batch,
            [
                Query(attributes[users[row]], split.pools[row, :k], split.pool_ratings[row, :k])
                for row in batch.tolist()
            ],
        )


def _mask(columns: Sequence[IntArray], width: int) -> NDArray[np.bool_]:
    mask = np.zeros((len(columns), width), np.bool_)
    for row, chosen in enumerate(columns):
        mask[row, chosen] = True
    return mask
