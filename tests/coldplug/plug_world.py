"""A trained model folder, made once a test run, and graphs of items that it has never been told of."""

from __future__ import annotations

import json
import os
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest
from c1_world import GENRES, PREFIXES, write_world

import coldplug
from coldplug.plug import Plug
from coldplug.train import train_model

ROOT = Path(__file__).parents[2]
SETTINGS = {"steps": 60, "batch": 64, "kernel_steps": 15, "rank": 16, "dim": 8}
COLD = range(80, 90)
QUOTE = "tale, number"


@cache
def _world(folder: Path) -> Path:
    """The small world, items 80 to 89 without interactions, themes with a quote."""
    write_world(folder)
    rows = (folder / "interactions.csv").read_text().splitlines(keepends=True)
    kept = [row for row in rows[1:] if int(row.split(",")[1][1:]) < COLD[0]]
    (folder / "interactions.csv").write_text(rows[0] + "".join(kept))
    evidence = folder / "graph.evidence.jsonl"
    records = [json.loads(line) for line in evidence.read_text().splitlines()]
    quoted = [r | ({"quote": QUOTE} if r["relation"] == "theme" else {}) for r in records]
    evidence.write_text("".join(json.dumps(record) + "\n" for record in quoted))
    os.environ.setdefault("COLDPLUG_CACHE", str(folder / "cache"))
    one_thread()
    train_model(folder / "graph.ttl", folder / "model", settings=SETTINGS)
    return folder


@cache
def _without_newcomers(world: Path) -> Path:
    """The same world, where a model was trained without every second user."""
    folder = world / "newcomers"
    folder.mkdir()
    for name in ("graph.ttl", "graph.evidence.jsonl", "users.csv"):
        shutil.copy(world / name, folder)
    rows = (world / "interactions.csv").read_text().splitlines(keepends=True)
    kept = [row for row in rows[1:] if not is_newcomer(row.split(",")[0])]
    (folder / "interactions.csv").write_text(rows[0] + "".join(kept))
    train_model(folder / "graph.ttl", folder / "model", settings=SETTINGS)
    return folder / "model"


def is_newcomer(user_id: str) -> bool:
    """Whether the training of `model_for_newcomers` did not see this user of the world."""
    return int(user_id[1:]) % 2 == 1


def model_for_newcomers(factory: pytest.TempPathFactory) -> Path:
    """A model of the world that half of the users are new to; one that knows them has their likes by heart."""
    return _without_newcomers(trained_world(factory))


def one_thread() -> None:
    """So small a world is slower on two threads, by far where another process wants the second core."""
    import torch

    torch.set_num_threads(1)


def trained_world(factory: pytest.TempPathFactory) -> Path:
    """The folder with graph.ttl, users.csv, interactions.csv and model/."""
    return _world(factory.getbasetemp() / "plug-world")


def fresh_plug(world: Path) -> Plug:
    """The model loaded anew, to be changed at will."""
    return coldplug.plug.load(world / "model")


def write_new_items(folder: Path, *, text: bool = True, base: str = "urn:kgbuild:") -> Path:
    """graph.ttl of two new items, `n0` crime and `n1` fairy tale, and of `i0`, which is known and told otherwise here."""
    lines = [PREFIXES]
    for ident, genre in (("n0", 0), ("n1", 1), ("i0", 2)):
        value = f"<{base}value:genre:{GENRES[genre].replace(' ', '%20')}>"
        about = [f'dcterms:identifier "{ident}"', f"<{base}rel:genre> {value}"]
        if text:
            about += [f'rdfs:label "New {ident}"', f'dcterms:description "A {GENRES[genre]} tale."']
        lines.append(f"<{base}item:{ident}> a <{base}vocab:Item> ; " + " ; ".join(about) + " .\n")
        lines.append(f'{value} a <{base}vocab:Value> ; rdfs:label "{GENRES[genre]}" .\n')
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "graph.ttl").write_text("".join(lines), encoding="utf-8")
    return folder / "graph.ttl"


def environment(**more: str) -> dict[str, str]:
    """The environment of a fresh process that finds the package."""
    kept = {name: value for name, value in os.environ.items() if name != "COLDPLUG_MODEL"}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more


PYTHON = sys.executable
