"""`coldplug update` on folders and tables: in place or elsewhere, whole or not at all, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from plug_world import PYTHON, environment, trained_world, write_new_items

import coldplug
from coldplug.cli import main
from coldplug.plug import load
from coldplug.train import train_model

FAIRY = [f"i{item}" for item in range(1, 80, 3)]
OTHERS = [f"i{item}" for item in range(0, 80, 3)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture
def model(world: Path, tmp_path: Path) -> Path:
    """A copy of a trained model with new.csv and people.csv beside it: users who say `western` and like fairy tales."""
    random = np.random.default_rng(3)
    people, rows = ["user_id,likes,age"], ["user_id,item_id,rating"]
    for user in range(30):
        people.append(f"n{user},western,{70 + user % 9}")
        rows += [f"n{user},{item},5" for item in random.choice(FAIRY, 12, replace=False)]
        rows += [f"n{user},{item},2" for item in random.choice(OTHERS, 4, replace=False)]
    (tmp_path / "people.csv").write_text("\n".join(people) + "\n")
    (tmp_path / "new.csv").write_text("\n".join(rows) + "\n")
    return Path(shutil.copytree(world / "model", tmp_path / "model"))


def update(model: Path, *more: str | Path, table: str = "new.csv") -> Result:
    words = ["update", str(model), "--interactions", str(model.parent / table), *map(str, more)]
    return CliRunner().invoke(main, words)


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file of a folder with its hash."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def liking(model: Path, user: dict[str, Any]) -> float:
    """How much higher than the others the fairy tales stand for a user without a support."""
    plug = load(model)
    return float(plug.score(user, FAIRY).mean() - plug.score(user, OTHERS).mean())


def test_a_model_learns_in_place_and_says_what_it_met(model: Path) -> None:
    before, crime = liking(model, {}), liking(model, {"likes": "crime"})
    done = update(model, "--users", model.parent / "people.csv", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert {name: told[name] for name in ("users", "interactions", "positives", "items", "added_items")} == {
        "users": 30,
        "interactions": 480,
        "positives": 360,
        "items": 90,
        "added_items": 0,
    }
    assert liking(model, {"likes": "western"}) > before + 0.5
    assert liking(model, {"likes": "crime"}) < liking(model, {"likes": "western"}) - 0.5
    assert abs(liking(model, {"likes": "crime"}) - crime) < 0.5
    kept = json.loads((model / "model.json").read_text())
    assert kept["updates"] == [
        {
            "seed": 0,
            "inputs": {
                name: hashlib.sha256((model.parent / name).read_bytes()).hexdigest()
                for name in ("new.csv", "people.csv")
            },
        }
    ]
    again = update(model, "--seed", "4")
    assert again.exit_code == 0, again.output
    assert [one["seed"] for one in json.loads((model / "model.json").read_text())["updates"]] == [0, 4]
    assert sorted(path.name for path in model.parent.iterdir()) == ["model", "new.csv", "people.csv"]


def test_elsewhere_leaves_the_model_alone_and_keeps_what_explains_it(model: Path) -> None:
    before, other = fingerprint(model), model.parent / "deep" / "other"
    done = update(model, "-o", other)
    assert done.exit_code == 0, done.output
    assert fingerprint(model) == before
    old, new = load(model), load(other)
    assert new.item_ids == old.item_ids
    reasons = [plug.explain({"likes": "crime"}, "i81", ["i3"]) for plug in (old, new)]
    assert reasons[0].score != reasons[1].score
    assert abs(reasons[1].score - float(new.score({"likes": "crime"}, ["i81"], ["i3"])[0])) < 1e-4
    size = [sum(file.stat().st_size for file in folder.iterdir()) for folder in (model, other)]
    assert size[1] < 1.1 * size[0]


def test_items_that_the_model_does_not_know_come_from_a_graph(model: Path) -> None:
    rows = (model.parent / "new.csv").read_text()
    (model.parent / "more.csv").write_text(rows + "n0,n1,5\nn1,n1,5\n")
    before = fingerprint(model)
    refused = update(model, table="more.csv")
    assert refused.exit_code == 2
    assert f"more.csv:{rows.count(chr(10)) + 1}: item 'n1' is unknown to the model" in refused.output
    assert "--graph" in refused.output
    assert fingerprint(model) == before
    done = update(model, "--graph", write_new_items(model.parent / "newer"), table="more.csv")
    assert done.exit_code == 0, done.output
    assert "1 of the" in done.output
    assert "have no vector of their own" in done.output
    plug = load(model)
    assert {"n0", "n1"} <= set(plug.item_ids)
    tale, crime = plug.score({"likes": "fairy tale"}, ["n1", "n0"])
    assert tale > crime
    assert update(model, table="more.csv").exit_code == 0


def test_an_item_that_no_graph_describes_is_named(model: Path) -> None:
    (model.parent / "more.csv").write_text("user_id,item_id\nn0,i1\nn0,nowhere\nn1,elsewhere\n")
    refused = update(model, "--graph", write_new_items(model.parent / "newer"), table="more.csv")
    assert refused.exit_code == 2
    assert "more.csv:3: item 'nowhere' is unknown to the model (2 items are unknown)" in refused.output
    assert "does not describe it either" in refused.output


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("user_id,item_id\n", "holds no rows"),
        ("user_id,item_id,rating\nn0,i1,good\n", "new.csv:2: rating is 'good'"),
        ("user_id,item_id,rating\nn0,i1,1\nn0,i2,1\n", "no new user likes an item"),
        ("user,item_id\nn0,i1\n", "no user_id"),
    ],
)
def test_a_wrong_table_is_refused_and_changes_nothing(model: Path, rows: str, message: str) -> None:
    (model.parent / "new.csv").write_text(rows)
    before = fingerprint(model)
    refused = update(model)
    assert refused.exit_code == 2
    assert message in refused.output
    assert fingerprint(model) == before


def test_wrong_folders_and_methods_are_refused(world: Path, model: Path) -> None:
    foreign = model.parent / "foreign"
    foreign.mkdir()
    (foreign / "letter.txt").write_text("dear")
    refused = update(model, "-o", foreign)
    assert refused.exit_code == 2
    assert "is not a model" in refused.output
    nothing = CliRunner().invoke(
        main, ["update", str(foreign), "--interactions", str(model.parent / "new.csv")]
    )
    assert nothing.exit_code == 2
    assert "holds no model.json" in nothing.output
    factors = model.parent / "factors"
    train_model(world / "graph.ttl", factors, method="mf", settings={"sweeps": 1, "dim": 4})
    refused = CliRunner().invoke(
        main, ["update", str(factors), "--interactions", str(model.parent / "new.csv")]
    )
    assert refused.exit_code == 2
    assert "method 'mf' cannot be updated" in refused.output
    assert "posterior, maml" in refused.output


def test_ratings_off_the_scale_and_users_without_a_row_are_told(model: Path) -> None:
    rows = (model.parent / "new.csv").read_text()
    (model.parent / "new.csv").write_text(rows.replace(",5\n", ",50\n"))
    (model.parent / "people.csv").write_text("user_id,likes\nn0,crime\n")
    done = update(model, "--users", model.parent / "people.csv")
    assert done.exit_code == 0, done.output
    assert "360 ratings such as 50 are outside the scale of the training, 2 to 5" in done.output
    assert "29 users have interactions but no row in" in done.output


@pytest.mark.parametrize("stage", ["closed-form weights", "user and item vectors", "writing the model"])
def test_a_process_killed_on_the_way_leaves_a_whole_model(model: Path, stage: str) -> None:
    before, scores = fingerprint(model), coldplug.load(model).score({}, FAIRY)
    process = subprocess.Popen(
        [
            PYTHON,
            "-m",
            "coldplug",
            "update",
            str(model),
            "--interactions",
            str(model.parent / "new.csv"),
        ],
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any(line.startswith(stage) for line in process.stderr)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    process.stderr.close()
    after = load(model).score({}, FAIRY)
    if fingerprint(model) == before:
        np.testing.assert_array_equal(after, scores)
    else:
        assert stage == "writing the model"
        assert json.loads((model / "model.json").read_text())["updates"]
    assert update(model).exit_code == 0
