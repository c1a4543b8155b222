"""`kgbuild explore`: a graph in, one offline page out to search it and click through to the quoted text."""

from __future__ import annotations

from pathlib import Path

import click

from plugbase.console import Console, columns, console_options
from plugbase.errors import ExitStatus


@click.command(
    epilog="""\b
    Example:
      kgbuild explore graph.ttl -o explore.html"""
)
@click.argument("graph", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The page to write.")
@console_options
def explore(*, graph: Path, output: Path, console: Console) -> ExitStatus:
    """Make one offline page of GRAPH: search an item, see its facts, click through to the text."""
    from dataclasses import asdict

    from kgbuild.explore import write_explorer
    from kgbuild.report.output import check_page

    check_page(output, read=[graph])
    done = write_explorer(graph, output)
    rows = [
        ("items", done.items),
        ("facts", done.facts),
        ("  with a quote", done.quotes),
        ("values", done.values),
    ]
    size = f"{done.bytes / 2**20:.1f} MiB"
    console.result(asdict(done), f"{done.page} written, {size}: open it in a browser\n{columns(rows)}")
    return ExitStatus.DONE
