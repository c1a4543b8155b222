"""Reading raw rows of published data sets, so that every complaint names the file and the line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from plugbase.errors import UserError


def first_of(folder: Path, names: Sequence[str]) -> Path | None:
    """The first of these files that lies in the folder."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def require(folder: Path, names: Sequence[str]) -> Path:
    """The first of these files that lies in the folder; UserError where none does."""
    found = first_of(folder, names)
    if found is None:
        raise UserError(
            f"found none of {', '.join(names)}",
            file=str(folder),
            mend="point at the folder that holds the files as GroupLens publishes them "
            "(https://grouplens.org/datasets/movielens/)",
        )
    return found


def split_rows(path: Path, separator: str, fields: int, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, fields) of a file without quoting (`1::F::1::10::48067`); blank lines are skipped.

    Raises:
        UserError: a line that does not have exactly `fields` fields, or does not decode.
    """
    with path.open("rb") as stream:
        for number, raw in enumerate(stream, start=1):
            line = decode(raw, encoding, path, number).rstrip("\r\n")
            if not line.strip():
                continue
            parts = line.split(separator)
            if len(parts) != fields:
                raise UserError(
                    f"expected {fields} fields separated by {separator!r}, found {len(parts)}: {line[:80]!r}",
                    file=str(path),
                    line=number,
                )
            yield number, parts


def csv_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield (line number, the named columns in that order) of a csv file with a header row.

    Raises:
        UserError: a column is missing, or a row has another length than the header.
    """
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        try:
            header = next(reader, [])
            missing = [name for name in columns if name not in header]
            if missing:
                raise UserError(
                    f"no column {missing[0]!r} (columns: {', '.join(header)})", file=str(path), line=1
                )
            where = [header.index(name) for name in columns]
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise UserError(
                        f"expected {len(header)} columns, found {len(row)}",
                        file=str(path),
                        line=reader.line_num,
                    )
                yield reader.line_num, [row[i] for i in where]
        except UnicodeDecodeError as error:
            raise UserError(f"not UTF-8: {error.reason}", file=str(path)) from error
        except csv.Error as error:
            raise UserError(f"not csv: {error}", file=str(path), line=reader.line_num) from error


def decode(raw: bytes, encoding: str, path: Path, line: int) -> str:
    """Decode one line; UserError names the line."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise UserError(
            f"not {encoding}: byte {raw[error.start]:#04x} at position {error.start}",
            file=str(path),
            line=line,
        ) from error


def number(text: str, what: str, path: Path, line: int) -> str:
    """The text itself if it is a finite number; UserError otherwise."""
    try:
        ok = abs(float(text)) < float("inf")
    except ValueError:
        ok = False
    if not ok:
        raise UserError(f"{what} is {text!r}, which is not a number", file=str(path), line=line)
    return text


def known(ident: str, ids: frozenset[str] | set[str], what: str, where: Path, path: Path, line: int) -> str:
    """The id itself if it is one of `ids`; UserError otherwise."""
    if ident not in ids:
        raise UserError(
            f"{what} {ident!r} is not in {where.name}",
            file=str(path),
            line=line,
            mend="the files do not belong to one release, or one of them is cut off",
        )
    return ident


def ratings(
    path: Path,
    rows: Iterator[tuple[int, list[str]]],
    users: set[str],
    items: set[str],
    users_path: Path,
    items_path: Path,
) -> Iterator[list[str]]:
    """Yield [user, item, rating] or [user, item, rating, timestamp] rows, each field checked."""
    for line, row in rows:
        known(row[0], users, "user", users_path, path, line)
        known(row[1], items, "movie", items_path, path, line)
        number(row[2], "the rating", path, line)
        if len(row) > 3:
            number(row[3], "the timestamp", path, line)
        yield row
