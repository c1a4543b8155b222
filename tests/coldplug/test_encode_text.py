"""Text embeddings: what they mean, the cache, several processes, and places that cannot be written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from coldplug.encode import text as module
from coldplug.encode.text import WIDTH, cache_file, encode_texts, item_texts
from coldplug.types import ItemGraph

ROOT = Path(__file__).resolve().parents[2]
SPACE = [
    "A crew is stranded on a distant planet.",
    "Astronauts are lost in space.",
    "How to bake sourdough bread.",
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COLDPLUG_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "texts.sqlite"


def test_rows_have_unit_length_and_meaning() -> None:
    rows = encode_texts(SPACE)
    assert rows.shape == (3, WIDTH)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2


def test_blank_texts_are_zero_and_none_at_all_is_empty() -> None:
    rows = encode_texts(["", "  \n", "bread"])
    assert not rows[:2].any()
    assert rows[2].any()
    assert encode_texts([]).shape == (0, WIDTH)


def test_order_and_repeats_do_not_matter() -> None:
    rows = encode_texts(["bread", SPACE[0], " bread ", "bread"])
    np.testing.assert_array_equal(rows[0], rows[2])
    np.testing.assert_array_equal(rows[0], rows[3])
    np.testing.assert_allclose(rows[1], encode_texts([SPACE[0]])[0], atol=1e-5)


def test_odd_strings_are_encoded() -> None:
    rows = encode_texts(["lone \ud800 surrogate", "nul \0 byte", "\u202eright to left", "🦉" * 300])
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_a_second_time_nothing_is_computed(monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    first = encode_texts(SPACE)
    assert cache_file() == own_cache
    assert own_cache.is_file()
    computed: list[int] = []
    monkeypatch.setattr(module, "_embed", lambda texts: computed.append(len(texts)))
    np.testing.assert_array_equal(encode_texts(SPACE), first)
    assert not computed


def test_progress_counts_each_distinct_text_once() -> None:
    steps: list[int] = []
    encode_texts([*SPACE, SPACE[0], ""], progress=steps.append)
    assert sum(steps) == 3
    steps.clear()
    encode_texts([*SPACE, "new"], progress=steps.append)
    assert sum(steps) == 4


def test_a_damaged_row_is_computed_again(own_cache: Path) -> None:
    first = encode_texts(SPACE)
    with sqlite3.connect(own_cache) as connection:
        connection.execute("UPDATE embeddings SET row = x'00'")
    np.testing.assert_allclose(encode_texts(SPACE), first, atol=1e-5)
    with sqlite3.connect(own_cache) as connection:
        (shortest,) = connection.execute("SELECT min(length(row)) FROM embeddings").fetchone()
    assert shortest == 4 * WIDTH


def test_a_cache_that_is_no_database_is_done_without(own_cache: Path) -> None:
    first = encode_texts(SPACE)
    own_cache.write_bytes(b"not a database, but long enough to be looked at" * 50)
    with pytest.warns(UserWarning, match="without the cache"):
        rows = encode_texts(SPACE)
    np.testing.assert_allclose(rows, first, atol=1e-5)


def test_a_cache_that_cannot_be_made_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("COLDPLUG_CACHE", str(tmp_path / "file" / "below"))
    np.testing.assert_allclose(np.linalg.norm(encode_texts(SPACE), axis=1), 1, atol=1e-5)


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COLDPLUG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_file() == tmp_path / "xdg" / "coldplug" / "texts.sqlite"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file() == tmp_path / ".cache" / "coldplug" / "texts.sqlite"


def test_several_processes_share_one_cache(own_cache: Path) -> None:
    # The model is left out so that the processes do nothing but meet at the file.
    program = (
        "import sys, numpy as np\n"
        "from coldplug.encode import text\n"
        "def embed(texts):\n"
        "    rows = np.zeros((len(texts), 384), np.float32); rows[:, 0] = 1; return rows\n"
        "text._embed = embed; text._ROUND = 5\n"
        "import warnings; warnings.simplefilter('error')\n"
        "text.encode_texts([f'text {n}' for n in range(int(sys.argv[1]), int(sys.argv[1]) + 100)])\n"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(start)], cwd=ROOT, env={**os.environ})
        for start in (0, 0, 50, 100)
    ]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0, 0]
    with sqlite3.connect(own_cache) as connection:
        assert connection.execute("SELECT count(*) FROM embeddings").fetchone() == (200,)


def test_item_texts() -> None:
    none, flags = np.empty(0, np.int64), np.empty(0, np.bool_)
    numbers = np.empty(0, np.float32)
    titles, descriptions = ["Heat", " Alien ", "", ""], [" A thief. ", "", "Only words", " "]
    graph = ItemGraph(
        list("abcd"),
        titles,
        descriptions,
        [],
        [],
        [],
        none,
        none,
        none,
        numbers,
        flags,
        none,
        none,
        numbers,
        flags,
    )
    assert item_texts(graph) == ["Heat. A thief.", "Alien", "Only words", ""]
