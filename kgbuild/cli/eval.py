"""`kgbuild eval`: any tool's facts against labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options
from plugbase.errors import ExitStatus

if TYPE_CHECKING:
    from kgbuild.check.scores import Scores


@click.command(
    "eval",
    epilog="""\b
    Example:
      kgbuild eval graph.ttl labelled.jsonl
      kgbuild eval run1.tsv labelled.jsonl --again run2.tsv --json""",
)
@click.argument("predicted", type=click.Path(path_type=Path))
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option(
    "--again", type=click.Path(path_type=Path), help="Predictions of a second run: how far do the two agree?"
)
@console_options
def evaluate(*, predicted: Path, labelled: Path, again: Path | None, console: Console) -> ExitStatus:
    """Score the facts in PREDICTED (.ttl, .nt, .jsonl, .tsv, .csv) against the labels in LABELLED (.jsonl).

    -v lists every fact that was wrong or missed.
    """
    from kgbuild.check.scores import score_predictions

    scores = score_predictions(predicted, labelled, again)
    for name, facts in (("wrong", scores.table.wrong), ("missed", scores.table.missed)):
        for item, relation, value in facts:
            console.detail(f"{name}: {item}  {relation}  {value}")
    console.result(scores.as_json(), summary_text(scores))
    return ExitStatus.DONE


def summary_text(scores: Scores) -> str:
    """The table, then the other measures."""
    rows: list[tuple[str, object]] = [
        ("facts predicted", scores.predicted),
        ("  on labelled items", scores.on_labelled_items),
        ("  in a relation the item has no label for", f"{scores.over_extraction:.1%}"),
        ("  in a relation no label uses", f"{scores.off_schema:.1%}"),
        ("  in the words of the text", f"{scores.verbatim:.1%}"),
        ("labelled items", scores.labelled_items),
        ("  without a prediction", scores.items_without_prediction),
        ("relation names predicted", scores.relation_names),
        ("  their entropy", f"{scores.relation_entropy:.2f} bits"),
    ]
    if scores.labels_not_in_text:
        rows.append(("labels left out: not in the item's text", scores.labels_not_in_text))
    if scores.agreement is not None:
        rows.append(("Jaccard with the second run", f"{scores.agreement.jaccard:.3f}"))
    return f"{scores.table.as_text()}\n\n{columns(rows)}"
