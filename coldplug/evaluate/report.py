"""C1 results as one self-contained page: the curve over the number of interactions, tables, settings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Any

from coldplug.evaluate import table
from coldplug.evaluate.cell import SCENARIOS
from coldplug.evaluate.controls import WHOLE
from coldplug.evaluate.drawing import drawings

WIDTH, HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 190, 16, 44
# Dashes and markers tell the lines apart where colour does not print; twelve and five make sixty pairs.
DASHES = ("", "8 4", "2 3", "8 3 2 3", "12 3 2 3 2 3", "4 2", "1 2", "16 4", "6 6", "3 6", "10 2 1 2", "5 1")
MARKERS = ("circle", "square", "triangle", "diamond", "cross")


def write_report(result: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Write report.html: no scripts, nothing fetched from anywhere, all text escaped."""
    Path(path).write_text(render_report(result), encoding="utf-8")


def render_report(result: Mapping[str, Any]) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("coldplug.evaluate").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(source).render(
        result=result,
        curves=[curve(result, name) for name in ("user_cold", "both_cold")],
        ranks=drawings(result),
        tables=table.every_table(result, spread=True),
        verdict=table.graph_verdict(result),
        settings=json.dumps(result["settings"], indent=2, ensure_ascii=False),
    )


def curve(result: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the template draws: axes, and a line a method, of NDCG@10 over the number of interactions."""
    sizes = [s.shots for s in SCENARIOS if s.name == name]
    measured = {row["shots"] for row in result["results"] if row["scenario"] == name}
    shots = [k for k in sizes if k is not None or None in measured]
    lines = []
    for number, method in enumerate(result["methods"]):
        found = {
            row["shots"]: row["ndcg"]
            for row in result["results"]
            if (row["method"], row["control"], row["scenario"]) == (method, WHOLE, name)
        }
        points = [(k, found[k]["mean"], found[k]["low"], found[k]["high"]) for k in shots if k in found]
        if points:
            lines.append({"method": method, "number": number, "points": points})
    top = max((point[3] for line in lines for point in line["points"]), default=1.0)
    step = 0.1 if top > 0.25 else 0.05 if top > 0.1 else 0.02
    n_ticks = int(top / step) + 1
    highest = step * n_ticks
    x = {k: _LEFT + (WIDTH - _LEFT - _RIGHT) * i / max(1, len(shots) - 1) for i, k in enumerate(shots)}

    def y(value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / highest, 1)

    for line in lines:
        places = [(round(x[k], 1), y(mean), y(low), y(high)) for k, mean, low, high in line["points"]]
        line |= {
            "places": places,
            "path": " ".join(f"{px},{py}" for px, py, _, _ in places),
            "dash": DASHES[line["number"] % len(DASHES)],
            "marker": MARKERS[line["number"] % len(MARKERS)],
            "width": 2.4 if line["method"] == result["controlled"] else 1.2,
            "end": places[-1][1],
        }
    _spread_labels(lines)
    return {
        "name": name,
        "lines": lines,
        "width": WIDTH,
        "height": HEIGHT,
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "bottom": HEIGHT - _BOTTOM,
        "top": _TOP,
        "x_ticks": [(round(px, 1), "all" if k is None else k) for k, px in x.items()],
        "y_ticks": [(y(step * i), f"{step * i:.2f}") for i in range(n_ticks + 1)],
    }


def _spread_labels(lines: Sequence[dict[str, Any]], gap: float = 14.0) -> None:
    """Move the labels at the ends of the lines apart until none covers another."""
    ordered = sorted(lines, key=lambda line: line["end"])
    at = _TOP + 4.0
    for line in ordered:
        at = line["label"] = max(line["end"] + 4.0, at)
        at += gap
    limit = HEIGHT - _BOTTOM + 4.0
    for line in reversed(ordered):
        line["label"] = round(min(line["label"], limit), 1)
        limit = line["label"] - gap
