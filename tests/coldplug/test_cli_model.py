"""`coldplug train`, `score`, `recommend` and `explain` as processes, on a small made-up catalogue."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import write_world

import coldplug

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
USER = ["--user", "age=25", "--user", "likes=space"]


def run(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coldplug", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=ENVIRONMENT, capture_output=True, text=True, timeout=300, check=False
    )


def as_json(*words: str | Path) -> Any:
    done = run(*words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_world(tmp_path_factory.mktemp("world"), 45, 48)
    rows = (folder / "interactions.csv").read_text().splitlines()
    kept = [row for row in rows if row.split(",")[1] not in ("i42", "i43", "i44")]
    (folder / "interactions.csv").write_text("\n".join([*kept, "u1,elsewhere,5"]) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(world: Path) -> subprocess.CompletedProcess[str]:
    return run("train", "--graph", "graph.ttl", "--positive-at", "4", cwd=world)


@pytest.fixture(scope="module")
def model(world: Path, trained: subprocess.CompletedProcess[str]) -> Path:
    assert trained.returncode == 0, trained.stderr
    return world / "model"


def test_train_finds_its_files_and_says_what_it_made(
    world: Path, trained: subprocess.CompletedProcess[str]
) -> None:
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout.startswith("model written in ")
    counts = {
        line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in trained.stdout.splitlines()[1:6]
    }
    rows = (world / "interactions.csv").read_text().splitlines()[1:-1]
    assert counts == {
        "items": "45",
        "that nobody has met yet": "3",
        "users": "48",
        "interactions": f"{len(rows):,}",
        "likes": f"{sum(int(row.split(',')[2]) >= 4 for row in rows):,}",
    }
    assert "genre" in trained.stdout.splitlines()[-1]
    assert (
        "warning: 1 interactions left out: their 1 items are not in the graph ('elsewhere')" in trained.stderr
    )
    assert (world / "model" / "model.json").is_file()


def test_scores_are_those_of_the_library(model: Path) -> None:
    found = as_json("score", model, "i2", "i0", "i44", *USER, "--support", "i5=5,i8")["scores"]
    assert [one["item_id"] for one in found] == ["i2", "i0", "i44"]
    plug = coldplug.load(model)
    expected = plug.score({"age": "25", "likes": "space"}, ["i2", "i0", "i44"], [("i5", 5), "i8"])
    np.testing.assert_allclose([one["score"] for one in found], expected, rtol=1e-4, atol=1e-4)
    assert found[0]["score"] > found[1]["score"], "space, liked, above crime"
    table = run("score", model, "i2", "i0", *USER).stdout.splitlines()
    assert [line.split()[0] for line in table] == ["i2", "i0"]


def test_json_and_name_value_are_the_same_user(model: Path) -> None:
    one = as_json("score", model, "i2", "i44", *USER)
    assert as_json("score", model, "i2", "i44", "--user", '{"age": 25, "likes": "space"}') == one
    assert as_json("score", model, "i2", "i44") != one


def test_unknown_items_are_named_and_may_be_nan(model: Path) -> None:
    done = run("score", model, "i2", "i450")
    assert (done.returncode, done.stdout) == (2, "")
    assert "coldplug: the model has no item 'i450'\n  did you mean 'i4" in done.stderr
    assert "--unknown nan" in run("score", model, "Solaris").stderr
    scores = as_json("score", model, "i2", "i450", "--unknown", "nan")["scores"]
    assert scores[0]["score"] is not None
    assert scores[1] == {"item_id": "i450", "score": None}
    for command in (["score", model, "i2"], ["recommend", model], ["explain", model, "i2"]):
        done = run(*command, "--support", "Solaris=5")
        assert done.returncode == 2
        assert "--support: the model has no item 'Solaris'" in done.stderr


def test_unknown_attributes_are_a_warning(model: Path) -> None:
    done = run("score", model, "i2", "--user", "lokes=space", "--user", "likes=spice")
    assert done.returncode == 0
    warned = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warned) == 2
    assert "did you mean 'likes'?" in warned[0]
    assert "did you mean 'space'?" in warned[1]


def test_recommend(model: Path) -> None:
    found = as_json("recommend", model, *USER, "--support", "i2,i5=4", "-k", "3", "--exclude", "i8,i11")
    items = [one["item_id"] for one in found["recommendations"]]
    assert len(items) == 3
    assert not {"i2", "i5", "i8", "i11"} & set(items)
    scores = [one["score"] for one in found["recommendations"]]
    assert scores == sorted(scores, reverse=True)
    new = as_json("recommend", model, *USER, "--candidates", "i42,i43", "--candidates", "i44")
    assert sorted(one["item_id"] for one in new["recommendations"]) == ["i42", "i43", "i44"]
    assert new["recommendations"][0]["item_id"] == "i44", "the new item of the liked genre"
    lines = run("recommend", model, *USER, "-k", "2").stdout.splitlines()
    assert lines[0].split() == ["id", "title", "score", "because", "of"]
    assert len(lines) == 3
    assert "likes=space" in lines[1]


def test_explain_adds_up_and_names_facts(model: Path) -> None:
    found = as_json("explain", model, "i44", *USER, "--support", "i2=5")
    assert sum(reason["share"] for reason in found["reasons"]) == pytest.approx(found["score"], abs=1e-3)
    text = run("explain", model, "i44", *USER, "--support", "i2=5").stdout
    assert text.splitlines()[0].startswith("Title 44 (i44): ")
    for part in ("appeal to everyone", "likes=space", "having met Title 2", "both: genre space", "resembles"):
        assert part in text


def test_a_model_of_another_kind_is_named(world: Path, tmp_path: Path) -> None:
    done = run("score", world, "i2")
    assert done.returncode == 2
    assert "holds no model.json" in done.stderr
    assert "coldplug train" in done.stderr
    assert "Traceback" not in done.stderr
