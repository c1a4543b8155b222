"""kgbuild update, killed: the old graph or the new one is left, and what was found is kept."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slow_extractor
from update_world import FILES, Record, build, in_folder, put, update  # noqa: F401

from kgbuild.maintain.update import UpdateSettings, update_graph
from kgbuild.read.graph import read_graph
from plugbase.console import Console

STOP_AT = """
import os, signal, sys
from pathlib import Path
from kgbuild.cli import main
from kgbuild.types import Item
from kgbuild.workfile import WorkFile
import kgbuild.pipeline

place = sys.argv[1]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name):
    real = getattr(owner, name)
    def then_die(*given, **named):
        real(*given, **named)
        die()
    setattr(owner, name, then_die)

if place == "resolving":
    kgbuild.pipeline.resolve = die
elif place == "promised":
    after(WorkFile, "promise")
elif place in ("graph.evidence.jsonl", "graph.ttl"):
    real = Path.replace
    def replace(self, target):
        real(self, target)
        if Path(target).name == place:
            die()
    Path.replace = replace
elif place == "all named":
    WorkFile.settle = die
elif place == "settled":
    after(WorkFile, "settle")
main(["update", "graph.ttl", "new.jsonl", "--quiet"])
"""


@pytest.mark.parametrize(
    "place", ["resolving", "promised", "graph.evidence.jsonl", "graph.ttl", "all named", "settled"]
)
def test_a_kill_leaves_the_old_graph_or_the_new_one(place: str) -> None:
    records: list[Record] = [{"id": str(n), "title": f"Film {n}", "mood": f"mood {n % 3}"} for n in range(20)]
    build(records)
    old = {name: Path(name).read_bytes() for name in FILES if Path(name).exists()}
    for name in ("graph.ttl", "graph.evidence.jsonl", "graph.work.sqlite"):
        shutil.copy(name, f"kept.{name}")
    first: list[Record] = [{"id": "1", "retracted": True}, {"id": "x", "title": "X", "mood": "Mood 1!"}]
    update(first)
    new = {name: Path(name).read_bytes() for name in FILES if Path(name).exists()}
    assert old != new
    for name in ("graph.ttl", "graph.evidence.jsonl", "graph.work.sqlite"):
        shutil.copy(f"kept.{name}", name)
    killed = subprocess.run([sys.executable, "-c", STOP_AT, place], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    is_new = Path("graph.ttl").read_bytes() == new["graph.ttl"]
    assert is_new or Path("graph.ttl").read_bytes() == old["graph.ttl"]
    assert is_new == (place in ("graph.ttl", "all named", "settled"))
    # Another update goes on from one whole state: the first counts just where its graph was complete.
    update([{"id": "y", "title": "Y"}])
    complete = place != "resolving"
    ids = {item.id for item, _ in read_graph("graph.ttl").items()}
    assert ("x" in ids) == complete
    assert ("1" in ids) == (not complete)
    assert all(found.name[0] != "." for found in Path().iterdir())
    update(first[1:] if complete else first)
    update([{"id": "y", "retracted": True}])
    assert {name: Path(name).read_bytes() for name in new} == new


def test_a_kill_while_texts_are_read_keeps_what_was_found() -> None:
    build([{"id": "1", "title": "A", "description": "the end"}], "slow_extractor:Slow", workers=1)
    old = Path("graph.ttl").read_bytes()
    put([{"id": f"n{n}", "title": "A", "description": f"word{n}"} for n in range(100)], "new.jsonl")
    slow_extractor.LOG.unlink()
    command = [
        sys.executable,
        "-m",
        "kgbuild",
        "update",
        "graph.ttl",
        "new.jsonl",
        "--quiet",
        "--backend",
        "slow_extractor:Slow",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 20
        while not slow_extractor.LOG.exists() or len(slow_extractor.LOG.read_text().split()) < 30:
            assert process.poll() is None, "ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.kill()
    assert Path("graph.ttl").read_bytes() == old
    begun = len(slow_extractor.LOG.read_text().split())
    summary = update_graph(
        UpdateSettings(Path("graph.ttl"), "new.jsonl", backend="slow_extractor:Slow"), Console(quiet=True)
    )
    assert (summary.added, summary.graph.items) == (100, 101)
    assert len(slow_extractor.LOG.read_text().split()) <= 100 + 1
    assert begun >= 30
