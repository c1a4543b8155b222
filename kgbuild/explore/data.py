"""The data inside the page: columns of small integers in JSON, descriptions apart in parts that are read when asked for."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from kgbuild.report.facts import FactTable
from kgbuild.report.numbers import hub_above

PART = 500
"""Items whose descriptions share one element of the page: opening an item reads one part only."""
_TO_ESCAPE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def page_json(data: object) -> str:
    """JSON in which no text can end the element it stands in, nor begin another: < > & are escaped."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def as_data(table: FactTable) -> tuple[dict[str, Any], list[list[str]]]:
    """(columns of facts with the labels they point to, parts of the descriptions), as the page's script reads them.

    `counts` is the number of facts of each item; the facts of one item stand together. `places` holds, for
    each fact, 0 where the text has no such quote, else the field (1 title, 2 description); `starts` and
    `lengths` count UTF-16 units, as JavaScript does. `quotes` and `raw` are sparse, by fact: quotes only where
    the text does not have them.
    """
    ranges: dict[str, int] = {}
    for value in table.values:
        ranges.setdefault(value.range, len(ranges))
    places, starts, lengths, stray = _places(table)
    placed = np.flatnonzero(places)
    facts = {
        "name": table.name,
        "hub": hub_above(len(table.ids)),
        "part": PART,
        "ids": table.ids,
        "titles": table.titles,
        "relations": [relation.label for relation in table.relations],
        "relationWordings": _sparse(relation.wordings for relation in table.relations),
        "ranges": list(ranges),
        "values": [value.label for value in table.values],
        "valueRanges": [ranges[value.range] for value in table.values],
        "amounts": [number for number, value in enumerate(table.values) if value.amount],
        "valueWordings": _sparse(value.wordings for value in table.values),
        "sources": table.sources,
        "counts": np.bincount(table.item, minlength=len(table.ids)).tolist(),
        "factRelations": table.relation.tolist(),
        "factValues": table.value.tolist(),
        "factSources": table.source.tolist(),
        "confidences": np.round(table.confidence * 100).astype(np.int32).tolist(),
        "places": places.tolist(),
        "starts": starts[placed].tolist(),
        "lengths": lengths[placed].tolist(),
        "quotes": stray,
        "raw": table.raw_values,
    }
    parts = [table.descriptions[at : at + PART] for at in range(0, len(table.ids), PART)]
    return facts, parts


def _sparse(wordings: Any) -> dict[int, list[str]]:
    return {number: list(words) for number, words in enumerate(wordings) if words}


def _places(table: FactTable) -> tuple[Any, Any, Any, dict[int, str]]:
    """Where the quotes stand, in UTF-16 units, and the quotes that stand nowhere."""
    places = np.zeros(len(table.item), np.int32)
    starts, lengths = places.copy(), places.copy()
    stray = {}
    for row, quote in table.quotes.items():
        if not table.spans(row):
            stray[row] = quote
            continue
        start = int(table.start[row])
        text = table.text_of(row)
        places[row] = table.field[row]
        starts[row] = start if text.isascii() else _units(text[:start])
        lengths[row] = _units(quote)
    return places, starts, lengths, stray


def _units(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2
