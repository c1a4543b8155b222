"""Model folders: written whole or not at all, checked when read, and never able to run code."""

from __future__ import annotations

import ast
import json
import os
import pickle
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plug_world import PYTHON, ROOT, environment, trained_world

import coldplug
from coldplug import ModelFormatError, store
from coldplug.store import load_folder, save_folder

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([], np.int64),
    "c": np.array([True]),
}
TEXTS = {"names": ["plain", "", "two\nlines", "\u2028", "\ud800", '"quoted" \\', "\x00", "שלום"], "none": []}
META = {"method": "posterior", "learner": {"rate": 0.1, "steps": 3, "name": "é\ud800"}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory) / "model"


@pytest.fixture
def model(trained: Path, tmp_path: Path) -> Path:
    """A copy of a trained model, to be spoilt."""
    return Path(shutil.copytree(trained, tmp_path / "model"))


def test_what_is_saved_is_read_back(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "model"
    save_folder(folder, META, ARRAYS, TEXTS)
    meta, arrays, texts = load_folder(folder)
    assert {key: meta[key] for key in META} == META
    assert texts == TEXTS
    assert set(arrays) == set(ARRAYS)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert sorted(path.name for path in folder.iterdir()) == [
        "arrays.safetensors",
        "model.json",
        "names.txt",
        "none.txt",
    ]
    assert os.listdir(folder.parent) == ["model"]


def test_arrays_of_any_layout_are_kept(tmp_path: Path) -> None:
    turned = np.arange(12, dtype=np.float32).reshape(3, 4).T
    save_folder(tmp_path / "m", {}, {"turned": turned, "some": turned[::2, 1:]}, {})
    arrays = load_folder(tmp_path / "m")[1]
    np.testing.assert_array_equal(arrays["turned"], turned)
    np.testing.assert_array_equal(arrays["some"], turned[::2, 1:])


@pytest.mark.parametrize("exchange", [True, False])
def test_a_model_is_replaced_and_leaves_nothing_behind(
    tmp_path: Path, exchange: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the exchange of names that Linux has, and without it."""
    if not exchange:
        monkeypatch.setattr(store, "_exchanged", lambda one, other: False)
    for turn in range(3):
        save_folder(tmp_path / "model", {"turn": turn}, ARRAYS, {f"only-{turn}": ["x"]})
    meta, _, texts = load_folder(tmp_path / "model")
    assert meta["turn"] == 2
    assert set(texts) == {"only-2"}
    assert os.listdir(tmp_path) == ["model"]


def test_a_link_to_a_model_stays_a_link(tmp_path: Path) -> None:
    save_folder(tmp_path / "first", {"turn": 0}, ARRAYS, {})
    (tmp_path / "latest").symlink_to("first")
    save_folder(tmp_path / "latest", {"turn": 1}, ARRAYS, {})
    assert (tmp_path / "latest").is_symlink()
    assert load_folder(tmp_path / "first")[0]["turn"] == 1


def test_what_is_no_model_is_not_overwritten(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "one.jpg").write_bytes(b"x")
    with pytest.raises(ModelFormatError, match="is not a model"):
        save_folder(folder, META, ARRAYS, TEXTS)
    assert [path.name for path in folder.iterdir()] == ["one.jpg"]
    file = tmp_path / "notes.txt"
    file.write_text("x")
    with pytest.raises(ModelFormatError, match="is not a model"):
        save_folder(file, META, ARRAYS, TEXTS)
    assert file.read_text() == "x"
    (tmp_path / "empty").mkdir()
    save_folder(tmp_path / "empty", META, ARRAYS, TEXTS)
    assert load_folder(tmp_path / "empty")[2] == TEXTS


def test_a_failed_save_leaves_the_old_model_and_no_rubbish(tmp_path: Path) -> None:
    save_folder(tmp_path / "model", {"turn": 0}, ARRAYS, TEXTS)
    with pytest.raises(TypeError):
        save_folder(tmp_path / "model", {"turn": {1, 2}}, ARRAYS, TEXTS)
    assert load_folder(tmp_path / "model")[0]["turn"] == 0
    assert os.listdir(tmp_path) == ["model"]


def in_json(change: Callable[[dict], object]) -> Callable[[Path], object]:
    """Edit model.json as JSON."""

    def spoil(folder: Path) -> None:
        path = folder / "model.json"
        told = json.loads(path.read_text())
        change(told)
        path.write_text(json.dumps(told))

    return spoil


def cut(name: str, to: int) -> Callable[[Path], object]:
    return lambda folder: os.truncate(folder / name, to)


def flip(name: str, at: int) -> Callable[[Path], object]:
    """Change one bit of one byte."""

    def spoil(folder: Path) -> None:
        body = bytearray((folder / name).read_bytes())
        body[at] ^= 1
        (folder / name).write_bytes(body)

    return spoil


SPOILT: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "holds no model.json"),
    "no model.json": (lambda folder: (folder / "model.json").unlink(), "holds no model.json"),
    "arrays missing": (
        lambda folder: (folder / "arrays.safetensors").unlink(),
        "arrays.safetensors is missing",
    ),
    "titles missing": (lambda folder: (folder / "catalogue-titles.txt").unlink(), "titles.txt is missing"),
    "arrays cut short": (cut("arrays.safetensors", 5000), "arrays.safetensors was truncated or altered"),
    "arrays empty": (cut("arrays.safetensors", 0), "arrays.safetensors was truncated or altered"),
    "arrays altered": (flip("arrays.safetensors", -9), "arrays.safetensors was truncated or altered"),
    "text altered": (flip("catalogue-titles.txt", 3), "titles.txt was truncated or altered"),
    "text longer": (lambda f: (f / "catalogue-titles.txt").open("a").write('"x"\n'), "truncated or altered"),
    "model.json cut short": (cut("model.json", 900), "model.json is damaged"),
    "model.json empty": (cut("model.json", 0), "model.json is damaged"),
    "model.json garbage": (
        lambda f: (f / "model.json").write_bytes(b"\x80\x04\xff\x00"),
        "model.json is damaged",
    ),
    "model.json a list": (lambda f: (f / "model.json").write_text("[1]"), "model.json is damaged"),
    "model.json a number": (lambda f: (f / "model.json").write_text("3"), "model.json is damaged"),
    "model.json deep": (lambda f: (f / "model.json").write_text("[" * 10**5), "model.json is damaged"),
    "no format": (in_json(lambda told: told.pop("format")), "model.json is damaged"),
    "newer format": (in_json(lambda told: told.update(format=99)), "has format 99"),
    "format of another type": (in_json(lambda told: told.update(format="1")), "has format '1'"),
    "files not a table": (in_json(lambda told: told.update(files=[1])), "model.json is damaged"),
    "hashes not texts": (
        in_json(lambda told: told["files"].update({"names.txt": 3})),
        "truncated or altered",
    ),
    "setting altered": (
        in_json(lambda told: told["learner"]["settings"].update(dim=9)),
        "model.json was truncated or altered",
    ),
    "hash of model.json gone": (
        in_json(lambda told: told.pop("sha256")),
        "model.json was truncated or altered",
    ),
}


@pytest.mark.parametrize("case", SPOILT)
def test_a_spoilt_model_is_a_clear_error(model: Path, case: str) -> None:
    spoil, said = SPOILT[case]
    spoil(model)
    with pytest.raises(ModelFormatError, match=said) as caught:
        coldplug.plug.load(model)
    assert str(model) in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize("missing", ["learner", "array", "text"])
def test_a_whole_folder_of_something_else_is_a_clear_error(
    trained: Path, tmp_path: Path, missing: str
) -> None:
    """Hashes that hold do not make a folder a model of this kind."""
    meta, arrays, texts = load_folder(trained)
    if missing == "learner":
        del meta["learner"]
    elif missing == "array":
        del arrays["moments.keys"]
    else:
        del texts["catalogue-quotes"]
    save_folder(tmp_path / "other", {k: v for k, v in meta.items() if k != "files"}, arrays, texts)
    with pytest.raises(ModelFormatError):
        coldplug.plug.load(tmp_path / "other")


def test_model_json_tells_what_the_model_was_made_of(trained: Path) -> None:
    told = json.loads((trained / "model.json").read_text())
    assert told["format"] == store.FORMAT_VERSION
    assert told["method"] == "posterior"
    assert set(told["inputs"]) == {"graph.ttl", "users.csv", "interactions.csv"}
    assert all(len(digest) == 64 for digest in told["inputs"].values())
    assert told["learner"]["settings"]["dim"] == 8
    assert set(told["files"]) == {path.name for path in trained.iterdir()} - {"model.json"}


def test_training_the_same_again_gives_the_same_files(trained: Path, tmp_path: Path) -> None:
    from plug_world import SETTINGS

    from coldplug.train import train_model

    summary = train_model(trained.parent / "graph.ttl", tmp_path / "again", settings=SETTINGS)
    assert summary.items == 90
    assert summary.new_items == 10
    for path in sorted(trained.iterdir()):
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes(), path.name


SAVING = """
import sys
from pathlib import Path
import numpy as np
from coldplug.store import save_folder
turn = 0
while True:
    turn += 1
    save_folder(Path(sys.argv[1]), {"turn": turn}, {"a": np.full(200_000, turn, np.float32)}, {"t": [str(turn)] * 500})
    print(turn, flush=True)
"""


def test_a_process_killed_while_saving_leaves_a_whole_model(tmp_path: Path) -> None:
    """Killed at many moments of a save that repeats itself; the folder must always hold one of its models, whole."""
    folder = tmp_path / "model"
    for attempt in range(6):
        process = subprocess.Popen(
            [PYTHON, "-c", SAVING, str(folder)], env=environment(), stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.0137 * attempt)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        process.stdout.close()
        meta, arrays, texts = load_folder(folder)
        assert meta["turn"] >= 1
        assert (arrays["a"] == meta["turn"]).all()
        assert texts["t"] == [str(meta["turn"])] * 500


def test_at_no_moment_of_a_save_is_there_no_model(tmp_path: Path) -> None:
    """Looked at from outside, without pause, while another process saves over and over."""
    folder = tmp_path / "model"
    process = subprocess.Popen([PYTHON, "-c", SAVING, str(folder)], env=environment(), stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        until = time.monotonic() + 1.0
        looked = 0
        while time.monotonic() < until:
            assert (folder / "model.json").exists()
            looked += 1
    finally:
        process.kill()
        process.communicate()
    assert looked > 100


def test_no_file_of_a_model_is_a_pickle(trained: Path) -> None:
    for path in trained.iterdir():
        assert path.suffix in {".json", ".txt", ".safetensors"}
        with pytest.raises(Exception, match=r".") as caught, path.open("rb") as stream:
            pickle.load(stream)
        assert not isinstance(caught.value, AssertionError)


UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
UNSAFE_CALLS = {
    "torch.load",
    "torch.jit.load",
    "yaml.load",
    "yaml.unsafe_load",
    "pd.read_pickle",
    "eval",
    "exec",
}


def unsafe(tree: ast.AST) -> list[str]:
    """Imports and calls that could run code out of a file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] in UNSAFE_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNSAFE_MODULES:
            found.append(node.module or "")
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in UNSAFE_CALLS or name.endswith((".read_pickle", ".to_pickle")):
                found.append(name)
            found += [
                name for k in node.keywords if k.arg == "allow_pickle" and ast.unparse(k.value) != "False"
            ]
    return found


def test_the_scan_sees_what_it_looks_for() -> None:
    source = "import pickle\nfrom joblib import load\ntorch.load(p)\nnp.load(p, allow_pickle=True)\neval(x)\nmodel.eval()"
    assert unsafe(ast.parse(source)) == ["pickle", "joblib", "torch.load", "np.load", "eval"]


def test_nothing_in_coldplug_unpickles() -> None:
    sources = sorted((ROOT / "coldplug").rglob("*.py"))
    assert len(sources) > 40
    found = {str(path): unsafe(ast.parse(path.read_text(encoding="utf-8"))) for path in sources}
    assert {path: names for path, names in found.items() if names} == {}


LOADING = """
import json, sys
import coldplug
plug = coldplug.load(sys.argv[1])
plug.recommend({"likes": "crime"}, 3, ["i3"])
plug.explain({"likes": "crime"}, "i81", ["i3"])
heavy = {"torch", "spacy", "transformers", "sentence_transformers", "kgbuild"}
print(json.dumps(sorted(heavy & set(sys.modules))))
"""


def test_loading_scoring_and_explaining_import_nothing_heavy(trained: Path) -> None:
    done = subprocess.run(
        [PYTHON, "-c", LOADING, str(trained)], env=environment(), capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == []
