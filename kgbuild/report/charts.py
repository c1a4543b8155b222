"""Bar charts as plain numbers that the template draws: lying bars, readable at the width of a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

WIDTH = 360
_LABEL, _COUNT, _ROW, _BAR = 104, 62, 20, 12
_LETTERS = 17
"""Letters of a label that fit in front of the bars."""


def bars(
    caption: str,
    rows: Iterable[tuple[str, Sequence[float], str]],
    *,
    parts: Sequence[str] = (),
    whole: float | None = None,
) -> dict[str, Any]:
    """A chart of lying bars.

    Args:
        caption: what the bars count.
        rows: label, the lengths of the bar's parts, and the text behind the bar.
        parts: what the parts are, for the legend: the first is drawn black, the second hatched.
        whole: the length of a full bar; by default that of the longest.
    """
    rows = list(rows)
    longest = whole or max((sum(lengths) for _, lengths, _ in rows), default=0) or 1
    room = WIDTH - _LABEL - _COUNT
    drawn = []
    for number, (label, lengths, text) in enumerate(rows):
        at = float(_LABEL)
        pieces = []
        for part, length in enumerate(lengths):
            # What is there can be seen, however little it is.
            wide = max(1.0, round(room * length / longest, 1)) if length else 0.0
            pieces.append({"x": round(at, 1), "width": wide, "part": part})
            at += wide
        drawn.append(
            {
                "label": label if len(label) <= _LETTERS else label[: _LETTERS - 1].rstrip() + "…",
                "name": label,
                "text": text,
                "pieces": pieces,
                "end": round(at + 4, 1),
                "top": number * _ROW + (_ROW - _BAR) / 2,
                "base": number * _ROW + _ROW / 2 + 4,
            }
        )
    return {
        "caption": caption,
        "rows": drawn,
        "parts": list(parts),
        "width": WIDTH,
        "height": len(rows) * _ROW + 4,
        "axis": _LABEL,
        "bar": _BAR,
    }
