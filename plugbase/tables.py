"""One reader for every table that comes in: .jsonl, .csv (both also .gz), .parquet, or standard input."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from plugbase.errors import UserError

STDIN = "-"
SUFFIXES = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".parquet")
LIST_SEPARATOR = "|"
MAX_LINE_BYTES = 64 * 2**20
_SHOWN = 200
_PARQUET_ROWS = 1024
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)\.[0-9]+")

Record = dict[str, object]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line that is no record: why, and how it begins."""

    reason: str
    text: str


Row = tuple[int, Record | BadRecord]


def read_table(path: str | Path, *, text_columns: Collection[str] = ()) -> Iterator[Row]:
    """Records with the number of the line each begins on (of the row, in parquet), counted from 1.

    Nothing is held but the record at hand. A name with no value (an empty cell, null) is left out of its
    record. CSV knows only text: a cell outside `text_columns` becomes an int, a float or a list where it
    reads as one (see `cell_value`); the other formats keep the types they were written with. Blank lines
    are skipped.

    Args:
        path: the file; its suffix names the format. "-" is JSON lines on standard input.
        text_columns: CSV columns whose cells stay text, such as identifiers and titles.

    Raises:
        UserError: the file cannot be opened, its suffix is unknown, or it is not in the format at all. A line
            that is wrong in a file that is right comes back as a BadRecord.
    """
    name = str(path)
    if name.endswith(".parquet"):
        yield from _parquet_rows(name)
        return
    suffix = name.removesuffix(".gz").rpartition(".")[2]
    if name != STDIN and suffix not in ("jsonl", "csv"):
        raise UserError(
            f"cannot tell the format from the name; known endings are {', '.join(SUFFIXES)}",
            file=name,
            mend="rename the file, or pipe JSON lines in and name '-'",
        )
    with _open_bytes(name) as stream:
        yield from _csv_rows(name, stream, text_columns) if suffix == "csv" else _jsonl_rows(name, stream)


def cell_value(cell: str) -> str | int | float | list[str | int | float]:
    """What a CSV cell says: a list where parts are joined by '|', a number where it reads as one, else text.

    Numbers are plain (`7`, `-2`, `3.5`): `007`, `1e5` and `1,000` stay text, for they may be codes.
    """
    if LIST_SEPARATOR in cell:
        parts = (part.strip() for part in cell.split(LIST_SEPARATOR))
        return [_scalar(part) for part in parts if part]
    return _scalar(cell)


def _scalar(text: str) -> str | int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else text


def _open_bytes(name: str) -> contextlib.AbstractContextManager[IO[bytes]]:
    if name == STDIN:
        return contextlib.nullcontext(sys.stdin.buffer)
    try:
        opened = gzip.open(name) if name.endswith(".gz") else open(name, "rb")  # noqa: SIM115
        return cast(contextlib.AbstractContextManager[IO[bytes]], opened)
    except OSError as error:
        mend = "check the name and the folder" if isinstance(error, FileNotFoundError) else None
        raise UserError(f"cannot be read: {error.strerror}", file=name, mend=mend) from error


def _jsonl_rows(name: str, stream: IO[bytes]) -> Iterator[Row]:
    number = 0
    while True:
        number += 1
        try:
            line = stream.readline(MAX_LINE_BYTES + 1)
            if len(line) > MAX_LINE_BYTES:
                bad = BadRecord(f"longer than {MAX_LINE_BYTES // 2**20} MiB", _shown(line))
                while line and not line.endswith(b"\n"):
                    line = stream.readline(MAX_LINE_BYTES)
                yield number, bad
                continue
        except (OSError, EOFError, zlib.error) as error:
            yield number, BadRecord(f"the file is damaged from here on: {error}", "")
            return
        if not line:
            return
        if number == 1:
            line = _first_line(name, line)
        if line.strip():
            yield number, _json_record(line)


def _first_line(name: str, line: bytes) -> bytes:
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UserError("this is UTF-16 text", file=name, line=1, mend="save it as UTF-8")
    line = line.removeprefix(b"\xef\xbb\xbf")
    if re.match(rb"\s*\[\s*(\{|$)", line):
        raise UserError(
            "this is one JSON array", file=name, line=1, mend="write one object a line: jq -c '.[]' FILE"
        )
    return line


