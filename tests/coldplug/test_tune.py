"""A search of settings: on real studies, stopped in every way, refused where it makes no sense, and worth its time."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from c1_world import write_world
from click.testing import CliRunner, Result
from learner_contract import copied, planted
from plug_world import PYTHON, environment

from coldplug.cli import main
from coldplug.cli.tune import parse_duration
from coldplug.learn import TRAINABLE, trainable_class
from coldplug.learn.settings import checked
from coldplug.train import read_settings
from coldplug.tune.ranges import RANGES, searched
from plugbase.errors import UserError

OPTUNA = pytest.importorskip("optuna", reason="optuna is not installed")
METHODS = [name for name in TRAINABLE if name != "auto"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_world(tmp_path_factory.mktemp("tune"))
    os.environ.setdefault("COLDPLUG_CACHE", str(folder / "cache"))
    return folder


def command(world: Path, study: Path, *more: str) -> list[str]:
    words = ["tune", "--graph", str(world / "graph.ttl"), "--method", "mf", "--study", str(study), "--json"]
    return [*words, *more]


def run(words: list[str]) -> Result:
    """The command in this process."""
    return CliRunner().invoke(main, words)


def tuning() -> dict[str, str]:
    """The environment of a fresh process that finds optuna where this one does."""
    found = environment()
    return found | {
        "PYTHONPATH": os.pathsep.join([found["PYTHONPATH"], str(Path(OPTUNA.__file__).parents[1])])
    }


def values(study: Path) -> dict[int, float]:
    """Trial number -> value of the trials that are whole, as the file has them.

    A process that was killed while it wrote leaves a journal, which who reads next rolls back: so not `mode=ro`.
    """
    with sqlite3.connect(f"file:{study}?mode=rw", uri=True) as base:
        rows = base.execute(
            "select number, value from trials join trial_values using (trial_id) where state = 'COMPLETE'"
        ).fetchall()
    return dict(rows)


def states(study: Path) -> list[str]:
    with sqlite3.connect(f"file:{study}?mode=rw", uri=True) as base:
        return [state for (state,) in base.execute("select state from trials order by number")]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_can_be_tuned_from_its_defaults(method: str) -> None:
    kind = trainable_class(method).settings_class
    found = searched(method, {})
    assert len(found) >= 5
    defaults = checked(kind, {}).model_dump()
    for name, where in found.items():
        if where.choices:
            assert defaults[name] in where.choices
            checked(kind, {name: where.choices[0]})
            continue
        assert where.low <= defaults[name] <= where.high
        checked(kind, {name: int(where.low) if where.whole else where.low})
        checked(kind, {name: int(where.high) if where.whole else where.high})


def test_no_range_is_left_over() -> None:
    used = {name for method in METHODS for name in searched(method, {})}
    assert used == set(RANGES)


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(UserError, match="auto has no settings"):
        searched("auto", {})
    with pytest.raises(UserError, match="baseline"):
        searched("itemknn", {})
    with pytest.raises(UserError, match="nothing is left"):
        searched("mf", dict.fromkeys(searched("mf", {}), 1))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("1.5h", 5400), (None, None)],
)
def test_lengths_of_time(text: str | None, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-3m", "0", "m30"])
def test_other_lengths_of_time_are_refused(text: str) -> None:
    import click

    with pytest.raises(click.BadParameter, match="is no length of time"):
        parse_duration(text)


def test_it_finds_what_is_better_and_checks_it_where_nothing_was_chosen(tmp_path: Path) -> None:
    """A method that is best at ridge=0.3, thirty times its default, and worse the further away."""
    from coldplug.tune import CARVES, Carves, tune

    asked: list[int] = []

    def worth(self: Carves, number: int, settings: dict[str, Any]) -> float:
        asked.append(number)
        ridge = settings.get("ridge", 0.01)
        return 1 / (1 + abs(np.log(ridge / 0.3))) - 0.05 * (number == CARVES)

    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Carves, "worth", worth)
        found = tune(planted()[0], "mf", tmp_path / "s.db", trials=20, fixed={"dim": "8"}, note=told.append)
        again = tune(planted()[0], "mf", tmp_path / "s.db", trials=20, fixed={"dim": 8})
    assert found is not None
    assert found.best > 0.6 > found.default
    assert 0.1 < found.settings["ridge"] < 1
    assert found.settings["dim"] == 8
    assert found.checked == pytest.approx((found.default - 0.05, found.best - 0.05), abs=1e-4)
    assert found.helps
    assert max(found.importance, key=found.importance.__getitem__) == "ridge"
    assert found.given_up == sum("given up" in line for line in told) > 0
    assert asked.count(0) == 20
    assert asked.count(CARVES - 1) == 20 - found.given_up
    assert asked.count(CARVES) == 2
    assert again is not None
    assert replace(again, seconds=found.seconds) == found


def test_a_study_goes_on_and_gives_what_one_run_gives(world: Path, tmp_path: Path) -> None:
    study, out, plot = tmp_path / "s.db", tmp_path / "settings.json", tmp_path / "importance.svg"
    first = run(command(world, study, "--trials", "3"))
    assert first.exit_code == 0, first.stderr
    before = values(study)
    assert 0 in before
    again = run(command(world, study, "--trials", "8", "-o", str(out), "--plot", str(plot)))
    assert again.exit_code == 0, again.stderr
    after, summary = values(study), json.loads(again.stdout)
    assert len(states(study)) == summary["trials"] == 8
    assert {number: after[number] for number in before} == before
    assert summary["best"] == pytest.approx(max(after.values()), abs=1e-5)
    assert summary["default"] == pytest.approx(before[0], abs=1e-5)
    assert sum(summary["importance"].values()) == pytest.approx(1, abs=0.01)
    told = json.loads(out.read_text())
    assert (told["method"], told["settings"]) == ("mf", summary["settings"])
    words = [text.text for text in ElementTree.parse(plot).iter() if text.tag.endswith("}text")]
    assert set(summary["importance"]) <= set(words)
    model = [
        "train",
        "--graph",
        str(world / "graph.ttl"),
        "--settings",
        str(out),
        "-o",
        str(tmp_path / "model"),
    ]
    done = run(model)
    assert done.exit_code == 0, done.stderr
    meta = json.loads((tmp_path / "model" / "model.json").read_text())
    assert meta["method"] == "mf"
    assert told["settings"].items() <= meta["learner"]["settings"].items()
    wrong = run([*model, "--method", "proto"])
    assert wrong.exit_code == 2
    assert "settings are of method 'mf', not 'proto'" in wrong.stderr
    other = run(command(world, study, "--trials", "9", "--set", "dim=16"))
    assert other.exit_code == 2
    assert "of something else: fixed was {}" in other.stderr


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_search_that_is_stopped_loses_at_most_the_carve_in_flight(
    world: Path, tmp_path: Path, how: signal.Signals
) -> None:
    study = tmp_path / "s.db"
    words = command(world, study, "--trials", "400")
    process = subprocess.Popen(
        [PYTHON, "-m", "coldplug", *words], env=tuning(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until = time.monotonic() + 120
        while time.monotonic() < until and not _busy(study):
            time.sleep(0.05)
        assert process.poll() is None
        second = run(words)
        assert (second.exit_code, "another run works on this study" in second.stderr) == (2, True)
    finally:
        process.send_signal(how)
        process.communicate(timeout=60)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    before, left = values(study), states(study)
    whole = sum(state in ("COMPLETE", "PRUNED") for state in left)
    assert whole >= 2
    done = run(command(world, study, "--trials", str(whole + 2)))
    assert done.exit_code == 0, done.stderr
    after = states(study)
    assert {number: values(study)[number] for number in before} == before
    assert sum(state in ("COMPLETE", "PRUNED") for state in after) == whole + 2
    assert "RUNNING" not in after
    if "RUNNING" in left:
        number = left.index("RUNNING")
        assert after[number] == "FAIL"
        assert _params(study, number).items() <= _params(study, len(left)).items()


def _busy(study: Path) -> bool:
    try:
        return sum(state == "COMPLETE" for state in states(study)) >= 2
    except sqlite3.OperationalError:
        return False


def _params(study: Path, number: int) -> dict[str, float]:
    with sqlite3.connect(f"file:{study}?mode=rw", uri=True) as base:
        rows = base.execute(
            "select param_name, param_value from trial_params join trials using (trial_id) where number = ?",
            [number],
        ).fetchall()
    return dict(rows)


def test_a_trial_that_was_begun_is_carried_on_with_what_it_had(tmp_path: Path) -> None:
    """Stopped in the second carve; the next run takes the first one's value from the study."""
    from coldplug.tune import CARVES, Carves, tune

    fitted: list[int] = []
    worth = Carves.worth

    def stopped(self: Carves, number: int, settings: dict[str, Any]) -> float:
        fitted.append(number)
        if len(fitted) == 2:
            raise KeyboardInterrupt
        return worth(self, number, settings)

    data = copied(planted()[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Carves, "worth", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune(data, "mf", tmp_path / "s.db", trials=1)
        found = tune(data, "mf", tmp_path / "s.db", trials=1)
    assert fitted == [0, 1, *range(1, CARVES)]
    assert found is not None
    assert found.settings == {}
    assert found.checked is None
    assert found.best == found.default > 0.3


@pytest.mark.parametrize("body", ["", "[]", '{"method": "mf"}', '{"method": "mf", "settings": 3}'])
def test_a_file_that_holds_no_settings_is_refused(tmp_path: Path, body: str) -> None:
    (tmp_path / "settings.json").write_text(body)
    with pytest.raises(UserError, match="holds no settings"):
        read_settings(tmp_path / "settings.json")


def test_time_that_is_up_before_a_trial_is_through_is_said(world: Path, tmp_path: Path) -> None:
    words = command(world, tmp_path / "s.db", "--timeout", "0.001s")
    done = run(words)
    assert done.exit_code == 4
    assert "time was up" in done.stderr


def test_settings_that_cannot_be_fail_a_trial_and_not_the_search(tmp_path: Path) -> None:
    from coldplug.tune import Carves, tune

    worth = Carves.worth

    def picky(self: Carves, number: int, settings: dict[str, Any]) -> float:
        if settings["dim"] != 64:
            raise UserError("64 it must be")
        return worth(self, number, settings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Carves, "worth", picky)
        found = tune(copied(planted()[0]), "mf", tmp_path / "s.db", trials=6)
    assert found is not None
    assert found.failed > 0
    assert found.trials == 6
    assert found.best > 0


def test_too_few_users_and_files_that_are_no_study_are_refused(tmp_path: Path) -> None:
    from coldplug.tune import tune

    data = planted()[0]
    rows, few = data.interactions, data.interactions.users < 30
    less = replace(rows, users=rows.users[few], items=rows.items[few], ratings=rows.ratings[few])
    with pytest.raises(UserError, match="too few users to set any aside"):
        tune(replace(data, interactions=less), "mf", tmp_path / "few.db", trials=1)
    (tmp_path / "text.db").write_text("this is no study")
    with pytest.raises(UserError, match="not a study"):
        tune(data, "mf", tmp_path / "text.db", trials=1)
    assert (tmp_path / "text.db").read_text() == "this is no study"
    with pytest.raises(UserError, match="no such folder"):
        tune(data, "mf", tmp_path / "no" / "s.db", trials=1)
