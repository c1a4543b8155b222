"""One cell of the C1 table: a method fitted on a salt's training block under a control, then measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate import bootstrap
from coldplug.evaluate.batches import batches
from coldplug.evaluate.controls import control
from coldplug.evaluate.memory import Meter
from coldplug.evaluate.metrics import Accuracy, accuracy, coverage
from coldplug.evaluate.peers import method_class
from coldplug.evaluate.split import Split, grouped
from coldplug.learn import Learner
from coldplug.types import FloatArray, IntArray, Query

SHOTS = (0, 1, 3, 5, 10)


@dataclass(frozen=True)
class Scenario:
    """What is cold, and how many interactions of the user are known; None stands for all that the split can tell."""

    name: str
    shots: int | None

    @property
    def key(self) -> str:
        """ "user_cold@5", "item_cold", "both_cold@all"."""
        if self.shots is None:
            return self.name if self.name == "item_cold" else f"{self.name}@all"
        return f"{self.name}@{self.shots}"


SCENARIOS: tuple[Scenario, ...] = (
    *(Scenario("user_cold", k) for k in SHOTS),
    *(Scenario("both_cold", k) for k in SHOTS),
    Scenario("item_cold", None),
    Scenario("both_cold", None),
    Scenario("user_cold", None),
)
METRICS = ("ndcg", "recall", "precision", "first", "coverage")
LIST = 10
"""Length of the lists whose coverage of the catalogue is counted."""


def run_cell(
    split: Split, method: str, view: str, *, seed: int = 0, settings: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fit, score every scenario and measure; the learner gets `split.train` with the graph under the control.

    Returns:
        JSON-able: `scenarios` (key -> the metrics, queries, one NDCG a query and the bootstrap's replicate means), seconds
        of fitting and of scoring by the clock and of processor time, and the memory that was needed at most.
    """
    train = replace(split.train, graph=control(view, split.train.graph, seed))
    chosen = method_class(method)
    meter = Meter()
    learner = chosen.fit(train, seed=seed, **(settings or {}))
    fitted = meter.lap()
    scenarios = {scenario.key: _measure(learner, split, scenario) for scenario in SCENARIOS}
    scored = meter.lap()
    return {
        "method": method,
        "control": view,
        "salt": split.salt,
        "seed": seed,
        "settings": dict(settings or {}),
        "scenarios": {key: found for key, found in scenarios.items() if found is not None},
        "fit_seconds": fitted.seconds,
        "score_seconds": scored.seconds,
        "fit_cpu_seconds": fitted.cpu_seconds,
        "score_cpu_seconds": scored.cpu_seconds,
        "peak_memory_mib": scored.process_mib,
        "memory_mib": scored.peak_mib,
    }


def _measure(learner: Learner, split: Split, scenario: Scenario) -> dict[str, Any] | None:
    if scenario.name == "user_cold" and scenario.shots is None and split.by != "all-but-k":
        return None
    items = split.warm_items if scenario.name == "user_cold" else split.cold_items
    relevant_items = relevant_to(split, scenario)
    if not len(items) or not sum(map(len, relevant_items)):
        return None
    column = np.full(split.train.graph.n_items, -1, np.int64)
    column[items] = np.arange(len(items))
    relevant = [column[row] for row in relevant_items]
    told: list[Accuracy] = []
    kept, order = [], []
    for rows, queries in batches(_queries(split, scenario), len(items)):
        scores = checked(learner, queries, items)
        wanted = _mask([relevant[row] for row in rows], len(items))
        excluded = None
        if scenario.name == "user_cold":
            excluded = _mask([column[split.hidden(row, scenario.shots)] for row in rows], len(items))
        told.append(accuracy(scores, wanted, excluded))
        kept.append(bootstrap.kept_ranks(scores if excluded is None else np.where(excluded, -np.inf, scores)))
        order.append(rows)
    back = np.argsort(np.concatenate(order))
    per_user = np.concatenate([one.ndcg for one in told])[back]
    ranked = np.concatenate(kept)[back]
    name = f"{split.salt}{scenario.name}"
    if scenario.name == "user_cold":
        drawn = bootstrap.draws(name, len(per_user), 0)
        replicates = bootstrap.over_users(per_user, drawn.users)
    else:
        drawn = bootstrap.draws(name, len(per_user), len(items))
        replicates = bootstrap.over_users_and_items(ranked, relevant, drawn)
    means = {
        metric: float(np.nanmean(np.concatenate([getattr(one, metric) for one in told])[back]))
        for metric in METRICS
        if metric != "coverage"
    }
    known = ~np.isnan(per_user)
    return {
        **means,
        "coverage": coverage(ranked[known, :LIST], len(items)),
        "queries": int(known.sum()),
        "per_user": [None if np.isnan(value) else round(float(value), 5) for value in per_user],
        "replicates": [round(float(value), 6) for value in replicates],
    }


def relevant_to(split: Split, scenario: Scenario) -> Sequence[IntArray]:
    """The items that are right for each query of the scenario."""
    if scenario.name == "item_cold":
        return split.warm_user_cold_positives
    if scenario.name == "both_cold":
        return split.cold_positives
    return [split.wanted(row, scenario.shots) for row in range(len(split.users))]


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


def _queries(split: Split, scenario: Scenario) -> list[Query]:
    attributes, rows = split.train.user_attributes, split.train.interactions
    if scenario.name == "item_cold":
        history = grouped(rows.users, len(attributes))
        mine = [(user, history[user]) for user in split.warm_users.tolist()]
        return [Query(attributes[user], rows.items[met], rows.ratings[met]) for user, met in mine]
    whole = scenario.name == "both_cold"
    return [
        Query(attributes[user], *split.support(row, scenario.shots, whole=whole))
        for row, user in enumerate(split.users.tolist())
    ]


def _mask(columns: Sequence[IntArray], width: int) -> NDArray[np.bool_]:
    mask = np.zeros((len(columns), width), np.bool_)
    for row, chosen in enumerate(columns):
        mask[row, chosen] = True
    return mask
