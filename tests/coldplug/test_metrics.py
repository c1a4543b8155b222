"""NDCG and Recall against a reference that tries every order of the tied items."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coldplug.evaluate.metrics import accuracy, expected_gains


def by_every_order(
    scores: list[float], relevant: list[bool], excluded: list[bool], ndcg_at: int, recall_at: int
) -> tuple[float, float]:
    """Mean NDCG and Recall over all orders of the items that keep the scores descending."""
    ranked = [i for i in range(len(scores)) if not excluded[i]]
    n_relevant = sum(relevant[i] for i in ranked)
    if not n_relevant:
        return float("nan"), float("nan")
    ndcgs, recalls = [], []
    for order in itertools.permutations(ranked):
        if any(scores[a] < scores[b] for a, b in itertools.pairwise(order)):
            continue
        gains = [float(relevant[i]) for i in order]
        dcg = sum(g / np.log2(rank + 2) for rank, g in enumerate(gains[:ndcg_at]))
        ideal = sum(1 / np.log2(rank + 2) for rank in range(min(ndcg_at, n_relevant)))
        ndcgs.append(dcg / ideal)
        recalls.append(sum(gains[:recall_at]) / min(recall_at, n_relevant))
    return float(np.mean(ndcgs)), float(np.mean(recalls))


rows = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.sampled_from([-1.5, 0.0, 0.25, 7.0]), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.integers(1, 4),
        st.integers(1, 8),
    )
)


@settings(max_examples=150, deadline=None)
@given(rows)
def test_ties_count_as_the_mean_over_all_orders(
    row: tuple[list[float], list[bool], list[bool], int, int],
) -> None:
    scores, relevant, excluded, ndcg_at, recall_at = row
    found = accuracy(
        np.array([scores], np.float32),
        np.array([relevant]),
        np.array([excluded]),
        ndcg_at=ndcg_at,
        recall_at=recall_at,
    )
    ndcg, recall = by_every_order(scores, relevant, excluded, ndcg_at, recall_at)
    np.testing.assert_allclose([found.ndcg[0], found.recall[0]], [ndcg, recall], atol=1e-12)


def test_a_constant_scorer_gains_nothing_from_the_order_of_the_items() -> None:
    relevant = np.zeros((2, 50), np.bool_)
    relevant[0, :5] = True
    relevant[1, -5:] = True
    found = accuracy(np.full((2, 50), 3.0, np.float32), relevant)
    assert found.ndcg[0] == pytest.approx(found.ndcg[1])
    assert found.recall[0] == pytest.approx(20 / 50)


def test_a_perfect_ranking_scores_one_and_nan_scores_rank_last() -> None:
    relevant = np.array([[False, True, True, False]])
    assert accuracy(np.array([[0.0, 2.0, 1.0, -1.0]]), relevant).ndcg[0] == pytest.approx(1.0)
    gains = expected_gains(np.array([[np.nan, 2.0, -np.inf, 1.0]]), relevant, 4)
    np.testing.assert_allclose(gains, [[1.0, 0.0, 0.5, 0.5]])


def test_a_query_without_relevant_items_is_not_scored() -> None:
    found = accuracy(np.ones((1, 3)), np.zeros((1, 3), np.bool_))
    assert np.isnan(found.ndcg[0])
    assert np.isnan(found.recall[0])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="relevant"):
        expected_gains(np.ones((1, 3)), np.zeros((1, 4), np.bool_), 2)


def test_a_thousand_rankings_of_three_thousand_items_take_under_a_second() -> None:
    random = np.random.default_rng(0)
    scores = random.normal(size=(1031, 3000)).astype(np.float32)
    relevant = random.random((1031, 3000)) < 0.02
    seconds = []
    for _ in range(3):
        began = time.process_time()
        accuracy(scores, relevant, relevant[:, ::-1])
        seconds.append(time.process_time() - began)
    assert min(seconds) < 1.0
