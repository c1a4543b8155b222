"""`kgbuild export`: a graph in, the files of another tool out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kgbuild.export import FORMATS
from plugbase.console import Console, columns, console_options, duration
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.export import ExportSummary


@click.command(
    epilog="""\b
    Example:
      kgbuild export graph.ttl --to recbole -o dataset/films
      kgbuild export graph.ttl --to parquet -o facts.parquet"""
)
@click.argument("graph", type=click.Path(path_type=Path))
@click.option("--to", "name", type=click.Choice(list(FORMATS)), required=True, help="The format.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    help="The file to write; for recbole and neo4j the folder.",
)
@console_options
def export(*, graph: Path, name: str, output: Path, console: Console) -> ExitStatus:
    """Write GRAPH as the files that another tool reads."""
    from kgbuild.export import export_graph

    summary = export_graph(graph, name, output, console)
    console.result(asdict(summary), summary_text(summary))
    return ExitStatus.DONE


def summary_text(summary: ExportSummary) -> str:
    """The summary on one screen."""
    rows = [
        (file, count, "rows" if summary.format != "graphml" else "nodes and edges")
        for file, count in summary.rows.items()
    ]
    return f"{summary.format} written in {duration(summary.seconds)}\n{columns(rows)}"
