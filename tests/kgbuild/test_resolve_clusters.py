"""Clusters of open relations: what means the same meets, what runs the other way does not, in three modes."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from kgbuild.resolve import RelationsMode, Resolution, resolve
from kgbuild.resolve.clusters import average_link, definition_in_words
from kgbuild.schema import load_schema
from kgbuild.types import CATALOGUE, Mention

SCHEMA = load_schema()
STATED = [
    ("operating system", "Windows"),
    ("operating system", "Linux"),
    ("platform it runs on", "Windows"),
    ("price", "9.99"),
    ("cost", "12.50"),
    ("price", "5.00"),
    ("founder of", "Tesla"),
    ("founded by", "Elon Musk"),
    ("directed by", "Agnès Varda"),
    ("heroine's pet", "cat"),
]


def resolved(mode: RelationsMode, stated: list[tuple[str, str]] = STATED) -> Resolution:
    mentions = [Mention(str(n), wording, value, 0.5, "test") for n, (wording, value) in enumerate(stated)]
    return resolve(mentions, SCHEMA, mode=mode)


def names(resolution: Resolution) -> dict[str, str]:
    return {raw: name for name, others in resolution.relations.items() for raw in (name, *others)}


def test_open_wordings_meet_under_the_best_supported() -> None:
    found = names(resolved("guided"))
    assert found["cost"] == found["price"] == "price"
    assert found["directed by"] == "director"
    assert found["founder of"] != found["founded by"]
    merges = {one.from_label: one for one in resolved("guided").merges if one.kind == "relation"}
    assert merges["cost"].reason == "near in meaning, as defined"
    assert 0.5 < merges["cost"].score <= 1


def test_order_plays_no_part_in_clusters() -> None:
    numbered = [Mention(str(n), wording, value, 0.5, "test") for n, (wording, value) in enumerate(STATED)]
    first = resolve(numbered, SCHEMA)
    random.Random(0).shuffle(numbered)
    assert resolve(numbered, SCHEMA) == first


def test_open_takes_no_notice_of_the_schema() -> None:
    found = names(resolved("open"))
    assert found["directed by"] == "directed by"
    assert found["cost"] == found["price"]


def test_closed_keeps_the_schema_and_the_catalogue() -> None:
    mentions = [
        Mention("1", "directed by", "Agnès Varda", 0.5, "test"),
        Mention("1", "cost", "12.50", 0.5, "test"),
        Mention("2", "cost", "9.99", 0.5, "test"),
        Mention("1", "shelf mark", "A7", 1.0, CATALOGUE),
    ]
    found = resolve(mentions, SCHEMA, mode="closed")
    assert {fact.relation for fact in found.facts} == {"director", "shelf mark"}
    assert found.dropped == {"cost": 2}
    assert resolve(mentions, SCHEMA).dropped == {}


def test_a_definition_that_the_source_gave_is_used() -> None:
    mentions = [
        Mention("1", wording, value, 0.5, "test") for wording, value in (("zq", "x1"), ("hue", "red"))
    ]
    assert len(resolve(mentions, SCHEMA).relations) == 2
    told = resolve(mentions, SCHEMA, definitions={"zq": "the hue of an item, such as red"})
    assert len(told.relations) == 1


def test_definition_in_words() -> None:
    assert definition_in_words("hue", ["red", "blue"]) == "the hue of an item, such as red or blue"
    assert definition_in_words("hue", []) == "the hue of an item"


@pytest.mark.parametrize("seed", range(5))
def test_average_link_without_guards_is_scipys(seed: int) -> None:
    rows = np.random.default_rng(seed).normal(size=(40, 5))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    nearness = (rows @ rows.T).astype(np.float32)
    distances = 1 - nearness.astype(np.float64)
    np.fill_diagonal(distances, 0)
    flat = fcluster(linkage(squareform(distances, checks=False), "average"), 0.6, "distance")
    theirs = {tuple(np.flatnonzero(flat == one).tolist()) for one in set(flat)}
    assert {tuple(group) for group in average_link(nearness, 0.4)} == theirs


def test_rows_kept_apart_never_meet_by_way_of_a_third() -> None:
    nearness = np.array([[1, 0.9, 0.3], [0.9, 1, 0.9], [0.3, 0.9, 1]], np.float32)
    assert average_link(nearness, 0.5) == [[0, 1, 2]]
    assert average_link(nearness, 0.5, lambda i, j: (i, j) == (0, 2)) == [[0, 1], [2]]
