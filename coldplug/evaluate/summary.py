"""Finished C1 cells as the rows of a result: means and spreads, paired differences, ranks, costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coldplug.evaluate import bootstrap
from coldplug.evaluate.cell import METRICS, SCENARIOS, Scenario
from coldplug.evaluate.controls import WHOLE
from coldplug.evaluate.kept import Cell
from coldplug.evaluate.ranks import compared

Done = Mapping[Cell, Mapping[str, Any]]
Row = tuple[str, str]
"""A method and a control."""
_COSTS = (
    *("salt", "seed", "fit_seconds", "score_seconds", "fit_cpu_seconds", "score_cpu_seconds"),
    *("peak_memory_mib", "memory_mib"),
)


def rows_of(cells: Sequence[Cell]) -> list[Row]:
    """The rows of the tables, in order."""
    return list(dict.fromkeys((cell.method, cell.control) for cell in cells))


def results(cells: Sequence[Cell], done: Done) -> list[dict[str, Any]]:
    """A row a method, control and scenario. `by_salt` are means over seeds, `by_seed` over salts; `sd` is of the latter."""
    rows = []
    for method, view in rows_of(cells):
        for scenario in SCENARIOS:
            found = _found(cells, done, (method, view), scenario)
            if not found:
                continue
            row = {"method": method, "control": view, "scenario": scenario.name, "shots": scenario.shots}
            queries = [by_seed[min(by_seed)]["queries"] for by_seed in found.values()]
            rows.append(row | {"queries": queries, **{name: _spread(found, name) for name in METRICS}})
    return rows


def differences(cells: Sequence[Cell], done: Done, controlled: str) -> list[dict[str, Any]]:
    """The controlled method on the whole graph against everything else, salt by salt, NDCG, seeds averaged first."""
    main = (controlled, WHOLE)
    if main not in rows_of(cells):
        return []
    rows = []
    for other in rows_of(cells):
        for scenario in SCENARIOS if other != main else ():
            ours, theirs = (_found(cells, done, row, scenario) for row in (main, other))
            by_salt = []
            for salt in ours:
                if salt not in theirs:
                    continue
                first, second = (_replicates(side[salt]) for side in (ours, theirs))
                low, high = bootstrap.interval(first, second)
                mean = _mean(ours[salt], "ndcg") - _mean(theirs[salt], "ndcg")
                by_salt.append({"salt": salt, "mean": mean, "low": low, "high": high})
            if by_salt:
                rows.append(
                    {
                        "than": {"method": other[0], "control": other[1]},
                        "scenario": scenario.name,
                        "shots": scenario.shots,
                        "mean": float(np.mean([one["mean"] for one in by_salt])),
                        "by_salt": by_salt,
                    }
                )
    return rows


def ranks(cells: Sequence[Cell], done: Done) -> list[dict[str, Any]]:
    """A row a scenario: the methods on the whole graph ranked by NDCG; a block is a user of a cut, seeds averaged."""
    methods = [method for method, view in rows_of(cells) if view == WHOLE]
    rows = []
    for scenario in SCENARIOS:
        found = {method: _found(cells, done, (method, WHOLE), scenario) for method in methods}
        here = [method for method in methods if found[method]]
        columns = [
            np.concatenate([_per_user(by_seed) for by_seed in found[method].values()]) for method in here
        ]
        row = compared(here, columns)
        if row is not None:
            rows.append({"scenario": scenario.name, "shots": scenario.shots, **row})
    return rows


def costs(cells: Sequence[Cell], done: Done) -> list[dict[str, Any]]:
    """Seconds and memory of every cell."""
    return [
        {name: done[cell][name] for name in _COSTS} | {"method": cell.method, "control": cell.control}
        for cell in cells
    ]


BySeed = dict[int, Mapping[str, Any]]


def _found(cells: Sequence[Cell], done: Done, row: Row, scenario: Scenario) -> dict[str, BySeed]:
    """Salt -> seed -> what was measured, where the scenario could be."""
    found: dict[str, BySeed] = {}
    for cell in cells:
        measured = done[cell]["scenarios"].get(scenario.key) if (cell.method, cell.control) == row else None
        if measured is not None:
            found.setdefault(cell.salt, {})[cell.seed] = measured
    return found


def _mean(by_seed: BySeed, metric: str) -> float:
    return float(np.mean([one[metric] for one in by_seed.values()]))


def _replicates(by_seed: BySeed) -> bootstrap.Floats:
    return np.asarray(np.mean([one["replicates"] for one in by_seed.values()], axis=0), np.float64)


def _per_user(by_seed: BySeed) -> bootstrap.Floats:
    """(n_queries,) mean over seeds; None is read as NaN."""
    values = np.array([one["per_user"] for one in by_seed.values()], np.float64)
    return np.asarray(values.mean(0), np.float64)


def _spread(found: Mapping[str, BySeed], metric: str) -> dict[str, Any]:
    by_salt = [_mean(by_seed, metric) for by_seed in found.values()]
    seeds = set.intersection(*(set(by_seed) for by_seed in found.values()))
    by_seed = [float(np.mean([one[seed][metric] for one in found.values()])) for seed in sorted(seeds)]
    return {
        "mean": float(np.mean(by_salt)),
        "low": min(by_salt),
        "high": max(by_salt),
        "by_salt": [round(value, 6) for value in by_salt],
        "sd": float(np.std(by_seed, ddof=1)) if len(by_seed) > 1 else None,
        "by_seed": [round(value, 6) for value in by_seed],
    }
