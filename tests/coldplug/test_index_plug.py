"""An index beside a model: recommending with it gives what recommending without it gives; damage is a clear error."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import GENRES
from plug_world import PYTHON, SETTINGS, environment, fresh_plug, trained_world, write_new_items

import coldplug
from coldplug.index import finder
from coldplug.index.diversity import similarity
from coldplug.index.folder import index_model, load_finder
from coldplug.learn import trainable_class
from coldplug.plug import Plug, Recommendation, load
from coldplug.train import train_model
from plugbase.errors import UserError

CRIME = {"likes": "crime", "age": 30}
NEEDS = {"milvus": "milvus_lite", "exact": "numpy"}
SUPPORT = [("i3", 5), ("i6", 5), ("i81", 4)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture(scope="module")
def plain(world: Path) -> Plug:
    return fresh_plug(world)


@pytest.fixture(scope="module")
def indexed(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = tmp_path_factory.mktemp("indexed") / "model"
    shutil.copytree(world / "model", model)
    summary = index_model(model)
    assert (summary.items, summary.direct, summary.recall) == (10, 80, 1.0)
    assert summary.bytes > 1000
    return model


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few candidates, so that in a small world too the index has something to leave out."""
    monkeypatch.setattr(finder, "LEAST", 3)
    monkeypatch.setattr(finder, "TIMES", 2)
    monkeypatch.setattr(finder, "_MARGIN", 2)


def ids(found: list[Recommendation]) -> list[str]:
    return [one.item_id for one in found]


def test_recommendations_are_those_of_scoring_everything(indexed: Path, plain: Plug) -> None:
    plug = load(indexed)
    assert plug._finder is not None
    user = plug.user_vector(CRIME, SUPPORT)
    assert len(plug._finder.candidates(user, 2)) == 4 + 4  # and not 90
    mask = np.array([item.endswith(("1", "5", "6")) for item in plain.item_ids])
    asked: list[dict[str, Any]] = [
        {},
        {"support": SUPPORT},
        {"exclude": ids(plain.recommend(CRIME, k=5))},
        {"candidates": mask},
        {"candidates": [f"i{n}" for n in range(70, 90)], "support": SUPPORT},
        {"where": {"genre": GENRES[1]}},
        {"where": {"genre": list(GENRES[:2])}, "candidates": mask},
        {"diversity": 0.4},
    ]
    for arguments in asked:
        for k in (1, 4, 30):
            assert ids(plug.recommend(CRIME, k, **arguments)) == ids(plain.recommend(CRIME, k, **arguments))


@pytest.mark.parametrize("kind", ["usearch", "hnswlib", "milvus", "exact"])
def test_every_kind_lies_beside_the_model(kind: str, indexed: Path, plain: Plug, tmp_path: Path) -> None:
    if find_spec(NEEDS.get(kind, kind)) is None:
        pytest.skip(f"{NEEDS.get(kind, kind)} is not installed")
    model = tmp_path / "model"
    shutil.copytree(indexed, model)
    assert index_model(model, kind).recall == 1.0
    for plug in (load(model), load(model)):
        assert ids(plug.recommend(CRIME, 6, SUPPORT)) == ids(plain.recommend(CRIME, 6, SUPPORT))


def test_items_that_come_later_are_recommended(indexed: Path, tmp_path: Path) -> None:
    plug = load(indexed)
    assert plug.add_items(write_new_items(tmp_path)) == 2
    mask = np.isin(plug.item_ids, ["n0", "n1", "i3"])
    assert set(ids(plug.recommend(CRIME, 3, candidates=mask))) == {"n0", "n1", "i3"}
    everything = ids(plug.recommend(CRIME, 92))
    assert {"n0", "n1"} <= set(everything)
    assert len(everything) == 92
    with pytest.raises(UserError, match="mask of 90 items; the model has 92"):
        plug.recommend(CRIME, candidates=np.ones(90, np.bool_))


def test_facts_that_an_item_must_have(plain: Plug) -> None:
    found = plain.recommend(CRIME, 90, where={"genre": GENRES[1].upper()})
    assert 0 < len(found) < 90
    both = plain.recommend(CRIME, 90, where={"genre": [GENRES[1], GENRES[0]]})
    assert set(ids(found)) < set(ids(both))
    fact_of = {item: plain._catalogue.facts(plain._catalogue.numbers[item]) for item in ids(found)}
    assert all(any(one.value == GENRES[1] for one in facts.values()) for facts in fact_of.values())
    theme = next(one.value for (relation, _), one in fact_of[ids(found)[0]].items() if relation == "theme")
    narrower = plain.recommend(CRIME, 90, where={"genre": GENRES[1], "theme": theme})
    assert set(ids(narrower)) <= set(ids(found))
    assert ids(found)[0] in ids(narrower)
    with pytest.raises(UserError, match=r"relation 'gener'\n.*'genre'"):
        plain.recommend(CRIME, where={"gener": "x"})
    with pytest.raises(UserError, match=f"genre='crim'\n.*{GENRES[0][:3]}"):
        plain.recommend(CRIME, where={"genre": "crim"})
    wrong: Any = ["genre"]
    with pytest.raises(UserError, match="where is a list"):
        plain.recommend(CRIME, where=wrong)


