"""What both command lines share: exit statuses from exceptions, -v/--quiet/--json, progress and summaries."""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

import click

from plugbase.errors import ExitStatus, UserError, did_you_mean

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

PIPE_CLOSED = 141
"""What a shell reports for a program whose reader went away (128 + SIGPIPE)."""
_VERBOSE = "plugbase.verbose"
_PLAIN_SECONDS = 10.0


class CommandGroup(click.Group):
    """A command line: a command returns an ExitStatus (None is DONE) or raises, and so sets the exit status.

    UserError: its message, status 2. KeyboardInterrupt: status 130. A closed standard output: silence.
    Anything else is a bug: one line and status 1, the traceback only with -v.
    """

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The named command, or a usage error that names the closest one."""
        name = args[0] if args else ""
        if args and not name.startswith("-") and self.get_command(ctx, name) is None:
            commands = self.list_commands(ctx)
            mend = did_you_mean(name, commands) or f"there are: {', '.join(commands)}"
            raise click.UsageError(f"no command is called {name!r}; {mend}", ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command and leave by `ctx.exit` wherever the status is not 0."""
        # Threads of numeric libraries that wait by spinning cost a factor of ten on a busy machine.
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        # A command has its own progress bar; a library's bar for loading a model is noise beside it.
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
        try:
            status = super().invoke(ctx)
            sys.stdout.flush()
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except UserError as error:
            click.echo(f"{ctx.info_name}: {error}", err=True)
            ctx.exit(ExitStatus.WRONG_USE)
        except KeyboardInterrupt:
            click.echo(f"{ctx.info_name}: interrupted", err=True)
            ctx.exit(ExitStatus.INTERRUPTED)
        except BrokenPipeError:
            # The interpreter flushes standard output once more as it ends, and would complain about it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)
        except Exception as error:
            if ctx.meta.get(_VERBOSE):
                traceback.print_exc()
            summary = " ".join(f"{type(error).__name__}: {error}".split())[:500]
            hint = "" if ctx.meta.get(_VERBOSE) else " (-v shows where)"
            click.echo(f"{ctx.info_name}: this is a bug in {ctx.info_name}: {summary}{hint}", err=True)
            ctx.exit(ExitStatus.BUG)
        if isinstance(status, int) and status != ExitStatus.DONE:
            ctx.exit(int(status))


@dataclass(frozen=True)
class Console:
    """Where a command's words go: notes and progress to standard error, results to standard output."""

    verbose: bool = False
    quiet: bool = False
    json: bool = False

    def note(self, text: str) -> None:
        """A line for people on standard error; not with --quiet."""
        if not self.quiet:
            click.echo(text, err=True)

    def detail(self, text: str) -> None:
        """A line on standard error that only -v shows."""
        if self.verbose:
            click.echo(text, err=True)

    def warn(self, text: str) -> None:
        """A warning on standard error, shown even with --quiet."""
        click.echo(f"warning: {text}", err=True)

    def progress(self, label: str, total: int | None = None, unit: str = "items", done: int = 0) -> Progress:
        """A progress report to be used with `with`; nothing is shown with --quiet."""
        return Progress(label, total, unit, done=done, quiet=self.quiet)

    def result(self, data: Mapping[str, object] | Sequence[object], text: str) -> None:
        """What the command has to say at its end, on standard output: `data` with --json, else `text`.

        With --quiet `text` is left out; `data` never is, for --json asks for it.
        """
        if self.json:
            click.echo(json.dumps(data, ensure_ascii=False, indent=2))
        elif not self.quiet:
            click.echo(text)


def version_option(program: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command line --version; in a checkout that is not installed it says so instead of failing."""

    def show(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            from importlib.metadata import PackageNotFoundError, version

            try:
                click.echo(f"{program}, version {version('coldplug')}")
            except PackageNotFoundError:
                click.echo(f"{program}, not installed")
            ctx.exit()

    return click.option(
        "--version", is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show the version."
    )


def console_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a click command -v, --quiet and --json, and pass it a Console as the argument `console`."""

    @click.option("-v", "--verbose", is_flag=True, help="Say more; show where a bug is.")
    @click.option("-q", "--quiet", is_flag=True, help="Only warnings and errors.")
    @click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
    @click.pass_context
    @functools.wraps(command)
    def with_console(
        ctx: click.Context, /, *args: Any, verbose: bool, quiet: bool, as_json: bool, **kwargs: Any
    ) -> Any:
        ctx.meta[_VERBOSE] = verbose
        return command(*args, console=Console(verbose, quiet, as_json), **kwargs)

    return with_console


class Progress:
    """How far a long job is, with rate and time left: a bar on a terminal, else a line every ten seconds.

    >>> with Progress("reading", total=3, quiet=True) as progress:
    ...     progress.advance()
    """

    def __init__(
        self, label: str, total: int | None = None, unit: str = "items", *, done: int = 0, quiet: bool = False
    ) -> None:
        self.label, self.total, self.unit, self.quiet = label, total, unit, quiet
        self.done = self._begun_with = done
        self._bar: RichProgress | None = None
        self._began = self._last_line = time.monotonic()

    def __enter__(self) -> Progress:
        self._began = self._last_line = time.monotonic()
        if not self.quiet and sys.stderr.isatty():
            self._bar = _bar(self.unit)
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total, completed=self.done)
        return self

    def advance(self, steps: int = 1) -> None:
        """Count `steps` more units as done."""
        self.done += steps
        if self._bar:
            self._bar.advance(self._task, steps)
        elif not self.quiet and time.monotonic() - self._last_line >= _PLAIN_SECONDS:
            self._last_line = time.monotonic()
            click.echo(self.line(), err=True)

    def line(self) -> str:
        """The state in one plain line: done, of how many, rate a second, time left."""
        elapsed = time.monotonic() - self._began
        rate = (self.done - self._begun_with) / elapsed if elapsed > 0 else 0.0
        parts = [
            f"{self.done} {self.unit}" if self.total is None else f"{self.done} of {self.total} {self.unit}"
        ]
        if rate > 0:
            parts.append(f"{rate:.3g}/s")
            if self.total is not None and self.total > self.done:
                parts.append(f"{duration((self.total - self.done) / rate)} left")
        return f"{self.label}: {', '.join(parts)}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif not self.quiet and kind is None and self._last_line > self._began:
            click.echo(self.line(), err=True)


def _bar(unit: str) -> RichProgress:
    from rich.console import Console as RichConsole
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as RichProgress
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.speed:.3g} {unit}/s" if task.speed else "")

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(compact=True),
        console=RichConsole(stderr=True),
    )


def duration(seconds: float) -> str:
    """A length of time as people say it: '8 s', '3 min', '2 h 05 min'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def columns(rows: Iterable[Sequence[object]], indent: str = "  ") -> str:
    """Rows as aligned text columns: text to the left, numbers to the right; a summary's body."""
    rows = list(rows)
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        indent
        + "  ".join(
            text.rjust(width) if isinstance(cell, int | float) else text.ljust(width)
            for cell, text, width in zip(row, texts, widths, strict=True)
        ).rstrip()
        for row, texts in zip(rows, cells, strict=True)
    )
