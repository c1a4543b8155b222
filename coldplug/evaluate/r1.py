"""The R1 protocol: rating prediction on MeLU's four states, every rater on every seed, unrounded."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate import bootstrap
from coldplug.evaluate.batches import batches
from coldplug.evaluate.c1 import _versions as versions
from coldplug.evaluate.kept import Cell, Store, fingerprint
from coldplug.evaluate.memory import Meter
from coldplug.evaluate.metrics import graded_ndcg
from coldplug.evaluate.r1_split import STATES, WARM, State, Task, make_tasks, queries, read_states, warm_data
from coldplug.evaluate.ranks import compared
from coldplug.learn.ratings import RATERS, Rater, fit_rater, rater_class
from coldplug.types import FloatArray, IntArray, TrainingData

SEEDS = (0, 1, 2)
OURS = "rating-posterior"
METRICS = ("mae", "rmse", "mse", "ndcg1", "ndcg3", "ndcg5", "mae_rounded", "rmse_rounded")
RANKED = ("mae", "rmse", "ndcg5")
"""Metrics by which raters are compared with each other."""
SUPPORT, HISTORY = "support", "support and warm ratings"
"""What a rater is told of a user: MeLU's tasks tell the support alone."""
_COSTS = ("fit_seconds", "predict_seconds", "fit_cpu_seconds", "predict_cpu_seconds", "memory_mib")
_TOLD = (*((state, SUPPORT) for state in STATES), ("item_cold", HISTORY))
Floats = NDArray[np.float64]
Found = dict[tuple[str, str, str], list[dict[str, Floats]]]
"""(rater, state, told) -> for each seed, metric -> (n_tasks,)."""


def run_r1(
    data: TrainingData,
    split: str | PathLike[str],
    raters: Sequence[str] | None = None,
    seeds: Sequence[int] = SEEDS,
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    work: str | PathLike[str] | None = None,
) -> dict[str, Any]:
    """Measure raters on the three cold states.

    A rater is fitted on the warm state, once a seed, and is asked one task at a time: no other task's support tells it
    anything. MAE, MSE and RMSE are of each task's ten ratings, then the mean over tasks; NDCG has the true rating as gain.

    Args:
        data: the graph and the users; its interactions are not used.
        split: the folder with MeLU's eight files.
        raters: names in `RATERS` or `LEARNERS` of `coldplug.learn.ratings`; by default all of the former.
        seeds: each draws the order of every user's ratings, and is the seed of `fit`.
        settings: rater -> keyword arguments of its `fit`.
        progress: called with (fits done, fits in all, what has just been done).
        work: a folder that keeps finished fits, so that the same call carries on where it was stopped.

    Returns:
        JSON-able: `results` (a row a rater, state and what it is told, with mean and standard deviation over seeds),
        `differences` of the rating posterior from each other row with paired bootstrap intervals over users, `ranks` with
        their critical differences, `costs`.

    Raises:
        UserError: unknown rater, or files that are missing or malformed.
    """
    names = list(raters or RATERS)
    classes = {name: rater_class(name) for name in names}
    settings = settings or {}
    states = read_states(Path(split), data)
    train = warm_data(data, states)
    store = Store(None if work is None else Path(work), _stamp(train, states), classes, settings)
    found: Found = {(name, *told): [] for name in names for told in _TOLD}
    costs, sizes = [], {}
    for turn, seed in enumerate(seeds):
        tasks = {state: make_tasks(data, states[state], seed) for state in STATES}
        sizes = {state: len(listed) for state, listed in tasks.items()}
        for place, name in enumerate(names):
            cell = Cell(name, "r1", "", seed)
            measured = store.read(cell)
            if measured is None:
                measured = _fit_and_measure(name, data, train, states, tasks, seed, settings.get(name, {}))
                store.write(cell, measured)
                if progress is not None:
                    progress(turn * len(names) + place + 1, len(seeds) * len(names), f"{name}, seed {seed}")
            for state, told in _TOLD:
                metrics = measured["tasks"][f"{state} / {told}"]
                found[name, state, told].append({m: np.array(metrics[m], np.float64) for m in METRICS})
            costs.append({"rater": name, "seed": seed, **{cost: measured[cost] for cost in _COSTS}})
    return {
        "protocol": "r1",
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": versions(),
        "seeds": list(seeds),
        "raters": names,
        "settings": {name: dict(settings.get(name, {})) for name in names},
        "tasks": sizes,
        "warm_ratings": len(train.interactions.users),
        "results": [_row(key, by_seed) for key, by_seed in found.items()],
        "differences": _differences(found),
        "ranks": _ranks(found),
        "costs": costs,
    }


def _stamp(train: TrainingData, states: Mapping[str, State]) -> str:
    """Changes with anything that a cell depends on: what is trained on and what is asked."""
    digest = hashlib.sha256()
    for name in sorted(states):
        state = states[name]
        for array in (np.array(state.users), *state.items, *state.ratings):
            digest.update(array.tobytes() + b"|")
    return fingerprint(train) + digest.hexdigest()[:16]


