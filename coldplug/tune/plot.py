"""How much each setting mattered, as an SVG of bars that reads the same in black and white."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_ROW, _LABEL, _BAR, _VALUE = 24, 140, 360, 60


def importance_svg(method: str, importance: Mapping[str, float]) -> str:
    """Bars, longest first, each with its name and share."""
    rows = sorted(importance.items(), key=lambda pair: -pair[1])
    longest = max([share for _, share in rows], default=0.0) or 1.0
    width, height = _LABEL + _BAR + _VALUE, 50 + _ROW * len(rows)
    title = f"What mattered among the settings of {method}"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="24" font-size="15">{escape(title)}</text>',
    ]
    for place, (name, share) in enumerate(rows):
        top = 40 + _ROW * place
        length = max(1.0, _BAR * share / longest)
        lines.append(f'<text x="{_LABEL - 8}" y="{top + 14}" text-anchor="end">{escape(name)}</text>')
        lines.append(f'<rect x="{_LABEL}" y="{top + 2}" width="{length:.1f}" height="{_ROW - 8}"/>')
        lines.append(f'<text x="{_LABEL + length + 6:.1f}" y="{top + 14}">{share:.2f}</text>')
    return "\n".join([*lines, "</svg>", ""])
