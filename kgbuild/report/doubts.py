"""What deserves a look: the facts that are least certain, beside the most certain ones, and doubtful merges."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kgbuild.report.facts import FactTable
from kgbuild.types import CATALOGUE
from plugbase.errors import UserError

FACTS_SHOWN = 10
MERGES_SHOWN = 20
_A_RELATION = 2
"""Facts of one relation among those shown, as long as there are others: ten alike teach little."""
_CONTEXT = 60


def certainty(table: FactTable) -> dict[str, Any]:
    """The confidences of the facts read out of the text in ten bins, and the most and least certain ones.

    Facts shown have a quote. Among equals the choice is by a hash of the fact: the same in every run, and
    not the first items of the catalogue.
    """
    read = np.array([source != CATALOGUE for source in table.sources], np.bool_)[table.source]
    found = table.confidence[read]
    places = np.clip((found * 10).astype(np.int32), 0, 9)
    counts = np.bincount(places, minlength=10)
    quoted = [row for row in np.flatnonzero(read).tolist() if row in table.quotes]
    by_chance = {row: _draw(table, row) for row in quoted}
    least = sorted(quoted, key=lambda row: (table.confidence[row], by_chance[row]))
    most = sorted(quoted, key=lambda row: (-table.confidence[row], by_chance[row]))
    return {
        "mean": round(float(found.mean()), 4) if len(found) else None,
        "bins": [{"from": n / 10, "to": (n + 1) / 10, "facts": int(counts[n])} for n in range(10)],
        "quoted": len(quoted),
        "most": [shown(table, row) for row in _varied(table, most)],
        "least": [shown(table, row) for row in _varied(table, least)],
    }


def _draw(table: FactTable, row: int) -> bytes:
    words = [table.ids[table.item[row]], table.relations[table.relation[row]].label]
    fact = json.dumps([*words, table.values[table.value[row]].label])
    return hashlib.sha256(fact.encode()).digest()


def _varied(table: FactTable, rows: Sequence[int]) -> list[int]:
    """The first rows, of no relation more than a few where others can fill up."""
    taken: Counter[int] = Counter()
    chosen: list[int] = []
    spare: list[int] = []
    for row in rows:
        relation = int(table.relation[row])
        taken[relation] += 1
        (chosen if taken[relation] <= _A_RELATION else spare).append(row)
        if len(chosen) == FACTS_SHOWN:
            break
    picked = set((chosen + spare)[:FACTS_SHOWN])
    return [row for row in rows if row in picked]


def shown(table: FactTable, row: int) -> dict[str, Any]:
    """One fact with its quote and what stands around it, as the report prints it."""
    number = int(table.item[row])
    before, after = "", ""
    if table.spans(row):
        text, start, end = table.text_of(row), int(table.start[row]), int(table.end[row])
        before, after = text[max(0, start - _CONTEXT) : start], text[end : end + _CONTEXT]
        if start > _CONTEXT:
            before = "… " + before.partition(" ")[2]
        if end + _CONTEXT < len(text):
            after = after.rpartition(" ")[0] + " …"
    return {
        "item": table.ids[number],
        "title": table.titles[number],
        "relation": table.relations[table.relation[row]].label,
        "value": table.values[table.value[row]].label,
        "confidence": round(float(table.confidence[row]), 4),
        "source": table.sources[table.source[row]],
        "before": before,
        "quote": table.quotes.get(row, ""),
        "after": after,
    }


def read_merges(path: Path) -> list[dict[str, Any]]:
    """The records of graph.merges.jsonl; none where there is no such file, for then nothing was merged.

    Raises:
        UserError: a line is no record of a merge.
    """
    if not path.is_file():
        return []
    merges = []
    with path.open(encoding="utf-8") as stream:
        for line, text in enumerate(stream, start=1):
            try:
                record = json.loads(text)
                texts = {key: str(record[key]) for key in ("kind", "range", "from", "into", "reason")}
                merges.append({**texts, "score": float(record["score"])})
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise UserError(
                    f"not a record of a merge: {error}",
                    file=str(path),
                    line=line,
                    mend="write the graph again, or move the file away",
                ) from error
    return merges


def suspicious(table: FactTable, merges: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Merges that a person should look at: those that join different digits, and the lowest scores.

    `facts` is how many facts say `from` and stand under `into`. A merge of score 1 is one of spelling alone
    and not listed, unless its digits differ.
    """
    said = Counter((table.values[table.value[row]].label, raw) for row, raw in table.raw_values.items())
    rows = [{**merge, "facts": said[merge["into"], merge["from"]]} for merge in merges]
    rows.sort(key=lambda m: (m["score"], -m["facts"], m["kind"], m["range"], m["into"], m["from"]))
    numbers = [merge for merge in rows if _digits(merge["from"]) != _digits(merge["into"])]
    doubtful = [merge for merge in rows if merge["score"] < 1]
    return {
        "values": sum(merge["kind"] == "value" for merge in merges),
        "relations": sum(merge["kind"] == "relation" for merge in merges),
        "spelling_alone": len(rows) - len(doubtful),
        "across_numbers": len(numbers),
        "numbers_shown": numbers[:MERGES_SHOWN],
        "lowest": doubtful[:MERGES_SHOWN],
    }


def _digits(label: str) -> list[str]:
    return sorted(re.findall(r"\d+", label))
