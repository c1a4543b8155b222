"""The evidence file beside a graph: every record is about a fact of the graph, and every quote is in its text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kgbuild.check.problems import Problems
from kgbuild.read.graph import read_graph
from kgbuild.types import Fact, Item
from plugbase.errors import UserError

_ANEW = "write the graph again: evidence has one record a fact, in the order of the graph"


def check_evidence(path: Path, problems: Problems) -> int | None:
    """Check the evidence file of a graph that is in order; its records are counted, None where there is no file.

    Both are streamed side by side. From a record that is out of the graph's order on nothing is checked.
    """
    try:
        graph = read_graph(path)
    except UserError as error:
        problems.add("unreadable", error.message, error.mend or _ANEW, line=error.line)
        return None
    if graph.evidence is None:
        return None
    file, count, items = str(graph.evidence), 0, graph.items(evidence=False)
    item, stated, said = Item(""), dict[tuple[str, Any], Fact](), set[tuple[str, Any]]()
    for line, record in _records(graph.evidence, problems):
        count += 1
        if not stated or record["item"] != item.id:
            for item, facts in items:
                if item.id == record["item"]:
                    stated = {_key(fact): fact for fact in facts}
                    said = set()
                    break
            else:
                message = f"no item {record['item']!r} comes in the graph after that of the line before"
                problems.add("evidence-file", message, _ANEW, file=file, line=line)
                return count
        key = record["relation"], record["value"]
        if key not in stated:
            message = f"{item.id} {record['relation']} {record['value']!r} is no fact of the graph"
            problems.add("evidence-file", message, _ANEW, file=file, line=line)
        elif key in said:
            message = f"{item.id} {record['relation']} {record['value']!r} has two records"
            problems.add("evidence-file", message, _ANEW, file=file, line=line)
        elif wrong := _wrong(record, item):
            problems.add(
                "evidence-file", wrong, "mend the line, or write the graph again", file=file, line=line
            )
        said.add(key)
    return count


def _records(path: Path, problems: Problems) -> Iterator[tuple[int, dict[str, Any]]]:
    with path.open("rb") as stream:
        for line, text in enumerate(stream, start=1):
            try:
                record = json.loads(text)
                hash((record["item"], record["relation"], record["value"]))
            except (ValueError, KeyError, TypeError) as error:
                reason = f"no {error}" if isinstance(error, KeyError) else str(error)
                problems.add(
                    "evidence-file", f"not an evidence record: {reason}", _ANEW, file=str(path), line=line
                )
                continue
            yield line, record


def _wrong(record: dict[str, Any], item: Item) -> str | None:
    """What is wrong with the record of a fact of the item."""
    sure = record.get("confidence")
    if not isinstance(sure, int | float) or not 0 < sure <= 1:
        return f"the confidence {sure!r} is not above 0 and at most 1"
    if not isinstance(record.get("source"), str) or not record["source"]:
        return "it names no source"
    name = record.get("field")
    if name is None:
        return "it has a quote and no field" if record.get("quote") is not None else None
    start, end = record.get("start"), record.get("end")
    if name not in ("title", "description") or not isinstance(start, int) or not isinstance(end, int):
        return f"field {name!r}, start {start!r}, end {end!r} are no place in a text"
    text = getattr(item, name)
    if not 0 <= start < end <= len(text) or text[start:end] != record.get("quote"):
        return f"the {name} of {item.id} says {text[start:end]!r} there, not {record.get('quote')!r}"
    return None


def _key(fact: Fact) -> tuple[str, Any]:
    return fact.relation, fact.value if isinstance(fact.value, str | int | float) else fact.value.isoformat()
