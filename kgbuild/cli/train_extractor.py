"""`kgbuild train-extractor`: labelled items in, a folder for `kgbuild extract --extractor` out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from plugbase.console import Console, columns, console_options, duration

if TYPE_CHECKING:
    from kgbuild.extract.span import TrainingSummary


@click.command(
    "train-extractor",
    epilog="""\b
    Example:
      kgbuild train-extractor labelled.jsonl -o extractor/
      kgbuild extract items.jsonl -o graph.ttl --extractor extractor/""",
)
@click.argument("labelled", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The folder to write.")
@click.option(
    "--schema", type=click.Path(path_type=Path), help="Definitions of the relations that are labelled."
)
@click.option(
    "--epochs", type=click.IntRange(min=1), help="Passes over the items at most.  [default: by items]"
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives another extractor.")
@click.option("--small", is_flag=True, help="Train small additions to the encoder: a folder of 3 MB, not 22.")
@console_options
def train_extractor(
    *,
    labelled: Path,
    output: Path,
    schema: Path | None,
    epochs: int | None,
    seed: int,
    small: bool,
    console: Console,
) -> None:
    """Fit an extractor to LABELLED (.jsonl): your items with their facts, in our format or ExtractGPT's.

    Two trainings hold out a tenth of the items each, not the same, and their weights are averaged: what is held
    out decides when to stop, and how sure an answer is. A training that is interrupted leaves the folder as it
    was.
    """
    from kgbuild.extract.span import TrainingSettings
    from kgbuild.extract.span import train_extractor as train
    from kgbuild.schema import load_schema

    settings = TrainingSettings(seed=seed, adapter_rank=SMALL_RANK if small else 0, epochs=epochs)
    summary = train(
        labelled,
        output,
        schema=load_schema(schema) if schema else None,
        settings=settings,
        console=console,
    )
    console.result(asdict(summary), summary_text(summary))


SMALL_RANK = 16
"""Rank of the additions that --small trains."""


def summary_text(summary: TrainingSummary) -> str:
    """The summary on one screen."""
    held = summary.held_out
    rows: list[tuple[str, object]] = [
        ("items trained on", summary.items),
        ("items held out", summary.held_out_items),
        ("relations", summary.relations),
        ("values that no text holds", summary.not_verbatim),
        ("passes in all", summary.epochs),
        ("held-out precision", f"{held['precision']:.3f}"),
        ("held-out recall", f"{held['recall']:.3f}"),
        ("held-out F1", f"{held['f1']:.3f}"),
    ]
    if held["unasked"]:
        rows.append(("  with answers nobody labelled as wrong", f"{held['strict_f1']:.3f}"))
    rows.append(("calibration error", f"{summary.calibration_error:.3f}"))
    return f"{summary.folder} written in {duration(summary.seconds)}\n{columns(rows)}"
