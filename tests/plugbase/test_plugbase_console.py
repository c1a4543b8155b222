"""The shared command line layer, in real processes: exit statuses, streams, interrupts, closed pipes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plugbase.console import Progress, columns, duration

PROGRAM = '''
"""A command line that does what it is told."""
import sys, time
import click
from plugbase.console import CommandGroup, console_options
from plugbase.errors import ExitStatus, UserError

@click.group(cls=CommandGroup)
def main() -> None:
    pass

@main.command()
@click.argument("what")
@console_options
def act(what, console):
    if what == "user-error":
        raise UserError("bad value 7", file="a.csv", line=3, mend="write 8")
    if what == "bug":
        raise KeyError("lost\\nkey")
    if what == "wait":
        print("waiting", flush=True)
        time.sleep(30)
    if what == "print":
        for number in range(200_000):
            print(number)
    if what == "progress":
        with console.progress("counting", total=20) as progress:
            for _ in range(20):
                progress.advance()
    console.note("a note")
    console.detail("a detail")
    console.warn("a warning")
    console.result({"answer": 42}, "the answer is 42")
    return ExitStatus.REJECTED if what == "rejected" else None

main(prog_name="tool")
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("console") / "tool.py"
    path.write_text(PROGRAM, encoding="utf-8")
    return [sys.executable, str(path)]


ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}


def call(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=30, check=False)


def test_done_and_rejected(program: list[str]) -> None:
    done = call([*program, "act", "well"])
    assert (done.returncode, done.stdout) == (0, "the answer is 42\n")
    assert done.stderr == "a note\nwarning: a warning\n"
    assert call([*program, "act", "rejected"]).returncode == 3


def test_verbose_quiet_and_json(program: list[str]) -> None:
    assert "a detail" in call([*program, "act", "well", "-v"]).stderr
    quiet = call([*program, "act", "well", "--quiet"])
    assert (quiet.stdout, quiet.stderr) == ("", "warning: a warning\n")
    assert json.loads(call([*program, "act", "well", "--json", "-q"]).stdout) == {"answer": 42}


def test_user_error_has_place_value_and_mend_and_no_traceback(program: list[str]) -> None:
    done = call([*program, "act", "user-error", "-v"])
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "tool: a.csv:3: bad value 7\n  write 8\n"


def test_bug_is_one_line_and_a_traceback_only_when_asked(program: list[str]) -> None:
    short = call([*program, "act", "bug"])
    assert short.returncode == 1
    assert len(short.stderr.splitlines()) == 1
    assert "this is a bug in tool: KeyError" in short.stderr
    assert "Traceback" in call([*program, "act", "bug", "-v"]).stderr


def test_unknown_command_and_option(program: list[str]) -> None:
    unknown = call([*program, "atc", "well"])
    assert unknown.returncode == 2
    assert "did you mean 'act'?" in unknown.stderr
    assert call([*program, "act", "well", "--nope"]).returncode == 2
    assert call([*program, "--nope"]).returncode == 2


def test_interrupt_is_130(program: list[str]) -> None:
    with subprocess.Popen(
        [*program, "act", "wait"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == 130
    assert errors.strip() == "tool: interrupted"


def test_a_reader_that_goes_away_causes_no_words(program: list[str]) -> None:
    with subprocess.Popen(
        [*program, "act", "print"], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "0\n"
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


def test_a_terminal_gets_a_bar(program: list[str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*program, "act", "progress"],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(ours)
    assert process.returncode == 0
    assert b"counting" in shown
    assert b"20/20" in shown


def test_without_a_terminal_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("plugbase.console._PLAIN_SECONDS", 0.05)
    with Progress("reading", total=4) as progress:
        progress.advance()
        assert capsys.readouterr().err == ""
        time.sleep(0.06)
        progress.advance(2)
        assert capsys.readouterr().err.startswith("reading: 3 of 4 items, ")
        assert "left" in progress.line()
        progress.advance()
    assert capsys.readouterr().err.startswith("reading: 4 of 4 items, ")
    with Progress("reading", total=1, quiet=True) as progress:
        time.sleep(0.06)
        progress.advance()
    assert capsys.readouterr().err == ""


def test_duration_and_columns() -> None:
    assert [duration(seconds) for seconds in (3.2, 89, 240, 7_500)] == ["3 s", "89 s", "4 min", "2 h 05 min"]
    assert columns([("items", 3_883), ("facts", 12)]) == "  items  3,883\n  facts     12"
