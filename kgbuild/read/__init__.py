"""Reading: the lines of a table become items, or rejects that say what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kgbuild.read.record import TEXT_COLUMNS, BadItem, identifier_of, item_of
from kgbuild.types import Item
from plugbase.errors import UserError
from plugbase.tables import BadRecord, read_table

__all__ = ["ItemReader", "Reject", "Retraction"]


@dataclass(frozen=True, slots=True)
class Reject:
    """An item that did not make it into the graph, or not whole: where it stands, why, and what was wrong."""

    file: str
    line: int
    reason: str
    value: str

    def as_json(self) -> dict[str, str | int]:
        """The reject as one record of `<output>.rejected.jsonl`."""
        return {"file": self.file, "line": self.line, "reason": self.reason, "value": self.value}


@dataclass(frozen=True, slots=True)
class Retraction:
    """The item of this id is no more."""

    id: str


@dataclass
class ItemReader:
    """Reads one file of items, one at a time. `warnings`: what was odd -> (first line, number of lines)."""

    path: str | Path
    warnings: dict[str, tuple[int, int]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[int, Item | Reject]]:
        """Every line's number with its item, or with the reject that it became.

        Raises:
            UserError: the file cannot be read at all.
        """
        for line, found in self.changes(retractions=False):
            assert not isinstance(found, Retraction)
            yield line, found

    def changes(self, *, retractions: bool = True) -> Iterator[tuple[int, Item | Retraction | Reject]]:
        """The same, where a line that holds `"retracted": true` retracts the item of its id.

        Raises:
            UserError: the file cannot be read at all.
        """
        for line, record in read_table(self.path, text_columns=TEXT_COLUMNS):
            if isinstance(record, BadRecord):
                yield line, Reject(str(self.path), line, record.reason, record.text)
                continue
            try:
                if retractions and record.get("retracted") in (True, "true"):
                    yield line, Retraction(identifier_of(record))
                    continue
                item, oddities = item_of(record)
            except BadItem as bad:
                yield line, Reject(str(self.path), line, bad.reason, bad.value)
                continue
            for oddity in oddities:
                first, count = self.warnings.get(oddity, (line, 0))
                self.warnings[oddity] = first, count + 1
            yield line, item


def stop_at(reject: Reject) -> UserError:
    """The error that --strict stops with at a reject."""
    shown = f": {reject.value!r}" if reject.value else ""
    return UserError(
        f"{reject.reason}{shown}",
        file=reject.file,
        line=reject.line,
        mend="without --strict such lines are set aside",
    )
