"""What every command that learns from a graph is told in the same words: its tables, where likes begin, settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --interactions, --users and --positive-at."""
    table = click.Path(path_type=Path, exists=True, dir_okay=False)
    given = (
        click.option(
            "--interactions",
            type=table,
            help="user_id,item_id[,rating][,timestamp].  [default: interactions.* beside the graph]",
        ),
        click.option(
            "--users",
            type=table,
            help="user_id and one column an attribute.  [default: users.* beside the graph, if any]",
        ),
        click.option(
            "--positive-at",
            type=float,
            metavar="RATING",
            help="Ratings from here on are likes.  [default: three quarters up the scale, 4 of 1 to 5]",
        ),
    )
    for option in reversed(given):
        command = option(command)
    return command


def parse_settings(given: Sequence[str]) -> dict[str, str]:
    """Settings from texts such as `steps=400`; what they may be is for the method to say."""
    found = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals):
            raise click.BadParameter(f"{text!r} is not NAME=VALUE; such as steps=400")
        found[name.strip()] = value.strip()
    return found
