"""`coldplug evidence`: a model in, the short list of items to ask a newcomer about out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from coldplug.cli.asking import (
    SupportEntry,
    check_known,
    shown,
    split_ids,
    support_ids,
    user_options,
    warnings_shown,
)
from plugbase.console import Console, columns, console_options

if TYPE_CHECKING:
    from coldplug.explore import Question


@click.command(
    epilog="""\b
    Example:
      coldplug evidence model/ -k 10
      coldplug evidence model/ -k 1 --user age=25 --support 260=5,1196=4"""
)
@click.argument("model", type=click.Path(path_type=Path))
@user_options
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option(
    "--by",
    # The ways of `coldplug.explore.evidence.WAYS`, which --help need not import numpy for.
    type=click.Choice(["information", "gradient", "familiarity"]),
    default="information",
    show_default=True,
    help="What a question is worth.",
)
@click.option(
    "--candidates", multiple=True, metavar="ID,...", help="Choose from these only. May be repeated."
)
@console_options
def evidence(
    *,
    model: Path,
    user: dict[str, object],
    support: list[SupportEntry],
    k: int,
    by: str,
    candidates: Sequence[str],
    console: Console,
) -> None:
    """Name the items to show a newcomer that tell most about them.

    The list is in the order to show it. Pass the answers as --support to recommend, or to this command for
    the next question.
    """
    import coldplug
    from coldplug.explore import evidence as asked

    plug = coldplug.load(model)
    check_known(plug, support_ids(support), "--support")
    chosen = split_ids(candidates) if candidates else None
    check_known(plug, chosen or [], "--candidates")
    with warnings_shown(console):
        found = asked(plug, k, user, support, by=by, candidates=chosen)
    console.result({"questions": [one.as_json() for one in found]}, questions_text(found))


def questions_text(found: Sequence[Question]) -> str:
    """One line a question: place, id, title, how many know it, and what an answer tells."""
    if not found:
        return "no items to choose from"
    rows: list[Sequence[Any]] = [("", "id", "title", "familiarity", "nats an answer")]
    for place, one in enumerate(found, start=1):
        rows.append(
            (place, shown(one.item_id), shown(one.title), f"{one.familiarity:.2f}", f"{one.gain:.2f}")
        )
    return columns(rows, indent="")
