"""`coldplug index`: a model folder in, an index of its items beside it, so that recommending need not score them all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from coldplug.index import DEFAULT, KINDS
from plugbase.console import Console, columns, console_options, duration

if TYPE_CHECKING:
    from coldplug.index.folder import IndexSummary

_ENOUGH = 0.99
"""Recall below which a warning says so."""


@click.command(
    epilog="""\b
    Example:
      coldplug index model/
      coldplug index model/ --kind milvus --place http://127.0.0.1:19530"""
)
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--kind", type=click.Choice(list(KINDS)), default=DEFAULT, show_default=True, help="The library."
)
@click.option("--place", metavar="URL", help="A Milvus server; without it Milvus is embedded.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same choices.")
@console_options
def index(*, model: Path, kind: str, place: str | None, seed: int, console: Console) -> None:
    """Make an index of a model's items, so that recommending from many is as quick as from few.

    It lies in the model's folder, and `recommend` uses it from then on. Make it again after an update.
    """
    from coldplug.index.folder import index_model

    summary = index_model(model, kind, place=place, seed=seed, note=console.note)
    if summary.recall < _ENOUGH:
        console.warn(f"only {summary.recall:.1%} of the best 100 are found; another kind may find more")
    console.result(summary.as_json(), summary_text(summary))


def summary_text(summary: IndexSummary) -> str:
    """The summary on one screen."""
    rows = [
        ("items in it", f"{summary.items:,}"),
        ("items scored one by one", f"{summary.direct:,}"),
        ("of the best 100 found", f"{summary.recall:.2%}"),
        ("size", f"{summary.bytes / 2**20:.1f} MiB"),
    ]
    return f"{summary.kind} index of {summary.model} made in {duration(summary.seconds)}\n{columns(rows)}"
