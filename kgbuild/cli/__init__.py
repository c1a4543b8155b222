"""The command line `kgbuild`: it parses and prints; what is done is decided elsewhere."""

from __future__ import annotations

import click

from kgbuild.cli.eval import evaluate
from kgbuild.cli.explore import explore
from kgbuild.cli.export import export
from kgbuild.cli.extract import extract
from kgbuild.cli.merge import merge
from kgbuild.cli.report import report
from kgbuild.cli.train_extractor import train_extractor
from kgbuild.cli.update import update
from kgbuild.cli.validate import validate
from plugbase.console import CommandGroup, version_option

__all__ = ["main"]


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@version_option("kgbuild")
def main() -> None:
    """Turn item descriptions into a knowledge graph.

    Exit status: 0 done, 1 a bug, 2 wrong use or bad input, 3 finished with rejected items, 4 a limit of
    money or tokens was reached, 130 interrupted.
    """


main.add_command(extract)
main.add_command(report)
main.add_command(explore)
main.add_command(train_extractor)
main.add_command(update)
main.add_command(merge)
main.add_command(export)
main.add_command(validate)
main.add_command(evaluate)
