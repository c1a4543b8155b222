"""A teacher labels a few items, a student learns and reads the rest, within the budget and resumably."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from scripted_llm_server import Reply, Request, ScriptedServer, answered

from kgbuild.cli import main
from kgbuild.extract.catalogue import NoExtractor
from kgbuild.extract.span import TrainingSettings
from kgbuild.schema import load_schema
from kgbuild.teach.budget import TeachingBudget
from kgbuild.teach.choosing import far_apart, in_doubt
from kgbuild.teach.student import Lesson, labels_of
from kgbuild.teach.teaching import TeachingExtractor
from kgbuild.types import Item, Mention
from plugbase.errors import UserError

PLACES = ("Oslo", "Lisbon", "Cairo", "Quito", "Hanoi", "Dakar", "Perth", "Malmo")
PEOPLE = ("sailor", "widow", "teacher", "orphan", "baker", "nurse")


def story(number: int) -> Item:
    draw = random.Random(number)
    place, person = draw.choice(PLACES), draw.choice(PEOPLE)
    return Item(f"i{number:03d}", f"Book {number}", f"A {person} comes home to {place} after the storm.")


def teacher(request: Request, _: int) -> Reply:
    """A model that knows the places and people by heart."""
    facts = {
        mark: [("setting", one) for one in PLACES if one in item["description"]]
        + [("character", one) for one in PEOPLE if one in item["description"]]
        for mark, item in request.items.items()
    }
    return answered(facts, usage=(100, 0, 20 * len(facts)))


def encode(texts: Sequence[str]) -> NDArray[np.float32]:
    words = (*PLACES, *PEOPLE)
    rows = np.array([[text.count(word) + 0.01 for word in words] for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def made(server: ScriptedServer, folder: Path, memory: dict[str, Any], budget: str) -> TeachingExtractor:
    extractor = TeachingExtractor(
        schema=load_schema(),
        teacher="openai:m",
        folder=folder,
        budget=budget,
        encode=encode,
        training=TrainingSettings(epochs=3, seed=1),
        base_url=server.url,
        items_per_call=4,
        concurrency=1,
    )
    extractor.student.before = NoExtractor(schema=load_schema())
    extractor.attach(tell=lambda text: None, earlier=[], keep_call=lambda record: None, memory=memory)
    return extractor


def asked(server: ScriptedServer) -> list[str]:
    return [title for request in server.requests for title in request.titles]


def test_the_student_reads_what_the_teacher_did_not_and_nothing_is_asked_twice(tmp_path: Path) -> None:
    items, memory = [story(number) for number in range(40)], dict[str, Any]()
    with ScriptedServer(teacher) as server:
        first = made(server, tmp_path / "student", memory, "60%")
        stopped = first.extract(items)
        next(stopped)
        stopped.close()
        first.close()
        taught = len(asked(server))
        assert 20 <= taught <= 24, "the rest of the 24 may still be handed back"
        memory = json.loads(json.dumps(memory))
        second = made(server, tmp_path / "student", memory, "60%")
        results = {item.id: mentions for item, mentions in second.extract(items)}
        second.close()
    assert len(results) == 40
    assert len(asked(server)) == len(set(asked(server))) <= 24
    read = [one for mentions in results.values() for one in mentions if one.source == "student:student@1"]
    assert len(read) > 10, "it learnt from 20 to 24 items where places and people stand"
    assert sum(one.value in PLACES + PEOPLE for one in read) / len(read) > 0.8
    assert (tmp_path / "student" / "model.json").is_file()


def test_too_few_lessons_leave_the_student_as_it_was(tmp_path: Path) -> None:
    items = [story(number) for number in range(30)]
    with ScriptedServer(teacher) as server:
        extractor = made(server, tmp_path / "student", {}, "20%")
        results = {item.id: mentions for item, mentions in extractor.extract(items)}
        extractor.close()
    assert len(asked(server)) == 6
    assert sum(bool(mentions) for mentions in results.values()) == 6
    assert not (tmp_path / "student").exists()


def test_a_budget_of_tokens_holds(tmp_path: Path) -> None:
    items = [story(number) for number in range(60)]
    with ScriptedServer(teacher) as server:
        extractor = made(server, tmp_path / "student", {}, "3k")
        assert len(list(extractor.extract(items))) == 60
        assert 0 < extractor.spent.tokens <= 3_000
        assert extractor.fingerprint != made(server, tmp_path / "student", {}, "4k").fingerprint
        extractor.close()


def test_from_the_command_line(tmp_path: Path) -> None:
    rows = [
        {"id": item.id, "title": item.title, "description": item.description} for item in map(story, range(8))
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with ScriptedServer(teacher) as server:
        command = ["extract", str(tmp_path / "items.jsonl"), "-o", str(tmp_path / "graph.ttl"), "--json"]
        command += ["--teacher", "openai:m", "--base-url", server.url, "--budget", "100%"]
        done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert summary["facts_by_source"] == {"openai:m/extract_facts@2": 16}
    assert summary["spending"]["this run"]["items"] == 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--teacher", "gpt"], "no teacher is called 'gpt'"),
        (["--teacher", "openai:m", "--budget", "five"], "'five' is no budget"),
        (["--teacher", "openai:m", "--budget", "0%"], "'0%' is no budget"),
        (["--teacher", "openai:m", "--backend", "none"], "--teacher: not with"),
        (["--budget", "5%"], "only with --teacher"),
    ],
)
def test_wrong_options_say_what_is_wrong(tmp_path: Path, options: list[str], said: str) -> None:
    (tmp_path / "items.jsonl").write_text('{"id": "1", "title": "x"}\n')
    command = ["extract", str(tmp_path / "items.jsonl"), "-o", str(tmp_path / "graph.ttl"), *options]
    done = CliRunner().invoke(main, [*command, "--base-url", "http://127.0.0.1:9/v1"])
    assert done.exit_code == 2
    assert said in done.output


def test_budgets() -> None:
    assert TeachingBudget.read("5%").items(90, 0) == 5
    assert TeachingBudget.read("0.1%").items(90, 0) == 1
    assert TeachingBudget.read("200k").items(10_000, 1_000) == 200
    assert TeachingBudget.read("1M").items(90, 1_000) == 90


def test_far_apart_takes_a_typical_row_and_then_each_time_the_farthest() -> None:
    angles = np.deg2rad([0, 2, 4, 88, 90, 180])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    chosen = far_apart(rows, 4)
    assert chosen[0] in (1, 2)
    assert chosen[1] == 5
    assert chosen[2] in (3, 4)
    assert far_apart(rows, 2) == chosen[:2]
    assert sorted(far_apart(rows, 99)) == list(range(6))
    assert set(far_apart(rows, 2, taken=[5])) <= {0, 1, 2, 3, 4}
    assert far_apart(rows[:0], 3) == []


def test_of_doubtful_texts_that_are_alike_one_is_enough() -> None:
    angles = np.deg2rad([0, 1, 2, 90, 45, 46])
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    doubts = [0.9, 0.9, 0.9, 0.8, 0.1, 0.8]
    chosen = in_doubt(rows, doubts, 2, taken=[5])
    assert 3 in chosen
    assert set(chosen) - {3} <= {0, 1, 2}


def test_labels_keep_to_the_schema_and_to_the_words_of_the_text() -> None:
    item = Item("1", "Salt", "Set in Oslo, a folding boat.")
    told = (
        Mention("1", "set in", "Oslo", 0.9, "openai:m", "description", 7, 11, "Oslo"),
        Mention("1", "feature", "foldable", 0.8, "openai:m", "description", 15, 22, "folding"),
        Mention("1", "weather", "rain", 0.9, "openai:m"),
    )
    labels = labels_of(Lesson(item, told), load_schema())
    assert {name: [value.text for value in values] for name, values in labels.facts.items()} == {
        "setting": ["Oslo"],
        "feature": ["foldable"],
    }
    assert labels.facts["setting"][0].start == 7
    assert labels.facts["feature"][0].start is None
    assert labels.complete


def test_a_budget_needs_a_unit_that_is_known() -> None:
    with pytest.raises(UserError, match="is no budget"):
        TeachingBudget.read("5 dollars")
