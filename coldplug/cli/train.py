"""`coldplug train`: a graph and interactions in, a model folder out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coldplug.cli.asking import shown
from coldplug.cli.training import parse_settings, training_options
from plugbase.console import Console, columns, console_options, duration

if TYPE_CHECKING:
    from coldplug.train import TrainSummary

_RELATIONS_SHOWN = 8


@click.command(
    epilog="""\b
    Example:
      coldplug train --graph graph.ttl
      coldplug train --graph graph.ttl --interactions clicks.csv --users people.csv -o model/
      coldplug train --graph graph.ttl --method maml --set inner_steps=2"""
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The graph that `kgbuild extract` wrote; its evidence is read where it lies beside it.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="The model folder.  [default: model/ beside it]"
)
@training_options
@click.option(
    "--method",
    show_default="posterior",
    metavar="NAME",
    help="The learner: posterior, maml, melu, proto, mf and others (docs/learners.md tells of each), or auto, "
    "which tries several and weighs those that help.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _ctx, _option, given: parse_settings(given),
    help="A setting of the learner, such as steps=400. May be repeated.",
)
@click.option(
    "--settings",
    "tuned",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Method and settings that `coldplug tune -o` wrote; --set goes before them.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same model.")
@console_options
def train(
    *,
    graph: Path,
    output: Path | None,
    interactions: Path | None,
    users: Path | None,
    method: str | None,
    settings: dict[str, Any],
    tuned: Path | None,
    positive_at: float | None,
    seed: int,
    console: Console,
) -> None:
    """Train a model that scores users and items it has never seen.

    Items of the graph that nobody has met yet are scored by their facts and texts. A model that is in the
    output folder already is replaced once the new one is whole.
    """
    from coldplug.train import read_settings, train_model

    if tuned is not None:
        method, found = read_settings(tuned, method)
        settings = found | settings
    summary = train_model(
        graph,
        output or graph.parent / "model",
        users=users,
        interactions=interactions,
        method=method or "posterior",
        positive_at=positive_at,
        seed=seed,
        note=console.note,
        settings=settings,
    )
    for remark in summary.remarks:
        console.warn(remark)
    console.result(summary.as_json(), summary_text(summary))


def summary_text(summary: TrainSummary) -> str:
    """The summary on one screen."""
    rows = [
        ("items", summary.items),
        ("  that nobody has met yet", summary.new_items),
        ("users", summary.users),
        ("interactions", summary.interactions),
        ("  likes", summary.positives),
    ]
    lines = [f"{summary.model} written in {duration(summary.seconds)}", columns(rows)]
    if summary.relevance:
        told = [f"{shown(name)} {weight:.2g}" for name, weight in summary.relevance[:_RELATIONS_SHOWN]]
        more = len(summary.relevance) - _RELATIONS_SHOWN
        lines.append(
            f"  what items with one audience share: {', '.join(told)}"
            + (f" and {more} more" if more > 0 else "")
        )
    return "\n".join(lines)
