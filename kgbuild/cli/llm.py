"""The options of commands that ask a language model, gathered into one argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

_OPTIONS = (
    click.option("--model", help="The model to ask."),
    click.option(
        "--base-url", metavar="URL", help="The server to ask.  [default: $OPENAI_BASE_URL, OpenAI's]"
    ),
    click.option(
        "--items-per-call",
        type=click.IntRange(min=1),
        help="Items that share a call.  [default: by the length of their texts]",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long one call may take.  [default: 120]",
    ),
    click.option(
        "--reasoning-effort",
        metavar="WORD",
        help="How much a model that thinks is to think: minimal, low ...  [default: the server's]",
    ),
    click.option(
        "--keep-inferred", is_flag=True, default=None, help="Keep facts that the text does not bear out."
    ),
    click.option(
        "--max-usd",
        type=click.FloatRange(min=0, min_open=True),
        help="End the run, resumable, before it costs more dollars.",
    ),
    click.option(
        "--max-tokens",
        type=click.IntRange(min=1),
        help="End the run, resumable, before it takes more tokens.",
    ),
    click.option(
        "--prices",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Prices that go before those kgbuild knows.",
    ),
)


def llm_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command the options of the openai backend; those that were given arrive as the dict `llm`,
    by the names of OpenAIExtractor's arguments."""

    @functools.wraps(command)
    def with_llm(*args: Any, **given: Any) -> Any:
        llm = {name: given.pop(name) for name in names}
        return command(*args, llm={name: value for name, value in llm.items() if value is not None}, **given)

    names = [str(parameter.name) for parameter in _parameters()]
    for option in reversed(_OPTIONS):
        with_llm = option(with_llm)
    return with_llm


def _parameters() -> list[click.Parameter]:
    @click.command()
    def bare() -> None:
        pass

    for option in _OPTIONS:
        option(bare)
    return bare.params


def refuse_llm_options(llm: dict[str, object], backend: str) -> None:
    """Say so where options were given that this backend has no use for.

    Raises:
        click.UsageError: there are such.
    """
    if llm and backend in ("local", "none", "span"):
        names = " and ".join(f"--{name.replace('_', '-')}" for name in llm)
        raise click.UsageError(f"{names}: only with --backend openai")
