"""`auto` beside the default on MovieLens under C1: accuracy, the time it takes, and what it weighed.

    COLDPLUG_DATA=... python benchmarks/auto.py                writes benchmarks/auto-ml-100k.json
    COLDPLUG_DATA=... python benchmarks/auto.py --salts "" a:  only these salts
    python benchmarks/auto.py --data ml-1m                     writes benchmarks/auto-ml-1m.json; after benchmarks/c1.py

The graph of MovieLens-100K holds the catalogue's facts, that of MovieLens-1M is the one that c1.py leaves. A run that
was stopped carries on after the last salt that it finished.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.datasets import prepare
from coldplug.evaluate import SALTS, bootstrap
from coldplug.evaluate.cell import run_cell
from coldplug.evaluate.split import make_split
from coldplug.learn.auto.learner import Auto
from coldplug.read import load_training_data

HERE = Path(__file__).resolve().parent
METHODS = ("auto", "posterior")
WORK = {"ml-100k": "ml-100k", "ml-1m": "c1-ml-1m"}
"""Data set -> its folder in out/."""
_FIRST = "posterior, on everything"


def main() -> int:
    """Salt by salt: fit both, measure both, write what each reached; exit status 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=WORK, default="ml-100k")
    parser.add_argument("--work", type=Path, help="the folder with graph, users and interactions")
    parser.add_argument("--salts", nargs="*", default=list(SALTS))
    parser.add_argument("-o", "--output", type=Path)
    asked = parser.parse_args()
    asked.work = asked.work or HERE.parent / "out" / WORK[asked.data]
    asked.output = asked.output or HERE / f"auto-{asked.data}.json"
    if "COLDPLUG_DATA" not in os.environ:
        print("auto: set COLDPLUG_DATA to the folder that holds ml-100k/", file=sys.stderr)
        return 2
    graph = asked.work / "graph.ttl"
    if not graph.is_file():
        if asked.data == "ml-1m":
            print(f"auto: no {graph}; run benchmarks/c1.py first", file=sys.stderr)
            return 2
        prepare("ml-100k", Path(os.environ["COLDPLUG_DATA"]) / "ml-100k", asked.work)
        words = ["extract", str(asked.work / "items.jsonl"), "-o", str(graph), "--backend", "none"]
        subprocess.run([sys.executable, "-m", "kgbuild", *words], check=True)
    data = load_training_data(graph)
    found = json.loads(asked.output.read_text(encoding="utf-8"))["salts"] if asked.output.is_file() else {}
    for salt in asked.salts:
        if salt not in found:
            found[salt] = measured(data, salt)
        versions = {name: version(name) for name in ("numpy", "torch")} | {
            "python": platform.python_version()
        }
        result = {
            "command": shlex.join(["python", "benchmarks/auto.py", "--data", asked.data, "--salts", *found]),
            "versions": versions,
            "mean": means(list(found.values())),
            "salts": found,
        }
        asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result["mean"]))
    return 0


def measured(data: Any, salt: str) -> dict[str, Any]:
    """One salt: NDCG@10 of both with the interval of the difference, the candidates, and where the time went."""
    split = make_split(data, salt)
    told: list[tuple[float, str]] = []
    report: list[Any] = []
    fit = Auto.fit.__func__  # type: ignore[attr-defined]

    def heard(text: str) -> None:
        told.append((time.process_time(), text))
        print(f"{time.process_time():8.0f} {text}", file=sys.stderr, flush=True)

    def timed(cls: type[Auto], train: Any, **given: Any) -> Auto:
        learner: Auto = fit(cls, train, **given | {"note": heard})
        heard("done")
        report.extend(learner.report)
        return learner

    before = Auto.__dict__["fit"]
    Auto.fit = classmethod(timed)  # type: ignore[method-assign,assignment]
    try:
        # After `auto`: the default remembers what it learned of these users, and is not fitted twice.
        cells = {method: run_cell(split, method, "whole graph", seed=0)["scenarios"] for method in METHODS}
    finally:
        Auto.fit = before  # type: ignore[method-assign]
    compared = {}
    for key, mine in cells["auto"].items():
        other = cells["posterior"][key]
        ends = bootstrap.interval(np.array(mine["replicates"]), np.array(other["replicates"]))
        compared[key] = {
            "auto": round(mine["ndcg"], 4),
            "posterior": round(other["ndcg"], 4),
            "difference": round(mine["ndcg"] - other["ndcg"], 4),
            "interval": [round(end, 4) for end in ends],
        }
    return {"ndcg@10": compared, "candidates": report, "processor_seconds": seconds(told)}


def seconds(told: list[tuple[float, str]]) -> dict[str, float]:
    """Processor seconds of each stage of `auto`; those that a learner itself tells of are added up."""
    found: dict[str, float] = {}
    stage = ""
    for (began, text), (ended, _) in pairwise(told):
        if text.startswith("what "):
            stage = "weighing"
        elif text.endswith((", without those set aside", ", on everything")):
            stage = text
        found[stage] = round(found.get(stage, 0.0) + ended - began, 1)
    return found | {"all": round(told[-1][0] - told[0][0], 1)}


def means(salts: list[dict[str, Any]]) -> dict[str, Any]:
    """Mean over the salts of each scenario, and how many times the default's time `auto` took."""
    keys = list(salts[0]["ndcg@10"])
    scenarios = {
        key: {
            name: round(float(np.mean([salt["ndcg@10"][key][name] for salt in salts])), 4)
            for name in ("auto", "posterior", "difference")
        }
        for key in keys
    }
    times = [salt["processor_seconds"]["all"] / salt["processor_seconds"][_FIRST] for salt in salts]
    return {"n_salts": len(salts), "times_the_default": round(float(np.mean(times)), 1), "ndcg@10": scenarios}


def table(mean: dict[str, Any]) -> str:
    """The means as Markdown."""
    rows = ["| | auto | posterior | difference |", "|---|---|---|---|"]
    for key, found in mean["ndcg@10"].items():
        rows.append(
            f"| {key} | {found['auto']:.4f} | {found['posterior']:.4f} | {found['difference']:+.4f} |"
        )
    return "\n".join([*rows, "", f"{mean['times_the_default']} times the default's time to train"])


if __name__ == "__main__":
    sys.exit(main())
