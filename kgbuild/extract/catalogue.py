"""The facts that the catalogue already knows: an item's attributes and its category, at confidence 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kgbuild.extract import ExtractionResult
from kgbuild.types import CATALOGUE, Item, Mention

if TYPE_CHECKING:
    from kgbuild.schema import Schema


def catalogue_mentions(item: Item) -> list[Mention]:
    """One mention for each attribute value, and the item's category as the relation "category"."""
    category = [("category", item.category)] if item.category else []
    attributes = [(name, value) for name, values in item.attributes.items() for value in values]
    return [
        Mention(item.id, relation, value, confidence=1.0, source=CATALOGUE)
        for relation, value in [*category, *attributes]
    ]


class NoExtractor:
    """Reads no text: the graph holds what the catalogue knows and nothing else."""

    name = "none"
    fingerprint = "none@1"
    costly = False

    def __init__(self, *, schema: Schema) -> None:
        self.schema = schema

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """Every item with no mention."""
        for item in items:
            yield item, []
