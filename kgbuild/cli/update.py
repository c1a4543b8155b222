"""`kgbuild update`: items are added to a graph, changed and retracted."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.maintain.update import UpdateSummary


@click.command(
    epilog="""\b
    Example:
      kgbuild update graph.ttl new.jsonl

    A line of ITEMS is an item, as for extract, in place of the one that has its id, if any;
    {"id": "7", "retracted": true} takes the item 7 out."""
)
@click.argument("graph", type=click.Path(path_type=Path))
@click.argument("items")
@click.option(
    "--max-usd",
    type=click.FloatRange(min=0, min_open=True),
    help="Where the openai backend reads: end the run, resumable, before it costs more dollars.",
)
@click.option("--max-tokens", type=click.IntRange(min=1), help="The same for tokens.")
@click.option(
    "--shots", type=click.Path(path_type=Path), help="The worked examples that the graph was built with."
)
@click.option("--backend", metavar="MODULE:CLASS", help="Your own extractor that the graph was built with.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Processes that extract; with openai, questions asked at once.  [default: by cores and items]",
)
@click.option("--strict", is_flag=True, help="Stop at the first bad line instead of setting it aside.")
@console_options
def update(
    *,
    graph: Path,
    items: str,
    max_usd: float | None,
    max_tokens: int | None,
    shots: Path | None,
    backend: str | None,
    workers: int | None,
    strict: bool,
    console: Console,
) -> ExitStatus:
    """Add, change and retract items of GRAPH, as ITEMS says (.jsonl, .csv, .parquet, also .gz; - is standard input).

    Only what is new or changed is read, as the graph was built; values keep their names. The result is what
    building the graph from all its items would give.
    """
    from kgbuild.cli.extract import summary_text
    from kgbuild.maintain.update import UpdateSettings, update_graph

    limits = {"max_usd": max_usd, "max_tokens": max_tokens}
    given = {name: value for name, value in limits.items() if value is not None}
    summary = update_graph(UpdateSettings(graph, items, workers, strict, given, shots, backend), console)
    console.result(asdict(summary), f"{changes_text(summary)}\n{summary_text(summary.graph)}")
    if summary.graph.stopped:
        return ExitStatus.BUDGET
    return ExitStatus.REJECTED if summary.graph.rejected or summary.graph.failed else ExitStatus.DONE


def changes_text(summary: UpdateSummary) -> str:
    """What was changed, in columns."""
    rows = [(name, getattr(summary, name)) for name in ("added", "changed", "retracted", "unchanged")]
    return columns([row for row in rows if row[1]] or [("nothing changed", 0)])
