"""`coldplug datasets`: published data sets made into items, users and interactions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from plugbase.console import CommandGroup, Console, columns, console_options

if TYPE_CHECKING:
    from coldplug.datasets import Prepared


class _Subcommands(CommandGroup):
    """Commands below a command: errors and exit statuses are the outer group's."""

    def invoke(self, ctx: click.Context) -> Any:
        return click.Group.invoke(self, ctx)


@click.group(cls=_Subcommands)
def datasets() -> None:
    """Read published data sets.

    They become items.jsonl, users.csv and interactions.csv.
    """


@datasets.command(
    epilog="""\b
    Example:
      coldplug datasets prepare movielens-1m ~/Downloads/ml-1m data/ml-1m
      kgbuild extract data/ml-1m/items.jsonl -o data/ml-1m/graph.ttl"""
)
@click.argument("name")
@click.argument("raw_dir", type=click.Path(path_type=Path))
@click.argument("out_dir", type=click.Path(path_type=Path))
@console_options
def prepare(*, name: str, raw_dir: Path, out_dir: Path, console: Console) -> None:
    """Write items, users and interactions of a data set.

    NAME is movielens-1m or ml-100k; RAW_DIR is the folder that its archive unpacks to.
    """
    from coldplug.datasets import prepare as prepare_dataset

    made = prepare_dataset(name, raw_dir, out_dir)
    data = {
        "name": made.name,
        "items": made.items,
        "described": made.described,
        "users": made.users,
        "interactions": made.interactions,
        "files": [str(path) for path in made.files],
        "remarks": list(made.remarks),
    }
    console.result(data, summary_text(made))


def summary_text(made: Prepared) -> str:
    """What was written, with what was odd about the raw files."""
    rows = [
        ("items", made.items),
        ("  with a description", made.described),
        ("users", made.users),
        ("interactions", made.interactions),
    ]
    lines = [f"{made.name} prepared", columns(rows)]
    lines += [f"  {path}" for path in made.files] + [f"  note: {remark}" for remark in made.remarks]
    return "\n".join(lines)
