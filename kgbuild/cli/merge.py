"""`kgbuild merge`: two graphs become one."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from plugbase.console import Console, columns, console_options, duration
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.maintain.merge import MergeSummary


@click.command(
    epilog="""\b
    Example:
      kgbuild merge films.ttl books.ttl -o all.ttl"""
)
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The graph to write.")
@click.option("--base", metavar="IRI", help="What IRIs begin with.  [default: as in both graphs]")
@click.option(
    "--evidence",
    type=click.Choice(["file", "inline"]),
    default="file",
    show_default=True,
    help="Evidence beside the graph, or in it as rdf:Statement.",
)
@console_options
def merge(
    *,
    first: Path,
    second: Path,
    output: Path,
    base: str | None,
    evidence: Literal["file", "inline"],
    console: Console,
) -> ExitStatus:
    """Put the graphs FIRST and SECOND together: values that are the same become one, items of one id too.

    Which of the two is named first makes no difference.
    """
    from kgbuild.maintain.merge import merge_graphs

    summary = merge_graphs(first, second, output, console, base=base, evidence=evidence)
    console.result(asdict(summary), merge_text(summary))
    return ExitStatus.DONE


def merge_text(summary: MergeSummary) -> str:
    """The summary on one screen."""
    rows = [
        ("items", summary.items),
        ("  in both graphs", summary.items_in_both),
        ("facts", summary.facts),
        ("  in both graphs", summary.facts_in_both),
        ("values", summary.values),
        ("  merged under another label", summary.values_merged),
        ("  relations merged under another", summary.relations_merged),
        ("conflicts", summary.conflicts),
    ]
    return "\n".join(
        [
            f"{summary.files['graph']} written in {duration(summary.seconds)}",
            columns(rows),
            *(f"  {name}: {path}" for name, path in summary.files.items() if name != "graph"),
        ]
    )
