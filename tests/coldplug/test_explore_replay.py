"""The semi-simulated replay: rewards are true ones, regret is against what was left, and its log is fit for estimates."""

from __future__ import annotations

import numpy as np
import pytest
from plug_world import is_newcomer, model_for_newcomers, trained_world

import coldplug
from coldplug.explore import doubly_robust, ips, policy_of, snips
from coldplug.explore.replay import Session, play, sessions_of
from coldplug.learn import Learner
from coldplug.read import load_training_data

ROUNDS = 4


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learner, list[Session]]:
    """A model, and the sessions of users that it does not know."""
    data = load_training_data(trained_world(tmp_path_factory) / "graph.ttl", positive_at=4)
    users = np.flatnonzero([is_newcomer(user) for user in data.user_ids])[::-1]
    found = sessions_of(data, users, ROUNDS)
    assert len(found) > 20
    return coldplug.plug.load(model_for_newcomers(tmp_path_factory))._learner, found


def test_a_session_is_what_the_user_rated(tmp_path_factory: pytest.TempPathFactory) -> None:
    data = load_training_data(trained_world(tmp_path_factory) / "graph.ttl", positive_at=4)
    (session,) = sessions_of(data, np.array([5]), 2)
    mine = data.interactions.users == 5
    np.testing.assert_array_equal(session.items, data.interactions.items[mine])
    np.testing.assert_array_equal(session.liked, session.ratings >= 4)
    assert sessions_of(data, np.array([5]), len(session.items) - 1) == []


def test_greed_regrets_less_than_chance_and_both_are_repeatable(stage: tuple[Learner, list[Session]]) -> None:
    greedy, random = (play(*stage, policy_of(name), ROUNDS, seed=1) for name in ("greedy", "random"))
    assert greedy.regrets.mean() < random.regrets.mean() - 0.03
    again = play(*stage, policy_of("random"), ROUNDS, seed=1)
    np.testing.assert_array_equal(random.rewards, again.rewards)


def test_regret_is_against_the_best_that_was_left(stage: tuple[Learner, list[Session]]) -> None:
    learner, sessions = stage
    all_liked = [
        Session(s.attributes, s.items, s.ratings, np.ones(len(s.items), np.bool_)) for s in sessions[:3]
    ]
    none_liked = [
        Session(s.attributes, s.items, s.ratings, np.zeros(len(s.items), np.bool_)) for s in sessions[:3]
    ]
    for shown, reward in ((all_liked, 1.0), (none_liked, 0.0)):
        found = play(learner, shown, policy_of("random"), ROUNDS)
        assert (found.regrets == 0).all()
        assert (found.rewards == reward).all()


def test_the_log_of_one_policy_tells_what_another_earns(stage: tuple[Learner, list[Session]]) -> None:
    logs = [
        play(*stage, policy_of("random"), ROUNDS, seed=seed, judged=policy_of("thompson")).log
        for seed in range(3)
    ]
    r, p, c, truth, standing, hoped = (
        np.concatenate([getattr(log, name) for log in logs])
        for name in ("rewards", "propensities", "chances", "truth", "standing", "hoped")
    )
    slope, base = np.polyfit(standing, r, 1)
    for found in (
        ips(r, p, c),
        snips(r, p, c),
        doubly_robust(r, p, c, base + slope * standing, base + slope * hoped),
    ):
        assert abs(found.value - truth.mean()) < 4 * found.standard_error
        assert found.standard_error < 0.3
    assert truth.mean() > r.mean() + 0.02, (
        "what is judged is no better than chance, and any estimate would do"
    )
