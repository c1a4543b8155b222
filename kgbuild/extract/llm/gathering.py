"""The parts of long items: an item is answered when all its parts are, and fails when one of them does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from kgbuild.extract.llm import Piece, StatedFact


@dataclass(slots=True)
class _Open:
    parts: int
    facts: list[StatedFact] = field(default_factory=list)
    failed: bool = False


class Gathering:
    """Keeps what the parts of an item gave until none is open; items in one piece pass through."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def parted(self, piece: Piece, parts: int) -> None:
        """Note that `parts` questions stand in the place of the one about this piece."""
        open_item = self._open.setdefault(piece.item.id, _Open(parts=1))
        open_item.parts += parts - 1

    def answered(self, piece: Piece, facts: Iterable[StatedFact]) -> list[StatedFact] | None:
        """All facts of the item, if this piece was the last one open; None while others are, or one failed."""
        open_item = self._open.get(piece.item.id)
        if open_item is None:
            return list(facts)
        open_item.facts += facts
        return open_item.facts if self._closed(piece, open_item) and not open_item.failed else None

    def failed(self, piece: Piece) -> bool:
        """Note that a piece got no answer; whether it is the first of its item that did not."""
        open_item = self._open.get(piece.item.id)
        if open_item is None:
            return True
        is_first = not open_item.failed
        open_item.failed = True
        self._closed(piece, open_item)
        return is_first

    def _closed(self, piece: Piece, open_item: _Open) -> bool:
        open_item.parts -= 1
        if open_item.parts == 0:
            del self._open[piece.item.id]
        return open_item.parts == 0
