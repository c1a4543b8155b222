"""Recommenders by others beside ours on MovieLens-1M: C1 on one cut, the same table for implicit, LightFM and cornac.

    COLDPLUG_DATA=... python benchmarks/peers.py   writes benchmarks/peers.json; needs pip install 'coldplug[peers]'
    python benchmarks/peers.py --table             prints the tables from the stored result

Each peer runs with the settings of its file in coldplug/evaluate/peers/; none was tuned.
"""

from __future__ import annotations

import argparse
import json
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from c1 import prepared

from coldplug.evaluate import run_c1
from coldplug.evaluate.peers import LIBRARIES, PEERS
from coldplug.evaluate.table import costs_table, methods_table
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "peers.json"
OURS = ("popularity", "itemknn", "ease", "ials-ridge")
"""Baselines of the same kinds: the nearest to each peer stands beside it."""


def main() -> int:
    """Run the benchmark or print its stored table; exit status 0, or 2 where data or a library is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--cells", type=Path, default=HERE.parent / "out" / "peers")
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--salts", nargs="*", default=[""])
    asked = parser.parse_args()
    if asked.table:
        print(tables(json.loads(asked.output.read_text(encoding="utf-8"))))
        return 0
    try:
        graph = prepared(asked.work)
        result = run_c1(
            *(graph.parent, [*PEERS, *OURS], asked.salts, []),
            work=asked.cells,
            progress=lambda done, total, cell: print(
                f"{done} of {total}: {cell}", file=sys.stderr, flush=True
            ),
        )
    except UserError as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    result["versions"] |= {name: metadata.version(name) for name in LIBRARIES.values()}
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))
    return 0


def tables(result: dict[str, Any]) -> str:
    """NDCG, the share of first items that are right, coverage, and what each costs."""
    made = [methods_table(result), methods_table(result, "first"), methods_table(result, "coverage")]
    made += [table for table in [costs_table(result)] if table is not None]
    return "\n\n".join(f"{table.title}\n\n{table.text('markdown')}" for table in made)


if __name__ == "__main__":
    sys.exit(main())
