"""How long validation and each export take on a graph of 300,000 triples, the structural check beside SHACL.

python benchmarks/validate_export.py     # writes benchmarks/validate-export.json; a few minutes
"""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
STORED = Path(__file__).with_name("validate-export.json")
ITEMS = 20_000
SHACL_ITEMS = 2_000
"""Items of the graph that the shapes run on, and the structural check once more beside them."""


def build(folder: Path, items: int) -> None:
    """Make graph-ITEMS.ttl, a graph of made-up films as benchmarks/graph_io.py makes them."""
    from graph_io import record

    from kgbuild.pipeline import ExtractSettings, extract_graph
    from plugbase.console import Console

    source = folder / f"items-{items}.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        for number in range(items):
            stream.write(json.dumps(record(number)) + "\n")
    settings = ExtractSettings(str(source), folder / f"graph-{items}.ttl", "none", workers=1)
    extract_graph(settings, Console(quiet=True))


def measure(what: str, path: Path) -> dict[str, Any]:
    """CPU seconds and peak memory of one piece of work, in this process."""
    from kgbuild.check.beside import check_evidence
    from kgbuild.check.problems import Problems
    from kgbuild.check.shacl import check_shapes
    from kgbuild.check.structure import check_structure
    from kgbuild.export import export_graph
    from plugbase.console import Console

    quiet, problems = Console(quiet=True), Problems(str(path))
    counted: dict[str, Any] = {}
    began = time.process_time()
    if what == "structure":
        counted["triples"] = check_structure(path, problems, quiet).triples
    elif what == "evidence":
        counted["records"] = check_evidence(path, problems)
    elif what == "shacl":
        check_shapes(path, "urn:kgbuild:", problems)
    else:
        summary = export_graph(path, what, path.with_name(f"export-{what}"), quiet)
        counted["rows"] = sum(summary.rows.values())
    seconds = time.process_time() - began
    if problems.counts:
        raise SystemExit(f"the made-up graph does not conform: {problems.found[0].text()}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {**counted, "cpu_s": round(seconds, 2), "peak_memory_mib": round(peak)}


def apart(what: str, path: Path) -> dict[str, Any]:
    """One piece of work in a process of its own; a child's peak memory begins at that of its parent, so the
    parent does nothing else."""
    print(what, path.name, file=sys.stderr)
    done = subprocess.check_output([sys.executable, __file__, what, str(path)])
    result: dict[str, Any] = json.loads(done)
    return result


def main() -> None:
    """Measure, store and print."""
    from kgbuild.export import FORMATS

    with tempfile.TemporaryDirectory() as scratch:
        large, small = (Path(scratch) / f"graph-{items}.ttl" for items in (ITEMS, SHACL_ITEMS))
        for graph in (large, small):
            apart("build", graph)
        result = {
            "command": "python benchmarks/validate_export.py",
            "machine": f"{platform.machine()}, one core of {os.cpu_count()}",
            "versions": {name: version(name) for name in ("pyshacl", "rdflib", "pyoxigraph", "pyarrow")},
            "items": ITEMS,
            "validate": {name: apart(name, large) for name in ("structure", "evidence")},
            "validate_small": {
                "items": SHACL_ITEMS,
                **{name: apart(name, small) for name in ("structure", "shacl")},
            },
            "export": {name: apart(name, large) for name in FORMATS},
        }
    STORED.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    if sys.argv[1:2] == ["build"]:
        made = Path(sys.argv[2])
        build(made.parent, int(made.stem.removeprefix("graph-")))
        print("{}")
    elif len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
    else:
        main()
