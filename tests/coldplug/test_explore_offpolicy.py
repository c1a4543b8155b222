"""Off-policy estimates on a bandit whose truth is planted: unbiased where they say so, and refused where they must be."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from coldplug.explore import doubly_robust, ips, matched, snips
from plugbase.errors import UserError

Floats = NDArray[np.float64]
REWARD = np.array([[0.9, 0.2, 0.1, 0.5], [0.1, 0.7, 0.3, 0.2], [0.3, 0.3, 0.8, 0.1]])
"""Chance of a reward by context and action."""
LOGGING = np.array([[0.1, 0.6, 0.2, 0.1], [0.7, 0.1, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25]])
OTHER = np.array([[0.8, 0.1, 0.1, 0.0], [0.0, 0.9, 0.0, 0.1], [0.0, 0.1, 0.9, 0.0]])
TRUTH = float((OTHER * REWARD).sum(1).mean())
LOGS, EVENTS = 100, 300


@cache
def logged(seed: int, uniform: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Contexts, actions and rewards of one log."""
    policy = np.full_like(LOGGING, 0.25) if uniform else LOGGING
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, len(REWARD), EVENTS)
    actions = (rng.random(EVENTS)[:, None] > policy[contexts].cumsum(1)).sum(1).clip(max=3)
    return contexts, actions, (rng.random(EVENTS) < REWARD[contexts, actions]).astype(np.float64)


def over_logs(model: Floats | None, method: str) -> tuple[Floats, Floats]:
    """(LOGS,) estimates of the other policy's value, and their own standard errors."""
    found = []
    for seed in range(LOGS):
        x, a, r = logged(seed)
        told = (r, LOGGING[x, a], OTHER[x, a])
        if model is not None:
            found.append(doubly_robust(*told, model[x, a], (OTHER[x] * model[x]).sum(1)))
        else:
            found.append((ips if method == "ips" else snips)(*told))
    return np.array([one.value for one in found]), np.array([one.standard_error for one in found])


BAD = np.full_like(REWARD, 0.9) - REWARD


@pytest.mark.parametrize(
    ("model", "method"),
    [(None, "ips"), (REWARD, "a true model"), (BAD, "a wrong model")],
    ids=lambda x: str(x)[:12],
)
def test_they_are_unbiased_and_know_their_error(model: Floats | None, method: str) -> None:
    values, errors = over_logs(model, method)
    assert abs(values.mean() - TRUTH) < 4 * values.std() / np.sqrt(LOGS)
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)


def test_the_plain_mean_of_the_log_is_another_number() -> None:
    rewards = np.array([logged(seed)[2].mean() for seed in range(LOGS)])
    assert abs(rewards.mean() - TRUTH) > 20 * rewards.std() / np.sqrt(LOGS)


def test_self_normalised_is_near_and_calmer_where_rewards_have_an_offset() -> None:
    values, errors = over_logs(None, "snips")
    assert abs(values.mean() - TRUTH) < 0.01
    assert errors.mean() == pytest.approx(values.std(), rel=0.2)
    x, a, r = logged(0)
    told = (LOGGING[x, a], OTHER[x, a])
    assert snips(r + 5, *told).value == pytest.approx(snips(r, *told).value + 5)
    assert abs(ips(r + 5, *told).value - ips(r, *told).value - 5) > 0.01


def test_a_good_model_makes_the_error_smaller() -> None:
    assert over_logs(REWARD, "")[0].std() < 0.8 * over_logs(None, "ips")[0].std()


def test_the_replay_of_a_uniform_log_is_unbiased_too() -> None:
    values = []
    for seed in range(LOGS):
        x, a, r = logged(seed, uniform=True)
        would = (np.random.default_rng([seed, 9]).random(EVENTS)[:, None] > OTHER[x].cumsum(1)).sum(1)
        values.append(matched(r, would == a).value)
    assert abs(np.mean(values) - TRUTH) < 4 * np.std(values) / np.sqrt(LOGS)


def test_a_log_without_propensities_is_refused() -> None:
    for wrong in (0.0, 1.2, float("nan")):
        with pytest.raises(UserError, match="propensity"):
            ips([1, 0], [0.5, wrong], [1, 1])
    with pytest.raises(UserError, match="shapes"):
        snips([1, 0], [0.5], [1, 1])
    with pytest.raises(UserError, match="shapes"):
        doubly_robust([1, 0], [0.5, 0.5], [1, 1], [1], [1, 1])


def test_a_log_that_says_nothing_says_so() -> None:
    assert np.isnan(snips([1, 0], [0.5, 0.5], [0, 0]).value)
    assert np.isnan(matched([1, 0], [False, False]).value)
    assert np.isnan(ips([1], [0.5], [1]).standard_error)
