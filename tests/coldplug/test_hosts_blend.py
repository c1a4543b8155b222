"""Scales, what is held out, and the weight of a blend: it must find which of the two knows more, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np
import pytest
from host_contract import NEW_ITEMS, OLD_ITEMS, World, world  # noqa: F401 - a fixture
from plug_world import is_newcomer, model_for_newcomers

import coldplug
from coldplug.hosts import Person, support_ids
from coldplug.hosts.blend import Blend, Weight
from coldplug.hosts.scale import stretch
from coldplug.hosts.validation import HeldOut, hold_out
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError


class Told:
    """A host that knows what a genre is, or nothing at all, of everybody; it counts what its maker says."""

    name = "told"

    def __init__(self, *, wise: Sequence[str] = (), user_count: int = 50) -> None:
        self.wise, self.user_count = wise, user_count
        noise = np.random.default_rng(4)
        self.noise = {item: float(noise.normal()) for item in OLD_ITEMS}

    def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        out = np.full((len(people), len(item_ids)), np.nan, np.float32)
        for row, person in enumerate(people):
            taste = self._taste(person)
            for column, item in enumerate(item_ids):
                if item in self.noise:
                    fits = item in self.wise and self._fits(person, taste, item)
                    out[row, column] = 7.0 + 3.0 * fits + 0.1 * self.noise[item]
        return out

    def user_counts(self, people: Sequence[Person]) -> IntArray:
        return np.full(len(people), self.user_count, np.int64)

    def item_counts(self, item_ids: Sequence[str]) -> IntArray:
        """Those it knows something of have been met often."""
        often = np.array([200 if item in self.wise else 2 for item in item_ids], np.int64)
        return np.where([item in self.noise for item in item_ids], often, 0)

    def _fits(self, person: Person, taste: int, item: str) -> bool:
        return int(item[1:]) % 3 == taste

    def _taste(self, person: Person) -> int:
        kinds = [int(item[1:]) % 3 for item in support_ids(person.support)]
        return int(np.bincount(kinds, minlength=3).argmax())


@pytest.fixture(scope="module")
def newcomers(world: World, tmp_path_factory: pytest.TempPathFactory) -> World:  # noqa: F811
    """The world with a model that has not met every second user."""
    return replace(world, plug=coldplug.plug.load(model_for_newcomers(tmp_path_factory)))


def people(world: World) -> list[HeldOut]:  # noqa: F811
    """Those whom the model has not met, with a third of their likes held out."""
    found = []
    for user in filter(is_newcomer, world.user_ids):
        liked = support_ids(world.person(user).support)
        found.append(HeldOut(Person(user, {}, liked[1::3] + liked[2::3]), liked[0::3]))
    return found


def test_a_host_that_knows_nothing_gets_less_weight_than_one_that_knows(newcomers: World) -> None:
    held = people(newcomers)
    deaf = Blend.learn(Told(), newcomers.plug, held).weight
    knowing = Blend.learn(Told(wise=OLD_ITEMS), newcomers.plug, held).weight
    share = [w.at(np.array([50]), np.array([n]))[0, 0] for w, n in ((deaf, 2), (knowing, 200))]
    assert share[0] < 0.1
    assert share[1] > share[0] + 0.2


def test_the_weight_follows_the_items_that_the_host_knows(newcomers: World) -> None:
    class Foreseeing(Told):
        """Beyond the genre, which the model has learned too: what each person is going to like."""

        def _fits(self, person: Person, taste: int, item: str) -> bool:
            return item in support_ids(newcomers.person(str(person.user_id)).support)

    weight = Blend.learn(Foreseeing(wise=OLD_ITEMS[::2]), newcomers.plug, people(newcomers)).weight
    assert weight.item > 0.05
    rare, common = weight.at(np.array([50]), np.array([2, 200]))[0]
    assert common > rare + 0.1


def test_a_weight_never_falls_with_interactions() -> None:
    share = Weight(-2.0, 0.5, 0.3).at(np.array([0, 1, 10, 100]), np.array([0, 5, 50]))
    assert (np.diff(share, axis=0) > 0).all()
    assert (np.diff(share, axis=1) > 0).all()
    assert Weight(**asdict(Weight(-2.0, 0.5, 0.3))) == Weight(-2.0, 0.5, 0.3)


def test_nothing_to_learn_from_is_said(world: World) -> None:  # noqa: F811
    class Mute(Told):
        def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
            return np.full((len(people), len(item_ids)), np.nan, np.float32)

    with pytest.raises(UserError, match="no score for any of the held-out people"):
        Blend.learn(Mute(), world.plug, people(world))


def test_stretching_gives_mean_and_deviation() -> None:
    random = np.random.default_rng(0)
    wanted = random.normal(5, 2, (3, 40)).astype(np.float32)
    given = random.normal(-1, 0.1, (3, 40)).astype(np.float32)
    given[:, :7] = np.nan
    scale, offset = stretch(wanted, given)
    fitted = given[:, 7:] * scale + offset
    np.testing.assert_allclose(fitted.mean(1), wanted[:, 7:].mean(1), rtol=1e-4)
    np.testing.assert_allclose(fitted.std(1), wanted[:, 7:].std(1), rtol=1e-4)
    flat = np.ones((1, 40), np.float32)
    assert np.isnan(stretch(wanted[:1], flat)[0]).all()
    assert np.isnan(stretch(wanted[:1], np.full((1, 40), np.nan, np.float32))[1]).all()


def test_what_is_held_out_is_in_no_training_and_everyone_is_told_only_the_training(world: World) -> None:  # noqa: F811
    data = world.data
    train, held = hold_out(data, one_in=5)
    rows = train.interactions
    pairs = {(data.user_ids[u], data.graph.item_ids[i]) for u, i in zip(rows.users, rows.items, strict=True)}
    trained_users, trained_items = {user for user, _ in pairs}, {item for _, item in pairs}
    every = data.interactions
    met_by: dict[str, set[str]] = {}
    for user, item in zip(every.users, every.items, strict=True):
        met_by.setdefault(data.user_ids[user], set()).add(data.graph.item_ids[item])
    kinds = {"stays": 0, "newcomer": 0}
    new_items = met_besides = 0
    for one in held:
        told = support_ids(one.person.support)
        assert set(told) <= trained_items
        assert set(told).isdisjoint(one.liked)
        new_items += sum(item not in trained_items for item in one.liked)
        if one.person.user_id is None:
            kinds["newcomer"] += 1
            assert len(told) <= 20
        else:
            kinds["stays"] += 1
            assert one.person.user_id in trained_users
            assert {(one.person.user_id, item) for item in told} <= pairs
            assert not {(one.person.user_id, item) for item in one.liked} & pairs
            mine, besides = met_by[one.person.user_id], set(one.met)
            assert besides <= mine - trained_items, "new items that they met and that were not set aside"
            assert besides.isdisjoint([*told, *one.liked])
            met_besides += len(besides)
    assert met_besides > 5
    assert min(kinds.values()) > 5
    assert new_items > 5
    assert len(trained_users) < len(data.user_ids)
    again = hold_out(data, one_in=5)
    assert again[1] == held


def test_too_little_to_hold_out_is_said(world: World) -> None:  # noqa: F811
    with pytest.raises(UserError, match="to learn a blend on"):
        hold_out(world.data, one_in=10**9)


def test_new_items_that_nobody_likes_are_put_lower(world: World) -> None:  # noqa: F811
    held = people(world)
    unliked = [*held[:-1], HeldOut(held[-1].person, [*held[-1].liked, *NEW_ITEMS])]
    liked = [HeldOut(one.person, [*one.liked, *NEW_ITEMS[:5]]) for one in held]
    host = Told(wise=OLD_ITEMS)
    lower, higher = (Blend.learn(host, world.plug, some).weight.new for some in (unliked, liked))
    assert lower < -0.5
    assert higher > lower + 1
    left_in = [replace(one, liked=[*one.liked, NEW_ITEMS[at % 5]]) for at, one in enumerate(held)]
    known = [replace(one, met=[item for item in NEW_ITEMS[:5] if item not in one.liked]) for one in left_in]
    buried, fair = (Blend.learn(host, world.plug, some).weight.new for some in (left_in, known))
    assert fair > buried, "a like that is not told is no mistake"
    person, asked = world.person("u7"), ["i3", NEW_ITEMS[0]]
    plain, moved = (Blend(host, world.plug, Weight(0, 0, 0, new)).score(person, asked) for new in (0.0, -2.0))
    np.testing.assert_allclose(moved - plain, [0.0, -2.0], atol=1e-5)
