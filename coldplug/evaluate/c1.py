"""The C1 protocol: every method on every salt, the controls on one of them, resumable, with intervals."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import metadata
from multiprocessing import get_context
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.evaluate import bootstrap
from coldplug.evaluate.cell import SCENARIOS, run_cell
from coldplug.evaluate.controls import CONTROLS, WHOLE
from coldplug.evaluate.kept import RESULT_VERSION, Cell, Store, fingerprint
from coldplug.evaluate.split import Split, make_split
from coldplug.learn import BASELINES, METHODS, learner_class
from coldplug.read import load_training_data
from coldplug.types import TrainingData
from plugbase.errors import UserError, did_you_mean

SALTS = ("", "a:", "b:", "c:", "d:")
DEFAULT_METHOD = "posterior"
Report = Callable[[int, int, str], None]
"""Called with (cells done, cells in all, name of the cell that has just been done)."""


def run_c1(
    data: TrainingData | str | PathLike[str],
    methods: Sequence[str] | None = None,
    salts: Sequence[str] = SALTS,
    controls: Sequence[str] | None = None,
    *,
    controlled: str = DEFAULT_METHOD,
    seed: int = 0,
    jobs: int = 1,
    progress: Report | None = None,
    work: str | PathLike[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    remarks: list[str] | None = None,
) -> dict[str, Any]:
    """Measure methods in the three cold-start scenarios.

    Args:
        data: training data, or a folder with graph.ttl, users.* and interactions.*.
        methods: names in `coldplug.learn.METHODS`; all of them by default.
        salts: each cuts the data another way; results are means over them.
        controls: names in `CONTROLS`, run for `controlled` alone; all of them by default, none with `[]`.
        controlled: the method that controls and differences are about; skipped where `methods` lacks it.
        jobs: processes at once; each holds the data once.
        progress: told of every cell that is done.
        work: a folder that keeps finished cells, so that the same call carries on where it was stopped.
        settings: method -> keyword arguments of its `fit`.

    Returns:
        JSON-able: `results` (a row a method, control and scenario), `differences` (a row a comparison),
        `costs`, `data`, and what is needed to run it again.

    Raises:
        UserError: unknown method or control; the data set is too small; no files in the folder.
    """
    methods = list(methods if methods is not None else (DEFAULT_METHOD, *BASELINES))
    controls = list(CONTROLS if controls is None else controls)
    _check(methods, METHODS, "method")
    _check(controls, CONTROLS, "control")
    for method in methods:
        learner_class(method)
    said = [] if remarks is None else remarks
    if not isinstance(data, TrainingData):
        data = load_training_data(_graph_in(Path(data)), remarks=said)
    settings = settings or {}
    cells = [Cell(method, WHOLE, salt) for salt in salts for method in methods]
    if controlled in methods:
        cells += [Cell(controlled, view, salt) for salt in salts for view in controls if view != WHOLE]
    splits = [make_split(data, salt) for salt in salts]
    stamp = fingerprint(data)
    store = Store(None if work is None else Path(work), stamp, seed, settings)
    done = {cell: found for cell in cells if (found := store.read(cell)) is not None}
    todo = sorted((cell for cell in cells if cell not in done), key=lambda c: salts.index(c.salt))
    for cell, found in _run(todo, data, seed, settings, jobs):
        store.write(cell, found)
        done[cell] = found
        if progress is not None:
            progress(len(done), len(cells), str(cell))
    return {
        "protocol": "c1",
        "version": RESULT_VERSION,
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": _versions(),
        "seed": seed,
        "salts": list(salts),
        "methods": methods,
        "controlled": controlled if controlled in methods else None,
        "settings": {method: dict(settings.get(method, {})) for method in methods},
        "data": {"fingerprint": stamp, "positive_at": data.positive_at, **_facts(data)},
        "splits": [_sizes(split) for split in splits],
        "results": _results(cells, salts, done),
        "differences": _differences(cells, salts, done, controlled),
        "costs": [
            {name: done[cell][name] for name in _COSTS} | {"method": cell.method, "control": cell.control}
            for cell in cells
        ],
        "remarks": said,
    }


_COSTS = ("salt", "fit_seconds", "score_seconds", "peak_memory_mib")


def _check(names: Sequence[str], known: Mapping[str, object], what: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(
                f"unknown {what} {name!r}", mend=did_you_mean(name, known) or f"{what}s: {', '.join(known)}"
            )


def _graph_in(folder: Path) -> Path:
    graph = folder / "graph.ttl"
    if not graph.is_file():
        raise UserError(
            "no graph.ttl in this folder",
            file=str(folder),
            mend="write it with `kgbuild extract items.jsonl -o graph.ttl`, beside users and interactions",
        )
    return graph


_worker: dict[str, Any] = {}


def _start_worker(data: TrainingData) -> None:
    _worker["data"] = data
    _worker["split"] = None


def _work(cell: Cell, seed: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    if _worker["split"] is None or _worker["split"].salt != cell.salt:
        _worker["split"] = make_split(_worker["data"], cell.salt)
    return run_cell(_worker["split"], cell.method, cell.control, seed=seed, settings=settings)


def _run(
    cells: Sequence[Cell],
    data: TrainingData,
    seed: int,
    settings: Mapping[str, Mapping[str, Any]],
    jobs: int,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Cells as they are done, in order with one job."""
    if jobs <= 1 or len(cells) <= 1:
        _start_worker(data)
        try:
            for cell in cells:
                yield cell, _work(cell, seed, settings.get(cell.method, {}))
        finally:
            _worker.clear()
        return
    # spawned, not forked: a fork of a process with torch's threads in it can hang
    with ProcessPoolExecutor(
        min(jobs, len(cells)), mp_context=get_context("spawn"), initializer=_start_worker, initargs=(data,)
    ) as pool:
        futures = [(cell, pool.submit(_work, cell, seed, settings.get(cell.method, {}))) for cell in cells]
        try:
            for cell, future in futures:
                yield cell, future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in ("coldplug", "numpy", "scipy", "torch", "sentence-transformers"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _facts(data: TrainingData) -> dict[str, int]:
    return {
        "items": data.graph.n_items,
        "described_items": sum(bool(text) for text in data.graph.descriptions),
        "users": len(data.user_ids),
        "interactions": len(data.interactions.users),
        "catalogue_facts": int(data.graph.stated.sum() + data.graph.literal_stated.sum()),
        "extracted_facts": int((~data.graph.stated).sum() + (~data.graph.literal_stated).sum()),
    }


def _sizes(split: Split) -> dict[str, Any]:
    return {
        "salt": split.salt,
        "training_interactions": len(split.train.interactions.users),
        "cold_users": len(split.users),
        "warm_items": len(split.warm_items),
        "cold_items": len(split.cold_items),
        "warm_users": len(split.warm_users),
    }


Done = Mapping[Cell, Mapping[str, Any]]


def _pairs(cells: Sequence[Cell]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((cell.method, cell.control) for cell in cells))


def _results(cells: Sequence[Cell], salts: Sequence[str], done: Done) -> list[dict[str, Any]]:
    rows = []
    for method, view in _pairs(cells):
        for scenario in SCENARIOS:
            found = [done[Cell(method, view, salt)]["scenarios"].get(scenario.key) for salt in salts]
            here = [one for one in found if one is not None]
            if not here:
                continue
            rows.append(
                {
                    "method": method,
                    "control": view,
                    "scenario": scenario.name,
                    "shots": scenario.shots,
                    "queries": [one["queries"] for one in here],
                    **{metric: _spread([one[metric] for one in here]) for metric in ("ndcg", "recall")},
                }
            )
    return rows


def _spread(values: Sequence[float]) -> dict[str, Any]:
    return {
        "mean": float(np.mean(values)),
        "low": min(values),
        "high": max(values),
        "by_salt": [round(value, 6) for value in values],
    }


def _differences(
    cells: Sequence[Cell], salts: Sequence[str], done: Done, controlled: str
) -> list[dict[str, Any]]:
    """The controlled method on the whole graph against everything else, salt by salt, NDCG."""
    pairs = _pairs(cells)
    main = (controlled, WHOLE)
    if main not in pairs:
        return []
    rows = []
    for method, view in pairs:
        if (method, view) == main:
            continue
        for scenario in SCENARIOS:
            by_salt = []
            for salt in salts:
                ours = done[Cell(*main, salt)]["scenarios"].get(scenario.key)
                theirs = done[Cell(method, view, salt)]["scenarios"].get(scenario.key)
                if ours is None or theirs is None:
                    continue
                low, high = bootstrap.interval(
                    np.array(ours["replicates"], np.float64), np.array(theirs["replicates"], np.float64)
                )
                by_salt.append(
                    {"salt": salt, "mean": ours["ndcg"] - theirs["ndcg"], "low": low, "high": high}
                )
            if by_salt:
                rows.append(
                    {
                        "than": {"method": method, "control": view},
                        "scenario": scenario.name,
                        "shots": scenario.shots,
                        "mean": float(np.mean([one["mean"] for one in by_salt])),
                        "by_salt": by_salt,
                    }
                )
    return rows
