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

from coldplug.evaluate import summary
from coldplug.evaluate.cell import run_cell
from coldplug.evaluate.controls import CONTROLS, WHOLE
from coldplug.evaluate.kept import RESULT_VERSION, Cell, Store, fingerprint
from coldplug.evaluate.peers import method_class
from coldplug.evaluate.split import By, Split, make_split
from coldplug.learn import BASELINES
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
    seeds: int | Mapping[str, int] = 1,
    by: By = "hash",
    jobs: int = 1,
    progress: Report | None = None,
    work: str | PathLike[str] | None = None,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    remarks: list[str] | None = None,
) -> dict[str, Any]:
    """Measure methods in the three cold-start scenarios.

    Args:
        data: training data, or a folder with graph.ttl, users.* and interactions.*.
        methods: names in `coldplug.learn.METHODS`, or of a peer; by default the default method and the baselines.
        salts: each cuts the data another way; results are means over them.
        controls: names in `CONTROLS`, run for `controlled` alone; all of them by default, none with `[]`.
        controlled: the method that controls and differences are about; skipped where `methods` lacks it.
        seed: of every random draw.
        seeds: trainings of each method, with this seed and those after it; a mapping gives each method its own number.
            Controls are run with one; so are baselines where the number is one for all, since they settle.
        by: how users are cut, see `coldplug.evaluate.split.By`.
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
    classes = {method: method_class(method) for method in methods}
    _check(controls, CONTROLS, "control")
    said = [] if remarks is None else remarks
    if not isinstance(data, TrainingData):
        data = load_training_data(_graph_in(Path(data)), remarks=said)
    settings = settings or {}
    trainings = {name: seeds_of(name, seeds) for name in methods}
    cells = [
        Cell(method, WHOLE, salt, seed + more)
        for more in range(max(trainings.values()))
        for salt in salts
        for method in methods
        if more < trainings[method]
    ]
    if controlled in methods:
        cells += [Cell(controlled, view, salt, seed) for salt in salts for view in controls if view != WHOLE]
    splits = [make_split(data, salt, by) for salt in salts]
    stamp = fingerprint(data, times=by == "time")
    cut = stamp if by == "hash" else f"{stamp} {by}"
    store = Store(None if work is None else Path(work), cut, classes, settings)
    done = {cell: found for cell in cells if (found := store.read(cell)) is not None}
    todo = sorted((c for c in cells if c not in done), key=lambda c: (c.seed, salts.index(c.salt)))
    for cell, found in _run(todo, data, by, settings, jobs):
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
        "seeds": trainings,
        "split_by": by,
        "salts": list(salts),
        "methods": methods,
        "controlled": controlled if controlled in methods else None,
        "settings": {method: dict(settings.get(method, {})) for method in methods},
        "data": {"fingerprint": stamp, "positive_at": data.positive_at, **_facts(data)},
        "splits": [_sizes(split) for split in splits],
        "results": summary.results(cells, done),
        "differences": summary.differences(cells, done, controlled),
        "ranks": summary.ranks(cells, done),
        "costs": summary.costs(cells, done),
        "remarks": said,
    }


def seeds_of(method: str, seeds: int | Mapping[str, int]) -> int:
    """How often a method is trained."""
    if isinstance(seeds, int):
        return 1 if method in BASELINES else seeds
    return seeds.get(method, 1)


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


def _start_worker(data: TrainingData, by: By) -> None:
    _worker["data"], _worker["by"] = data, by
    _worker["split"] = None


def _work(cell: Cell, settings: Mapping[str, Any]) -> dict[str, Any]:
    if _worker["split"] is None or _worker["split"].salt != cell.salt:
        _worker["split"] = make_split(_worker["data"], cell.salt, _worker["by"])
    return run_cell(_worker["split"], cell.method, cell.control, seed=cell.seed, settings=settings)


def _run(
    cells: Sequence[Cell],
    data: TrainingData,
    by: By,
    settings: Mapping[str, Mapping[str, Any]],
    jobs: int,
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Cells as they are done, in order with one job."""
    if jobs <= 1 or len(cells) <= 1:
        _start_worker(data, by)
        try:
            for cell in cells:
                yield cell, _work(cell, settings.get(cell.method, {}))
        finally:
            _worker.clear()
        return
    # spawned, not forked: a fork of a process with torch's threads in it can hang
    with ProcessPoolExecutor(
        min(jobs, len(cells)), mp_context=get_context("spawn"), initializer=_start_worker, initargs=(data, by)
    ) as pool:
        futures = [(cell, pool.submit(_work, cell, settings.get(cell.method, {}))) for cell in cells]
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
