"""`coldplug score`, `recommend` and `explain`: a model, a user and items in, scores and reasons out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from coldplug.cli.asking import (
    SupportEntry,
    check_known,
    json_number,
    parse_where,
    shown,
    split_ids,
    support_ids,
    user_options,
    warnings_shown,
)
from plugbase.console import Console, columns, console_options

if TYPE_CHECKING:
    from coldplug.explaining import Explanation, Reason, SharedFact
    from coldplug.plug import Recommendation

_MODEL = click.argument("model", type=click.Path(path_type=Path))
_FACTS_SHOWN = 3


@click.command(
    epilog="""\b
    Example:
      coldplug score model/ --user age=25 --user occupation=artist 1 50
      coldplug score model/ --support 260=5,1196=4 1 50 --json"""
)
@_MODEL
@click.argument("item_ids", nargs=-1, required=True, metavar="ITEM_ID...")
@user_options
@click.option(
    "--unknown",
    type=click.Choice(["raise", "nan"]),
    default="raise",
    show_default=True,
    help="What to do about ids that the model does not know: stop, or score them nan.",
)
@console_options
def score(
    *,
    model: Path,
    item_ids: Sequence[str],
    user: dict[str, object],
    support: list[SupportEntry],
    unknown: Literal["raise", "nan"],
    console: Console,
) -> None:
    """Score items for one user.

    Scores of one call are comparable; higher is better. Neither --user nor --support is needed: without
    them the score is the item's appeal to everyone.
    """
    import coldplug

    plug = coldplug.load(model)
    if unknown == "raise":
        check_known(plug, item_ids, mend="--unknown nan scores such items nan")
        check_known(plug, support_ids(support), "--support")
    with warnings_shown(console):
        scores = plug.score(user, list(item_ids), support, unknown=unknown).tolist()
    pairs = list(zip(item_ids, scores, strict=True))
    data = {"scores": [{"item_id": ident, "score": json_number(value)} for ident, value in pairs]}
    console.result(data, columns([(shown(ident), f"{value:8.3f}") for ident, value in pairs], indent=""))


@click.command(
    epilog="""\b
    Example:
      coldplug recommend model/ --user age=25 --support 260=5,1196=4 -k 5"""
)
@_MODEL
@user_options
@click.option("-k", type=click.IntRange(min=1), default=10, show_default=True, help="How many.")
@click.option("--exclude", multiple=True, metavar="ID,...", help="Items not to show. May be repeated.")
@click.option(
    "--candidates", multiple=True, metavar="ID,...", help="Choose from these only. May be repeated."
)
@click.option(
    "--where",
    multiple=True,
    metavar="RELATION=VALUE",
    callback=lambda _ctx, _option, given: parse_where(given),
    help="Only items with this fact. A relation given twice: one of the values; two relations: both.",
)
@click.option(
    "--diversity",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="How much it counts that an item is unlike those before it.",
)
@console_options
def recommend(
    *,
    model: Path,
    user: dict[str, object],
    support: list[SupportEntry],
    k: int,
    exclude: Sequence[str],
    candidates: Sequence[str],
    where: dict[str, list[str]],
    diversity: float,
    console: Console,
) -> None:
    """Name the items that suit one user best.

    What is in --support is never among them.
    """
    import coldplug

    plug = coldplug.load(model)
    check_known(plug, support_ids(support), "--support")
    chosen = split_ids(candidates) if candidates else None
    check_known(plug, chosen or [], "--candidates")
    with warnings_shown(console):
        found = plug.recommend(
            user, k, support, split_ids(exclude), chosen, where=where or None, diversity=diversity
        )
    console.result({"recommendations": [one.as_json() for one in found]}, recommendations_text(found))


@click.command(
    epilog="""\b
    Example:
      coldplug explain model/ --user age=25 --support 260=5 1"""
)
@_MODEL
@click.argument("item_id")
@user_options
@console_options
def explain(
    *, model: Path, item_id: str, user: dict[str, object], support: list[SupportEntry], console: Console
) -> None:
    """Take one score apart.

    Shows what the item's appeal, the user's attributes and the items met add to it, and the facts and
    the text behind them.
    """
    import coldplug

    plug = coldplug.load(model)
    check_known(plug, [item_id])
    check_known(plug, support_ids(support), "--support")
    with warnings_shown(console):
        found = plug.explain(user, item_id, support)
    console.result(found.as_json(), explanation_text(found))


def recommendations_text(found: Sequence[Recommendation]) -> str:
    """One line an item: place, id, title, score, and what speaks for it beside its appeal to everyone."""
    if not found:
        return "no items to choose from"
    rows: list[Sequence[Any]] = []
    for place, one in enumerate(found, start=1):
        why = [shown(reason.label) for reason in one.reasons if reason.kind != "base"]
        rows.append((place, shown(one.item_id), shown(one.title), f"{one.score:.3f}", ", ".join(why)))
    heads = ("", "id", "title", "score", "because of")
    # A method without reasons gets no column of nothing.
    width = len(heads) if any(row[-1] for row in rows) else len(heads) - 1
    return columns([heads[:width], *(row[:width] for row in rows)], indent="")


def explanation_text(found: Explanation) -> str:
    """The parts of a score, one a line, each with the facts behind it."""
    lines = [f"{shown(found.title or found.item_id)} ({shown(found.item_id)}): {found.score:.3f}"]
    lines.append("  which is the sum of")
    for reason in found.reasons:
        what = shown(reason.label)
        if reason.kind == "support":
            what = f"having met {what}"
        lines.append(f"  {reason.share:+8.3f}  {what}")
        if reason.path:
            lines.append(f"            {path_text(reason)}")
        # The path has told the first fact already.
        lines += [f"            {fact_text(fact)}" for fact in reason.facts[1:_FACTS_SHOWN]]
    if any(reason.kind == "support" for reason in found.reasons):
        lines.append(
            f"  before anything was met it was {found.prior:.3f};"
            f" having met so much weighs the rest otherwise, by {found.reweighed:+.3f}"
        )
    if found.alike:
        lines.append("  new items are judged by known ones; this one resembles")
        for other in found.alike:
            lines.append(f"  {other.likeness:8.3f}  {shown(other.title or other.item_id)}")
            lines += [f"            {fact_text(fact)}" for fact in other.facts[:_FACTS_SHOWN]]
    return "\n".join(lines)


def path_text(reason: Reason) -> str:
    """The way from the user to the item in one line, with the words of the text that say so."""
    steps = [
        f"{shown(step.by)} {shown(step.label)}" if step.kind == "value" else shown(step.label)
        for step in reason.path
    ]
    return " > ".join(steps) + _quoted(reason.facts[0])


def fact_text(fact: SharedFact) -> str:
    """A shared fact in one line, with the words of the text that say so."""
    return f"both: {shown(fact.relation)} {shown(fact.value)}{_quoted(fact)}"


def _quoted(fact: SharedFact) -> str:
    return f', from "{shown(fact.quote)}"' if fact.quote else ""
