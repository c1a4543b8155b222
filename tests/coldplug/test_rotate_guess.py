"""Guesses of facts that items lack: a planted rule, chances that are what they say, no fact among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from coldplug.encode.rotate import Guesser, fit_guesser
from coldplug.encode.rotate.guess import answers, facts_of, logistic, questions
from coldplug.types import ItemGraph

N_ITEMS, N_DIRECTORS, N_STYLES = 400, 40, 8
DIRECTOR, RARE, STYLE = range(3)
OFTEN = 0.8


def graph_of(facts: Sequence[tuple[int, int, int]], n_items: int) -> ItemGraph:
    rows = np.array(sorted(facts), np.int64)
    n_values, none = N_DIRECTORS + N_STYLES + 2, np.empty(0, np.int64)
    return ItemGraph(
        item_ids=[str(number) for number in range(n_items)],
        titles=[""] * n_items,
        descriptions=[""] * n_items,
        relation_names=["director", "rare", "style"],
        value_iris=[f"urn:value:{number:03}" for number in range(n_values)],
        value_labels=[""] * n_values,
        heads=rows[:, 0],
        relations=rows[:, 1],
        tails=rows[:, 2],
        weights=np.ones(len(rows), np.float32),
        stated=np.ones(len(rows), np.bool_),
        literal_items=none,
        literal_relations=none,
        literal_numbers=none.astype(np.float32),
        literal_stated=none.astype(np.bool_),
    )


def style_of(director: int) -> int:
    return N_DIRECTORS + director % N_STYLES


def planted() -> ItemGraph:
    """A director's items have the director's style, four times in five; a rare relation is met in few items."""
    rng = np.random.default_rng(5)
    facts = []
    for item in range(N_ITEMS):
        director = item % N_DIRECTORS
        other = N_DIRECTORS + int(rng.integers(N_STYLES))
        style = style_of(director) if rng.random() < OFTEN else other
        facts += [(item, DIRECTOR, director), (item, STYLE, style)]
        if item % 40 == 0:
            facts.append((item, RARE, N_DIRECTORS + N_STYLES))
    return graph_of(facts, N_ITEMS)


@pytest.fixture(scope="module")
def guesser() -> Guesser:
    return fit_guesser(planted(), dim=16, epochs=200, negatives=32)


def new_items() -> ItemGraph:
    """Item 3d has director d and no style, 3d + 1 has both, 3d + 2 nothing at all."""
    facts = []
    for director in range(N_DIRECTORS):
        facts += [(3 * director, DIRECTOR, director), (3 * director + 1, DIRECTOR, director)]
        facts.append((3 * director + 1, STYLE, style_of(director)))
    return graph_of(facts, 3 * N_DIRECTORS)


def test_what_an_item_lacks_is_guessed_from_what_it_has(guesser: Guesser) -> None:
    guesses = guesser.guess(new_items(), k=1)
    assert {(g.item, g.relation) for g in guesses} == {(3 * d, "style") for d in range(N_DIRECTORS)}
    right = [g.value == f"urn:value:{style_of(g.item // 3):03}" for g in guesses]
    assert np.mean(right) > 0.9
    # The rule holds in a little over four items of five, and the chances say so.
    assert np.mean([g.weight for g in guesses]) == pytest.approx(OFTEN + (1 - OFTEN) / N_STYLES, abs=0.12)


def test_guesses_come_likeliest_first_and_are_chances(guesser: Guesser) -> None:
    weights = [g.weight for g in guesser.guess(new_items(), k=3) if g.item == 0]
    assert len(weights) == 3
    assert weights == sorted(weights, reverse=True)
    assert all(0 < weight < 1 for weight in weights)


def test_values_and_relations_of_a_renumbered_graph_are_found_by_name(guesser: Guesser) -> None:
    graph = new_items()
    backwards = replace(
        graph,
        relation_names=graph.relation_names[::-1],
        value_iris=graph.value_iris[::-1],
        relations=2 - graph.relations,
        tails=len(graph.value_iris) - 1 - graph.tails,
    )
    # The facts stand in another order, so sums differ in the last digits.
    told, again = guesser.guess(graph, k=2), guesser.guess(backwards, k=2)
    assert [guess[:3] for guess in told] == [guess[:3] for guess in again]
    np.testing.assert_allclose([g.weight for g in told], [g.weight for g in again], rtol=1e-4)


def test_a_relation_too_rare_to_tell_its_chances_is_not_guessed(guesser: Guesser) -> None:
    assert {guesser.model.relation_names[relation] for relation in guesser.weights} == {"director", "style"}


def test_the_same_seed_guesses_the_same_and_the_graph_stays_as_it_was(guesser: Guesser) -> None:
    graph = new_items()
    before = [column.copy() for column in (graph.heads, graph.relations, graph.tails)]
    again = fit_guesser(planted(), dim=16, epochs=200, negatives=32)
    assert again.guess(graph) == guesser.guess(graph)
    for was, column in zip(before, (graph.heads, graph.relations, graph.tails), strict=True):
        np.testing.assert_array_equal(was, column)


def test_a_question_is_embedded_without_what_it_asks_for(guesser: Guesser) -> None:
    graph = planted()
    asked = questions(guesser.model, graph, STYLE, np.arange(50))
    without = facts_of(graph, graph.relations != STYLE)
    embedded = guesser.model.embed_raw(without)[asked.items]
    np.testing.assert_allclose(asked.rows, embedded, atol=1e-5)
    true = answers(guesser, graph, asked.items, STYLE)
    assert true.sum(axis=1).tolist() == [1] * len(asked.items)


def test_logistic_regression_is_the_likeliest() -> None:
    rng = np.random.default_rng(2)
    features = np.stack([np.ones(4000), rng.normal(size=4000), rng.normal(size=4000)], axis=1)
    true = rng.random(4000) < 1 / (1 + np.exp(-(features @ [-2.0, 1.0, 0.5])))
    weights = logistic(features, true)
    np.testing.assert_allclose(weights, [-2.0, 1.0, 0.5], atol=0.2)
    chances = 1 / (1 + np.exp(-(features @ weights)))
    # At the optimum the chances have the truth's means, in all and along each feature.
    np.testing.assert_allclose(features.T @ chances, features.T @ true, atol=4)
    few = logistic(features[:3], true[:3])
    assert np.abs(few - [0, 1, 0]).max() < np.abs(few - weights).max()
