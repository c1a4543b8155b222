"""R1 on MeLU's split of MovieLens-1M, from the raw files to the stored result: prepare, extract the graph, evaluate.

    COLDPLUG_DATA=... python benchmarks/r1.py   writes benchmarks/r1-ml-1m.json
    python benchmarks/r1.py --table             prints the tables of docs/evaluate.md from the stored result

A run that was stopped carries on. The data and the graph are those of benchmarks/c1.py and are taken from its work folder
where they lie there.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from coldplug.datasets import prepare
from coldplug.evaluate.r1 import SEEDS, run_r1
from coldplug.evaluate.r1_table import r1_text
from coldplug.read import load_training_data
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "r1-ml-1m.json"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--raters", nargs="*", help="only these")
    parser.add_argument("--seeds", nargs="*", type=int, default=list(SEEDS))
    asked = parser.parse_args()
    if asked.table:
        print(r1_text(json.loads(asked.output.read_text(encoding="utf-8")), "markdown"))
        return 0
    try:
        result = measure(asked)
    except UserError as error:
        print(f"r1: {error}", file=sys.stderr)
        return 2
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(r1_text(result, "markdown"))
    return 0


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """The three steps, the first two left out where their results lie in the work folder already."""
    if "COLDPLUG_DATA" not in os.environ:
        raise UserError(
            "COLDPLUG_DATA is not set", mend="set it to the folder that holds ml-1m/ and in it melu-split/"
        )
    raw = Path(os.environ["COLDPLUG_DATA"]) / "ml-1m"
    folder: Path = asked.work
    graph, items = folder / "graph.ttl", folder / "items.jsonl"
    if not (folder / "interactions.csv").is_file():
        prepare("movielens-1m", raw, folder)
    if not graph.is_file():
        # coldplug and kgbuild meet in a file only, so the extraction is a process of its own
        code = "from kgbuild.cli import main; main()"
        subprocess.run([sys.executable, "-c", code, "extract", str(items), "-o", str(graph)], check=True)
    return run_r1(
        load_training_data(graph),
        raw / "melu-split",
        asked.raters,
        asked.seeds,
        work=folder / "r1-cells",
        progress=lambda done, total, what: print(f"{done} of {total}: {what}", file=sys.stderr, flush=True),
    )


if __name__ == "__main__":
    sys.exit(main())
