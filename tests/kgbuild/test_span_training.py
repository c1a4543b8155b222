"""Training an extractor on a few made-up labels, and reading with it: the command, the folder, the answers."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from kgbuild.cli import main
from kgbuild.extract import load_extractor
from kgbuild.extract.span import SpanExtractor, TrainingSettings, train_extractor
from kgbuild.extract.span.labels import LabelledItem, Value
from kgbuild.schema import RelationSpec, Schema
from kgbuild.types import Item
from plugbase.errors import UserError

MATERIALS = ("oak", "steel", "brass", "walnut", "leather", "linen", "cast iron", "pine", "copper", "bamboo")
GOODS = ("desk", "lamp", "chair", "tray", "shelf", "stool")
USES = ("camping", "reading", "cooking", "gardening", "travel")
SCHEMA = Schema(
    1,
    {
        "made_of": RelationSpec("made_of", "the material that it is made of", "made_of"),
        "used_for": RelationSpec("used_for", "the purpose or occasion that it serves", "used_for"),
    },
)


def _labelled(count: int, seed: int) -> list[LabelledItem]:
    draw = random.Random(seed)
    entries = []
    for number in range(count):
        material, good, use = draw.choice(MATERIALS), draw.choice(GOODS), draw.choice(USES)
        facts = {"made_of": (Value(material),), "used_for": (Value(use),)}
        text = f"A {good} made of {material} for {use}."
        if number % 4 == 0:
            text, facts = f"A plain {good} for {use}.", {"used_for": (Value(use),)}
        entries.append(LabelledItem(Item(str(number), f"The {good}", text, "home"), facts, True))
    return entries


def _rows(entries: list[LabelledItem]) -> str:
    rows = [
        {
            "id": entry.item.id,
            "title": entry.item.title,
            "description": entry.item.description,
            "category": entry.item.category,
            "facts": [
                {"relation": name, "value": v.text} for name, values in entry.facts.items() for v in values
            ],
        }
        for entry in entries
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small extractor, trained once."""
    place = tmp_path_factory.mktemp("span") / "extractor"
    settings = TrainingSettings(epochs=8, adapter_rank=4)
    summary = train_extractor(_labelled(60, 1), place, schema=SCHEMA, settings=settings)
    assert summary.held_out["f1"] > 0.8
    return place


def test_it_reads_new_items_verbatim(folder: Path) -> None:
    extractor = SpanExtractor.load(folder)
    entries = _labelled(30, 2)
    right = said = 0
    for entry, (item, mentions) in zip(entries, extractor.extract([e.item for e in entries]), strict=True):
        assert item == entry.item
        assert isinstance(mentions, list)
        for mention in mentions:
            assert mention.field in ("title", "description")
            assert getattr(item, mention.field)[mention.start : mention.end] == mention.quote == mention.value
            assert 0 < mention.confidence < 1
            said += 1
            right += str(mention.value) in {value.text for value in entry.facts.get(mention.relation, ())}
    gold = sum(len(values) for entry in entries for values in entry.facts.values())
    assert 2 * right / (said + gold) > 0.8


def test_what_is_denied_is_no_fact(folder: Path) -> None:
    extractor = SpanExtractor.load(folder)
    items = [
        Item("1", "The desk", "A desk made of oak for reading.", "home"),
        Item("2", "The desk", "A desk not made of oak for reading.", "home"),
    ]
    plain, denied = ([m.value for m in mentions] for _, mentions in extractor.extract(items))
    assert "oak" in plain
    assert "oak" not in denied


def test_an_answer_does_not_depend_on_the_other_items(folder: Path) -> None:
    extractor = SpanExtractor.load(folder)
    items = [entry.item for entry in _labelled(12, 3)] + [Item("x", "A very " + "long " * 60 + "title")]
    together = {item.id: spans for item, spans in extractor.candidates(items, least=0.0)}
    for item in reversed(items):
        ((_, alone),) = extractor.candidates([item], least=0.0)
        assert alone == together[item.id]


def test_candidates_show_what_was_unsure(folder: Path) -> None:
    extractor = SpanExtractor.load(folder)
    item = Item("1", "The desk", "A desk made of oak for reading.", "home")
    ((_, spans),) = extractor.candidates([item], least=0.0)
    facts = {(span.relation, span.value) for span in spans if span.fact}
    assert {("made_of", "oak"), ("used_for", "reading")} <= facts
    assert len(spans) > len(facts)
    ((_, sure),) = extractor.candidates([item], least=0.999)
    assert all(span.fact for span in sure)


