"""Every learner on MovieLens-1M: C1 on five cuts, and R1 where it predicts ratings.

    COLDPLUG_DATA=... python benchmarks/learners.py           writes benchmarks/learners.json
    python benchmarks/learners.py --parts r1 --seeds 3        one part, with more seeds; the others stay as stored
    python benchmarks/learners.py --table                     prints the tables of docs/learners.md from the stored result

Parts: `c1` trains every method once on every cut; `trainings` the default and the three best of the others three times on
the first cut; `controls` trains metakg there on each part of the graph and on shuffled ones; `r1` has the ratings. The data
and the graph are those of benchmarks/c1.py and are taken from its work folder where they lie there; finished cells are
kept, so a run that was stopped carries on.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from c1 import prepared

from coldplug.evaluate import SALTS, run_c1
from coldplug.evaluate.c1 import DEFAULT_METHOD
from coldplug.evaluate.controls import CONTROLS, WHOLE
from coldplug.evaluate.r1 import RANKED, SUPPORT, run_r1
from coldplug.evaluate.r1_split import STATES
from coldplug.evaluate.table import (
    Table,
    controls_table,
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
BEST, TRAININGS = 3, 3
"""Methods beside the default that are trained so often."""
CONTROLLED = "metakg"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--cells", type=Path, default=HERE.parent / "out" / "learners")
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--methods", nargs="*", help="only these, in c1 and r1")
    parser.add_argument(
        "--salts", nargs="*", default=list(SALTS), help="cuts of c1; the first is the other parts'"
    )
    parser.add_argument("--seeds", type=int, default=1, help="trainings of every method, in c1 and r1")
    asked = parser.parse_args()
    stored = json.loads(asked.output.read_text(encoding="utf-8")) if asked.output.is_file() else {}
    if asked.table:
        print(tables(stored))
        return 0
    try:
        data = load_training_data(prepared(asked.work))
        for part in asked.parts:
            stored[part] = PARTS[part](data, asked, stored)
            asked.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    except UserError as error:
        print(f"learners: {error}", file=sys.stderr)
        return 2
    print(tables(stored))
    return 0


def c1(data: TrainingData, asked: argparse.Namespace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Every method on every cut."""
    methods = asked.methods or [*(name for name in TRAINABLE if name not in CHOOSERS), *PEERS]
    seeds = {method: 1 if method in BASELINES else asked.seeds for method in methods}
    return _run(data, asked, methods, asked.salts, [], seeds)


def trainings(data: TrainingData, asked: argparse.Namespace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """The default and the best of the others, several times on the first cut."""
    methods = [DEFAULT_METHOD, *best(stored["c1"])]
    return _run(data, asked, methods, asked.salts[:1], [], dict.fromkeys(methods, TRAININGS))


def controls(data: TrainingData, asked: argparse.Namespace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """A learner that reads the facts themselves, on each part of the graph and on shuffled ones, on the first cut."""
    return _run(data, asked, [CONTROLLED], asked.salts[:1], list(CONTROLS), {CONTROLLED: 1}, CONTROLLED)


def _run(
    data: TrainingData,
    asked: argparse.Namespace,
    methods: Sequence[str],
    salts: Sequence[str],
    views: Sequence[str],
    seeds: Mapping[str, int],
    controlled: str = DEFAULT_METHOD,
) -> dict[str, Any]:
    return run_c1(
        *(data, methods, salts, views),
        controlled=controlled,
        seeds=seeds,
        work=asked.cells / "c1",
        progress=lambda done, total, cell: print(f"{done} of {total}: {cell}", file=sys.stderr, flush=True),
    )


def best(result: Mapping[str, Any]) -> list[str]:
    """The learners beside the default whose NDCG@10 is highest in the mean over the columns of the table."""

    def mean(method: str) -> float:
        found = [find(result, method, WHOLE, scenario) for scenario in shown_scenarios()]
        return sum(row["ndcg"]["mean"] for row in found if row is not None)

    others = [method for method in result["methods"] if method in TRAINABLE and method != DEFAULT_METHOD]
    return sorted(others, key=mean, reverse=True)[:BEST]


def r1(data: TrainingData, asked: argparse.Namespace, stored: Mapping[str, Any]) -> dict[str, Any]:
    """Every rater, the learners among them."""
    return run_r1(
        data,
        Path(os.environ["COLDPLUG_DATA"]) / "ml-1m" / "melu-split",
        asked.methods or [*RATERS, *LEARNERS],
        range(asked.seeds),
        work=asked.cells / "r1",
        progress=lambda done, total, what: print(f"{done} of {total}: {what}", file=sys.stderr, flush=True),
    )


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    "c1": c1,
    "trainings": trainings,
    "controls": controls,
    "r1": r1,
}


def tables(stored: Mapping[str, Any]) -> str:
    """What docs/learners.md quotes."""
    made: list[Table | None] = []
    if "c1" in stored:
        made += [methods_table(stored["c1"]), ranks_table(stored["c1"]), costs_table(stored["c1"])]
    if "trainings" in stored:
        made.append(methods_table(stored["trainings"]))
    if "controls" in stored:
        made.append(controls_table(stored["controls"]))
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
