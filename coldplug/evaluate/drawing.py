"""Average ranks with their critical difference as a drawing: what the page needs to place dots, labels and bars."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil, floor
from typing import Any

from coldplug.evaluate.cell import Scenario
from coldplug.evaluate.table import heading

SHOWN = (
    Scenario("user_cold", 0),
    Scenario("user_cold", 5),
    Scenario("both_cold", 5),
    Scenario("item_cold", None),
)
WIDTH = 640
_LEFT, _RIGHT, _TOP, _ROW, _BAR = 170, 40, 56, 17, 9


def drawings(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for each of the shown scenarios that was measured; an older result has none."""
    rows = {(row["scenario"], row["shots"]): row for row in result.get("ranks", [])}
    return [drawing(rows[s.name, s.shots], heading(s)) for s in SHOWN if (s.name, s.shots) in rows]


def drawing(row: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A line a method, best on top, a dot at its average rank, and an upright bar beside each group that is alike.

    The groups follow each other down the lines, so a bar spans all of its group and nothing else (after the diagram of
    Demsar 2006, turned so that long names can be read).
    """
    ordered = sorted(row["average"], key=lambda method: row["average"][method])
    ranks = row["average"].values()
    best, worst = floor(min(ranks)), max(ceil(max(ranks)), floor(min(ranks)) + 1)
    right = WIDTH - _RIGHT - _BAR * len(row["alike"])
    unit = (right - _LEFT) / (worst - best)

    def x(rank: float) -> float:
        return round(_LEFT + unit * (rank - best), 1)

    y = {method: _TOP + _ROW * place for place, method in enumerate(ordered)}
    step = max(1, (worst - best) // 10)
    return {
        "name": name,
        "width": WIDTH,
        "height": _TOP + _ROW * len(ordered) + 8,
        "left": _LEFT,
        "right": right,
        "top": _TOP - _ROW,
        "dots": [
            (method, y[method], x(row["average"][method]), row["average"][method]) for method in ordered
        ],
        "ticks": [(x(rank), rank) for rank in range(best, worst + 1, step)],
        "difference": (x(best), x(best + row["critical_difference"]), row["critical_difference"]),
        "bars": [
            (right + _BAR * (place + 1), y[group[0]] - 5, y[group[-1]] + 5)
            for place, group in enumerate(row["alike"])
        ],
        "blocks": row["blocks"],
        "p": row["friedman_p"],
    }
