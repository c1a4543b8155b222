"""Neighbours: their weights by hand, what is shared out, who says nothing, and what an update keeps."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from coldplug.learn.posterior import neighbours as module
from coldplug.learn.posterior.episodes import AnchorVectors, UserModel
from coldplug.learn.posterior.neighbours import Neighbours
from coldplug.learn.posterior.profiles import Profiles

USERS, ANCHORS, DIM, WIDTH = 40, 30, 4, 6


def world(seed: int = 0) -> tuple[Profiles, UserModel, AnchorVectors, np.ndarray]:
    """Users who like ten anchors each, and a model of random vectors."""
    rng = np.random.default_rng(seed)
    grades = np.zeros((USERS, ANCHORS), np.float32)
    for row in grades:
        row[rng.choice(ANCHORS, 10, replace=False)] = rng.choice([0.8, 1.0], 10)
    disliked = (rng.random(grades.shape) < 0.1) & (grades == 0)
    liked = sparse.csr_matrix((grades > 0).astype(np.float32))
    rated = sparse.csr_matrix(np.where(disliked, np.float32(0.2), grades))
    model = UserModel(
        rng.standard_normal((3, DIM)).astype(np.float32), np.array([0.0, 0.3]), np.array([0.0, 1.0])
    )
    vectors = AnchorVectors(
        *(rng.standard_normal((ANCHORS, DIM)).astype(np.float32) for _ in range(2)),
        rng.standard_normal(ANCHORS).astype(np.float32),
    )
    directions = np.linalg.qr(rng.standard_normal((ANCHORS, WIDTH)))[0].astype(np.float32)
    return Profiles(np.arange(USERS), np.arange(ANCHORS), rated, liked), model, vectors, directions


def by_hand(
    made: tuple[Profiles, UserModel, AnchorVectors, np.ndarray], support: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """(n_users,) weights and (WIDTH,) mean profile, from the formula, densely."""
    profiles, model, anchors, directions = made
    liked = profiles.liked.toarray().astype(bool)
    grades = np.where(liked, profiles.grades.toarray(), 0)
    chances = np.empty(liked.shape)
    for user, row in enumerate(grades):
        mine = np.flatnonzero(row)
        mean, _ = model.posterior(model.prior[0], anchors.keys[mine], row[mine])
        logits = anchors.values @ mean + anchors.bias
        chances[user] = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    mixed = 0.7 * chances + 0.3 * liked / liked.sum(1, keepdims=True)
    logarithm = np.log(mixed[:, support] / mixed[:, support].mean(0)).sum(1) / (1 + len(support) / 12)
    logarithm[liked[:, support].sum(1) >= liked.sum(1)] = -np.inf
    weights = np.exp(logarithm - logarithm.max())
    return weights / weights.sum(), grades @ directions


@pytest.mark.parametrize("support", [[3], [1, 5, 7], list(range(12))])
def test_the_mean_profile_is_that_of_the_formula(support: list[int]) -> None:
    made = world()
    found = Neighbours.of(*made, seed=0).mean_profile(np.array(support), made[2].values[support])
    weights, profiles = by_hand(made, support)
    np.testing.assert_allclose(found.sum(0), weights @ profiles, atol=1e-4)
    np.testing.assert_allclose(found[0], profiles.mean(0), atol=1e-5)


def test_only_the_likeliest_count(monkeypatch: pytest.MonkeyPatch) -> None:
    made, support = world(), [2, 4, 9]
    monkeypatch.setattr(module, "_NEAREST", 5)
    found = Neighbours.of(*made, seed=0).mean_profile(np.array(support), made[2].values[support])
    weights, profiles = by_hand(made, support)
    nearest = np.argsort(-weights)[:5]
    wanted = weights[nearest] @ profiles[nearest] / weights[nearest].sum()
    np.testing.assert_allclose(found.sum(0), wanted, atol=1e-4)


def test_the_order_of_the_support_does_not_matter_and_each_item_keeps_its_share() -> None:
    made = world()
    near = Neighbours.of(*made, seed=0)
    one = near.mean_profile(np.array([1, 5, 7]), made[2].values[[1, 5, 7]])
    other = near.mean_profile(np.array([7, 1, 5]), made[2].values[[7, 1, 5]])
    np.testing.assert_allclose(other[[0, 2, 3, 1]], one, atol=1e-5)


def test_without_a_support_it_is_the_mean_of_all() -> None:
    made = world()
    near = Neighbours.of(*made, seed=0)
    found = near.mean_profile(np.empty(0, np.int64), np.empty((0, DIM), np.float32))
    assert found.shape == (1, WIDTH)
    np.testing.assert_allclose(found[0], near.profiles.mean(0))


def test_a_user_with_nothing_beyond_the_support_says_nothing() -> None:
    made = world()
    support = made[0].liked[0].indices
    near = Neighbours.of(*made, seed=0)
    found = near.mean_profile(support, made[2].values[support]).sum(0)
    weights, profiles = by_hand(made, support.tolist())
    assert weights[0] == 0
    np.testing.assert_allclose(found, weights @ profiles, atol=1e-4)
    assert np.linalg.norm(found - profiles[0]) > 0.1


def test_where_there_is_nobody_there_is_nothing() -> None:
    profiles, model, anchors, directions = world()
    nobody = Neighbours.learned(sparse.csr_matrix((0, ANCHORS), dtype=np.float32), model, anchors, directions)
    assert not nobody.mean_profile(np.array([1, 2]), anchors.values[[1, 2]]).any()
    few = Profiles(
        profiles.users, profiles.anchors, profiles.grades[:, :], profiles.liked.multiply(0).tocsr()
    )
    assert not len(Neighbours.of(few, model, anchors, directions, 0).sizes)


def test_new_users_join_and_the_oldest_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    profiles, model, anchors, directions = world()
    first, rest = profiles.rows(np.arange(30)), profiles.rows(np.arange(30, USERS))
    near = Neighbours.of(first, model, anchors, directions, 0)
    joined = near.joined(rest, model, anchors, directions)
    whole = Neighbours.of(profiles, model, anchors, directions, 0)
    for name in ("vectors", "profiles", "surprise", "levels", "totals", "sizes"):
        np.testing.assert_allclose(getattr(joined, name), getattr(whole, name), atol=1e-6)
    monkeypatch.setattr(module, "MOST", 25)
    fewer = near.joined(rest, model, anchors, directions)
    np.testing.assert_allclose(fewer.vectors, whole.vectors[-25:], atol=1e-6)
    assert len(Neighbours.of(profiles, model, anchors, directions, 0).sizes) == 25


def test_dislikes_and_short_profiles_are_left_out() -> None:
    profiles, model, anchors, directions = world()
    near = Neighbours.of(profiles, model, anchors, directions, 0)
    assert len(near.users) == profiles.liked.nnz
    assert near.grades.min() >= np.float32(0.8)
    short = profiles.liked.toarray()
    short[0, np.flatnonzero(short[0])[4:]] = 0
    cut = Profiles(profiles.users, profiles.anchors, profiles.grades, sparse.csr_matrix(short))
    assert len(Neighbours.of(cut, model, anchors, directions, 0).sizes) == USERS - 1
