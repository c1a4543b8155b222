"""Claims of the local extractor: gathered from constructions and span model, weighed, and chosen among."""

from __future__ import annotations

import itertools
import json
import random

import pytest

from kgbuild.evaluate import SCORED_RELATIONS
from kgbuild.extract.local.weighing import (
    LOWEST,
    PRUNED,
    SHARED,
    WEIGHTS_FILE,
    Claim,
    Constructed,
    Weights,
    claims_of,
    select,
)


def claim(relation: str, start: int, end: int, margin: float = 0.0, read: float = 0.0) -> Claim:
    return Claim(relation, "description", start, end, None, "span", margin, LOWEST, read)


def test_each_reading_becomes_one_claim_with_what_speaks_for_and_against_it() -> None:
    constructed = [
        Constructed("theme", "description", 0, 5, None, 0.6, "weak"),
        Constructed("theme", "description", 0, 5, "revenge", 0.8, "strong"),
        Constructed("theme", "description", 3, 9, None, 0.7, "longer"),
        Constructed("mood", "description", 0, 5, None, 0.4, "tone"),
    ]
    margins = {
        ("description", 0, 5): {"theme": 1.5, "mood": -5.0},
        ("description", 20, 25): {"theme": PRUNED - 0.01, "mood": PRUNED + 0.01},
    }
    found = {(c.relation, c.start, c.end): c for c in claims_of(constructed, margins)}
    assert set(found) == {("theme", 0, 5), ("theme", 3, 9), ("mood", 0, 5), ("mood", 20, 25)}
    both = found["theme", 0, 5]
    assert (both.value, both.pattern, both.read, both.margin, both.rival) == (
        "revenge",
        "strong",
        0.8,
        1.5,
        -5.0,
    )
    assert (both.overlapped, both.read_otherwise) == (0.7, 0.4)
    assert found["theme", 3, 9].margin == LOWEST
    assert found["mood", 20, 25].pattern == "span"


def test_of_overlapping_claims_the_surest_stays() -> None:
    weighed = [
        (0.9, claim("setting", 10, 14)),
        (0.8, claim("setting", 8, 14)),
        (0.7, claim("theme", 10, 14)),
        (0.7, claim("theme", 8, 14)),
        (0.4, claim("mood", 30, 34)),
    ]
    expected = [("theme", 8, 14, 0.7), ("setting", 10, 14, 0.9)]
    for order in itertools.permutations(weighed):
        assert [(c.relation, c.start, c.end, sure) for sure, c in select(order, 0.5)] == expected


def test_the_longer_of_equals_stays_in_whatever_order() -> None:
    weighed = [(0.8, claim("feature", 0, 4)), (0.8, claim("feature", 0, 9)), (0.8, claim("feature", 5, 9))]
    for order in itertools.permutations(weighed):
        assert [(c.start, c.end) for _, c in select(order, 0.5)] == [(0, 9)]


@pytest.mark.parametrize("relation", SCORED_RELATIONS)
def test_what_both_read_is_surer_than_what_one_reads(relation: str) -> None:
    weights = Weights.load()
    alone = weights.probability(claim(relation, 0, 4, margin=0.5))
    unread = weights.probability(claim(relation, 0, 4, margin=-1.0))
    both = weights.probability(claim(relation, 0, 4, margin=0.5, read=0.85))
    assert unread < alone < both


def test_the_stored_weights_know_every_relation_and_number() -> None:
    told = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    assert set(told["own"]) == set(SCORED_RELATIONS)
    assert tuple(told["shared"]) == SHARED


def test_a_relation_that_was_not_trained_weighs_as_others_do_on_average() -> None:
    weights = Weights(dict.fromkeys(SHARED, 0.0), {"a": (1.0, 0.0, 0.0), "b": (-1.0, 0.0, 0.0)})
    assert weights.probability(claim("c", 0, 4)) == 0.5
    assert weights.probability(claim("b", 0, 4)) < 0.3


def test_probabilities_are_probabilities_at_any_margin() -> None:
    weights, draw = Weights.load(), random.Random(1)
    for _ in range(200):
        told = claim(draw.choice(SCORED_RELATIONS), 0, 4, draw.uniform(-1e6, 1e6), draw.choice([0, 0.5, 1.0]))
        assert 0.0 <= weights.probability(told) <= 1.0
