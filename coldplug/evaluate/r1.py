"""The R1 protocol: rating prediction on MeLU's four states, every rater on every seed, unrounded."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate import bootstrap
from coldplug.evaluate.c1 import _versions as versions
from coldplug.evaluate.metrics import graded_ndcg
from coldplug.evaluate.r1_split import STATES, WARM, Task, make_tasks, queries, read_states, warm_data
from coldplug.learn.ratings import RATERS, Rater, rater_class
from coldplug.types import FloatArray, IntArray, TrainingData

SEEDS = (0, 1, 2)
OURS = "rating-posterior"
METRICS = ("mae", "rmse", "ndcg1", "ndcg3", "ndcg5", "mae_rounded", "rmse_rounded")
SUPPORT, HISTORY = "support", "support and warm ratings"
"""What a rater is told of a user: MeLU's tasks tell the support alone."""
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
) -> dict[str, Any]:
    """Measure raters on the three cold states.

    A rater is fitted on the warm state, once a seed, and is asked one task at a time: no other task's support tells it
    anything. MAE and RMSE are of each task's ten ratings, then the mean over tasks; NDCG has the true rating as gain.

    Args:
        data: the graph and the users; its interactions are not used.
        split: the folder with MeLU's eight files.
        raters: names in `coldplug.learn.ratings.RATERS`; all of them by default.
        seeds: each draws the order of every user's ratings, and is the seed of `fit`.
        settings: rater -> keyword arguments of its `fit`.
        progress: called with (fits done, fits in all, what has just been done).

    Returns:
        JSON-able: `results` (a row a rater, state and what it is told, with mean and standard deviation over seeds),
        `differences` of the rating posterior from each other row with paired bootstrap intervals over users, `costs`.

    Raises:
        UserError: unknown rater, or files that are missing or malformed.
    """
    names = list(raters or RATERS)
    classes = {name: rater_class(name) for name in names}
    states = read_states(Path(split), data)
    train = warm_data(data, states)
    warm = states[WARM]
    history = {
        user: (items, ratings)
        for user, items, ratings in zip(warm.users, warm.items, warm.ratings, strict=True)
    }
    found: Found = {(name, *told): [] for name in names for told in _TOLD}
    costs, sizes = [], {}
    for turn, seed in enumerate(seeds):
        tasks = {state: make_tasks(data, states[state], seed) for state in STATES}
        sizes = {state: len(listed) for state, listed in tasks.items()}
        for place, name in enumerate(names):
            began = time.perf_counter()
            rater = classes[name].fit(train, seed=seed, **(settings or {}).get(name, {}))
            fitted = time.perf_counter()
            for state, told in _TOLD:
                before = history if told == HISTORY else None
                found[name, state, told].append(_measure(rater, data, tasks[state], before))
            seconds = {"fit_seconds": fitted - began, "predict_seconds": time.perf_counter() - fitted}
            costs.append({"rater": name, "seed": seed, **seconds})
            if progress is not None:
                progress(turn * len(names) + place + 1, len(seeds) * len(names), f"{name}, seed {seed}")
    return {
        "protocol": "r1",
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": versions(),
        "seeds": list(seeds),
        "raters": names,
        "settings": {name: dict((settings or {}).get(name, {})) for name in names},
        "tasks": sizes,
        "warm_ratings": len(train.interactions.users),
        "results": [_row(key, by_seed) for key, by_seed in found.items()],
        "differences": _differences(found),
        "costs": costs,
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
    everything = rater.predict_ratings(queries(data, tasks, history), items)
    predicted = np.take_along_axis(everything, np.searchsorted(items, asked), axis=1).astype(np.float64)
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
        for metric in ("mae", "rmse", "ndcg5"):
            first, second = (np.mean([one[metric] for one in side], axis=0) for side in (ours, by_seed))
            low, high = bootstrap.interval(
                bootstrap.over_users(first, drawn), bootstrap.over_users(second, drawn)
            )
            difference = {"mean": float((first - second).mean()), "low": low, "high": high}
            rows.append({"than": rater, "state": state, "told": told, "metric": metric, **difference})
    return rows
