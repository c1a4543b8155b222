"""`coldplug update`: a model folder and new interactions in, a model that knows both out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options, duration

if TYPE_CHECKING:
    from coldplug.update import UpdateSummary


@click.command(
    epilog="""\b
    Example:
      coldplug update model/ --interactions new.csv
      coldplug update model/ --interactions new.csv --users new_users.csv --graph newer.ttl -o model2/"""
)
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--interactions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="user_id,item_id[,rating][,timestamp]; only rows that the model was not trained on.",
)
@click.option(
    "--users",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="user_id and one column an attribute, of the users in the interactions.",
)
@click.option(
    "--graph",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A graph that describes items which the model does not know.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The new model.  [default: in place]")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same model.")
@console_options
def update(
    *,
    model: Path,
    interactions: Path,
    users: Path | None,
    graph: Path | None,
    output: Path | None,
    seed: int,
    console: Console,
) -> None:
    """Go on training a model with new interactions: it forgets nothing, and needs none of the old ones.

    The model is replaced once the new one is whole, or kept where -o names another folder.
    """
    from coldplug.update import update_model

    summary = update_model(
        model, interactions, users=users, graph=graph, out=output, seed=seed, note=console.note
    )
    for remark in summary.remarks:
        console.warn(remark)
    console.result(summary.as_json(), summary_text(summary))


def summary_text(summary: UpdateSummary) -> str:
    """The summary on one screen."""
    rows = [
        ("users", summary.users),
        ("interactions", summary.interactions),
        ("  likes", summary.positives),
        ("items", summary.items),
        ("  new to the model", summary.added_items),
    ]
    return f"{summary.model} written in {duration(summary.seconds)}\n{columns(rows)}"
