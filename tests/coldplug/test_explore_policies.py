"""Policies: what all of them hold to, and what each is for; and choosing by them with a model."""

from __future__ import annotations

import numpy as np
import pytest
from plug_world import trained_world
from scipy.stats import norm

import coldplug
from coldplug.explore import POLICIES, Belief, choose, draw, policy_of
from coldplug.explore.policies import UCB, EpsilonGreedy, Thompson, belief_of
from coldplug.plug import Plug
from coldplug.types import Query
from plugbase.errors import UserError

SURE = Belief(np.array([0.1, 0.5, 0.4, -2.0], np.float32), np.zeros((4, 2), np.float32))
UNSURE = Belief(
    np.array([0.1, 0.5, 0.4, -2.0], np.float32),
    np.array([[0.1, 0.0], [0.1, 0.1], [0.9, 0.0], [0.0, 0.3]], np.float32),
)


@pytest.fixture(scope="module")
def plug(tmp_path_factory: pytest.TempPathFactory) -> Plug:
    return coldplug.plug.load(trained_world(tmp_path_factory) / "model")


@pytest.mark.parametrize("name", POLICIES)
class TestEveryPolicy:
    def test_chances_are_a_distribution(self, name: str) -> None:
        for belief in (SURE, UNSURE, SURE.among(np.array([2]))):
            chances = policy_of(name).chances(belief, np.random.default_rng(0))
            assert (chances >= 0).all()
            assert chances.sum() == pytest.approx(1, abs=1e-12)

    def test_items_come_as_often_as_the_propensities_say(self, name: str) -> None:
        rng, policy, rounds = np.random.default_rng(1), policy_of(name), 4000
        weight = np.zeros((rounds, 4))
        for row in range(rounds):
            places, chances = draw(policy, UNSURE, 1, rng)
            weight[row, places[0]] = 1 / chances[0]
        # The mean of 1/p over what was shown is 1 for every item that can be shown: the identity that IPS rests on.
        possible = weight.sum(0) > 0
        error = weight.std(0)[possible] / np.sqrt(rounds)
        assert (np.abs(weight.mean(0)[possible] - 1) <= 4 * error + 1e-12).all()

    def test_a_list_has_no_item_twice_and_ends_with_the_candidates(self, name: str) -> None:
        places, chances = draw(policy_of(name), UNSURE, 9, np.random.default_rng(2))
        assert sorted(places.tolist()) == [0, 1, 2, 3]
        assert (chances > 0).all()
        assert chances[-1] == pytest.approx(1)

    def test_the_same_seed_chooses_the_same(self, name: str, plug: Plug) -> None:
        first, again = (choose(plug, {}, ["i3"], policy=name, k=5, seed=7) for _ in range(2))
        assert first == again
        assert first.policy == name
        assert len(set(first.item_ids)) == 5
        assert "i3" not in first.item_ids


def test_epsilon_greedy_knows_its_propensities_exactly() -> None:
    chances = EpsilonGreedy(0.2).chances(SURE, np.random.default_rng(0))
    np.testing.assert_allclose(chances, [0.05, 0.85, 0.05, 0.05])


def test_ucb_prefers_the_unsure_by_alpha() -> None:
    rng = np.random.default_rng(0)
    assert UCB(0.0).chances(UNSURE, rng).argmax() == 1
    assert UCB(1.0).chances(UNSURE, rng).argmax() == 2
    # 0.5 + alpha sqrt(0.02) meets 0.4 + alpha 0.9 at alpha = 0.1318
    assert UCB(0.131).chances(UNSURE, rng).argmax() == 1
    assert UCB(0.133).chances(UNSURE, rng).argmax() == 2


def test_thompson_shows_an_item_as_often_as_it_is_best() -> None:
    # Of two items with means 0.5 and 0.4 the first is best with the chance Phi(0.1 / |spread difference|).
    pair = UNSURE.among(np.array([1, 2]))
    wanted = norm.cdf(0.1 / np.linalg.norm([0.8, 0.1]))
    draws = 20_000
    chance = Thompson(draws=draws, floor=0.0).chances(pair, np.random.default_rng(3))[0]
    assert abs(chance - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / draws)
    assert Thompson(draws=4, floor=0.04).chances(SURE, np.random.default_rng(0)).min() == pytest.approx(0.01)


def test_a_method_without_variance_can_be_greedy_but_not_unsure() -> None:
    bare, rng = Belief(SURE.mean), np.random.default_rng(0)
    assert policy_of("epsilon-greedy").chances(bare, rng).argmax() == 1
    for name in ("ucb", "thompson"):
        with pytest.raises(UserError, match="how sure"):
            policy_of(name).chances(bare, rng)


def test_the_spread_is_the_models_variance(plug: Plug) -> None:
    learner, items = plug._learner, np.arange(40)
    for support in (np.empty(0, np.int64), np.array([3, 6])):
        query = Query({"age": 25}, support, np.full(len(support), 5, np.float32))
        belief = belief_of(learner, query, items)
        np.testing.assert_allclose(belief.deviation() ** 2, learner.variance(query, items), rtol=1e-4)  # type: ignore[attr-defined]
        np.testing.assert_array_equal(belief.mean, learner.score([query], items)[0])
    drawn = belief.draws(20_000, np.random.default_rng(0))
    np.testing.assert_allclose(drawn.std(0), belief.deviation(), rtol=0.03)
    assert belief_of(learner, Query(), np.array([85])).deviation() > 0, "an item that nobody has met"


def test_choosing_among_candidates(plug: Plug) -> None:
    found = choose(plug, {}, None, ["i1", "i85", "i1", "i2"], policy="random", k=10, seed=0)
    assert sorted(found.item_ids) == ["i1", "i2", "i85"]
    assert found.propensities == pytest.approx([1 / 3, 1 / 2, 1])
    assert choose(plug, {}, ["i1"], ["i1"]).item_ids == []
    best = plug.recommend({}, 3)
    greedy = choose(plug, {}, policy="greedy", k=3)
    assert [one.item_id for one in best] == greedy.item_ids
    assert greedy.as_json() == {
        "item_ids": greedy.item_ids,
        "propensities": [1.0, 1.0, 1.0],
        "policy": "greedy",
    }


def test_one_generator_goes_on_from_call_to_call(plug: Plug) -> None:
    rng = np.random.default_rng(0)
    shown = {choose(plug, {}, policy="random", seed=rng).item_ids[0] for _ in range(20)}
    assert len(shown) > 10


def test_wrong_use_is_refused(plug: Plug) -> None:
    with pytest.raises(UserError, match=r"thomson(.|\n)*thompson"):
        choose(plug, {}, policy="thomson")
    with pytest.raises(UserError, match="k="):
        choose(plug, {}, k=0)
    with pytest.raises(coldplug.UnknownItemError):
        choose(plug, {}, candidates=["elsewhere"])
    for make in (
        lambda: EpsilonGreedy(1.5),
        lambda: UCB(-1),
        lambda: Thompson(draws=0),
        lambda: Thompson(floor=-1),
    ):
        with pytest.raises(UserError, match="must be"):
            make()
