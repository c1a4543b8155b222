"""Labelled items, read from a file in the project's own format or in ExtractGPT's."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kgbuild.read.record import KEYS, BadItem, item_of
from kgbuild.types import FieldName, Item
from plugbase.errors import UserError

OURS = 'a labelled line is {"id": ..., "title": ..., "facts": [{"relation": ..., "value": ...}, ...]}'
THEIRS = 'or {"input": ..., "category": ..., "target_scores": {"Brand": {"Acme": 1}, "Size": {"n/a": 1}}}'
_ABSENT = "n/a"
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class Value:
    """One labelled value in the words of the text; without a place, every occurrence of it is meant."""

    text: str
    accept: tuple[str, ...] = ()
    field: FieldName | None = None
    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class LabelledItem:
    """An item and what its text says: relation -> values, where none means that the text was read and says
    nothing.

    `complete`: a relation that is not listed is absent (our format); otherwise nobody looked (ExtractGPT's).
    """

    item: Item
    facts: Mapping[str, tuple[Value, ...]]
    complete: bool
    line: int = 0


@dataclass(frozen=True)
class LabelledFile:
    """What a file of labels holds."""

    items: Sequence[LabelledItem]
    not_verbatim: int
    """Values that no text of their item holds; they teach nothing and are left out."""

    @property
    def relations(self) -> list[str]:
        """The relations that have at least one label, the most frequent first."""
        counted = Counter(name for entry in self.items for name in entry.facts)
        return [name for name, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))]


def read_labelled(path: str | Path) -> LabelledFile:
    """Read a file of labelled items, one JSON object a line.

    Raises:
        UserError: the file cannot be read, or a line of it is no labelled item; says which and why.
    """
    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read the labels: {error.strerror}", file=str(file)) from error
    except UnicodeDecodeError as error:
        raise UserError("the labels are not UTF-8 text", file=str(file)) from error
    rows: list[tuple[int, object]] = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append((number, json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise _bad(f"not JSON: {error}", file, number) from error
    if not rows:
        raise UserError("there is no labelled item in it", file=str(file), mend=f"{OURS},\n  {THEIRS}")
    return _verbatim(_labelled(row, file, number) for number, row in rows)


def labelled_items(rows: Iterable[LabelledItem]) -> LabelledFile:
    """Labels made by a program: the same checks as for a file."""
    return _verbatim(rows)


def _verbatim(entries: Iterable[LabelledItem]) -> LabelledFile:
    kept, dropped = [], 0
    for entry in entries:
        facts: dict[str, tuple[Value, ...]] = {}
        for name, values in entry.facts.items():
            found = tuple(value for value in values if occurrences(entry.item, value.text))
            dropped += len(values) - len(found)
            if found or not values:
                facts[name] = found
        kept.append(LabelledItem(entry.item, facts, entry.complete, entry.line))
    return LabelledFile(kept, dropped)


def occurrences(item: Item, value: str) -> list[tuple[FieldName, int, int]]:
    """Where a value stands in the item's texts: as it is spelt, or else with any case."""
    wanted = value.strip()
    fields: tuple[FieldName, ...] = ("title", "description")
    for flags in (0, re.IGNORECASE):
        pattern = re.compile(re.escape(wanted), flags)
        places = [(name, *match.span()) for name in fields for match in pattern.finditer(getattr(item, name))]
        if places and wanted:
            return [(name, start, end) for name, start, end in places]
    return []


def _labelled(row: object, file: Path, number: int) -> LabelledItem:
    if not isinstance(row, dict):
        raise _bad(f"not a JSON object but {type(row).__name__}", file, number)
    if "facts" in row:
        return _ours(row, file, number)
    if "target_scores" in row:
        return _extractgpt(row, file, number)
    raise _bad("neither 'facts' nor 'target_scores'", file, number)


def _ours(row: dict[str, object], file: Path, number: int) -> LabelledItem:
    facts = row["facts"]
    if not isinstance(facts, list):
        raise _bad("'facts' is not a list", file, number)
    try:
        item, _ = item_of({key: row[key] for key in KEYS if key in row})
    except BadItem as bad:
        raise _bad(f"not an item: {bad.reason}", file, number) from bad
    found: dict[str, list[Value]] = {}
    for fact in facts:
        if not isinstance(fact, dict) or not all(
            isinstance(fact.get(key), str) for key in ("relation", "value")
        ):
            raise _bad(f"a fact without 'relation' and 'value': {_shown(fact)}", file, number)
        accept = fact.get("accept", [])
        if not isinstance(accept, list):
            raise _bad(f"'accept' is not a list: {_shown(fact)}", file, number)
        place = _place(fact, item, file, number)
        found.setdefault(fact["relation"], []).append(Value(fact["value"], tuple(map(str, accept)), *place))
    return LabelledItem(item, {name: tuple(values) for name, values in found.items()}, True, number)


def _place(
    fact: dict[str, object], item: Item, file: Path, number: int
) -> tuple[FieldName, int, int] | tuple[None, None, None]:
    name, start, end = fact.get("field"), fact.get("start"), fact.get("end")
    if name is None or start is None or end is None:
        return None, None, None
    if name not in ("title", "description"):
        raise _bad(f"'field' is neither title nor description: {_shown(fact)}", file, number)
    text: str = getattr(item, str(name))
    if not isinstance(start, int) or not isinstance(end, int) or not 0 <= start < end <= len(text):
        raise _bad(f"'start' and 'end' are no place in the {name}: {_shown(fact)}", file, number)
    if text[start:end].casefold() != str(fact["value"]).casefold():
        raise _bad(f"the {name} says {text[start:end]!r} there: {_shown(fact)}", file, number)
    return ("title" if name == "title" else "description"), start, end


def _extractgpt(row: dict[str, object], file: Path, number: int) -> LabelledItem:
    targets = row["target_scores"]
    if not isinstance(targets, dict) or not all(isinstance(values, dict) for values in targets.values()):
        raise _bad("'target_scores' does not map each attribute to an object of values", file, number)
    title = row.get("input", row.get("input_title", row.get("title", "")))
    description = row.get("input_description", row.get("description", "")) or ""
    category = row.get("category", "") or ""
    if not isinstance(title, str) or not isinstance(description, str) or not isinstance(category, str):
        raise _bad("'input' and 'category' are not text", file, number)
    if not title.strip() and not description.strip():
        raise _bad("neither 'input' nor 'input_title' nor 'input_description'", file, number)
    item = Item(str(row.get("id", number)), title, description, category)
    facts = {
        str(name): tuple(Value(str(value)) for value in values if value != _ABSENT)
        for name, values in targets.items()
    }
    return LabelledItem(item, facts, False, number)


def relation_text(name: str, definition: str = "") -> str:
    """What the encoder reads as a relation's label: its name in plain words, and its definition."""
    words = " ".join(_CAMEL.sub(" ", name).replace("_", " ").split())
    return f"{words}: {definition}" if definition else words


def _shown(fact: object) -> str:
    return json.dumps(fact, ensure_ascii=False, default=str)[:200]


def _bad(reason: str, file: Path, number: int) -> UserError:
    return UserError(reason, file=str(file), line=number, mend=f"{OURS},\n  {THEIRS}")
