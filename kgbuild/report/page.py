"""The numbers of a graph as one self-contained page: figures, a table for each of them, quotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from kgbuild.report.charts import bars
from kgbuild.report.numbers import HUB_SHARE, Numbers
from kgbuild.report.verdict import percent

RELATIONS_DRAWN = 15
RELATIONS_LISTED = 100


def render(numbers: Numbers) -> str:
    """The page as text."""
    from jinja2 import Environment, StrictUndefined

    source = resources.files("kgbuild.report").joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, count=lambda number: f"{number:,}")
    return environment.from_string(source).render(
        n=numbers,
        hub_share=percent(HUB_SHARE),
        per_item=bars("Items by the number of their facts", _bins(numbers["facts_an_item"])),
        ties=bars("Items by the number of values that tie them to another", _bins(numbers["ties_an_item"])),
        tied=_tied(numbers),
        relations=_relations(numbers["by_relation"]),
        listed=numbers["by_relation"][:RELATIONS_LISTED],
        certainty=bars(
            "Facts read out of the texts, by confidence",
            [
                (f"{one['from']:.1f} to {one['to']:.1f}", [one["facts"]], f"{one['facts']:,}")
                for one in _without_empty_start(numbers["certainty"]["bins"])
            ],
        ),
        bin_name=bin_name,
    )


def bin_name(one: Mapping[str, int]) -> str:
    """A bin as people write it: "3–4"."""
    return f"{one['from']:,}" if one["from"] == one["to"] else f"{one['from']:,}–{one['to']:,}"


def _bins(spread: Mapping[str, Any]) -> list[tuple[str, Sequence[float], str]]:
    return [(bin_name(one), [one["items"]], f"{one['items']:,}") for one in spread["bins"]]


def _without_empty_start(bins: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    first = next((number for number, one in enumerate(bins) if one["facts"]), 0)
    return bins[first:]


def _tied(numbers: Numbers) -> dict[str, Any]:
    cold = bool(numbers["cold_items"])
    rows: list[tuple[str, Sequence[float], str]] = []
    for view in numbers["tied"]:
        rows.append((view["facts"], [view["share"] or 0.0], percent(view["share"])))
        if cold:
            share = view["cold_to_warm_share"]
            rows.append(("", [0.0, share or 0.0], percent(share)))
    parts = ("all items", "cold items, to one that was met") if cold else ()
    return bars("Share of items tied to another, by the facts that count", rows, parts=parts, whole=1.0)


def _relations(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    shown = len(rows) if len(rows) <= RELATIONS_DRAWN + 1 else RELATIONS_DRAWN
    drawn = [
        (row["relation"], [row["facts"] - row["from_text"], row["from_text"]], f"{row['facts']:,}")
        for row in rows[:shown]
    ]
    if rest := rows[shown:]:
        facts, text = sum(row["facts"] for row in rest), sum(row["from_text"] for row in rest)
        drawn.append((f"{len(rest):,} others", [facts - text, text], f"{facts:,}"))
    return bars("Facts by relation", drawn, parts=("from the catalogue", "read out of the texts"))
