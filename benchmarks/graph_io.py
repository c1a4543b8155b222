"""How fast graphs are written and read, beside rdflib and pyoxigraph, in one run; and what memory a build takes.

    python benchmarks/graph_io.py     writes benchmarks/graph-io.json; ten minutes and 4 GiB of memory

Needs rdflib (in the development extra). Every measurement is a process of its own, one after the other. Seconds
are of CPU time of the process, all its threads together, for other work on the machine does not change them; the
wall clock's are stored beside them.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import gc
import hashlib
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STORED = HERE / "graph-io.json"
ITEMS = 100_000
BUILDS = (50_000, 200_000)
WORKERS_ITEMS = 5_000
WORDS = [
    "toy",
    "rivalry",
    "dark",
    "forest",
    "brave",
    "queen",
    "silent",
    "machine",
    "winter",
    "garden",
    "ancient",
    "river",
    "golden",
    "city",
    "broken",
    "mirror",
    "lost",
    "signal",
    "paper",
    "moon",
    "hidden",
    "door",
    "last",
    "summer",
    "northern",
    "light",
    "quiet",
    "street",
]
NAMES = [f"{first} {last} {number}" for first in WORDS for last in WORDS for number in range(40)]


def record(number: int) -> dict[str, Any]:
    """An item as a catalogue has it: forty words of text, six facts."""
    rng = random.Random(number)
    people = [f"{name.title()}" for name in rng.sample(NAMES, 3)]
    return {
        "id": f"{number:07}",
        "title": f"The {rng.choice(WORDS)} {rng.choice(WORDS)} {number}",
        "description": " ".join(rng.choices(WORDS, k=40)).capitalize() + ".",
        "actor": people[:2],
        "director": people[2],
        "theme": rng.sample(NAMES, 2),
        "year": 1950 + number % 70,
    }


def measured(work: Callable[[], object]) -> dict[str, float]:
    """CPU and wall seconds of a piece of work."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"cpu_s": round(time.process_time() - cpu, 2), "wall_s": round(time.perf_counter() - wall, 2)}


def peak_mib() -> int:
    """The most memory that this process has held."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def held_mib() -> int:
    """The memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)


def ours_writes(folder: Path) -> dict[str, Any]:
    """Facts in memory -> graph.ttl and graph.evidence.jsonl."""
    from kgbuild.resolve import Resolution
    from kgbuild.types import Fact, Item, Mention
    from kgbuild.write import OutputPaths, write_graph

    ranges = {"actor": "person", "director": "person"}
    items, facts = [], []
    for number in range(ITEMS):
        given = record(number)
        item = Item(given["id"], given["title"], given["description"])
        items.append(item)
        for relation in ("actor", "director", "theme", "year"):
            values = given[relation] if isinstance(given[relation], list) else [given[relation]]
            for value in sorted(values):
                quote = item.description[:12]
                mention = Mention(
                    item.id, relation, value, 0.75, "local:x@1", "description", 0, len(quote), quote
                )
                facts.append(Fact(mention, relation, value, ranges.get(relation, relation)))
    resolution = Resolution(facts, {"actor": [], "director": [], "theme": [], "year": []})
    before = held_mib()
    paths = OutputPaths(folder / "graph.ttl")
    result = measured(lambda: write_graph(items, resolution, paths))
    return {
        **result,
        "more_memory_mib": peak_mib() - before,
        "megabytes": megabytes(paths.graph, paths.evidence),
    }


def megabytes(*paths: Path) -> list[float]:
    """Sizes of files."""
    return [round(path.stat().st_size / 1e6, 1) for path in paths]


def ours_reads(folder: Path, evidence: bool) -> dict[str, Any]:
    """The graph -> items with their facts, as they stream."""
    from kgbuild.read.graph import read_graph

    before, found = held_mib(), [0, 0]

    def read() -> None:
        for _, facts in read_graph(folder / "graph.ttl").items(evidence=evidence):
            found[0] += 1
            found[1] += len(facts)

    result = measured(read)
    return {**result, "more_memory_mib": peak_mib() - before, "items": found[0], "facts": found[1]}


def rdflib_both(folder: Path) -> dict[str, Any]:
    """rdflib: the graph -> its store, the store -> Turtle and N-Triples."""
    import rdflib

    before, graph = held_mib(), rdflib.Graph()
    reads = measured(lambda: graph.parse(folder / "graph.ttl", format="turtle"))
    reads |= {"more_memory_mib": peak_mib() - before, "triples": len(graph)}
    before = held_mib()
    writes = measured(lambda: graph.serialize(folder / "rdflib.ttl", format="turtle", encoding="utf-8"))
    writes |= {"more_memory_mib": peak_mib() - before, "megabytes": megabytes(folder / "rdflib.ttl")}
    plain = measured(lambda: graph.serialize(folder / "rdflib.nt", format="nt", encoding="utf-8"))
    plain |= {"megabytes": megabytes(folder / "rdflib.nt")}
    return {"reads": reads, "writes": writes, "writes_ntriples": plain}