def test_a_new_relation_needs_a_definition_only(folder: Path) -> None:
    wider = Schema(
        1, {**SCHEMA.relations, "material": RelationSpec("material", "what it consists of", "stuff")}
    )
    extractor = SpanExtractor.load(folder, wider)
    item = Item("1", "The desk", "A desk made of oak for reading.", "home")
    ((_, spans),) = extractor.candidates([item], least=0.0)
    best = max((span for span in spans if span.relation == "material"), key=lambda span: span.probability)
    assert best.value in ("oak", "made of oak")
    assert extractor.fingerprint != SpanExtractor.load(folder, SCHEMA).fingerprint


def test_odd_items_are_read(folder: Path) -> None:
    extractor = load_extractor("span", schema=SCHEMA, folder=folder)
    odd = [
        Item("1", ""),
        Item("2", "\x00\ufffd ?!"),
        Item("3", "🎣" * 400),
        Item("4", "x", "word " * 900, "c" * 999),
    ]
    assert [item.id for item, _ in extractor.extract(odd)] == ["1", "2", "3", "4"]


def test_the_two_commands(tmp_path: Path) -> None:
    labels, items = tmp_path / "labelled.jsonl", tmp_path / "items.jsonl"
    labels.write_text(_rows(_labelled(40, 1)))
    items.write_text(
        "".join(
            json.dumps({"id": e.item.id, "title": e.item.title, "description": e.item.description}) + "\n"
            for e in _labelled(5, 9)
        )
    )
    out, graph = tmp_path / "extractor", tmp_path / "graph.ttl"
    trained = CliRunner().invoke(
        main,
        ["train-extractor", str(labels), "-o", str(out), "--small", "--epochs", "2", "--json", "--quiet"],
    )
    assert trained.exit_code == 0, trained.output
    summary = json.loads(trained.stdout)
    assert (summary["items"], summary["held_out_items"], summary["relations"]) == (36, 4, 2)
    meta = json.loads((out / "model.json").read_text())
    assert meta["relations"][0]["definition"]
    assert meta["trained_on"]["sha256"]
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "weights.safetensors"]
    read = CliRunner().invoke(
        main, ["extract", str(items), "-o", str(graph), "--extractor", str(out), "--workers", "1"]
    )
    assert read.exit_code == 0, read.output
    assert graph.exists()
    for options in (["--backend", "none", "--extractor", str(out)], ["--backend", "span"]):
        assert CliRunner().invoke(main, ["extract", str(items), "-o", str(graph), *options]).exit_code == 2


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "weights.safetensors").write_bytes(b"short"), "truncated or altered"),
        (lambda f: (f / "weights.safetensors").unlink(), "is missing"),
        (
            lambda f: (f / "model.json").write_text((f / "model.json").read_text().replace("0.", "1.", 1)),
            "altered",
        ),
        (lambda f: (f / "model.json").write_text("{"), "is damaged"),
        (lambda f: (f / "model.json").write_text('{"kind": "other"}'), "no extractor's"),
        (lambda f: (f / "model.json").unlink(), "holds no model.json"),
    ],
)
def test_a_damaged_folder_is_named(folder: Path, tmp_path: Path, damage: object, said: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert callable(damage)
    damage(copy)
    with pytest.raises(UserError, match=said):
        SpanExtractor.load(copy)


def test_an_unknown_format_is_named(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    meta = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps(meta | {"format": 99}))
    with pytest.raises(UserError, match="format 99"):
        SpanExtractor.load(copy)


def test_what_is_no_extractor_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="is no extractor"):
        train_extractor(_labelled(30, 1), tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_labels_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="too few"):
        train_extractor(_labelled(5, 1), tmp_path / "x")
    other = Schema(
        1, {"made_off": RelationSpec("made_off", "typo", "x"), "used_for": SCHEMA.relations["used_for"]}
    )
    with pytest.raises(UserError, match="'made_of' is not in the schema") as caught:
        train_extractor(_labelled(30, 1), tmp_path / "x", schema=other)
    assert "made_off" in str(caught.value)
    silent = [LabelledItem(entry.item, {"made_of": (Value("zinc"),)}, True) for entry in _labelled(30, 1)]
    with pytest.raises(UserError, match="no item has a value"):
        train_extractor(silent, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_an_interrupted_training_leaves_the_folder_as_it_was(folder: Path, tmp_path: Path) -> None:
    copy, labels = tmp_path / "copy", tmp_path / "labelled.jsonl"
    shutil.copytree(folder, copy)
    labels.write_text(_rows(_labelled(400, 1)))
    before = {path.name: path.read_bytes() for path in copy.iterdir()}
    command = [sys.executable, "-m", "kgbuild", "train-extractor", str(labels), "-o", str(copy), "-v"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    ) as run:
        assert run.stderr is not None
        for line in run.stderr:
            if "held out" in line:
                break
        time.sleep(1)
        run.send_signal(signal.SIGINT)
        said = run.stderr.read()
        assert run.wait(60) == 130, said
    assert {path.name: path.read_bytes() for path in copy.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
