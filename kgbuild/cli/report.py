"""`kgbuild report`: a graph in, one page out that says whether a recommender can use it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.report.numbers import Numbers


@click.command(
    epilog="""\b
    Example:
      kgbuild report graph.ttl -o report.html
      kgbuild report graph.ttl -o report.html --interactions interactions.csv --json"""
)
@click.argument("graph", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The page to write.")
@click.option(
    "--interactions",
    type=click.Path(path_type=Path),
    help="user_id,item_id (.csv, .jsonl, .parquet): items without a row are judged as cold items.",
)
@console_options
def report(*, graph: Path, output: Path, interactions: Path | None, console: Console) -> ExitStatus:
    """Judge whether GRAPH is of use to a recommender, with the numbers behind it."""
    from kgbuild.report import graph_numbers, write_report
    from kgbuild.report.output import check_page

    check_page(output, read=[graph, interactions])
    numbers = graph_numbers(graph, interactions)
    write_report(numbers, output)
    console.result(numbers, summary_text(numbers, output))
    return ExitStatus.DONE


def summary_text(numbers: Numbers, output: Path) -> str:
    """The summary on one screen."""
    import textwrap

    rows: list[tuple[str, object]] = [
        ("items", numbers["items"]),
        ("  tied to another", numbers["tied"][0]["items"]),
    ]
    if numbers["cold_items"] is not None:
        rows += [
            ("cold items", numbers["cold_items"]),
            ("  tied to one with interactions", numbers["tied"][0]["cold_to_warm_items"]),
        ]
    rows += [
        ("facts", numbers["facts"]),
        ("values", numbers["values"]),
        ("  on one item only", numbers["values_on_one_item"]),
        (f"  hubs, on more than {numbers['hub_above']:,} items", numbers["values_that_are_hubs"]),
    ]
    return "\n".join([f"{output} written", columns(rows), "", *textwrap.wrap(numbers["verdict"], 100)])
