"""Every example runs: the demo from descriptions to reasons, the commands it ends with, the lines of Python."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def python(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the examples in it, so that what they write stays out of the repository."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


@pytest.fixture(scope="module")
def demo(checkout: Path) -> str:
    done = python(checkout, "examples/demo.py")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_tells_the_whole_story(checkout: Path, demo: str) -> None:
    assert "The people are simulated" in demo
    assert [line[:2] for line in demo.splitlines() if line[1:3] == ". "] == ["1.", "2.", "3.", "4."]
    for name in ("graph.ttl", "graph.evidence.jsonl", "model/model.json"):
        assert (checkout / "demo" / name).is_file()


def test_the_demo_s_facts_and_reason_quote_the_descriptions(checkout: Path, demo: str) -> None:
    items = (checkout / "examples/films_and_books/items.jsonl").read_text(encoding="utf-8")
    indented = [line for line in demo.splitlines() if line.startswith("     ") and line.endswith('"')]
    quoted = [line.split('"')[1].strip(". ") for line in indented]
    assert len(quoted) == 4, "three facts and one reason"
    assert all(words in items for words in quoted)


def test_two_clicks_on_detective_stories_bring_detective_stories(demo: str) -> None:
    before, after = demo.split("Then they like two books")
    assert "A Study in Scarlet" not in before
    assert "A Study in Scarlet (book, place " in after


def test_the_commands_that_the_demo_ends_with_run(checkout: Path, demo: str) -> None:
    after = demo.split("To try next")[1].splitlines()
    commands = [line.split() for line in after if line.startswith("   ")]
    assert [words[:2] for words in commands] == [
        ["coldplug", "recommend"],
        ["coldplug", "explain"],
        ["kgbuild", "extract"],
    ]
    for words in commands[:2]:
        done = python(checkout, "-m", *words)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) > 4
    (checkout / "YOUR_ITEMS.jsonl").write_text(
        '{"id": "1", "title": "Ariel", "description": "A mystery set in Oslo."}\n'
    )
    done = python(checkout, "-m", *commands[2])
    assert done.returncode == 0, done.stderr
    assert (checkout / "graph.ttl").is_file()


def test_the_lines_of_python(checkout: Path, demo: str) -> None:
    done = python(checkout, "examples/score_unseen_user.py", "demo/model", "f019", "b018")
    assert done.returncode == 0, done.stderr
    scores = dict(line.split(": ") for line in done.stdout.splitlines())
    assert list(scores) == ["f019", "b018"]
    assert len({float(score) for score in scores.values()}) == 2
