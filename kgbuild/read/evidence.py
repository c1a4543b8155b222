"""Evidence beside a graph: one record a fact, in the order of the graph, put back to the facts as they stream."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from kgbuild.types import CATALOGUE, Fact, Item, Mention, Scalar
from plugbase.errors import UserError

STATEMENT_KEYS = {
    "raw_relation": "rawRelation",
    "raw_value": "rawValue",
    "confidence": "confidence",
    "source": "source",
    "field": "field",
    "start": "start",
    "end": "end",
    "quote": "quote",
}
"""Key of an evidence record -> the name in our vocabulary that says it inside the graph."""
_Key = tuple[str, str, Scalar]
_Record = Mapping[str, Any]
_DECODE = json.JSONDecoder().raw_decode
_MEND = "write the graph again, or remove the evidence file: facts then count as stated by the catalogue"


def stated(item: str, relation: str, value: Scalar) -> Mention:
    """The mention of a fact that has no evidence."""
    return Mention(item, relation, value, 1.0, CATALOGUE)


def mention_of(fact: Fact, record: Mapping[str, Any]) -> Mention:
    """The mention that an evidence record describes.

    Raises:
        ValueError, TypeError: a value of the record has a wrong type.
    """
    confidence = float(record.get("confidence", 1.0))
    if not 0 < confidence <= 1:
        raise ValueError(f"confidence {confidence!r} is not between 0 (exclusive) and 1")
    raw_value = record.get("raw_value", fact.value)
    if isinstance(fact.value, date) and isinstance(raw_value, str):
        raw_value = date.fromisoformat(raw_value)
    return Mention(
        fact.mention.item,
        record.get("raw_relation", fact.relation),
        raw_value,
        confidence,
        record.get("source", CATALOGUE),
        record.get("field"),
        record.get("start"),
        record.get("end"),
        record.get("quote"),
    )


class EvidenceFile:
    """One evidence file. Read line by line while it keeps the order of the graph; else held in memory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def join(self, items: Iterable[tuple[Item, list[Fact]]]) -> Iterator[tuple[Item, list[Fact]]]:
        """The items, each fact with its own record.

        Raises:
            UserError: a line is no evidence record.
        """
        records = self._records()
        known: dict[_Key, tuple[int, _Record]] | None = None
        for item, facts in items:
            found = []
            for fact in facts:
                key = _key(fact)
                if known is None:
                    line, near, record = next(records, (0, None, {}))
                    if near != key:
                        known = self._by_key()
                if known is not None:
                    line, record = known.get(key, (0, {}))
                found.append(self._fact(fact, record, line) if line else fact)
            yield item, found

    def _fact(self, fact: Fact, record: _Record, line: int) -> Fact:
        try:
            return Fact(mention_of(fact, record), fact.relation, fact.value, fact.range)
        except (TypeError, ValueError) as error:
            raise self._broken(error, line) from error

    def _records(self) -> Iterator[tuple[int, _Key, _Record]]:
        with self.path.open("rb") as stream:
            for line, text in enumerate(stream, start=1):
                if text.isspace():
                    continue
                try:
                    written = text.decode()
                    # json.loads looks for the encoding and the end once more: a third of the time.
                    record, end = _DECODE(written)
                    if not written[end:].isspace():
                        record = json.loads(written)
                    yield line, (record["item"], record["relation"], record["value"]), record
                except (ValueError, KeyError, TypeError) as error:
                    raise self._broken(error, line) from error

    def _by_key(self) -> dict[_Key, tuple[int, _Record]]:
        """Every record by its triple; of several for one the surest."""
        found: dict[_Key, tuple[int, _Record]] = {}
        for line, key, record in self._records():
            if key not in found or record.get("confidence", 1.0) > found[key][1].get("confidence", 1.0):
                found[key] = line, record
        return found

    def _broken(self, error: Exception, line: int) -> UserError:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        return UserError(f"not an evidence record: {reason}", file=str(self.path), line=line, mend=_MEND)


def _key(fact: Fact) -> _Key:
    value = fact.value.isoformat() if isinstance(fact.value, date) else fact.value
    return fact.mention.item, fact.relation, value
