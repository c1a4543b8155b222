"""Vectors handed out: their inner products are the scores, of every method that has them, and others say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learner_contract import ALL_ITEMS, planted
from plug_world import SETTINGS, fresh_plug, trained_world, write_new_items

from coldplug.learn import METHODS, trainable_class
from coldplug.learn.posterior.association import LINKS
from coldplug.plug import Plug
from coldplug.types import Query
from coldplug.vectors import vectors_of
from plugbase.errors import UserError

ASKED: list[tuple[dict[str, object], list[tuple[str, float]] | None]] = [
    ({}, None),
    ({"likes": "crime", "age": 30}, None),
    ({"likes": "crime"}, [("i3", 5), ("i6", 5), ("i81", 4)]),
    ({}, [("i1", 1)]),
    ({"age": 22}, [(f"i{n}", 5 - n % 3) for n in range(40)]),
]
SMALL = {"steps": 12, "batch": 32, "dim": 8}
LINEAR = ("twotower", "mf", "dropoutnet", "proto", "mecos", "zeroshot", "zeroshot-proto", "maml-gru")
QUERIES = [
    Query({}),
    Query({"likes": "crime"}),
    Query({"likes": "fairy"}, np.array([0, 3, 89]), np.array([5, np.nan, 2], np.float32)),
    Query({}, np.arange(30), np.full(30, 4, np.float32)),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture(scope="module")
def plug(world: Path) -> Plug:
    return fresh_plug(world)


def test_the_inner_product_is_the_score_of_learned_and_new_items(plug: Plug) -> None:
    ids, items = plug.item_vectors()
    assert ids == plug.item_ids
    assert items.dtype == np.float32
    assert items.shape == (90, 5 * SETTINGS["rank"] + 2 * SETTINGS["dim"] + 2 * LINKS + 4)
    for attributes, support in ASKED:
        user = plug.user_vector(attributes, support)
        assert user.dtype == np.float32
        np.testing.assert_allclose(items @ user, plug.score(attributes, ids, support), atol=2e-5, rtol=1e-5)


def test_new_items_get_vectors_of_the_same_length(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    before = plug.item_vectors()[1]
    plug.add_items(write_new_items(tmp_path))
    ids, items = plug.item_vectors()
    assert ids[-2:] == ["n0", "n1"]
    np.testing.assert_array_equal(items[:-2], before)
    scores = plug.score({"likes": "crime"}, ["n0", "n1"], ["i3"])
    np.testing.assert_allclose(items[-2:] @ plug.user_vector({"likes": "crime"}, ["i3"]), scores, atol=2e-5)


def test_arguments_are_those_of_score(plug: Plug) -> None:
    wrong: Any = "i3"
    with pytest.raises(UserError, match="support is a str"):
        plug.user_vector({}, wrong)
    with pytest.raises(UserError, match="unknown item id 'x'"):
        plug.user_vector({}, ["x"])


@pytest.mark.parametrize("loss", ["clicks", "ratings"])
@pytest.mark.parametrize("method", LINEAR)
def test_the_inner_product_is_the_score_of_every_method_that_is_one(method: str, loss: str) -> None:
    kind = trainable_class(method)
    known = {name: value for name, value in SMALL.items() if name in kind.settings_class.model_fields}
    learner = kind.fit(planted()[0], **known, loss=loss)
    vectors = vectors_of(learner)
    items, users = vectors.items(ALL_ITEMS), vectors.users(QUERIES)
    assert items.shape == (90, vectors.width)
    assert vectors.learned().tolist() == [not learner.is_new(item) for item in ALL_ITEMS.tolist()]  # type: ignore[attr-defined]
    np.testing.assert_allclose(users @ items.T, learner.score(QUERIES, ALL_ITEMS), atol=3e-5, rtol=1e-5)


@pytest.mark.parametrize("method", ["maml", "matching", "metakg"])
def test_other_methods_say_so(method: str) -> None:
    assert method in METHODS
    kind = trainable_class(method)
    learner = kind.fit(planted()[0], steps=1, batch=8, dim=4)
    with pytest.raises(UserError, match=f"'{method}' are no inner products"):
        vectors_of(learner)
