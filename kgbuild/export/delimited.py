"""Rows of delimited text as RFC 4180 quotes them, whatever the delimiter."""

from __future__ import annotations

from collections.abc import Iterable


def row(cells: Iterable[object], delimiter: str) -> str:
    """One line. None is an empty cell; a cell that holds the delimiter, a quote or a line break is quoted.

    The csv module of Python 3.11 leaves a lone carriage return unquoted, at which its own reader breaks the row.
    """
    return delimiter.join([_cell(cell, delimiter) for cell in cells]) + "\n"


def _cell(cell: object, delimiter: str) -> str:
    if cell is None:
        return ""
    text = str(cell)
    if delimiter in text or '"' in text or "\n" in text or "\r" in text:
        doubled = text.replace('"', '""')
        return f'"{doubled}"'
    return text
