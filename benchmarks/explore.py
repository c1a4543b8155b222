"""The explorer in a real headless browser: page size, time to use, time to the first search result.

    python benchmarks/explore.py

At 20, 2,000, 20,000 and 200,000 made triples, beside the page a user would make at first: the records of the
evidence file as one JSON array, each an object, searched with a filter. Both pages are opened from disk,
offline; times are medians of five openings, in wall clock: a busy machine shows in them, and the load is stored
beside them. Writes benchmarks/explore.json.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "kgbuild")]

from made_graph import BROWSER, made  # noqa: E402

from kgbuild.explore import write_explorer  # noqa: E402
from kgbuild.explore.data import page_json  # noqa: E402

SIZES = (20, 2_000, 20_000, 200_000)
OPENINGS = 5
PLAIN = """<!DOCTYPE html><meta charset="utf-8"><input id="ask"><ul id="found"></ul>
<script type="application/json" id="facts">%s</script>
<script>
const facts = JSON.parse(document.getElementById("facts").textContent), items = facts.items, rows = facts.rows;
ask.oninput = () => { const found = [], seen = new Set();
  for (const item of items) if (item.title.toLowerCase().includes(ask.value.toLowerCase())) found.push(item);
  document.getElementById("found").replaceChildren(...found.slice(0, 30).map(item => {
    const li = document.createElement("li");
    li.textContent = item.title + ": " + rows.filter(row => row.item === item.id).map(row => row.value).join(", ");
    return li; })); };
</script>"""
SEARCH = """text => new Promise(done => {
  const ask = document.getElementById("ask"), began = performance.now();
  ask.value = text; ask.dispatchEvent(new Event("input"));
  const shown = document.querySelectorAll("#found li").length;
  requestAnimationFrame(() => requestAnimationFrame(() => done({ms: performance.now() - began, shown})));
})"""


def measure(page: Path, question: str) -> dict[str, float]:
    """Medians in milliseconds: opening until usable, then the first search and the second until painted."""
    from playwright.sync_api import sync_playwright

    times: dict[str, list[float]] = {"usable_ms": [], "first_search_ms": [], "next_search_ms": []}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        for _ in range(OPENINGS):
            context = browser.new_context(viewport={"width": 1366, "height": 768}, offline=True)
            tab = context.new_page()
            tab.goto(page.as_uri(), wait_until="load")
            opened = tab.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
            first, second = (tab.evaluate(SEARCH, text) for text in (question, question[:-1]))
            assert first["shown"], f"nothing was found on {page.name}"
            assert second["shown"], f"nothing was found on {page.name}"
            for name, value in zip(times, (opened, first["ms"], second["ms"]), strict=True):
                times[name].append(value)
            context.close()
        browser.close()
    medians = {name: round(statistics.median(values), 1) for name, values in times.items()}
    return medians | {"first_result_ms": round(medians["usable_ms"] + medians["first_search_ms"], 1)}


def plain_page(graph: Path, path: Path) -> str:
    """Write the other page: evidence records as they are, items with their texts. Return the last title."""
    from kgbuild.report.facts import read_facts

    table = read_facts(graph)
    records = graph.with_name("graph.evidence.jsonl").read_text("utf-8").splitlines()
    items = [
        {"id": ident, "title": title, "description": text}
        for ident, title, text in zip(table.ids, table.titles, table.descriptions, strict=True)
    ]
    data = {"items": items, "rows": [json.loads(record) for record in records]}
    path.write_text(PLAIN % page_json(data), encoding="utf-8")
    return table.titles[-1]


def main() -> None:
    """Measure and store."""
    if BROWSER is None:
        sys.exit("no chromium or google-chrome on the path")
    results: list[dict[str, Any]] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            graph = made(size, folder)
            began = time.process_time()
            write_explorer(graph, folder / "explore.html")
            seconds = round(time.process_time() - began, 2)
            title = plain_page(graph, folder / "plain.html")
            for page in ("explore", "plain"):
                path = folder / f"{page}.html"
                row = {"triples": size, "page": page, "mib": round(path.stat().st_size / 2**20, 2)}
                if page == "explore":
                    row["written_in_cpu_s"] = seconds
                results.append(row | measure(path, title))
                print(results[-1], flush=True)
    stored = {
        "command": "python benchmarks/explore.py",
        "seed": 7,
        "openings": OPENINGS,
        "cores": os.cpu_count(),
        "load_average": [round(load, 1) for load in os.getloadavg()],
        "browser": _browser_version(),
        "versions": {"python": platform.python_version(), "playwright": version("playwright")},
        "results": results,
    }
    (HERE / "explore.json").write_text(json.dumps(stored, indent=2) + "\n", encoding="utf-8")


def _browser_version() -> str:
    import subprocess

    assert BROWSER is not None
    done = subprocess.run([shutil.which(BROWSER) or BROWSER, "--version"], capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
