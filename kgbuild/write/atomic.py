"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from plugbase.errors import UserError

_BLOCK = 1 << 20


@contextlib.contextmanager
def atomic_text(path: Path) -> Iterator[TextIO]:
    """A text file that takes its name when the block ends well; until then, whatever had the name stays.

    A run that is killed leaves `.<name>.part` behind, which the next run writes over.

    Raises:
        UserError: the file cannot be written, for want of space or of permission.
    """
    with atomic_texts([path]) as (stream,):
        yield stream


@contextlib.contextmanager
def atomic_texts(
    paths: Sequence[Path], before_naming: Callable[[], None] | None = None
) -> Iterator[Sequence[TextIO]]:
    """Several text files that take their names together, in the order given, when the block ends well.

    Args:
        before_naming: called when all of them are whole and on disk, as `part_of` names them, and none has
            its name yet.

    Raises:
        UserError: as atomic_text.
    """
    parts = [part_of(path) for path in paths]
    at = paths[-1]
    try:
        with contextlib.ExitStack() as files:
            streams: list[TextIO] = []
            for path, part in zip(paths, parts, strict=True):
                at = path
                streams.append(files.enter_context(part.open("w", encoding="utf-8", newline="\n")))
            yield streams
            for stream in streams:
                stream.flush()
                os.fsync(stream.fileno())
        if before_naming:
            before_naming()
    except BaseException as error:
        for part in parts:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(f"cannot be written: {error.strerror}", file=str(at)) from error
        raise
    # From here on nothing is taken back: whoever is stopped between two names can still give the others.
    for path, part in zip(paths, parts, strict=True):
        try:
            part.replace(path)
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", file=str(path)) from error


def part_of(path: Path) -> Path:
    """The name of a file until it is whole."""
    return path.with_name(f".{path.name}.part")


def digest_of(path: Path) -> str | None:
    """The SHA-256 of a file in hexadecimal digits; None where there is no such file."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except FileNotFoundError:
        return None
    return digest.hexdigest()
