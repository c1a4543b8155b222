"""Learners that go on learning: what new users teach, what old users keep, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from learner_contract import (
    ALL_ITEMS,
    COLD_ITEMS,
    N_COLD_USERS,
    N_USERS,
    TASTES,
    WARM_ITEMS,
    cold_user,
    copied,
    near,
    planted,
)
from scipy.special import log_softmax

from coldplug.learn import TRAINABLE, Learner, State, UpdatableLearner, learner_class
from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.posterior import Posterior
from coldplug.types import Interactions, Query, TrainingData
from plugbase.errors import UserError

SMALL: dict[str, dict[str, Any]] = {
    "posterior": {"steps": 60, "batch": 64, "kernel_steps": 5, "rank": 16, "dim": 8},
    "proto": {"steps": 80, "batch": 32, "dim": 8},
    "matching": {"steps": 60, "batch": 32, "dim": 8},
}
N_OLD = 110


def turned(taste: object) -> str:
    """The taste after the given one."""
    return TASTES[(TASTES.index(str(taste)) + 1) % len(TASTES)]


@cache
def users(kind: str) -> TrainingData:
    """Old users, or new ones, whose `likes` names another taste than the one they have: they contradict the old ones."""
    data = copied(planted()[0])
    rows = data.interactions
    mine = (rows.users < N_OLD) == (kind == "old")
    attributes = data.user_attributes
    if kind == "new":
        attributes = [dict(user) | {"likes": turned(user["likes"])} for user in attributes]
    few = Interactions(rows.users[mine], rows.items[mine], rows.ratings[mine])
    return replace(data, interactions=few, user_attributes=attributes)


@cache
def trained(method: str) -> State:
    """The state of a learner that was trained on the old users."""
    import torch

    torch.set_num_threads(1)
    learner: Any = learner_class(method).fit(users("old"), seed=0, **SMALL[method])
    state: State = learner.to_state()
    return state


def fresh(method: str) -> UpdatableLearner:
    """That learner, read back."""
    kind: Any = learner_class(method)
    learner = kind.from_state(*trained(method))
    assert isinstance(learner, UpdatableLearner)
    return learner


def unheld(method: str) -> UpdatableLearner:
    """The same as if no user had settled any of its weights."""
    learner = fresh(method)
    if isinstance(learner, Posterior):
        learner.precisions, learner.fisher = learner.precisions.none(), learner.fisher.none()
    else:
        assert isinstance(learner, MetaLearner)
        learner.fisher = {name: np.zeros_like(settled) for name, settled in learner.fisher.items()}
    return learner


def loss(learner: Learner, kind: str) -> float:
    """Mean negative log-likelihood of what users never seen like, of the old kind or the new, at k = 0 and 3."""
    found = []
    for number in range(N_COLD_USERS):
        liked = [item for item in planted()[1][number] if item < COLD_ITEMS[0]]
        for k in (0, 3):
            query = cold_user(number, k)
            if kind == "new":
                query = replace(query, attributes={"likes": turned(query.attributes["likes"])})
            scores = learner.score([query], WARM_ITEMS)[0].astype(np.float64)
            scores[query.items] = -np.inf
            wanted = np.setdiff1d(liked, query.items)
            found.append(-log_softmax(scores)[wanted].mean())
    return float(np.mean(found))


@pytest.fixture(params=SMALL)
def method(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_new_users_are_learned_and_old_ones_remembered(method: str) -> None:
    before, held, free = fresh(method), fresh(method), unheld(method)
    held.update(users("new"))
    free.update(users("new"))
    learned = loss(before, "new") - loss(held, "new")
    forgot, forgot_without = (loss(learner, "old") - loss(before, "old") for learner in (held, free))
    assert learned > 0.15
    assert forgot_without > 0.1
    assert forgot < 0.7 * forgot_without


def test_it_is_the_same_after_reading_back_and_with_the_same_seed(method: str) -> None:
    kind: Any = learner_class(method)
    one, other = fresh(method), fresh(method)
    one.update(users("new"), seed=5)
    other.update(copied(users("new")), seed=5)
    asked = [Query(), cold_user(0), cold_user(1, 4)]
    scores = one.score(asked, ALL_ITEMS)
    np.testing.assert_array_equal(other.score(asked, ALL_ITEMS), scores)
    again = kind.from_state(*one.to_state())
    near(again.score(asked, ALL_ITEMS), scores)
    again.update(users("new"))
    one.update(users("new"))
    near(again.score(asked, ALL_ITEMS), one.score(asked, ALL_ITEMS))


def test_a_learner_that_was_refused_is_as_it_was(method: str) -> None:
    rows = Interactions(np.arange(20), COLD_ITEMS[np.arange(20) % 12], np.full(20, 5, np.float32))
    learner = fresh(method)
    before = learner.score([cold_user(2, 2)], ALL_ITEMS)
    assert all(learner.is_new(item) for item in COLD_ITEMS.tolist())
    with pytest.raises(UserError, match="no new user likes") as caught:
        learner.update(replace(users("new"), interactions=rows))
    assert caught.value.mend
    np.testing.assert_array_equal(learner.score([cold_user(2, 2)], ALL_ITEMS), before)


def test_every_method_that_is_trained_by_gradient_can_be_updated() -> None:
    able = {name for name in TRAINABLE if getattr(learner_class(name), "update", None)}
    assert set(SMALL) <= able
    assert able >= {name for name in TRAINABLE if ".meta." in learner_class(name).__module__} - {"mf"}
    data = users("old")
    factors = learner_class("mf").fit(data, seed=0, sweeps=1, dim=4)
    assert not isinstance(factors, UpdatableLearner)


def test_ratings_can_be_updated_too() -> None:
    kind: Any = learner_class("proto")
    learner = kind.fit(users("old"), seed=0, loss="ratings", **SMALL["proto"])
    query = Query({"likes": turned("crime")})
    space = ALL_ITEMS[:78] % 3 == TASTES.index("crime")
    before = learner.score([query], WARM_ITEMS)[0]
    learner.update(users("new"))
    after = learner.score([query], WARM_ITEMS)[0]
    assert after[space].mean() - after[~space].mean() > before[space].mean() - before[~space].mean() + 0.1


def test_words_first_met_in_an_update_mean_something_afterwards() -> None:
    data = users("new")
    western = [dict(user) | {"likes": "western"} for user in data.user_attributes]
    taste = np.array([user % 3 for user in range(N_USERS)])
    mine = taste[data.interactions.users] == 1
    rows = data.interactions
    few = Interactions(rows.users[mine], rows.items[mine], rows.ratings[mine])
    learner = fresh("posterior")
    with pytest.warns(UserWarning, match="western"):
        before = learner.score([Query({"likes": "western"})], WARM_ITEMS)[0]
    learner.update(replace(data, user_attributes=western, interactions=few))
    after, nobody = learner.score([Query({"likes": "western"}), Query()], WARM_ITEMS)
    fairy = WARM_ITEMS % 3 == 1
    gap = [scores[fairy].mean() - scores[~fairy].mean() for scores in (before, after, nobody)]
    assert gap[1] > gap[0] + 0.5
    assert gap[1] > gap[2] + 0.2


def test_one_user_alone_moves_little(method: str) -> None:
    data, learner = users("new"), fresh(method)
    mine = data.interactions.users == N_OLD
    rows = data.interactions
    before = loss(learner, "old")
    learner.update(
        replace(data, interactions=Interactions(rows.users[mine], rows.items[mine], rows.ratings[mine]))
    )
    assert abs(loss(learner, "old") - before) < 0.06


def test_two_updates_add_up() -> None:
    learner = fresh("posterior")
    assert isinstance(learner, Posterior)
    first = learner.fisher.bias.sum()
    learner.update(users("new"))
    second = learner.fisher.bias.sum()
    learner.update(users("new"))
    assert first < second < learner.fisher.bias.sum()
    assert loss(learner, "new") < loss(fresh("posterior"), "new") - 0.15


def test_items_that_are_predicted_move_with_the_others() -> None:
    learner = fresh("posterior")
    query = Query({"likes": turned("crime")})
    crime = np.array([item for item in COLD_ITEMS if item % 3 == 0])
    before = learner.score([query], ALL_ITEMS)[0]
    learner.update(users("new"))
    after = learner.score([query], ALL_ITEMS)[0]
    others = np.setdiff1d(COLD_ITEMS, crime)
    assert after[crime].mean() - after[others].mean() > before[crime].mean() - before[others].mean() + 0.2
