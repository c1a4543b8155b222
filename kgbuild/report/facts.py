"""A graph and its evidence as columns of integers: what the report counts and the explorer shows."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from kgbuild.read.graph import read_graph
from kgbuild.types import Fact, Item, Scalar
from plugbase.errors import UserError

Ints = np.ndarray[Any, np.dtype[np.int32]]
Floats = np.ndarray[Any, np.dtype[np.float64]]
FIELDS = ("", "title", "description")
"""What the column `field` counts: no place in the text, a place in the title, a place in the description."""


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the graph; `amount` is true of numbers and dates, whose `range` is their relation's name."""

    label: str
    range: str
    wordings: tuple[str, ...] = ()
    amount: bool = False


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation and the other wordings that were merged into it."""

    label: str
    wordings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FactTable:
    """All facts of a graph, one row a fact, the rows of an item together.

    The columns `item`, `relation`, `value`, `source` hold places in `ids`, `relations`, `values`, `sources`;
    `field` holds places in FIELDS; `start` and `end` count characters of that field, -1 where there is none.
    `quotes` and `raw_values` hold, by row, the words of the source: a raw value only where it is not the
    value's label.
    """

    name: str
    ids: list[str]
    titles: list[str]
    descriptions: list[str]
    relations: list[Relation]
    values: list[Value]
    sources: list[str]
    item: Ints
    relation: Ints
    value: Ints
    source: Ints
    confidence: Floats
    field: Ints
    start: Ints
    end: Ints
    quotes: dict[int, str]
    raw_values: dict[int, str]

    def text_of(self, row: int) -> str:
        """The text that the row's span counts characters of; empty where the row has no place."""
        number = self.item[row]
        return ("", self.titles[number], self.descriptions[number])[self.field[row]]

    def spans(self, row: int) -> bool:
        """Whether the quote stands in the item's text where the evidence says."""
        start, end = int(self.start[row]), int(self.end[row])
        return 0 <= start < end and self.text_of(row)[start:end] == self.quotes.get(row)


def read_facts(graph: Path) -> FactTable:
    """Read a graph that kgbuild wrote, with its evidence, into memory.

    Raises:
        UserError: no such file, no graph of kgbuild, no items in it, a line that is no evidence.
    """
    found = read_graph(graph)
    columns = _Columns(found.relations, found.values)
    for item, facts in found.items():
        columns.add(item, facts)
    if not columns.ids:
        raise UserError("holds no items", file=str(graph), mend="give a graph that `kgbuild extract` wrote")
    return columns.table(graph.name)


class _Columns:
    """The columns as they grow, item by item."""

    def __init__(self, relations: Any, values: Any) -> None:
        self.ids: list[str] = []
        self._titles: list[str] = []
        self._descriptions: list[str] = []
        self._wordings_of_relation, self._wordings_of_value = relations, values
        self._relations: dict[str, int] = {}
        self._values: dict[tuple[str, Scalar, bool], int] = {}
        self._sources: dict[str, int] = {}
        self._rows = {name: array("i") for name in _COLUMNS}
        self._confidence = array("d")
        self._quotes: dict[int, str] = {}
        self._raw_values: dict[int, str] = {}

    def add(self, item: Item, facts: list[Fact]) -> None:
        """Take one item with its facts."""
        number = len(self.ids)
        self.ids.append(item.id)
        self._titles.append(item.title)
        self._descriptions.append(item.description)
        for fact in facts:
            mention, row = fact.mention, len(self._confidence)
            amount = not isinstance(fact.value, str)
            key = (fact.range, fact.value, amount)
            for name, place in (
                ("item", number),
                ("relation", self._relations.setdefault(fact.relation, len(self._relations))),
                ("value", self._values.setdefault(key, len(self._values))),
                ("source", self._sources.setdefault(mention.source, len(self._sources))),
                ("field", FIELDS.index(mention.field or "") if mention.start is not None else 0),
                ("start", -1 if mention.start is None else mention.start),
                ("end", -1 if mention.end is None else mention.end),
            ):
                self._rows[name].append(place)
            self._confidence.append(mention.confidence)
            if mention.quote is not None:
                self._quotes[row] = mention.quote
            if mention.value != fact.value:
                self._raw_values[row] = label_of(mention.value)

    def table(self, name: str) -> FactTable:
        """What was taken."""
        columns = {column: np.array(rows, np.int32) for column, rows in self._rows.items()}
        return FactTable(
            name=name,
            ids=self.ids,
            titles=self._titles,
            descriptions=self._descriptions,
            relations=[
                Relation(label, tuple(self._wordings_of_relation.get(label, ()))) for label in self._relations
            ],
            values=list(self._each_value()),
            sources=list(self._sources),
            confidence=np.array(self._confidence, np.float64),
            quotes=self._quotes,
            raw_values=self._raw_values,
            **columns,
        )

    def _each_value(self) -> Iterator[Value]:
        for scope, value, amount in self._values:
            wordings = () if amount else tuple(self._wordings_of_value.get((scope, value), ()))
            yield Value(label_of(value), scope, wordings, amount)


_COLUMNS = ("item", "relation", "value", "source", "field", "start", "end")


def label_of(value: Scalar) -> str:
    """A value as people read it; a date as YYYY-MM-DD."""
    return value.isoformat() if isinstance(value, date) else str(value)
