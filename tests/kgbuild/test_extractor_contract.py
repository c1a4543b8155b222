"""The extractors that come with kgbuild, held against what every extractor must do."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from extractor_contract import SCHEMA, ExtractorContract
from scripted_llm_server import Reply, Request, ScriptedServer, answered

from kgbuild.extract.local.lexicon import LEXICON_FILE
from kgbuild.schema import RelationSpec, Schema


class TestNone(ExtractorContract):
    name = "none"
    reads_text = reads_denials = False

    def others(self, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Schema]]:
        """Nothing changes what it gives."""
        yield from ()


def _lexicon_labels() -> frozenset[str]:
    """Every word of the lexicon: what the local extractor may call a thing that a text words otherwise."""
    import yaml

    def words(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            for key, value in node.items():
                yield str(key)
                yield from words(value)
        elif isinstance(node, list):
            for value in node:
                yield from words(value)
        else:
            yield str(node)

    return frozenset(
        word.casefold()
        for word in words(yaml.load(LEXICON_FILE.read_text(encoding="utf-8"), Loader=yaml.BaseLoader))
    )


class TestLocal(ExtractorContract):
    name = "local"
    labels = _lexicon_labels()
    plain = ("that is waterproof, made of oak", "waterproof")
    denied = ("that is not waterproof, made of oak", "waterproof")
    good = "tray"
    items_elsewhere = (
        0  # its models take long to load, and test_local_extractor.py reads under several hash seeds
    )

    def others(self, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Schema]]:
        """Also: how sure a fact must be, and what a relation's values are."""
        yield from super().others(options)
        yield "a higher threshold", {**options, "min_confidence": 0.8}, SCHEMA
        made_of = replace(SCHEMA.relations["made_of"], range="stuff")
        yield "another range", options, replace(SCHEMA, relations={**SCHEMA.relations, "made_of": made_of})


class TestSpan(ExtractorContract):
    name = "span"
    keeps_to_schema = False  # what its labels had is asked for whatever the schema
    long_words = 800

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
        """A small extractor, trained on sentences about furniture."""
        from kgbuild.extract.span import TrainingSettings, train_extractor
        from kgbuild.extract.span.labels import LabelledItem, Value
        from kgbuild.types import Item

        goods, woods = ("desk", "lamp", "chair", "tray", "stool"), ("oak", "steel", "brass", "pine", "linen")
        uses = ("reading", "cooking", "camping")
        entries = []
        for number in range(60):
            good, wood, use = goods[number % 5], woods[number // 5 % 5], uses[number % 3]
            text, facts = f"A {good} made of {wood} for {use}.", {"made_of": (Value(wood),)}
            if number % 4 == 0:
                text, facts = f"The parcel comes on Monday. A plain {good} for {use}.", {}
            item = Item(str(number), f"The {good}", text, "home")
            entries.append(LabelledItem(item, {**facts, "used_for": (Value(use),)}, True))
        folder = tmp_path_factory.mktemp("contract") / "extractor"
        train_extractor(entries, folder, schema=SCHEMA, settings=TrainingSettings(epochs=6, adapter_rank=4))
        return {"folder": str(folder)}

    def others(self, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Schema]]:
        """Also: a relation that only the user's schema has."""
        added = RelationSpec("finish", "how its surface was treated", "finish")
        yield "another relation", options, replace(SCHEMA, relations={**SCHEMA.relations, "finish": added})
        yield "fewer relations", {**options, "relations": ["made_of"]}, SCHEMA


CUES = {
    "waterproof": "feature",
    "oak": "made_of",
    "steel": "made_of",
    "brass": "made_of",
    "friendship": "theme",
    "reading": "used_for",
    "cooking": "used_for",
}


def careless_model(request: Request, _: int) -> Reply:
    """States what it knows words for, and beside it what no text says, of no relation and of no item."""
    facts: dict[str, list[tuple[str, ...]]] = {"no such item": [("theme", "oak")]}
    for mark, item in request.items.items():
        text = f"{item.get('title', '')} {item.get('description', '')}"
        stated: list[tuple[str, ...]] = [(CUES[word], word) for word in CUES if word in text]
        if stated:
            stated += [("director", "John Lasseter"), ("No Relation!", stated[0][1]), ("mood", "", "oak")]
            stated += [("grown_in", "timber", stated[0][1]), stated[0], ("theme", "x" * 500, stated[0][1])]
        facts[mark] = stated
    return answered(facts, usage=(100, 0, 20))


class TestOpenAI(ExtractorContract):
    name = "openai"
    reads_denials = False
    proposes_relations = True
    keeps_to_schema = False
    labels = frozenset({"timber"})

    @pytest.fixture(scope="class")
    @classmethod
    def options(cls) -> Iterator[dict[str, Any]]:
        """A model on a loopback socket."""
        with ScriptedServer(careless_model) as server:
            yield {"model": "scripted", "base_url": server.url, "backoff": 0.01}

    def others(self, options: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], Schema]]:
        """Also: who is asked, and what is kept of the answer."""
        yield from super().others(options)
        yield "another model", {**options, "model": "other"}, SCHEMA
        yield "another server", {**options, "base_url": "http://127.0.0.1:9/v1"}, SCHEMA
        yield "guesses kept", {**options, "keep_inferred": True}, SCHEMA