def _fit_and_measure(
    name: str,
    data: TrainingData,
    train: TrainingData,
    states: Mapping[str, State],
    tasks: Mapping[str, Sequence[Task]],
    seed: int,
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """One rater with one seed: JSON-able metrics of every task, and costs."""
    warm = states[WARM]
    history = {
        user: (items, ratings)
        for user, items, ratings in zip(warm.users, warm.items, warm.ratings, strict=True)
    }
    meter = Meter()
    rater = fit_rater(name, train, seed=seed, **settings)
    fitted = meter.lap()
    measured = {}
    for state, told in _TOLD:
        metrics = _measure(rater, data, tasks[state], history if told == HISTORY else None)
        measured[f"{state} / {told}"] = {
            metric: [round(float(value), 6) for value in values] for metric, values in metrics.items()
        }
    predicted = meter.lap()
    return {
        "tasks": measured,
        "fit_seconds": fitted.seconds,
        "predict_seconds": predicted.seconds,
        "fit_cpu_seconds": fitted.cpu_seconds,
        "predict_cpu_seconds": predicted.cpu_seconds,
        "memory_mib": predicted.peak_mib,
    }


def _measure(
    rater: Rater,
    data: TrainingData,
    tasks: Sequence[Task],
    history: Mapping[int, tuple[IntArray, FloatArray]] | None,
) -> dict[str, Floats]:
    """Metric -> (n_tasks,)."""
    if not tasks:
        return {metric: np.zeros(0) for metric in METRICS}
    asked = np.stack([task.query for task in tasks])
    items = np.unique(asked)
    places = np.searchsorted(items, asked)
    predicted = np.zeros(asked.shape)
    for rows, some in batches(queries(data, tasks, history), len(items)):
        predicted[rows] = np.take_along_axis(rater.predict_ratings(some, items), places[rows], axis=1)
    wanted = np.stack([task.wanted for task in tasks]).astype(np.float64)
    return task_metrics(predicted, wanted)


def task_metrics(predicted: Floats, wanted: Floats) -> dict[str, Floats]:
    """Metric -> (n_tasks,) of predicted and true ratings (n_tasks, n_query).

    `mae_rounded` and `rmse_rounded` are those of the predictions rounded to whole stars from 1 to 5: rounding lowers the
    absolute error of the same knowledge and raises the squared one, so neither is worth anything without the other.
    """
    found = {}
    for suffix, values in (("", predicted), ("_rounded", np.clip(np.rint(predicted), 1, 5))):
        error = values - wanted
        found[f"mae{suffix}"] = np.abs(error).mean(1)
        found[f"rmse{suffix}"] = np.sqrt((error**2).mean(1))
    found["mse"] = found["rmse"] ** 2
    return found | {f"ndcg{k}": graded_ndcg(predicted, wanted, k) for k in (1, 3, 5)}


def _row(key: tuple[str, str, str], by_seed: Sequence[Mapping[str, Floats]]) -> dict[str, Any]:
    rater, state, told = key
    found: dict[str, Any] = {"rater": rater, "state": state, "told": told, "tasks": len(by_seed[0]["mae"])}
    for metric in METRICS:
        values = [float(np.mean(one[metric])) if len(one[metric]) else float("nan") for one in by_seed]
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        found[metric] = {"mean": float(np.mean(values)), "sd": deviation, "by_seed": values}
    return found


def _differences(found: Found) -> list[dict[str, Any]]:
    """The posterior less each other rater told the same; the users are drawn anew, seeds averaged first."""
    rows = []
    for (rater, state, told), by_seed in found.items():
        ours = found.get((OURS, state, told))
        if rater == OURS or ours is None or not len(by_seed[0]["mae"]):
            continue
        drawn = bootstrap.draws(f"r1 {state}", len(by_seed[0]["mae"]), 0).users
        for metric in RANKED:
            first, second = (np.mean([one[metric] for one in side], axis=0) for side in (ours, by_seed))
            low, high = bootstrap.interval(
                bootstrap.over_users(first, drawn), bootstrap.over_users(second, drawn)
            )
            difference = {"mean": float((first - second).mean()), "low": low, "high": high}
            rows.append({"than": rater, "state": state, "told": told, "metric": metric, **difference})
    return rows


def _ranks(found: Found) -> list[dict[str, Any]]:
    """Raters told the support alone, ranked by each metric, a user being a block, seeds averaged first."""
    rows = []
    for state in STATES:
        names = [name for name, where, told in found if (where, told) == (state, SUPPORT)]
        for metric in RANKED:
            sign = 1.0 if metric.startswith("ndcg") else -1.0
            columns = [
                sign * np.mean([one[metric] for one in found[name, state, SUPPORT]], axis=0) for name in names
            ]
            row = compared(names, columns)
            if row is not None:
                rows.append({"state": state, "metric": metric, **row})
    return rows
