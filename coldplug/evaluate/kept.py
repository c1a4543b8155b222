"""Finished cells of a run, kept in a folder so that a run that was stopped carries on."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.types import TrainingData

RESULT_VERSION = 1


@dataclass(frozen=True)
class Cell:
    """One method under one control on one salt, trained with one seed."""

    method: str
    control: str
    salt: str
    seed: int = 0

    def file_name(self) -> str:
        """A file name that no method, control or salt can break out of."""
        name = json.dumps([self.method, self.control, self.salt, self.seed])
        return hashlib.sha1(name.encode()).hexdigest()[:16] + ".json"

    def __str__(self) -> str:
        return f"{self.method} / {self.control} / salt {self.salt!r} / seed {self.seed}"


def fingerprint(data: TrainingData, *, times: bool = False) -> str:
    """Sixteen hex digits that change with anything a learner or the evaluator can see; with `times` when as well."""
    digest = hashlib.sha256()
    graph, rows = data.graph, data.interactions
    for array in (
        *(graph.heads, graph.relations, graph.tails, graph.weights, graph.stated, graph.literal_items),
        *(graph.literal_relations, graph.literal_numbers, rows.users, rows.items, rows.ratings),
    ):
        digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(b"|")
    if times and rows.timestamps is not None:
        digest.update(rows.timestamps.tobytes())
    texts: list[object] = [list(graph.item_ids), list(graph.titles), list(graph.descriptions)]
    texts += [list(graph.relation_names), list(graph.value_iris), list(data.user_ids)]
    texts += [[dict(a) for a in data.user_attributes], data.positive_at]
    digest.update(json.dumps(texts, default=str).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


_NOT_MEASURING = (
    *("c1.py", "kept.py", "summary.py", "ranks.py", "__init__.py"),
    *("table.py", "r1_table.py", "report.py", "drawing.py"),
)


@cache
def code_fingerprint(module: str) -> str:
    """Sixteen hex digits that change with the source of the method in that module and of what measures."""
    own = Path(sys.modules[module].__file__ or "")
    here = Path(__file__).parent
    files = {own, *own.parent.glob("*.py"), *here.glob("*.py"), *(here.parent / "encode").glob("*.py")}
    digest = hashlib.sha256()
    for file in sorted(files - {*(here / name for name in _NOT_MEASURING)}):
        digest.update(file.name.encode() + file.read_bytes())
    return digest.hexdigest()[:16]


class Store:
    """Finished cells as one file each; a cell counts only for the data, code and settings it had.

    Args:
        folder: where they are kept; None keeps nothing.
        stamp: of the data and of how it is cut.
        classes: method -> its class, whose code a cell depends on.
        settings: method -> keyword arguments of its `fit`.
    """

    def __init__(
        self,
        folder: Path | None,
        stamp: str,
        classes: Mapping[str, type[Any]],
        settings: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self.folder, self.settings, self.classes = folder, settings, classes
        self.key = {"data": stamp, "version": RESULT_VERSION}
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)

    def _key(self, cell: Cell) -> dict[str, Any]:
        settings = dict(self.settings.get(cell.method, {}))
        return {
            **self.key,
            "code": code_fingerprint(self.classes[cell.method].__module__),
            "settings": settings,
        }

    def read(self, cell: Cell) -> dict[str, Any] | None:
        """The finished cell, or None where there is none or it was run with something else."""
        if self.folder is None:
            return None
        try:
            record = json.loads((self.folder / cell.file_name()).read_text(encoding="utf-8"))
            found: dict[str, Any] = record["cell"]
            return found if record["key"] == json.loads(json.dumps(self._key(cell))) else None
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def write(self, cell: Cell, found: Mapping[str, Any]) -> None:
        """Keep a finished cell; it takes its name only once it is whole."""
        if self.folder is None:
            return
        path = self.folder / cell.file_name()
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"key": self._key(cell), "cell": found}), encoding="utf-8")
        os.replace(part, path)
