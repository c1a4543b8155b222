"""Sessions as hyperedges: the walk is the formula's, memory has bounds, and weights planted in likes are found again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from coldplug.online.sessions import Sessions
from coldplug.online.store import open_users
from coldplug.online.weights import STEPS, Moment, Weights, fit_weights

ITEMS = [f"i{number}" for number in range(12)]


def filled(incidence: np.ndarray, **options: int) -> Sessions:
    """Sessions of users of their own, one for each column."""
    sessions = Sessions(**options)
    for session, column in enumerate(incidence.T):
        for item in np.flatnonzero(column):
            sessions.add(f"u{session}", ITEMS[item], float(session))
    return sessions


def test_nearness_is_one_step_of_hypergraph_convolution() -> None:
    incidence = np.random.default_rng(3).random((12, 30)) < 0.2
    incidence[4] = False
    sessions = filled(incidence)
    items, edges = np.maximum(incidence.sum(1), 1e-9), np.maximum(incidence.sum(0), 1)
    theta = (incidence / edges) @ incidence.T / np.sqrt(np.outer(items, items))
    liked = ["i1", "i4", "i7", "never seen"]
    expected = theta[:, [1, 4, 7]].sum(1) / len(liked)
    near = sessions.nearness(liked, [*ITEMS, "unknown"])
    np.testing.assert_allclose(near, [*expected, 0.0], atol=1e-6)
    assert near[4] == 0
    np.testing.assert_array_equal(sessions.counts([*ITEMS, "unknown"]), [*incidence.sum(1), 0])
    np.testing.assert_array_equal(sessions.nearness([], ITEMS), np.zeros(12))


def test_a_pause_ends_a_session_and_a_like_said_twice_counts_once() -> None:
    sessions = Sessions(gap_s=100)
    for item, at in (("i0", 0), ("i1", 90), ("i1", 180), ("i2", 281), ("i0", 300)):
        sessions.add("u", item, float(at))
    assert len(sessions) == 2
    assert sessions.counts(["i0", "i1", "i2"]).tolist() == [2, 1, 1]
    assert sessions.nearness(["i1"], ["i2"]) == 0
    assert sessions.nearness(["i1"], ["i0"]) == pytest.approx(1 / (2 * np.sqrt(2)))


def test_sessions_follow_a_store_that_another_process_writes(tmp_path: Path) -> None:
    theirs, ours = (open_users(tmp_path / "users.db") for _ in range(2))
    sessions = Sessions(gap_s=100)
    for user, item, reward, at in (
        ("u", "i0", None, 1),
        ("v", "i0", 5.0, 2),
        ("u", "i1", 4.0, 3),
        ("u", "i2", 3.5, 4),
    ):
        theirs.observe(user, item, reward, float(at))
    assert sessions.catch_up(ours, 4.0) == 3
    assert sessions.counts(["i0", "i1", "i2"]).tolist() == [2, 1, 0]
    assert sessions.catch_up(ours, 4.0) == 0
    theirs.observe("v", "i3", None, 50.0)
    assert sessions.catch_up(ours, 4.0) == 1
    started_later = Sessions(gap_s=100)
    assert started_later.catch_up(ours, 4.0) == 4
    for one in (sessions, started_later):
        assert len(one) == 2
        np.testing.assert_allclose(one.nearness(["i0"], ["i1", "i3"]), [1 / (2 * np.sqrt(2))] * 2, atol=1e-6)


def test_only_the_last_sessions_and_their_newest_items_are_remembered() -> None:
    sessions = Sessions(3, longest=2)
    for user in range(50):
        for item in ("i0", f"i{user % 12}", "i11" if user % 2 else "i10"):
            sessions.add(f"u{user}", item, float(user))
        sessions.add(f"u{user // 2}", "old", float(user))
    assert len(sessions) == 3
    told = sessions._sessions.values()
    assert all(0 < len(items) <= 2 for items in told)
    assert set(sessions._of_item) == {item for items in told for item in items}
    assert sum(map(len, sessions._of_item.values())) == sum(map(len, told))
    assert len(sessions._open) <= 3


def test_the_newest_likes_are_where_a_walk_starts() -> None:
    sessions = Sessions()
    sessions.add("a", "i0", 0.0)
    sessions.add("a", "i1", 1.0)
    assert sessions.nearness(["i0"], ["i1"]) > 0
    assert sessions.nearness(["i0"] + ["other"] * 20, ["i1"]) == 0


def test_planted_weights_are_found_and_without_a_walk_only_offsets() -> None:
    random = np.random.default_rng(7)
    n = len(STEPS)
    planted = Weights(np.linspace(-1, 1, n), np.linspace(8, 1, n))
    moments = []
    for _ in range(6000):
        scores, near = random.normal(size=30).astype(np.float32), random.random(30).astype(np.float32)
        counts = 2 ** random.integers(0, 8, 30)
        rest = float(random.normal(4))
        total = np.r_[rest, scores + planted.added(counts, near)]
        share = np.exp(total - total.max())
        moments.append(Moment(rest, scores, counts, near, int(random.choice(31, p=share / share.sum())) - 1))
    found = fit_weights(moments)
    np.testing.assert_allclose(found.offsets, planted.offsets, atol=0.6)
    np.testing.assert_allclose(found.slopes, planted.slopes, atol=0.9)
    alone = fit_weights(moments, walk=False)
    assert not alone.slopes.any()
    assert alone.offsets[0] > found.offsets[0], "the offset stands in for the walk"


def test_an_item_in_no_session_keeps_its_score() -> None:
    weights = Weights(np.ones(len(STEPS)), np.full(len(STEPS), 2.0))
    added = weights.added(np.array([0, 1, 1000]), np.array([0.5, 0.5, 0.0], np.float32))
    assert added.tolist() == [0.0, 2.0, 1.0]
