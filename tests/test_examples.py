"""Every example runs: the demo from descriptions to reasons, the commands it ends with, and those with a number."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
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


def example(checkout: Path, name: str) -> str:
    """What an example prints."""
    done = python(checkout, f"examples/{name}")
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_examples_are_told_of_in_their_order() -> None:
    numbered = sorted(path.name for path in (ROOT / "examples").glob("[0-9]_*.py"))
    assert [int(name[0]) for name in numbered] == list(range(1, len(numbered) + 1))
    told = (ROOT / "examples" / "README.md").read_text(encoding="utf-8")
    assert [name for name in numbered if name in told] == numbered
    assert told.index(numbered[0]) < told.index(numbered[-1])
    for name in numbered:
        text = (ROOT / "examples" / name).read_text(encoding="utf-8")
        assert f"python examples/{name}" in text


@pytest.mark.usefixtures("demo")
def test_1_scores_five_people_each_otherwise(checkout: Path) -> None:
    text = example(checkout, "1_score_an_unseen_user.py")
    table = text.split("\n\n")[1].splitlines()[1:]
    scores = [[float(number) for number in row.split()[-4:]] for row in table]
    assert len({tuple(row) for row in scores}) == 5
    engineer, retired = scores[2], scores[4]
    assert engineer[0] > engineer[1], "Aliens before Mrs Dalloway"
    assert retired[1] > retired[0], "and the other way round"
    lists = [row.partition(": ")[2] for row in text.splitlines() if row.startswith("- ")]
    assert len(set(lists)) == 5


@pytest.mark.usefixtures("demo")
def test_2_adds_items_and_quotes_their_texts(checkout: Path) -> None:
    text = example(checkout, "2_new_items_from_their_text.py")
    assert "2 new items, of 227 now" in text
    scores = {row[11:]: float(row[:9]) for row in text.splitlines() if row.endswith(("Leith", "Orbit"))}
    assert scores["The Last Tram to Leith"] > scores["Cold Orbit"]
    source = (checkout / "examples/2_new_items_from_their_text.py").read_text(encoding="utf-8")
    quotes = re.findall('its text says "(.+?)"', text)
    assert quotes
    assert all(quote in source for quote in quotes)


@pytest.mark.usefixtures("demo")
def test_3_every_click_changes_the_list_or_its_reasons(checkout: Path) -> None:
    text = example(checkout, "3_after_a_few_clicks.py")
    parts = text.split("\n\n")
    assert len(parts) == 6
    lists = [part.splitlines()[1:] for part in parts[:5]]
    assert all(len(shown) == 5 for shown in lists)
    assert all("*" in "".join(shown) for shown in lists[:2])
    assert "because of Alien" in parts[1]
    assert " > genre " in parts[5]


@pytest.mark.usefixtures("demo")
@pytest.mark.skipif(find_spec("uvicorn") is None, reason="needs uvicorn: install coldplug[serve]")
def test_4_serves_asks_and_stops(checkout: Path) -> None:
    text = example(checkout, "4_over_http.py")
    assert "GET /healthz     ok, 225 items" in text
    assert "1 item is kept of u7" in text
    assert "Aliens scores" in text
    assert "the user > Alien > " in text
    assert "ended with status 0" in text


@pytest.mark.usefixtures("demo")
@pytest.mark.skipif(find_spec("lenskit") is None, reason="needs lenskit")
def test_5_changes_no_score_inside_lenskit(checkout: Path) -> None:
    text = example(checkout, "5_inside_lenskit.py")
    assert "are the same, to the bit" in text
    assert "37 new items had no interactions" in text
