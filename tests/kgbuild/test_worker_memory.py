"""Memory of a long extraction: what is free in the heap goes back to the system while items are read."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kgbuild.extract import ExtractionResult
from kgbuild.extract.workers import _GIVEN_BACK_AFTER, extract_here
from kgbuild.types import Item

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems' heaps are left to themselves")
MIB = 2**20


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


class Leaving:
    """An extractor whose first item leaves 100 MiB of freed blocks under one that stays."""

    name = "leaving"
    fingerprint = "1"
    costly = False

    def __init__(self) -> None:
        self.stays: list[bytearray] = []

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        if not self.stays:
            # Below the size from which a block has pages of its own, and a small one on top that pins the heap.
            blocks = [bytearray(64 * 1024) for _ in range(1_600)]
            self.stays.append(bytearray(64 * 1024))
            del blocks
        for item in items:
            yield item, []


def test_freed_memory_goes_back_while_items_are_read() -> None:
    extractor = Leaving()
    batches = [
        [Item(f"{number}-{at}", "x") for at in range(256)] for number in range(_GIVEN_BACK_AFTER // 256)
    ]
    results = extract_here(extractor, batches)
    next(results)
    before = _resident()
    assert sum(1 for _ in results) == _GIVEN_BACK_AFTER - 1
    assert before - _resident() > 50 * MIB
