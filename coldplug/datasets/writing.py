"""Writing the three files of a prepared data set, each one whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Prepared:
    """What `prepare` wrote: counts, the files, and remarks on what the raw files lacked."""

    name: str
    items: int
    users: int
    interactions: int
    described: int
    """Items that have a description."""
    files: tuple[Path, ...]
    remarks: tuple[str, ...] = field(default=())


@contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Open a file for writing that takes its name only once everything is in it."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def write_items(path: Path, items: Iterable[Mapping[str, object]]) -> int:
    """Write items.jsonl, one item a line, and return how many."""
    n = 0
    with whole_file(path) as stream:
        for item in items:
            stream.write(json.dumps(item, ensure_ascii=False) + "\n")
            n += 1
    return n


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a csv file with a header row and return how many rows follow it."""
    n = 0
    with whole_file(path) as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        for row in rows:
            writer.writerow(row)
            n += 1
    return n
