"""RotatE: rotations, the loss, a rule planted in a graph, the closed form, seeds, and what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load, save
from scipy.optimize import minimize

from coldplug.encode.rotate import RotatE, Training, Triples, fit_rotate, shared_values, train_rotate
from coldplug.errors import ModelFormatError
from coldplug.types import ItemGraph

N_ITEMS, N_DIRECTORS, N_STYLES = 120, 20, 10


def graph_of(facts: Sequence[tuple[int, int, int]], n_items: int, n_values: int) -> ItemGraph:
    rows = np.array(sorted(facts), np.int64).reshape(-1, 3)
    none = np.empty(0, np.int64)
    return ItemGraph(
        item_ids=[str(number) for number in range(n_items)],
        titles=[""] * n_items,
        descriptions=[""] * n_items,
        relation_names=["director", "style", "year"],
        value_iris=[f"urn:value:{number:03}" for number in range(n_values)],
        value_labels=[f"value {number}" for number in range(n_values)],
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


def only(graph: ItemGraph, chosen: NDArray[np.bool_]) -> ItemGraph:
    return replace(
        graph,
        heads=graph.heads[chosen],
        relations=graph.relations[chosen],
        tails=graph.tails[chosen],
        weights=graph.weights[chosen],
        stated=graph.stated[chosen],
    )


def planted() -> ItemGraph:
    """Items of one director all have one style, two directors a style."""
    facts = []
    for item in range(N_ITEMS):
        director = item % N_DIRECTORS
        facts += [(item, 0, director), (item, 1, N_DIRECTORS + director % N_STYLES)]
    return graph_of(facts, N_ITEMS, N_DIRECTORS + N_STYLES)


@pytest.fixture(scope="module")
def left_out() -> NDArray[np.bool_]:
    """The styles of a director's first item and sixth."""
    graph = planted()
    return np.asarray((graph.relations == 1) & (graph.heads // N_DIRECTORS % 5 == 0))


@pytest.fixture(scope="module")
def training(left_out: NDArray[np.bool_]) -> Training:
    return fit_rotate(only(planted(), ~left_out), dim=16, epochs=150, negatives=32)


def test_relations_turn_and_do_not_stretch(training: Training) -> None:
    turned = training.model.rotations
    np.testing.assert_allclose(turned[:, :16] ** 2 + turned[:, 16:] ** 2, 1, atol=1e-6)
    assert turned.shape == (3, 32)


def test_the_loss_falls(training: Training) -> None:
    assert len(training.losses) == 150
    # Not to 0: among so few values many a corrupted fact is true.
    assert np.mean(training.losses[-10:]) < 0.65 * training.losses[0]


@pytest.mark.parametrize("closed", [False, True])
def test_a_planted_rule_is_found(training: Training, left_out: NDArray[np.bool_], closed: bool) -> None:
    graph = planted()
    kept, asked = only(graph, ~left_out), only(graph, left_out)
    model = training.model
    items = training.items
    if closed:
        items = model.closed_form(kept.heads, kept.relations, kept.tails, kept.weights, kept.n_items)
    ranks = model.rank(items, Triples.of(asked), known=Triples.of(kept))
    assert len(ranks) == 2 * N_DIRECTORS
    # Chance is (1 + 30) / 2.
    assert ranks.mean() < 3
    assert (1 / ranks).mean() > 0.7


def test_the_closed_form_is_the_nearest_point_to_all_facts(training: Training) -> None:
    model = training.model
    rng = np.random.default_rng(3)
    relations, tails = rng.integers(0, 2, 6), rng.choice(model.trained, 6)
    weights = rng.uniform(0.1, 1, 6).astype(np.float32)
    (found,) = model.closed_form(np.zeros(6, np.int64), relations, tails, weights, 1)
    turns = np.exp(1j * model.phases[relations].astype(np.float64))
    rows = model.values[np.searchsorted(model.trained, tails)].astype(np.float64)
    targets = rows[:, :16] + 1j * rows[:, 16:]

    def distance(item: NDArray[np.float64]) -> float:
        gaps = (item[:16] + 1j * item[16:]) * turns - targets
        return float((weights * (np.abs(gaps) ** 2).sum(axis=1)).sum())

    best = minimize(distance, np.zeros(32), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(found, best.x, atol=1e-4)
    (unit,) = model.embed_items(np.zeros(6, np.int64), relations, tails, weights, 1)
    np.testing.assert_allclose(unit, best.x / np.linalg.norm(best.x), atol=1e-4)


def test_items_are_of_length_one_or_zero_where_nothing_is_known(training: Training) -> None:
    model = training.model
    unknown = np.array([len(model.trained) + 70])
    rows = model.embed_items(
        np.array([0, 2, 2]),
        np.array([0, 0, 1]),
        np.concatenate([model.trained[:1], unknown, model.trained[-1:]]),
        np.array([0.3, 1, 1], np.float32),
        4,
    )
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), [1, 0, 1, 0], atol=1e-6)
    assert rows.dtype == np.float32


def test_the_same_facts_give_the_same_embedding_in_another_graph(training: Training) -> None:
    graph = planted()
    before = training.model.embed_graph(graph)
    np.testing.assert_array_equal(
        before,
        training.model.embed_items(graph.heads, graph.relations, graph.tails, graph.weights, graph.n_items),
    )
    # The graph as it is read after an update: other numbers, one value and one relation more.
    shuffled = replace(
        graph,
        value_iris=["urn:new", *reversed(graph.value_iris)],
        value_labels=["new", *reversed(graph.value_labels)],
        relation_names=["award", *graph.relation_names],
        relations=np.append(graph.relations + 1, 0),
        tails=np.append(len(graph.value_iris) - graph.tails, 0),
        heads=np.append(graph.heads, 0),
        weights=np.append(graph.weights, np.float32(1)),
        stated=np.append(graph.stated, True),
    )
    np.testing.assert_allclose(training.model.embed_graph(shuffled), before, atol=1e-6)


def test_values_of_one_item_are_left_out() -> None:
    # Value 2 has one item through two relations: still it connects nothing.
    graph = graph_of([(0, 0, 0), (1, 0, 0), (0, 0, 1), (2, 0, 2), (2, 1, 2), (1, 1, 3), (2, 1, 3)], 3, 4)
    assert shared_values(graph).tolist() == [0, 3]
    model = train_rotate(graph, dim=4, epochs=2)
    assert model.value_iris == ["urn:value:000", "urn:value:003"]
    assert model.values.shape == (2, 8)


@pytest.mark.parametrize("facts", [[], [(0, 0, 0), (1, 1, 1)]])
def test_a_graph_that_connects_nothing(facts: list[tuple[int, int, int]]) -> None:
    graph = graph_of(facts, 2, 2)
    model = train_rotate(graph, dim=4)
    rows = model.embed_graph(graph)
    assert rows.shape == (2, 8)
    assert not rows.any()
    again = RotatE.from_state(load(save(model.state())), model.vocabulary())
    assert not again.embed_items(graph.heads, graph.relations, graph.tails, graph.weights, 2).any()


def test_a_seed_gives_the_same_and_another_seed_does_not() -> None:
    graph = planted()
    first = train_rotate(graph, dim=8, epochs=3, seed=1)
    np.testing.assert_array_equal(first.values, train_rotate(graph, dim=8, epochs=3, seed=1).values)
    assert not np.allclose(first.values, train_rotate(graph, dim=8, epochs=3, seed=2).values)


def test_confident_facts_pull_more() -> None:
    graph = planted()
    doubted = replace(graph, weights=np.where(graph.relations == 1, 0.05, 1).astype(np.float32))
    trained = [fit_rotate(g, dim=8, epochs=40) for g in (graph, doubted)]
    styles = Triples.of(only(graph, graph.relations == 1))
    gaps = []
    for training in trained:
        model = training.model
        unit = training.items[styles.heads]
        turn = model.rotations[1]
        real = unit[:, :8] * turn[:8] - unit[:, 8:] * turn[8:]
        imaginary = unit[:, :8] * turn[8:] + unit[:, 8:] * turn[:8]
        rows = model.values[np.searchsorted(model.trained, styles.tails)]
        gaps.append(np.linalg.norm(np.hstack([real, imaginary]) - rows, axis=1).mean())
    assert gaps[0] < gaps[1]


def test_ranks_are_filtered_and_ties_count_half() -> None:
    # One real axis would do: values at 0, 1, 1, 3 and an item at 0, with a relation that does not turn.
    values = np.zeros((4, 2), np.float32)
    values[:, 0] = [0, 1, 1, 3]
    model = RotatE(["r"], list("abcd"), np.array([2, 4, 6, 8]), np.zeros((1, 1), np.float32), values)
    item, zero = np.zeros((1, 2), np.float32), np.zeros(4, np.int64)
    facts = Triples(zero, zero, np.array([2, 4, 6, 8]))
    np.testing.assert_array_equal(model.rank(item, facts), [1, 2.5, 2.5, 4])
    np.testing.assert_array_equal(model.rank(item, facts, known=facts), [1, 1, 1, 1])
    known = Triples(zero[:1], zero[:1], np.array([4]))
    np.testing.assert_array_equal(model.rank(item, facts, known=known), [1, 2.5, 2, 3])
    with pytest.raises(ValueError, match="not trained"):
        model.rank(item, Triples(zero[:1], zero[:1], np.array([3])))


def test_progress_counts_the_epochs() -> None:
    steps: list[int] = []
    train_rotate(planted(), dim=4, epochs=3, progress=steps.append)
    assert steps == [1, 1, 1]


def test_saved_and_loaded_is_the_same(training: Training) -> None:
    graph, model = planted(), training.model
    again = RotatE.from_state(load(save(model.state())), model.vocabulary())
    np.testing.assert_array_equal(again.embed_graph(graph), model.embed_graph(graph))
    assert again.relation_names == model.relation_names


def test_a_state_that_does_not_fit_its_names(training: Training) -> None:
    arrays, names = training.model.state(), training.model.vocabulary()
    for broken, vocabulary in [
        ({**arrays, "values": arrays["values"][:-1]}, names),
        ({**arrays, "phases": arrays["phases"][:, :-1]}, names),
        ({**arrays, "phases": arrays["phases"][0]}, names),
        ({"phases": arrays["phases"]}, names),
        (arrays, {**names, "values": names["values"][1:]}),
        (arrays, {**names, "relations": []}),
        (arrays, {}),
    ]:
        with pytest.raises(ModelFormatError):
            RotatE.from_state(broken, vocabulary)
