"""A model swapped under load: no question fails, and each is answered from one model to the end."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from plug_world import trained_world

from coldplug.errors import ModelFormatError
from coldplug.online import Swappable
from coldplug.store import load_folder, save_folder

IDS = [f"i{number}" for number in range(90)]
SUPPORT = [("i3", 5.0), ("i6", 4.0)]


@pytest.fixture
def folders(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> tuple[Path, Path]:
    """Two models that differ in the bias of items, the first in the place that is served."""
    served, other = tmp_path / "model", tmp_path / "other"
    shutil.copytree(trained_world(tmp_path_factory) / "model", served)
    meta, arrays, texts = load_folder(served)
    arrays["items.bias"] = arrays["items.bias"] + np.arange(90, dtype=np.float32)
    told = {name: value for name, value in meta.items() if name not in ("format", "files")}
    save_folder(other, told, arrays, texts)
    return served, other


def put(source: Path, target: Path) -> None:
    """As training does: the folder is exchanged whole."""
    meta, arrays, texts = load_folder(source)
    told = {name: value for name, value in meta.items() if name not in ("format", "files")}
    save_folder(target, told, arrays, texts)


def wait_for(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_threads_score_while_models_are_swapped(folders: tuple[Path, Path], tmp_path: Path) -> None:
    served, other = folders
    first = tmp_path / "first"
    shutil.copytree(served, first)
    holder = Swappable(served, users=tmp_path / "users.db")
    holder.add([{"id": "n0", "title": "New", "attributes": {"genre": ["crime"]}}])
    one = holder.plug.score({}, IDS, SUPPORT)
    put(other, served)
    two = holder.swap().score({}, IDS, SUPPORT)
    assert np.abs(one - two).max() > 1
    answers, failures, stop = set(), [], threading.Event()

    def ask(user: str) -> None:
        while not stop.is_set():
            try:
                plug = holder.plug
                plug.observe(user, "i3", 5)
                told = plug.score({}, [*IDS, "n0"], SUPPORT)
                assert np.isfinite(told[-1])
                answers.add(told[:-1].tobytes())
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=ask, args=(f"u{number}",)) for number in range(3)]
    for thread in threads:
        thread.start()
    with holder.watched(every=0.02):
        for source in (first, other, first):
            before = holder.plug
            put(source, served)
            wait_for(lambda before=before: holder.plug is not before)  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert answers == {one.tobytes(), two.tobytes()}
    assert holder.plug.user("u0").support == [("i3", 5.0)]
    assert not holder.changed()


def test_a_folder_that_is_no_whole_model_changes_nothing_until_it_is(folders: tuple[Path, Path]) -> None:
    served, other = folders
    holder = Swappable(served)
    before = holder.plug
    refused: list[ModelFormatError] = []
    with holder.watched(every=0.02, refused=refused.append):
        shutil.copy(other / "model.json", served / "model.json")
        wait_for(lambda: bool(refused))
        assert holder.plug is before
        with pytest.raises(ModelFormatError):
            holder.swap()
        assert holder.plug is before
        shutil.copy(other / "arrays.safetensors", served / "arrays.safetensors")
        wait_for(lambda: holder.plug is not before)
    shutil.rmtree(served)
    assert not holder.changed()


def test_added_items_are_counted_and_an_id_twice_adds_nothing(folders: tuple[Path, Path]) -> None:
    holder = Swappable(folders[0])
    assert holder.add([{"id": "n0", "title": "New"}, {"id": "i1", "title": "Known"}]) == (1, 91)
    assert holder.add([{"id": "n0", "title": "New"}]) == (0, 91)
    assert holder.swap().item_ids[-1] == "n0"
