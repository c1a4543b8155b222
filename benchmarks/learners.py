"""Every learner on MovieLens-1M: C1 on one cut, and R1 where it predicts ratings.

    COLDPLUG_DATA=... python benchmarks/learners.py            writes benchmarks/learners.json
    python benchmarks/learners.py --protocols r1 --seeds 3     one of the two, with more seeds; the other stays as stored
    python benchmarks/learners.py --table                      prints the tables of docs/learners.md from the stored result

One cut, since five cost five times as much (`--salts "" a: b: c: d:` asks for them). One training seed for each method, and
`--more-seeds` for the default and for the three best of the others, once all have been trained with one. The data and the
graph are those of benchmarks/c1.py and are taken from its work folder where they lie there; finished cells are kept, so a
run that was stopped carries on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from c1 import prepared

from coldplug.evaluate import run_c1
from coldplug.evaluate.c1 import DEFAULT_METHOD
from coldplug.evaluate.controls import WHOLE
from coldplug.evaluate.r1 import RANKED, SUPPORT, run_r1
from coldplug.evaluate.r1_split import STATES
from coldplug.evaluate.table import (
    Table,
    costs_table,
    figure,
    find,
    methods_table,
    ranks_table,
    shown_scenarios,
)
from coldplug.learn import BASELINES, TRAINABLE
from coldplug.learn.ratings import LEARNERS, RATERS
from coldplug.read import load_training_data
from coldplug.types import TrainingData
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "learners.json"
PEERS = ("popularity", "popularity-attributes", "itemknn", "ease", "naive-bayes", "ials-ridge")
"""Baselines in the same table; benchmarks/c1.py has all of them."""
CHOOSERS = ("auto",)
"""Methods that train and weigh others of the table; they are no rows of it."""
BEST = 3
"""Methods beside the default that are trained with more seeds."""


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--cells", type=Path, default=HERE.parent / "out" / "learners")
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--protocols", nargs="*", choices=["c1", "r1"], default=["c1", "r1"])
    parser.add_argument("--methods", nargs="*", help="only these")
    parser.add_argument("--salts", nargs="*", default=[""])
    parser.add_argument("--seeds", type=int, default=1, help="trainings of every method")
    parser.add_argument("--more-seeds", type=int, default=1, help="of the default and the best of the others")
    asked = parser.parse_args()
    stored = json.loads(asked.output.read_text(encoding="utf-8")) if asked.output.is_file() else {}
    if asked.table:
        print(tables(stored))
        return 0
    try:
        data = load_training_data(prepared(asked.work))
        for protocol in asked.protocols:
            stored[protocol] = {"c1": c1, "r1": r1}[protocol](data, asked)
            asked.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    except UserError as error:
        print(f"learners: {error}", file=sys.stderr)
        return 2
    print(tables(stored))
    return 0


def c1(data: TrainingData, asked: argparse.Namespace) -> dict[str, Any]:
    """All with the same number of seeds, then the best again with more."""
    methods = asked.methods or [*(name for name in TRAINABLE if name not in CHOOSERS), *PEERS]

    def run(seeds: Mapping[str, int]) -> dict[str, Any]:
        return run_c1(
            *(data, methods, asked.salts, []),
            seeds=seeds,
            work=asked.cells / "c1",
            progress=lambda done, total, cell: print(
                f"{done} of {total}: {cell}", file=sys.stderr, flush=True
            ),
        )

    seeds = {method: 1 if method in BASELINES else asked.seeds for method in methods}
    result = run(seeds)
    if asked.more_seeds > asked.seeds:
        asked.output.with_suffix(".c1.json").write_text(json.dumps(result))
        seeds |= {method: asked.more_seeds for method in (*best(result), DEFAULT_METHOD) if method in seeds}
        result = run(seeds)
    return result


def best(result: Mapping[str, Any]) -> list[str]:
    """The learners beside the default whose NDCG@10 is highest in the mean over the columns of the table."""

    def mean(method: str) -> float:
        found = [find(result, method, WHOLE, scenario) for scenario in shown_scenarios()]
        return sum(row["ndcg"]["mean"] for row in found if row is not None)

    others = [method for method in result["methods"] if method in TRAINABLE and method != DEFAULT_METHOD]
    return sorted(others, key=mean, reverse=True)[:BEST]


def r1(data: TrainingData, asked: argparse.Namespace) -> dict[str, Any]:
    """Every rater, the learners among them."""
    return run_r1(
        data,
        Path(os.environ["COLDPLUG_DATA"]) / "ml-1m" / "melu-split",
        asked.methods or [*RATERS, *LEARNERS],
        range(asked.seeds),
        work=asked.cells / "r1",
        progress=lambda done, total, what: print(f"{done} of {total}: {what}", file=sys.stderr, flush=True),
    )


def tables(stored: Mapping[str, Any]) -> str:
    """What docs/learners.md quotes."""
    made: list[Table | None] = []
    if "c1" in stored:
        made += [methods_table(stored["c1"]), ranks_table(stored["c1"]), costs_table(stored["c1"])]
    if "r1" in stored:
        made.append(ratings_table(stored["r1"]))
    return "\n\n".join(f"{table.title}\n\n{table.text('markdown')}" for table in made if table is not None)


def ratings_table(result: Mapping[str, Any]) -> Table:
    """R1 in one table: a row a rater, told the support alone."""
    columns = [(state, metric) for state in STATES for metric in RANKED]
    rows = []
    for rater in result["raters"]:
        found = {
            row["state"]: row for row in result["results"] if (row["rater"], row["told"]) == (rater, SUPPORT)
        }
        rows.append([rater, *(figure(found[state][metric]["mean"]) for state, metric in columns)])
    seeds = len(result["seeds"])
    names = {"mae": "MAE", "rmse": "RMSE", "ndcg5": "nDCG@5"}
    title = f"R1, {f'mean over {seeds} seeds' if seeds > 1 else 'one seed'}, told the support alone"
    return Table(title, ["rater", *(f"{state} {names[metric]}" for state, metric in columns)], rows)


if __name__ == "__main__":
    sys.exit(main())
