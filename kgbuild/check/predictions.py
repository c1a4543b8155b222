"""Facts that any tool extracted, read from a graph of kgbuild or from plain rows of item, relation and value."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kgbuild.types import CATALOGUE, Mention
from plugbase.errors import UserError

_NAMES = {
    "item": ("item", "item_id", "id", "head", "subject"),
    "relation": ("relation", "predicate", "property", "attribute", "edge"),
    "value": ("value", "tail", "object"),
}
"""Names that a column or a key may have."""
_SHAPE = 'a line is {"item": ..., "relation": ..., "value": ...}'


def read_predictions(path: Path) -> list[Mention]:
    """The facts of a file: `.ttl` or `.nt` (with the evidence beside it), `.jsonl`, `.tsv` or `.csv`.

    Rows of text have a header with `item`, `relation` and `value` (or head, predicate, object and the like);
    without one, the first three columns are meant. What the catalogue knew was not extracted and is left out.

    Raises:
        UserError: the file cannot be read, or a line of it holds no fact.
    """
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    mentions: Iterator[Mention]
    if ending in ("ttl", "nt"):
        from kgbuild.read.graph import read_graph

        found = (fact for _, facts in read_graph(path).items() for fact in facts)
        # The canonical label of a value, with the words that were read: either may be what a label says.
        mentions = (
            Mention(
                fact.mention.item,
                fact.relation,
                fact.value,
                fact.mention.confidence,
                fact.mention.source,
                quote=fact.mention.quote,
            )
            for fact in found
        )
    elif ending in ("jsonl", "tsv", "csv"):
        try:
            text = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise UserError(f"cannot read the predictions: {error.strerror}", file=str(path)) from error
        except UnicodeDecodeError as error:
            raise UserError("the predictions are not UTF-8 text", file=str(path)) from error
        mentions = (
            _records(text, path) if ending == "jsonl" else _rows(text, path, "\t" if ending == "tsv" else ",")
        )
    else:
        mend = "predictions are .ttl, .nt, .jsonl, .tsv or .csv"
        raise UserError(f"no kind of predictions ends in {path.suffix!r}", file=str(path), mend=mend)
    return [mention for mention in mentions if mention.source != CATALOGUE]


def _records(text: str, path: Path) -> Iterator[Mention]:
    for line, written in enumerate(text.split("\n"), start=1):
        if not written.strip():
            continue
        try:
            record = json.loads(written)
        except (ValueError, RecursionError) as error:
            raise UserError(f"not JSON: {error}", file=str(path), line=line, mend=_SHAPE) from error
        if not isinstance(record, dict):
            raise UserError("not a JSON object", file=str(path), line=line, mend=_SHAPE)
        found = {name: _first(record, keys) for name, keys in _NAMES.items()}
        if missing := [name for name, value in found.items() if value is None or value == ""]:
            raise UserError(f"a fact without {missing[0]!r}", file=str(path), line=line, mend=_SHAPE)
        values = found["value"] if isinstance(found["value"], list) else [found["value"]]
        for value in values:
            if isinstance(value, dict | list):
                raise UserError(f"a value that is no text: {value}", file=str(path), line=line, mend=_SHAPE)
            quote, source = record.get("quote"), str(record.get("source", "predicted"))
            yield _mention(found["item"], found["relation"], value, source, quote)


def _rows(text: str, path: Path, delimiter: str) -> Iterator[Mention]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    columns: dict[str, int] | None = None
    try:
        for cells in reader:
            if not any(cells):
                continue
            if columns is None:
                columns = _header(cells)
                if columns is not None:
                    continue
                columns = {"item": 0, "relation": 1, "value": 2}
            if len(cells) <= max(columns.values()):
                mend = f"every row has {max(columns.values()) + 1} columns: item, relation and value"
                raise UserError(f"a row of {len(cells)}", file=str(path), line=reader.line_num, mend=mend)
            named = {name: cells[at] for name, at in columns.items()}
            if not all(named[name].strip() for name in _NAMES):
                mend = "give the item, the relation and the value"
                raise UserError("an empty cell", file=str(path), line=reader.line_num, mend=mend)
            source = named.get("source", "predicted")
            yield _mention(named["item"], named["relation"], named["value"], source, named.get("quote"))
    except csv.Error as error:
        raise UserError(str(error), file=str(path), line=reader.line_num) from error


def _header(cells: list[str]) -> dict[str, int] | None:
    """Where the columns are, by their names; None where the row is no header."""
    places = {cell.strip().casefold(): at for at, cell in reversed(list(enumerate(cells)))}
    columns = {name: _first(places, names) for name, names in _NAMES.items()}
    if any(at is None for at in columns.values()):
        return None
    return columns | {name: places[name] for name in ("source", "quote") if name in places}


def _first(found: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((found[name] for name in names if name in found), None)


def _mention(item: object, relation: object, value: Any, source: str, quote: str | None) -> Mention:
    return Mention(str(item), str(relation), value, 1.0, source, quote=quote or None)
