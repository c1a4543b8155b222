"""Extractors for tests of the pipeline, named on the command line as slow_extractor:Slow and so on."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kgbuild.extract import ExtractionFailure, ExtractionResult
from kgbuild.schema import Schema
from kgbuild.types import Item, Mention

LOG = Path("extracted.log")
"""In the working directory: one id a line, as each is begun."""


class Slow:
    """Takes a moment an item and finds its last word; results come in reverse."""

    name = "slow"
    fingerprint = "slow@1"
    costly = False
    pause = 0.02

    def __init__(self, *, schema: Schema) -> None:
        pass

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        for item in reversed(items):
            with LOG.open("a", encoding="utf-8") as log:
                log.write(f"{item.id}\n")
            time.sleep(self.pause)
            yield item, self.read(item)

    def read(self, item: Item) -> list[Mention] | ExtractionFailure:
        word = item.description.split()[-1]
        start = len(item.description) - len(word)
        return [
            Mention(
                item.id,
                "director",
                word,
                0.8,
                "slow:last@1",
                "description",
                start,
                len(item.description),
                word,
            )
        ]


class Costly(Slow):
    """As Slow at once, but what it finds is worth keeping."""

    name = "costly"
    costly = True
    pause = 0.0


class Faulty(Slow):
    """Fails on three items in three ways: says so, raises, gives no result."""

    name = "faulty"
    pause = 0.0

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        for item in items:
            if item.id == "3":
                yield item, ExtractionFailure("the model refused")
            elif item.id == "5":
                raise KeyError("no such word")
            elif item.id != "7":
                yield item, self.read(item)


class HalfCharacter(Slow):
    """Answers with half of a surrogate pair."""

    name = "half"

    def read(self, item: Item) -> list[Mention] | ExtractionFailure:
        return [Mention(item.id, "director", "rivalry \ud83d", 0.5, "half:@1")]
