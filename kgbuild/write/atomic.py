"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from plugbase.errors import UserError


@contextlib.contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """A text file that takes its name when the block ends well; until then, whatever had the name stays.

    A run that is killed leaves `.<name>.part` behind, which the next run writes over.

    Raises:
        UserError: the file cannot be written, for want of space or of permission.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"cannot be written: {error.strerror}", file=str(path)) from error
        raise
