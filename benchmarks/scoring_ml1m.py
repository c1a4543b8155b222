"""How long training, loading and scoring take on MovieLens-1M, beside the iALS + ridge baseline, in one run on one core.

    COLDPLUG_DATA=... python benchmarks/scoring_ml1m.py     writes benchmarks/scoring-ml-1m.json

Needs the graph that benchmarks/c1.py leaves in out/c1-ml-1m; trains the default model on all of MovieLens-1M.
"""

from __future__ import annotations

import os

# Before numpy and torch start their threads: one core is what is measured.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import coldplug
from coldplug.learn import learner_class
from coldplug.read import load_training_data
from coldplug.train import train_model
from coldplug.types import Query

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "out" / "c1-ml-1m"
STORED = HERE / "scoring-ml-1m.json"
ITEMS = 1000
CALLS = 300
LOAD = """import time
began = time.perf_counter()
import coldplug
coldplug.load({model!r})
print(time.perf_counter() - began)
"""
"""Run in a process of its own, so that the imports count too."""


def main() -> int:
    """Measure, store and print."""
    if not (WORK / "graph.ttl").is_file():
        print(f"scoring: no {WORK / 'graph.ttl'}; run benchmarks/c1.py first", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "model"
        summary = train_model(WORK / "graph.ttl", model)
        code = LOAD.format(model=str(model))
        loads = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]
        size = sum(file.stat().st_size for file in model.iterdir())
        plug = coldplug.load(model)
    data = load_training_data(WORK / "graph.ttl")
    baseline = learner_class("ials-ridge").fit(data)
    rng = np.random.default_rng(0)
    ids = np.array(plug.item_ids)
    asked = []
    for user in rng.choice(len(data.user_ids), CALLS):
        numbers = rng.choice(len(ids), ITEMS + 5, replace=False)
        asked.append((dict(data.user_attributes[user]), numbers[:ITEMS], numbers[ITEMS:]))

    def ours(attributes: dict[str, object], items: Any, support: Any) -> object:
        return plug.score(attributes, ids[items].tolist(), support=ids[support].tolist())

    def theirs(attributes: dict[str, object], items: Any, support: Any) -> object:
        ratings = np.full(len(support), 5, np.float32)
        return baseline.score([Query(attributes, support, ratings)], items)

    result = {
        "command": "python benchmarks/scoring_ml1m.py",
        "machine": f"{platform.machine()}, one core of {os.cpu_count()}",
        "train_seconds": summary.seconds,
        "peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "model_mib": round(size / 2**20, 1),
        "load_seconds": [round(seconds, 2) for seconds in sorted(loads)],
        "items_a_call": ITEMS,
        "support": 5,
        "calls": CALLS,
        "score_ms": timed(ours, asked),
        "ials_ridge_score_ms": timed(theirs, asked),
    }
    STORED.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0


def timed(score: Callable[..., object], asked: list[tuple[Any, ...]]) -> dict[str, float]:
    """Median and 99th percentile of the calls, in milliseconds."""
    taken = []
    for arguments in asked:
        began = time.perf_counter()
        score(*arguments)
        taken.append(1000 * (time.perf_counter() - began))
    return {"median": round(median(taken), 2), "p99": round(float(np.quantile(taken, 0.99)), 2)}


if __name__ == "__main__":
    sys.exit(main())