def _json_record(line: bytes) -> Record | BadRecord:
    try:
        record = json.loads(line.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        return BadRecord(
            f"not UTF-8: byte 0x{line[error.start]:02x} at position {error.start + 1}", _shown(line)
        )
    except json.JSONDecodeError as error:
        return BadRecord(f"not JSON: {error.msg} at position {error.pos + 1}", _shown(line))
    except (ValueError, RecursionError) as error:
        return BadRecord(f"not JSON: {error}", _shown(line))
    if not isinstance(record, dict):
        return BadRecord("not a JSON object", _shown(line))
    return {key: value for key, value in record.items() if value is not None}


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _shown(line: bytes) -> str:
    return line[: 4 * _SHOWN].decode("utf-8", "replace").rstrip("\r\n")[:_SHOWN]


def _csv_rows(name: str, stream: IO[bytes], text_columns: Collection[str]) -> Iterator[Row]:
    # Bytes that are no UTF-8 become lone surrogates here, which UTF-8 cannot bring in otherwise: the record
    # that has one is the bad one.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    csv.field_size_limit(MAX_LINE_BYTES)
    reader = csv.reader(text, strict=True)
    header: list[str] | None = None
    while True:
        begins = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if header is None:
                raise UserError(f"the header is not CSV: {error}", file=name, line=begins) from error
            yield begins, BadRecord(_csv_reason(str(error), begins, reader.line_num), "")
            continue
        except (OSError, EOFError, zlib.error) as error:
            yield begins, BadRecord(f"the file is damaged from here on: {error}", "")
            return
        if not any(cells):
            continue
        if header is None:
            header = _csv_header(name, begins, cells)
        else:
            yield begins, _csv_record(header, cells, text_columns)


def _csv_reason(error: str, begins: int, ends: int) -> str:
    if error == "unexpected end of data":
        return f"a quote that is opened here is never closed: everything to the end (line {ends}) is lost"
    return f"not CSV: {error}"


def _csv_header(name: str, line: int, cells: list[str]) -> list[str]:
    header = [cell.strip() for cell in cells]
    for place, column in enumerate(header, start=1):
        if not column:
            raise UserError(f"column {place} has no name", file=name, line=line, mend="name it in the header")
        if header.index(column) != place - 1:
            raise UserError(f"two columns are called {column!r}", file=name, line=line)
        if any("\ud800" <= character <= "\udfff" for character in column):
            raise UserError("the header is not UTF-8", file=name, line=line, mend="save it as UTF-8")
    if len(header) == 1 and re.search(r"[;\t]", header[0]):
        raise UserError(
            f"the header has one column, {header[0]!r}",
            file=name,
            line=line,
            mend="separate columns by commas",
        )
    return header


def _csv_record(header: list[str], cells: list[str], text_columns: Collection[str]) -> Record | BadRecord:
    shown = ",".join(cells)[:_SHOWN]
    if len(cells) != len(header):
        return BadRecord(f"{len(cells)} cells where the header names {len(header)}", _replaced(shown))
    for column, cell in zip(header, cells, strict=True):
        if not cell.isascii() and any("\udc80" <= character <= "\udcff" for character in cell):
            return BadRecord(f"not UTF-8 in column {column!r}", _replaced(shown))
    return {
        column: cell if column in text_columns else cell_value(cell.strip())
        for column, cell in zip(header, cells, strict=True)
        if cell.strip()
    }


def _replaced(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parquet_rows(name: str) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(name)
        number = 0
        for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
            for record in batch.to_pylist():
                number += 1
                yield number, {key: value for key, value in record.items() if value is not None}
    except FileNotFoundError as error:
        raise UserError("cannot be read: no such file", file=name, mend="check the name") from error
    except (OSError, pyarrow.ArrowException) as error:
        raise UserError(f"cannot be read as parquet: {str(error).splitlines()[0]}", file=name) from error
