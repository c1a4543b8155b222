"""Every method that makes a model: trained from files, read in a fresh process, asked, and told of new items."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import write_world
from click.testing import CliRunner
from plug_world import PYTHON, environment, one_thread, write_new_items

import coldplug
from coldplug.cli import main
from coldplug.errors import ModelFormatError
from coldplug.learn import BASELINES, METHODS, TRAINABLE
from coldplug.plug import Plug, load
from coldplug.store import load_folder, save_folder
from coldplug.train import train_model
from plugbase.errors import UserError

CRIME = {"likes": "crime", "age": 30}
SUPPORT = [("i3", 5), ("i6", 5), ("i1", 2)]
ASKED: list[tuple[dict[str, Any], Any]] = [({}, None), (CRIME, None), ({}, SUPPORT), (CRIME, SUPPORT)]
ITEMS = ["i0", "i1", "i44", "i41", "i43"]
COLD = 42
TINY = {"steps": 4, "batch": 16, "dim": 8}
MORE: dict[str, dict[str, Any]] = {
    "posterior": {"rank": 8, "kernel_steps": 2},
    "maml": {"hidden": 8, "inner_steps": 1},
    "fomaml": {"hidden": 8, "inner_steps": 1},
    "melu": {"hidden": 8, "inner_steps": 1},
    "mf": {"sweeps": 2},
}
EXPLAINING = {"posterior"}


def settings(method: str) -> dict[str, Any]:
    """Just enough to have learned something."""
    return TINY | MORE.get(method, {})


def command(world: Path, method: str, out: Path, *more: str) -> list[str]:
    """`coldplug train` with the small settings."""
    words = ["train", "--graph", str(world / "graph.ttl"), "--method", method, "-o", str(out), *more]
    return [*words, *(word for pair in settings(method).items() for word in ("--set", "{}={}".format(*pair)))]


@cache
def _world(folder: Path) -> Path:
    write_world(folder, 45, 40)
    rows = (folder / "interactions.csv").read_text().splitlines(keepends=True)
    kept = [row for row in rows[1:] if int(row.split(",")[1][1:]) < COLD]
    (folder / "interactions.csv").write_text(rows[0] + "".join(kept))
    os.environ.setdefault("COLDPLUG_CACHE", str(folder / "cache"))
    one_thread()
    return folder


@cache
def _model(world: Path, method: str) -> Path:
    out = world / f"model-{method}"
    done = CliRunner().invoke(main, command(world, method, out, "--json"))
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["method"], summary["items"], summary["new_items"]) == (method, 45, 3)
    assert bool(summary["relevance"]) == (method in EXPLAINING)
    return out


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _world(tmp_path_factory.getbasetemp() / "methods-world")


@pytest.fixture(params=TRAINABLE)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def model(world: Path, method: str) -> Path:
    return _model(world, method)


@pytest.fixture
def plug(model: Path) -> Plug:
    return load(model)


def test_every_method_but_the_baselines_makes_a_model() -> None:
    assert set(TRAINABLE) | set(BASELINES) == set(METHODS)
    assert {"posterior", "maml", "mf"} <= set(TRAINABLE)


def test_the_folder_says_how_it_was_made_and_holds_no_pickle(model: Path, method: str) -> None:
    told = json.loads((model / "model.json").read_text())
    assert told["method"] == method
    assert {name: told["learner"]["settings"][name] for name in settings(method)} == settings(method)
    assert {path.suffix for path in model.iterdir()} == {".json", ".txt", ".safetensors"}


READING = """
import json, sys
import coldplug
asked = json.loads(sys.stdin.read())
for path in sys.argv[1:]:
    plug = coldplug.load(path)
    print(json.dumps(plug.score_batch(asked["users"], asked["items"]).tolist()), flush=True)
