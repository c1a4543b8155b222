"""The report on a graph: is it of use to a recommender? Numbers first, then one page made of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from kgbuild.report.doubts import certainty, read_merges, suspicious
from kgbuild.report.facts import read_facts
from kgbuild.report.numbers import Numbers, measure
from kgbuild.report.verdict import verdict
from kgbuild.write import OutputPaths
from kgbuild.write.atomic import atomic_text
from plugbase.errors import UserError
from plugbase.tables import BadRecord, read_table

__all__ = ["Met", "graph_numbers", "items_met", "write_report"]


@dataclass(frozen=True)
class Met:
    """The ids of the items that interactions speak of, and how many rows there were."""

    items: Collection[str]
    rows: int


def items_met(path: Path) -> Met:
    """Read the `item_id` column of an interactions file (.csv, .jsonl, .parquet).

    Raises:
        UserError: the file cannot be read, holds no rows, or a row has no item_id; with the line.
    """
    name, items, rows = str(path), set(), 0
    for line, record in read_table(path, text_columns=("user_id", "item_id")):
        if isinstance(record, BadRecord):
            raise UserError(record.reason, file=name, line=line)
        ident = record.get("item_id")
        if not isinstance(ident, str | int) or isinstance(ident, bool):
            raise UserError(
                "no item_id" if ident is None else f"item_id is {ident!r}",
                file=name,
                line=line,
                mend="interactions have the columns user_id and item_id",
            )
        items.add(str(ident))
        rows += 1
    if not rows:
        raise UserError("holds no rows", file=name)
    return Met(items, rows)


def graph_numbers(graph: Path, interactions: Path | None = None) -> Numbers:
    """All numbers of the report, ready for JSON, and the verdict that they make.

    Raises:
        UserError: the graph, the files beside it or the interactions cannot be read, or none of the
            interactions is about an item of the graph.
    """
    met = None if interactions is None else items_met(interactions)
    table = read_facts(graph)
    if met is not None and not any(ident in met.items for ident in table.ids):
        raise UserError(
            "none of its rows is about an item of the graph",
            file=str(interactions),
            mend="item_id must be the `id` the items had when the graph was extracted",
        )
    numbers = measure(table, None if met is None else met.items)
    numbers["certainty"] = certainty(table)
    numbers["merges"] = suspicious(table, read_merges(OutputPaths(graph).merges))
    numbers["verdict"] = verdict(numbers)
    return numbers


def write_report(numbers: Numbers, path: Path) -> None:
    """Write the page: one file, no scripts, nothing fetched from anywhere, all text escaped.

    Raises:
        UserError: the file cannot be written.
    """
    from kgbuild.report.page import render

    with atomic_text(path) as stream:
        stream.write(render(numbers))
