"""`kgbuild validate`: does a graph hold to its format; exit status 2 where it does not."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options, duration
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.check import Validation


@click.command(
    epilog="""\b
    Example:
      kgbuild validate graph.ttl
      kgbuild validate graph.ttl --shapes house-rules.ttl"""
)
@click.argument("graph", type=click.Path(path_type=Path))
@click.option(
    "--shacl/--no-shacl",
    default=None,
    help="Run the SHACL shapes whatever the graph's size, or not at all.  [default: by size]",
)
@click.option(
    "--shapes", type=click.Path(path_type=Path), help="Shapes of your own, run beside ours (Turtle)."
)
@console_options
def validate(*, graph: Path, shacl: bool | None, shapes: Path | None, console: Console) -> ExitStatus:
    """Check GRAPH and the evidence beside it: structure, names, quotes, and SHACL shapes.

    Exit status 2 where something is wrong; each problem is named with its line and its mend.
    """
    from kgbuild.check import validate_graph

    found = validate_graph(graph, console, shacl=shacl, shapes=shapes)
    console.result(asdict(found), summary_text(found, graph))
    if console.quiet and not console.json:
        for each in found.problems:
            console.warn(each.text())
    return ExitStatus.DONE if found.conforms else ExitStatus.WRONG_USE


def summary_text(found: Validation, graph: Path) -> str:
    """The problems, then the summary on one screen."""
    problems = [each.text() for each in found.problems]
    hidden = sum(found.counts.values()) - len(problems)
    verdict = "conforms" if found.conforms else f"does not conform: {sum(found.counts.values()):,} problems"
    rows: list[tuple[str, object]] = [
        ("triples", found.triples),
        ("items", found.items),
        ("facts", found.facts),
        ("values", found.values),
        ("relations", found.relations),
        ("evidence records", "no file" if found.evidence is None else found.evidence),
        *((f"problems: {rule}", count) for rule, count in found.counts.items()),
        ("SHACL", found.shacl),
    ]
    return "\n".join(
        [
            *problems,
            *([f"... and {hidden:,} more of the same kinds"] if hidden else []),
            f"{graph} {verdict} ({duration(found.seconds)})",
            columns(rows),
            *(f"  {note}" for note in found.notes),
        ]
    )
