"""How fast `kgbuild extract` reads short titles and ninety-word descriptions, and in how much memory, beside two
other ways to do it in the same run: triplets from spaCy's parse, and MiniLM on noun phrases.

    python benchmarks/extraction_speed.py             writes benchmarks/extraction-speed.json
    python benchmarks/extraction_speed.py --full      also 200,000 titles with the local extractor: an hour

Every measurement is a run of its own, from a file of items to a file of facts, with two worker processes of one
thread each. Each is run twice, on a few items and on all: the time that more items take is the rate, and what is
left of the short run is the start. Memory is that of all processes together, shared pages counted in each.

Titles are those of $COLDPLUG_DATA/ae-110k and wdc-pave, descriptions the plots of ml-1m; without $COLDPLUG_DATA
both come from tests/gold. Repeated ones differ by a number.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", "TOKENIZERS_PARALLELISM": "false"}
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import json
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(ROOT))

from extraction_peers import PEERS, WORKERS  # noqa: E402

STORED = HERE / "extraction-speed.json"
SHIPPED = ROOT / "kgbuild" / "extract" / "span" / "default"
SHORT = 64
WHOLE = 200_000
SEED = 7


# -- items -----------------------------------------------------------------------------------------------------


def gold_texts() -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Titles and descriptions of tests/gold."""
    files = [ROOT / "tests" / "gold" / f"{name}.jsonl" for name in ("books", "films", "games", "products")]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    titles = [{"title": row["title"], "category": row.get("category", "")} for row in rows]
    return titles, [
        {**title, "description": row["description"]} for title, row in zip(titles, rows, strict=True)
    ]


def published_texts(data: Path, scratch: Path) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Titles of offers, and films with their plots."""
    from coldplug.datasets import prepare

    titles = []
    for folder, title in (("ae-110k", "input"), ("wdc-pave", "input_title")):
        for part in ("train", "test"):
            for line in (data / folder / f"{part}.jsonl").read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                titles.append({"title": row[title], "category": row["category"]})
    prepare("ml-1m", data / "ml-1m", scratch)
    films = [json.loads(line) for line in (scratch / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    plots = [
        {"title": film["title"], "category": "movie", "description": film["description"]}
        for film in films
        if film.get("description")
    ]
    return titles, plots


def write_items(file: Path, texts: Sequence[dict[str, str]], count: int, field: str) -> float:
    """So many items in a seeded order, the repeated ones changed by a number; their mean words of the field."""
    order = list(range(len(texts)))
    random.Random(SEED).shuffle(order)
    words = 0
    with file.open("w", encoding="utf-8") as stream:
        for number in range(count):
            item = {"id": f"{number:07}", **texts[order[number % len(order)]]}
            if number >= len(order):
                item[field] += f" No. {number}"
            words += len(item[field].split())
            stream.write(json.dumps(item) + "\n")
    return words / count


# -- measuring -------------------------------------------------------------------------------------------------


def tree_kib(root: int) -> int:
    """Resident memory of a process and of all below it."""
    place = Path(f"/proc/{root}")
    try:
        pages = int((place / "statm").read_text().split()[1])
        below = [pid for children in place.glob("task/*/children") for pid in children.read_text().split()]
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024 + sum(tree_kib(int(pid)) for pid in below)


def measured(command: Sequence[str], folder: Path) -> dict[str, Any]:
    """A command from start to end: its seconds by the clock and of the processors, its peak of memory, its facts."""
    peak, said = 0, folder / "said.json"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    with (
        said.open("w", encoding="utf-8") as stdout,
        subprocess.Popen(command, cwd=folder, stdout=stdout, env=environment) as run,
    ):
        while True:
            ended, status, used = os.wait4(run.pid, os.WNOHANG)
            if ended:
                break
            peak = max(peak, tree_kib(run.pid))
            time.sleep(0.2)
        wall = time.perf_counter() - began
        run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {run.returncode}")
    return {
        "wall_s": round(wall, 2),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_memory_mib": round(peak / 1024),
        "facts": json.loads(said.read_text(encoding="utf-8"))["facts"],
    }


def command_of(system: str, items: Path, folder: Path, extractor: Path | None) -> list[str]:
    """The command line of a system, by its name in the stored result."""
    if system in PEERS:
        script = str(HERE / "extraction_peers.py")
        return [sys.executable, script, system, str(items), str(folder / "facts.jsonl")]
    backend = system.removeprefix("kgbuild-")
    choice = ["--extractor", str(extractor)] if backend == "span" else ["--backend", backend]
    head = [sys.executable, "-m", "kgbuild", "extract", str(items), "-o", str(folder / "graph.ttl")]
    return [*head, *choice, "--workers", str(WORKERS), "--json", "--quiet"]


class Bench:
    """Runs, each in a folder of its own.

    Args:
        texts: by field, what items are made of.
        extractor: the folder for kgbuild-span.
    """

    def __init__(self, texts: dict[str, list[dict[str, str]]], extractor: Path | None) -> None:
        self.texts, self.extractor = texts, extractor

    def run(self, system: str, field: str, count: int) -> dict[str, Any]:
        """One run on so many items of the field."""
        print(f"{system}: {count:,} items by their {field}", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            items = folder / "items.jsonl"
            write_items(items, self.texts[field], count, field)
            return {"items": count, **measured(command_of(system, items, folder, self.extractor), folder)}

    def rate(self, system: str, field: str, count: int, short: int) -> dict[str, Any]:
        """Items a second between a short run and a long one, and the seconds before the first item."""
        few, all_of_them = self.run(system, field, short), self.run(system, field, count)
        more = count - short
        seconds = max(all_of_them["wall_s"] - few["wall_s"], 0.01)
        cpu = max(all_of_them["cpu_s"] - few["cpu_s"], 0.01)
        return {
            "items_a_second": round(more / seconds, 1),
            "items_a_cpu_second": round(more / cpu, 1),
            "start_s": round(max(few["wall_s"] - short * seconds / more, 0.0), 2),
            "facts_an_item": round(all_of_them["facts"] / count, 2),
            "short_run": few,
            "long_run": all_of_them,
        }


def ratios(rates: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """How many times as fast each of ours is as each peer, by the clock."""
    return {
        ours: {
            peer: round(rates[ours]["items_a_second"] / rates[peer]["items_a_second"], 2) for peer in PEERS
        }
        for ours in rates
        if ours not in PEERS
    }


def growth(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Peaks by the number of items, and what a thousand items more take between the first and the last."""
    first, last = runs[0], runs[-1]
    more = last["peak_memory_mib"] - first["peak_memory_mib"]
    return {
        "peak_memory_mib": {str(run["items"]): run["peak_memory_mib"] for run in runs},
        "mib_a_thousand_items": round(1000 * more / max(last["items"] - first["items"], 1), 2),
    }