def pyoxigraph_both(folder: Path) -> dict[str, Any]:
    """pyoxigraph: the graph -> triples as they stream; triples in memory -> Turtle."""
    import pyoxigraph

    from kgbuild.write.iris import NAMESPACES
    from kgbuild.write.turtle import VOCABULARIES

    graph, before = str(folder / "graph.ttl"), held_mib()

    def read() -> None:
        for _ in pyoxigraph.parse(path=graph, format=pyoxigraph.RdfFormat.TURTLE):
            pass

    reads = measured(read) | {"more_memory_mib": peak_mib() - before}
    triples = [quad.triple for quad in pyoxigraph.parse(path=graph, format=pyoxigraph.RdfFormat.TURTLE)]
    prefixes = {**VOCABULARIES, **{prefix: f"urn:kgbuild:{end}" for prefix, end in NAMESPACES.items()}}
    target, before = str(folder / "oxigraph.ttl"), held_mib()
    turtle = pyoxigraph.RdfFormat.TURTLE
    writes = measured(lambda: pyoxigraph.serialize(triples, target, format=turtle, prefixes=prefixes))
    writes |= {"more_memory_mib": peak_mib() - before, "megabytes": megabytes(Path(target))}
    return {"reads": reads, "writes": writes}


def build(folder: Path, count: int, workers: int) -> dict[str, Any]:
    """kgbuild extract --backend none: items.jsonl -> graph, with everything between."""
    from kgbuild.pipeline import ExtractSettings, extract_graph
    from plugbase.console import Console

    source = folder / "items.jsonl"
    with source.open("w", encoding="utf-8") as stream:
        for number in range(count):
            stream.write(json.dumps(record(number)) + "\n")
    settings = ExtractSettings(str(source), folder / "graph.ttl", "none", workers=workers)
    before = held_mib()
    result: dict[str, Any] = measured(lambda: extract_graph(settings, Console(quiet=True)))
    result |= {"memory_before_mib": before, "peak_memory_mib": peak_mib()}
    names = ("graph.ttl", "graph.evidence.jsonl")
    return result | {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


MEASUREMENTS: dict[str, Callable[..., dict[str, Any]]] = {
    "ours_writes": ours_writes,
    "ours_reads": lambda folder: ours_reads(folder, evidence=False),
    "ours_reads_with_evidence": lambda folder: ours_reads(folder, evidence=True),
    "rdflib": rdflib_both,
    "pyoxigraph": pyoxigraph_both,
    "build": lambda folder, count, workers: build(folder, int(count), int(workers)),
}


def apart(name: str, folder: Path, *options: int, seed: str = "0") -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, __file__, name, str(folder), *map(str, options)]
    environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(HERE.parent)}
    print("measuring", name, *options, file=sys.stderr)
    result: dict[str, Any] = json.loads(subprocess.check_output(command, env=environment))
    return result


def main() -> int:
    """Measure, store after every part, and print."""
    versions = {
        "python": platform.python_version(),
        **{name: version(name) for name in ("rdflib", "pyoxigraph")},
    }
    result: dict[str, Any] = {
        "command": "python benchmarks/graph_io.py",
        "machine": f"{platform.machine()}, one core of {os.cpu_count()}",
        "versions": versions,
        "items": ITEMS,
    }
    for part in (speed, memory, same_bytes):
        result |= part()
        STORED.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0


def speed() -> dict[str, Any]:
    """One graph of a million triples, written and read by each."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        ours = {"writes": apart("ours_writes", folder), "reads": apart("ours_reads", folder)}
        ours["reads_with_evidence"] = apart("ours_reads_with_evidence", folder)
        rdflib, oxigraph = apart("rdflib", folder), apart("pyoxigraph", folder)
    return {
        "triples": rdflib["reads"]["triples"],
        "kgbuild": ours,
        "rdflib": rdflib,
        "pyoxigraph": oxigraph,
        "times_as_fast_as_rdflib": {
            "reads": ratio(rdflib["reads"], ours["reads"]),
            "reads_with_evidence": ratio(rdflib["reads"], ours["reads_with_evidence"]),
            "writes_with_evidence": ratio(rdflib["writes"], ours["writes"]),
            "pyoxigraph_reads": ratio(rdflib["reads"], oxigraph["reads"]),
            "pyoxigraph_writes": ratio(rdflib["writes"], oxigraph["writes"]),
        },
    }


def memory() -> dict[str, Any]:
    """The most memory of whole builds without an extractor, and how it grows."""
    builds = []
    for count in BUILDS:
        with tempfile.TemporaryDirectory() as scratch:
            builds.append({"items": count, **apart("build", Path(scratch), count, 1)})
    more = builds[-1]["peak_memory_mib"] - builds[0]["peak_memory_mib"]
    return {"builds": builds, "more_memory_an_item_kib": round(more * 1024 / (BUILDS[-1] - BUILDS[0]), 2)}


def same_bytes() -> dict[str, Any]:
    """Whether builds with other numbers of workers and other hash seeds give the same files."""
    digests = set()
    for workers, seed in ((1, "0"), (2, "1"), (4, "2")):
        with tempfile.TemporaryDirectory() as scratch:
            found = apart("build", Path(scratch), WORKERS_ITEMS, workers, seed=seed)
            digests.add(found["graph.ttl"] + found["graph.evidence.jsonl"])
    return {"same_bytes_with_1_2_4_workers": len(digests) == 1}


def ratio(slow: dict[str, Any], fast: dict[str, Any]) -> float:
    """How many times as fast, in CPU time."""
    return round(float(slow["cpu_s"]) / float(fast["cpu_s"]), 1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(MEASUREMENTS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])))
        sys.exit(0)
    sys.exit(main())