"""


def test_another_process_scores_as_the_one_that_trained(world: Path, tmp_path: Path) -> None:
    """The learner that was fitted is asked itself, before it is written; one process reads all models."""
    from coldplug.learn import learner_class
    from coldplug.read import load_training_data
    from coldplug.types import Query

    data = load_training_data(world / "graph.ttl", world / "users.csv", world / "interactions.csv", None)
    place = {item: number for number, item in enumerate(data.graph.item_ids)}
    met = np.array([place[item] for item, _ in SUPPORT])
    ratings = np.array([rating for _, rating in SUPPORT], np.float32)
    queries = [Query(user) if support is None else Query(user, met, ratings) for user, support in ASKED]
    numbers = np.array([place[item] for item in ITEMS])
    fitted = [learner_class(m).fit(data, seed=0, **settings(m)).score(queries, numbers) for m in TRAINABLE]
    read = subprocess.run(
        [PYTHON, "-c", READING, *(str(_model(world, method)) for method in TRAINABLE)],
        input=json.dumps({"users": ASKED, "items": ITEMS}),
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in read.stdout.splitlines()]
    for name, mine, theirs in zip(TRAINABLE, fitted, found, strict=True):
        np.testing.assert_allclose(theirs, mine, rtol=1e-4, atol=1e-5, err_msg=name)
        assert np.ptp(mine[0]) > 0, name
        assert np.abs(mine[1] - mine[0]).max() > 0, name


@pytest.mark.parametrize("damage", ["cut", "altered", "setting"])
def test_a_spoilt_folder_is_refused(model: Path, tmp_path: Path, damage: str) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "model"))
    arrays = copy / "arrays.safetensors"
    if damage == "cut":
        os.truncate(arrays, arrays.stat().st_size - 8)
    elif damage == "altered":
        body = bytearray(arrays.read_bytes())
        body[-5] ^= 1
        arrays.write_bytes(body)
    else:
        told = (copy / "model.json").read_text()
        assert '"dim": 8' in told
        (copy / "model.json").write_text(told.replace('"dim": 8', '"dim": 9'))
    with pytest.raises(ModelFormatError, match="truncated or altered"):
        load(copy)


def test_a_folder_of_another_method_is_refused_though_its_hashes_hold(model: Path, tmp_path: Path) -> None:
    meta, arrays, texts = load_folder(model)
    del meta["files"]
    whole = arrays.copy()
    arrays.pop(next(name for name in sorted(arrays) if not name.startswith("catalogue")))
    save_folder(tmp_path / "less", meta, arrays, texts)
    with pytest.raises(ModelFormatError, match="not the state of"):
        load(tmp_path / "less")
    for name, other in enumerate(("oracle", "itemknn", 3, ["mf"])):
        save_folder(tmp_path / f"{name}", meta | {"method": other}, whole, texts)
        with pytest.raises(ModelFormatError, match="does not know"):
            load(tmp_path / f"{name}")


def test_recommendations_are_the_best_scores_and_leave_the_support_out(plug: Plug, method: str) -> None:
    met = [item for item, _ in SUPPORT]
    rest = [item for item in plug.item_ids if item not in met]
    found = plug.recommend(CRIME, k=len(rest) + 3, support=SUPPORT)
    assert sorted(one.item_id for one in found) == sorted(rest)
    scores = plug.score(CRIME, [one.item_id for one in found], SUPPORT)
    assert (np.diff(scores) <= 1e-4).all()
    np.testing.assert_allclose([one.score for one in found], scores, rtol=1e-4, atol=1e-4)
    assert all(one.title == f"Title {one.item_id[1:]}" for one in found)
    assert any(one.reasons for one in found) == (method in EXPLAINING)


def test_the_table_has_a_column_of_reasons_where_there_are_any(plug: Plug, method: str) -> None:
    from coldplug.cli.score import recommendations_text

    heads = recommendations_text(plug.recommend(CRIME, 2, SUPPORT)).splitlines()[0]
    assert ("because of" in heads) == (method in EXPLAINING)


def test_who_cannot_explain_says_so(plug: Plug, method: str) -> None:
    if method in EXPLAINING:
        told = plug.explain(CRIME, "i0", SUPPORT)
        assert sum(reason.share for reason in told.reasons) == pytest.approx(told.score, abs=1e-4)
        return
    with pytest.raises(UserError, match=f"method '{method}' cannot say") as caught:
        plug.explain(CRIME, "i0", SUPPORT)
    assert "--method posterior" in str(caught.value.mend)


def test_new_items_score_by_what_they_are(plug: Plug, tmp_path: Path) -> None:
    before = plug.score_batch(ASKED, ITEMS)
    assert plug.add_items(write_new_items(tmp_path)) == 2
    scores = plug.score_batch(ASKED, [*ITEMS, "n0", "n1"])
    np.testing.assert_allclose(scores[:, : len(ITEMS)], before, rtol=1e-4, atol=1e-4)
    assert np.isfinite(scores).all()
    assert (scores[:, -2] != scores[:, -1]).all()
    assert np.isfinite(plug.score(CRIME, ["i0", "n1"], [("n0", 5)])).all()
    assert {one.item_id for one in plug.recommend(CRIME, 2, candidates=["n0", "n1"])} == {"n0", "n1"}


def test_the_solver_trains_maml(world: Path, tmp_path: Path) -> None:
    solver = coldplug.ColdStartSolver(kg_path=str(world / "graph.ttl"), meta_method="maml", device="cpu")
    plug = solver.train(epochs=2, batch_size=32, out=tmp_path / "kept", hidden=8, dim=8, inner_steps=1)
    told = plug.meta["learner"]["settings"]
    # 40 users fill a batch of 32 one and a quarter times; two passes are 2.5 batches
    assert (plug.meta["method"], told["steps"], told["batch"], told["hidden"]) == ("maml", 3, 32, 8)
    again = load(tmp_path / "kept")
    np.testing.assert_allclose(again.score(CRIME, ITEMS), plug.score(CRIME, ITEMS), rtol=1e-4)


def test_a_pass_of_matrix_completion_is_a_sweep_and_a_batch_is_nothing(world: Path) -> None:
    solver = coldplug.ColdStartSolver(world / "graph.ttl", "mf")
    with pytest.warns(UserWarning, match="batch changes nothing"):
        plug = solver.train(epochs=3, batch_size=16)
    assert plug.meta["learner"]["settings"]["sweeps"] == 3
    for wrong in (0, -1, 1.5, True):
        with pytest.raises(UserError, match="epochs"):
            solver.train(epochs=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "mamll"], "did you mean 'maml'?"),
        (["--method", "qqqq"], "methods: posterior, auto, maml"),
        (["--method", "itemknn"], "it is a baseline"),
        (["--method", "maml", "--set", "inner_step=2"], "did you mean 'inner_steps'?"),
        (["--set", "steps=many"], "setting steps='many'"),
        (["--set", "steps"], "'steps' is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, words: list[str], said: str
) -> None:
    (tmp_path / "graph.ttl").write_text("this is no graph")
    asked = [PYTHON, "-m", "coldplug", "train", "--graph", str(tmp_path / "graph.ttl"), *words]
    done = subprocess.run(asked, env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("method", ["posterior", "twotower"])
def test_ten_steps_are_as_good_a_number_as_any(world: Path, tmp_path: Path, method: str) -> None:
    """At a tenth of ten steps, which is one, torch's schedule divides by zero."""
    asked = settings(method) | {"steps": 10}
    train_model(world / "graph.ttl", tmp_path / "model", method=method, settings=asked)
    assert np.isfinite(load(tmp_path / "model").score(CRIME, ITEMS)).all()


def test_settings_as_texts_are_the_settings(world: Path, tmp_path: Path) -> None:
    """What the command line passes gives the files that numbers give."""
    train_model(world / "graph.ttl", tmp_path / "again", method="mf", settings=settings("mf"))
    for path in sorted(_model(world, "mf").iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name