def table(kind: str, rates: dict[str, dict[str, Any]]) -> str:
    """The rates of one kind of item for people."""
    lines = [f"\n{kind:<22}{'items/s':>9}{'/CPU s':>9}{'start s':>9}{'MiB':>7}{'facts/item':>12}"]
    lines += [
        f"{name:<22}{rate['items_a_second']:>9}{rate['items_a_cpu_second']:>9}{rate['start_s']:>9}"
        f"{rate['long_run']['peak_memory_mib']:>7}{rate['facts_an_item']:>12}"
        for name, rate in rates.items()
    ]
    return "\n".join(lines)


def main() -> int:
    """Measure, store and print."""
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--titles", type=int, default=1_500)
    parse.add_argument("--descriptions", type=int, default=500)
    parse.add_argument("--grown", type=int, default=6_000, help="titles for local's memory")
    parse.add_argument("--plain", type=int, default=WHOLE, help="titles for the pipeline's own memory")
    parse.add_argument("--short", type=int, default=SHORT, help="items of the run that is subtracted")
    parse.add_argument("--extractor", type=Path, default=SHIPPED, help="a folder that train-extractor wrote")
    parse.add_argument("--full", action="store_true", help=f"{WHOLE:,} titles with the local extractor")
    parse.add_argument("-o", "--output", type=Path, default=STORED)
    options = parse.parse_args()
    data = os.environ.get("COLDPLUG_DATA")
    with tempfile.TemporaryDirectory() as scratch:
        titles, described = published_texts(Path(data), Path(scratch)) if data else gold_texts()
        sizes = {"title": options.titles, "description": options.descriptions}
        texts = {"title": titles, "description": described}
        words = {f: write_items(Path(scratch) / "x", texts[f], sizes[f], f) for f in texts}
    extractor = options.extractor.resolve() if (options.extractor / "model.json").is_file() else None
    bench = Bench(texts, extractor)
    systems = ["kgbuild-local", *(["kgbuild-span"] if extractor else []), *PEERS]
    rates = {
        field: {name: bench.rate(name, field, sizes[field], options.short) for name in systems}
        for field in texts
    }
    local = [rates["title"]["kgbuild-local"]["long_run"], bench.run("kgbuild-local", "title", options.grown)]
    if options.full:
        local.append(bench.run("kgbuild-local", "title", WHOLE))
    few = max(options.plain // 10, 1)
    plain = [bench.run("kgbuild-none", "title", count) for count in (few, options.plain)]
    result: dict[str, Any] = {
        "command": "python benchmarks/extraction_speed.py" + (" --full" if options.full else ""),
        "machine": f"{platform.machine()}, {WORKERS} processes on {os.cpu_count()} cores",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("spacy", "torch", "sentence-transformers")},
        },
        "texts": {
            field: {
                "items": sizes[field],
                "different": min(len(texts[field]), sizes[field]),
                "mean_words": round(words[field], 1),
                "from": "published data sets" if data else "tests/gold",
            }
            for field in texts
        },
        "extractor": None if extractor is None else extractor.name,
        "rates": rates,
        "times_as_fast": {field: ratios(rates[field]) for field in texts},
        "memory": {"kgbuild-local": growth(local), "kgbuild-none": growth(plain)},
        "whole_runs": {"kgbuild-local": local[1:], "kgbuild-none": plain},
    }
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for field in texts:
        print(table(f"{field}s", rates[field]))
    print(f"\nmemory: {json.dumps(result['memory'])}\nstored in {options.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
