"""The page that a command writes: checked before any work is done."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from plugbase.errors import UserError


def check_page(output: Path, read: Iterable[Path | None]) -> None:
    """Make the folder of a page; refuse a folder, another ending, and a file that is to be read.

    Raises:
        UserError: the page cannot be written there.
    """
    if output.is_dir():
        raise UserError("the output is a folder", file=str(output), mend="name a file in it")
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError("the output is a page", file=str(output), mend="let its name end in .html")
    if any(path is not None and path.resolve() == output.resolve() for path in read):
        raise UserError("this file is read, and the page would take its place", file=str(output))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", file=str(output.parent)) from error
