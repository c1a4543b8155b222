"""Worked examples: near to what is asked, unlike each other, the same in every run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scripted_llm_server import ScriptedServer, themes_of

from kgbuild.extract.llm import LabelledItem, StatedFact
from kgbuild.extract.llm.extractor import OpenAIExtractor
from kgbuild.extract.llm.shots import SimilarShots, read_shots
from kgbuild.schema import load_schema
from kgbuild.types import Item
from plugbase.errors import UserError

VOCABULARY = ("war", "ship", "tent", "stove", "love", "dragon")


def count_words(texts: Sequence[str]) -> NDArray[np.float32]:
    rows = np.array([[text.lower().count(word) + 1e-3 for word in VOCABULARY] for text in texts], np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def labelled(name: str, text: str) -> LabelledItem:
    return LabelledItem(Item(name, "", text), (StatedFact("theme", text.split()[0]),))


SHELF = [
    labelled("war", "war war war"),
    labelled("war too", "war war war again"),
    labelled("war at sea", "war ship"),
    labelled("tent", "tent"),
    labelled("stove", "stove tent"),
]


def names(shots: SimilarShots, *texts: str) -> list[str]:
    return [one.item.id for one in shots.choose([Item(str(at), "", text) for at, text in enumerate(texts)])]


def test_the_nearest_stands_last_and_no_second_of_its_kind_beside_it() -> None:
    shots = SimilarShots(SHELF, per_call=2, encode=count_words)
    assert names(shots, "war, war, a long war, and a ship") == ["war at sea", "war"]


def test_examples_are_near_to_any_item_of_the_call() -> None:
    assert set(names(SimilarShots(SHELF, per_call=2, encode=count_words), "war", "a tent")) == {"war", "tent"}


def test_an_item_is_no_example_of_itself() -> None:
    assert "tent" not in names(SimilarShots(SHELF, per_call=4, encode=count_words), "tent")


def test_what_is_chosen_does_not_hang_on_the_order_of_the_call() -> None:
    shots = SimilarShots(SHELF, encode=count_words)
    assert names(shots, "war ship", "stove") == names(shots, "stove", "war ship")


def test_the_fingerprint_changes_with_the_labels_alone() -> None:
    same = SimilarShots(SHELF, encode=count_words).fingerprint
    assert SimilarShots(list(SHELF), encode=count_words).fingerprint == same
    other = LabelledItem(SHELF[0].item, (StatedFact("mood", "war"),))
    assert SimilarShots([other, *SHELF[1:]], encode=count_words).fingerprint != same


def test_they_stand_in_the_call_after_what_is_the_same_in_every_call() -> None:
    shots = SimilarShots(SHELF, per_call=1, encode=count_words)
    items = [Item("a", "", "a war"), Item("b", "", "a tent")]
    with ScriptedServer(themes_of) as server:
        extractor = OpenAIExtractor(
            schema=load_schema(), model="m", base_url=server.url, shots=shots, items_per_call=1, concurrency=1
        )
        list(extractor.extract(items))
        extractor.close()
    first, second = (request.body["messages"] for request in server.requests)
    assert first[0] == second[0]
    assert "war war war" in first[1]["content"]
    assert '["theme","tent"]' in second[2]["content"]


def test_read_from_the_file_that_train_extractor_takes(tmp_path: Path) -> None:
    row = {
        "id": "1",
        "title": "Salt",
        "description": "About the war.",
        "facts": [{"relation": "theme", "value": "war"}],
    }
    (tmp_path / "labels.jsonl").write_text(json.dumps(row))
    shots = read_shots(tmp_path / "labels.jsonl", encode=count_words)
    (example,) = shots.choose([Item("x", "", "war")])
    assert example.facts == (StatedFact("theme", "war"),)


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(UserError, match="no labelled items"):
        SimilarShots([])
