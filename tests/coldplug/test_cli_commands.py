"""The command line `coldplug` where no model is needed: help, wrong use, evaluate, datasets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from c1_world import write_world
from click.testing import CliRunner

from coldplug.cli import main
from coldplug.datasets import DATASETS
from coldplug.evaluate import CONTROLS

ROOT = Path(__file__).parents[2]
COMMANDS = [
    "train",
    "tune",
    "update",
    "score",
    "recommend",
    "explain",
    "evidence",
    "index",
    "evaluate",
    "serve",
    "datasets prepare",
]


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "coldplug", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(command: str) -> None:
    done = CliRunner().invoke(main, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert f"Example:\n    coldplug {command} " in done.output


def test_help_names_every_command_and_no_other() -> None:
    named = {name for command in COMMANDS for name in command.split()[:1]}
    assert set(main.commands) == named


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "did you mean 'train'?"),
        (["datasets", "prepair"], "did you mean 'prepare'?"),
        (["train"], "Missing option '--graph'"),
        (["train", "--graph", "no.ttl"], "'no.ttl' does not exist"),
        (["train", "--graph", "graph.ttl"], "no interactions: looked for interactions{.jsonl"),
        (["train", "--graph", "graph.ttl", "--interactions", "no.csv"], "'no.csv' does not exist"),
        (["train", "--graph", "graph.ttl", "--method", "posterio"], "did you mean 'posterior'?"),
        (["score", "model"], "Missing argument 'ITEM_ID...'"),
        (["score", "model", "1"], "model holds no model.json"),
        (
            ["score", "model", "1", "--user", "25"],
            "'25' is neither NAME=VALUE nor a JSON object; such as age=25",
        ),
        (["recommend", "model", "-k", "0"], "0 is not in the range"),
        (["evaluate", "."], "no interactions"),
        (["evaluate", "nowhere"], "no graph.ttl in this folder"),
        (["evaluate", ".", "--protocol", "r2"], "'r2' is not one of 'c1', 'r1'"),
        (["evaluate", ".", "--methods", "itemk"], "did you mean 'itemknn'?"),
        (["evaluate", ".", "-o", "nowhere/report.html"], "nowhere: no such folder"),
        (["datasets", "prepare", "movielens-2m", ".", "out"], "did you mean 'movielens-1m'?"),
        (["datasets", "prepare", "ml-1m", "nowhere", "out"], "nowhere: no such folder"),
    ],
)
def test_wrong_use_is_2_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    (tmp_path / "graph.ttl").write_text("")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, words, prog_name="coldplug")
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr
    assert "bug" not in done.stderr


def test_a_group_below_reports_as_the_program(tmp_path: Path) -> None:
    done = run("datasets", "prepare", "ml-1m", "nowhere", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("coldplug: nowhere: no such folder")


def test_evaluate_prints_tables_writes_the_page_and_carries_on(world: Path, tmp_path: Path) -> None:
    asked = ["evaluate", world, "--methods", "popularity,itemknn", "--salts", "2"]
    page = tmp_path / "report.html"
    done = run(*asked, "-v", "-o", page)
    assert done.returncode == 0, done.stderr
    assert "mean over 2 salts" in done.stdout
    assert [line.split()[0] for line in done.stdout.splitlines()[3:5]] == ["popularity", "itemknn"]
    assert "4 of 4: itemknn / whole graph / salt 'a:'" in done.stderr
    assert "<svg" in page.read_text(encoding="utf-8")
    again = run(*asked, "--json", "-v")
    assert "of 4" not in again.stderr, "finished cells are not run again"
    result = json.loads(again.stdout)
    assert (result["methods"], result["salts"]) == (["popularity", "itemknn"], ["", "a:"])
    assert {row["control"] for row in result["results"]} == {"whole graph"}
    assert len(list((world / "c1-cells").rglob("*.json"))) >= 4


def test_evaluate_asks_for_what_its_options_say(monkeypatch: pytest.MonkeyPatch, world: Path) -> None:
    asked: list[tuple[object, ...]] = []

    def run_c1(data: Path, methods: list[str], salts: object, controls: list[str], **rest: object) -> object:
        asked.append((methods, salts, controls, rest["jobs"], rest["seed"], rest["work"]))
        raise KeyboardInterrupt

    monkeypatch.setattr("coldplug.evaluate.run_c1", run_c1)
    for words in ([], ["--no-controls", "--salts", "1", "--jobs", "2", "--seed", "7", "--work", "kept"]):
        assert CliRunner().invoke(main, ["evaluate", str(world), *words]).exit_code == 130
    (methods, salts, controls, *_), second = asked
    assert isinstance(methods, list)
    assert methods[0] == "posterior"
    assert "naive-bayes" in methods
    assert salts == ("", "a:", "b:", "c:", "d:")
    assert controls == list(CONTROLS)
    assert second == (methods, ("",), [], 2, 7, Path("kept"))


def test_datasets_prepare_says_what_it_wrote(tmp_path: Path) -> None:
    raw = tmp_path / "ml-1m"
    raw.mkdir()
    (raw / "movies.dat").write_text("1::Toy Story (1995)::Animation|Comedy\n", encoding="latin-1")
    (raw / "users.dat").write_text("1::F::25::10::48067\n")
    (raw / "ratings.dat").write_text("1::1::5::978300760\n")
    out = tmp_path / "out"
    done = run("datasets", "prepare", "movielens-1m", raw, out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("movielens-1m prepared\n")
    assert sorted(path.name for path in out.iterdir()) == ["interactions.csv", "items.jsonl", "users.csv"]
    made = json.loads(run("datasets", "prepare", "ml-1m", raw, out, "--json").stdout)
    assert (made["items"], made["users"], made["interactions"]) == (1, 1, 1)
    assert made["files"] == [str(out / name) for name in ("items.jsonl", "users.csv", "interactions.csv")]


def test_help_names_every_data_set() -> None:
    told = CliRunner().invoke(main, ["datasets", "prepare", "--help"]).output
    assert all(name in told for name in DATASETS)


def test_version_and_entry_point() -> None:
    import tomllib

    assert run("--version").stdout.startswith("coldplug, ")
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts["coldplug"] == "coldplug.cli:main"
