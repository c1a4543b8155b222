"""Exit statuses, and errors that name the place, the value and the mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class ExitStatus(IntEnum):
    """Exit statuses of every command of both command lines."""

    DONE = 0
    BUG = 1
    WRONG_USE = 2
    REJECTED = 3
    BUDGET = 4
    INTERRUPTED = 130


class UserError(Exception):
    """A mistake of the user's that a message can mend: printed without a traceback, exit status 2.

    Args:
        message: what is wrong, with the value that is wrong.
        file: the file it was found in, if any.
        line: the line in that file, counted from 1.
        mend: what to do about it.
    """

    def __init__(
        self, message: str, *, file: str | None = None, line: int | None = None, mend: str | None = None
    ) -> None:
        self.message, self.file, self.line, self.mend = message, file, line, mend
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(place + message + (f"\n  {mend}" if mend else ""))


def did_you_mean(given: str, known: Iterable[str]) -> str | None:
    """The known name closest to the given one, as a question; None where nothing is close."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f"did you mean {close[0]!r}?" if close else None
