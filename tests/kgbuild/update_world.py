"""Graphs that are built and updated in a folder of a test's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kgbuild.maintain.update import UpdateSettings, UpdateSummary, update_graph
from kgbuild.pipeline import ExtractSettings, extract_graph
from kgbuild.read.graph import GraphFile, read_graph
from plugbase.console import Console

ROOT = Path(__file__).parents[2]
FILES = ("graph.ttl", "graph.evidence.jsonl", "graph.merges.jsonl")
Record = dict[str, object]


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{Path(__file__).parent}")


def put(records: list[Record], name: str) -> str:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return name


def build(
    records: list[Record], backend: str = "none", graph: str = "graph.ttl", **options: object
) -> GraphFile:
    source = put(records, f"{Path(graph).stem}.items.jsonl")
    extract_graph(ExtractSettings(source, Path(graph), backend, **options), Console(quiet=True))  # type: ignore[arg-type]
    return read_graph(graph)


def update(records: list[Record], **options: object) -> UpdateSummary:
    given = UpdateSettings(Path("graph.ttl"), put(records, "new.jsonl"), **options)  # type: ignore[arg-type]
    return update_graph(given, Console(quiet=True))


def contents(graph: GraphFile) -> tuple[object, ...]:
    """All that a graph says, but for the names of values."""
    items = {
        item.id: (item.title, item.description, {repr(fact) for fact in facts})
        for item, facts in graph.items()
    }
    return items, graph.relations, graph.values, graph.base


def merges() -> list[str]:
    found = Path("graph.merges.jsonl")
    return found.read_text(encoding="utf-8").splitlines() if found.exists() else []
