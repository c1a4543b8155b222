"""The command line `coldplug`: it parses and prints; what is done is decided elsewhere."""

from __future__ import annotations

import click

from coldplug.cli.datasets import datasets
from coldplug.cli.evaluate import evaluate
from coldplug.cli.evidence import evidence
from coldplug.cli.index import index
from coldplug.cli.score import explain, recommend, score
from coldplug.cli.serve import serve
from coldplug.cli.train import train
from coldplug.cli.tune import tune
from coldplug.cli.update import update
from plugbase.console import CommandGroup, version_option

__all__ = ["main"]


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@version_option("coldplug")
def main() -> None:
    """Score users and items that a recommender has never seen, from a knowledge graph and a few clicks.

    Exit status: 0 done, 1 a bug, 2 wrong use or bad input, 130 interrupted.
    """


for _command in (train, tune, update, index, score, recommend, explain, evidence, serve, evaluate, datasets):
    main.add_command(_command)
