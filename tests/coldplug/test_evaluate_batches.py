"""Batches of queries: each row once, no more held than is allowed, and the same figures as in one call."""

from __future__ import annotations

import numpy as np
import pytest
from c1_world import write_world

from coldplug.evaluate import batches as module
from coldplug.evaluate import run_c1
from coldplug.evaluate.batches import batches
from coldplug.read import load_training_data
from coldplug.types import Query


def test_every_row_comes_once_and_no_batch_holds_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCORES", 100)
    monkeypatch.setattr(module, "SUPPORTS", 60)
    sizes = [0, 7, 50, 3, 3, 200, 0, 31, 30, 12, *[1] * 40]
    asked = [Query({}, np.arange(n), np.ones(n, np.float32)) for n in sizes]
    found = list(batches(asked, 10))
    assert sorted(row for rows, _ in found for row in rows) == list(range(len(sizes)))
    for rows, queries in found:
        assert [len(query.items) for query in queries] == [sizes[row] for row in rows]
        longest = max(len(query.items) for query in queries)
        assert len(rows) <= 10
        assert len(rows) == 1 or len(rows) * longest <= 60
    assert len(found) < len(sizes) / 3


def test_batches_change_no_figure(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_training_data(write_world(tmp_path_factory.mktemp("world")) / "graph.ttl")
    whole = run_c1(data, ["itemknn", "content-genre"], [""], [], controlled="itemknn")
    monkeypatch.setattr(module, "SUPPORTS", 40)
    cut = run_c1(data, ["itemknn", "content-genre"], [""], [], controlled="itemknn")
    assert cut["results"] == whole["results"]
    assert cut["differences"] == whole["differences"]
    assert cut["ranks"] == whole["ranks"]