def test_a_diverse_list_begins_with_the_best_and_says_less_twice(plain: Plug) -> None:
    best = plain.recommend(CRIME, 10)
    assert ids(plain.recommend(CRIME, 10, diversity=0)) == ids(best)
    assert ids(plain.recommend(CRIME, 1, diversity=0.9)) == ids(best)[:1]

    def sameness(found: list[Recommendation]) -> float:
        numbers = plain._catalogue.find(ids(found))
        return float((similarity(plain._catalogue, numbers).sum() - len(numbers)) / len(numbers))

    told = [plain.recommend(CRIME, 10, diversity=share) for share in (0, 0.3, 1.0)]
    assert sameness(told[0]) > sameness(told[1]) > sameness(told[2])
    assert {len(set(ids(found))) for found in told} == {10}
    scores = dict(zip(plain.item_ids, plain.score(CRIME, plain.item_ids).tolist(), strict=True))
    assert all(one.score == pytest.approx(scores[one.item_id], abs=1e-5) for one in told[1])
    wrong: list[Any] = [-0.1, 1.1, True, "0.3", float("nan")]
    for diversity in wrong:
        with pytest.raises(UserError, match="diversity="):
            plain.recommend(CRIME, diversity=diversity)


def test_similarity_is_one_for_the_same_facts_and_none_without(plain: Plug) -> None:
    catalogue = plain._catalogue
    numbers = np.array([0, 3, 1])
    alike = similarity(catalogue, numbers)
    np.testing.assert_allclose(np.diag(alike), 1, atol=1e-6)
    assert 0 < alike[0, 1] < 1  # both crime, another theme
    none = np.empty(0, np.int64)
    bare = replace(catalogue, heads=none, relations=none, tails=none, weights=none.astype(np.float32))
    assert not similarity(bare, numbers).any()


def test_an_index_is_made_again_and_goes_with_the_model_it_was_made_of(indexed: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(indexed, model)
    assert index_model(model, "exact").kind == "exact"
    assert json.loads((model / "index" / "index.json").read_text())["kind"] == "exact"
    assert not (model / "index" / "rows.faiss").exists()
    assert [path.name for path in model.iterdir() if path.name.startswith(".")] == []
    told = json.loads((model / "model.json").read_text())
    (model / "model.json").write_text(json.dumps(told, sort_keys=True))  # another file, and as good a model
    with pytest.raises(coldplug.ModelFormatError, match=r"index of another model\n.*coldplug index"):
        load(model)


@pytest.mark.parametrize("name", ["rows.faiss", "short.safetensors", "index.json"])
def test_a_truncated_or_missing_file_is_a_clear_error(indexed: Path, tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(indexed, model)
    file = model / "index" / name
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(coldplug.ModelFormatError, match="coldplug index"):
        load(model)
    file.unlink()
    if name == "index.json":  # no index, then
        assert load(model)._finder is None
    else:
        with pytest.raises(coldplug.ModelFormatError, match="missing"):
            load(model)


def test_files_outside_the_folder_are_not_read(indexed: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(indexed, model)
    told = json.loads((model / "index" / "index.json").read_text())
    told["files"]["../model.json"] = told["model"]
    (model / "index" / "index.json").write_text(json.dumps(told))
    with pytest.raises(coldplug.ModelFormatError, match="missing, truncated or altered"):
        load(model)


def test_training_again_leaves_no_index_of_the_old_model(world: Path, indexed: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(indexed, model)
    train_model(world / "graph.ttl", model, settings=SETTINGS | {"steps": 2}, seed=1)
    assert not (model / "index").exists()


def test_a_method_without_vectors_says_so(world: Path, tmp_path: Path) -> None:
    train_model(world / "graph.ttl", tmp_path / "model", method="fomaml", settings={"steps": 1, "dim": 4})
    with pytest.raises(UserError, match="'fomaml' are no inner products"):
        index_model(tmp_path / "model")
    with pytest.raises(UserError, match="--kind milvus"):
        index_model(tmp_path / "model", "faiss", place="http://127.0.0.1:1")


def test_a_network_s_model_has_an_index_too(world: Path, tmp_path: Path) -> None:
    settings = {"steps": 5, "dim": 8, "least_positives": 1}
    train_model(world / "graph.ttl", tmp_path / "model", method="twotower", settings=settings)
    before = load(tmp_path / "model").recommend(CRIME, 5)
    index_model(tmp_path / "model")
    plug = load(tmp_path / "model")
    assert plug._finder is not None
    assert ids(plug.recommend(CRIME, 5)) == ids(before)
    assert load_finder(tmp_path / "model", plug._learner) is not None
    assert trainable_class("twotower").name == "twotower"


def test_the_command(indexed: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(indexed, model)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [PYTHON, "-m", "coldplug", *arguments]
        return subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)

    done = run("index", str(model), "--kind", "usearch", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["kind"], told["items"], told["recall"]) == ("usearch", 10, 1.0)
    shown = run(
        "recommend", str(model), "--where", f"genre={GENRES[1]}", "--diversity", "0.3", "-k", "2", "--json"
    )
    assert shown.returncode == 0, shown.stderr
    assert len(json.loads(shown.stdout)["recommendations"]) == 2
    assert run("recommend", str(model), "--where", "genre").returncode == 2
