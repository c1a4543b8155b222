"""C1 on MovieLens-1M from the raw files to the stored result: prepare, extract the graph, evaluate.

    COLDPLUG_DATA=... python benchmarks/c1.py   writes benchmarks/c1-ml-1m.json, with --report a page too
    python benchmarks/c1.py --table             prints the tables of README from the stored result

A run that was stopped carries on: finished steps and cells stay in the work folder, by default out/c1-ml-1m.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from coldplug.datasets import prepare
from coldplug.evaluate import SALTS, run_c1
from coldplug.evaluate.report import write_report
from coldplug.evaluate.table import controls_table, differences_table, graph_verdict, methods_table
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "c1-ml-1m.json"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--report", type=Path, help="also write the page with the curves here")
    parser.add_argument("--methods", nargs="*", help="only these methods")
    parser.add_argument("--controls", nargs="*", help="only these controls")
    parser.add_argument("--salts", nargs="*", default=list(SALTS))
    parser.add_argument("--jobs", type=int, default=1)
    asked = parser.parse_args()
    if asked.table:
        print(tables(json.loads(asked.output.read_text(encoding="utf-8"))))
        return 0
    try:
        result = measure(asked)
    except UserError as error:
        print(f"c1: {error}", file=sys.stderr)
        return 2
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if asked.report:
        write_report(result, asked.report)
    print(tables(result))
    return 0


def prepared(folder: Path) -> Path:
    """The graph of MovieLens-1M in the folder, each step left out where its result lies there already.

    Raises:
        UserError: $COLDPLUG_DATA is not set.
    """
    if "COLDPLUG_DATA" not in os.environ:
        raise UserError(
            "COLDPLUG_DATA is not set",
            mend="set it to the folder that holds ml-1m/ as GroupLens publishes it",
        )
    if not (folder / "interactions.csv").is_file():
        prepare("movielens-1m", Path(os.environ["COLDPLUG_DATA"]) / "ml-1m", folder)
    began = time.monotonic()
    graph, items = folder / "graph.ttl", folder / "items.jsonl"
    if not graph.is_file():
        # coldplug and kgbuild meet in a file only, so the extraction is a process of its own
        code = "from kgbuild.cli import main; main()"
        subprocess.run([sys.executable, "-c", code, "extract", str(items), "-o", str(graph)], check=True)
        (folder / "extract_seconds").write_text(f"{time.monotonic() - began:.1f}")
    return graph


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Prepare and measure."""
    folder: Path = asked.work
    prepared(folder)
    result = run_c1(
        folder,
        asked.methods,
        asked.salts,
        asked.controls,
        jobs=asked.jobs,
        work=folder / "cells",
        progress=lambda done, total, cell: print(f"{done} of {total}: {cell}", file=sys.stderr, flush=True),
    )
    seconds = folder / "extract_seconds"
    result["extract_seconds"] = float(seconds.read_text()) if seconds.is_file() else None
    return result


def tables(result: dict[str, Any]) -> str:
    """What README quotes: methods, controls, differences, and whether the graph helps."""
    made = [
        methods_table(result),
        methods_table(result, "recall"),
        controls_table(result),
        differences_table(result),
    ]
    parts = [f"{table.title}\n\n{table.text('markdown')}" for table in made if table is not None]
    parts.append("\n".join(f"- {line}" for line in graph_verdict(result)))
    return "\n\n".join(part for part in parts if part)


if __name__ == "__main__":
    sys.exit(main())
