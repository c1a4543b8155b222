"""A plug that learns from each click: what is observed is the support of the next question, in any process."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plug_world import fresh_plug, trained_world, write_new_items

import coldplug
from coldplug.errors import UnknownItemError
from coldplug.online import open_users
from coldplug.online.live import Live, Scale
from coldplug.plug import Plug
from plugbase.errors import UserError


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture
def plug(world: Path, tmp_path: Path) -> Plug:
    return coldplug.load(world / "model", users=tmp_path / "users.db")


def test_an_observation_counts_at_once_as_support_would(plug: Plug) -> None:
    ids = plug.item_ids
    assert plug.user("u") == ({}, [])
    plug.describe("u", {"likes": "crime", "age": 30})
    before = plug.score_batch([plug.user("u")], ids)[0]
    plug.observe("u", "i3", 5)
    plug.observe("u", "i80", 4)
    plug.observe("u", "i1", 2)
    plug.observe("u", "i3", 4.5)
    attributes, support = plug.user("u")
    assert attributes == {"likes": "crime", "age": 30}
    assert support == [("i80", 4.0), ("i1", 2.0), ("i3", 4.5)]
    after = plug.score(attributes, ids, support)
    assert np.abs(after - before).max() > 0.01
    np.testing.assert_array_equal(
        after, plug.score({"likes": "crime", "age": 30}, ids, [("i80", 4), ("i1", 2), ("i3", 4.5)])
    )


def test_recommending_to_a_user_by_id_passes_over_what_they_met(plug: Plug) -> None:
    plug.observe("u", "i3", 5)
    plug.observe("u", "i9", True)
    support = plug.user("u").support
    assert support[0] == ("i3", 5.0)
    assert math.isnan(support[1][1]), "a like without a degree"
    found = plug.recommend_to("u", 5, exclude=["i6"])
    assert found == plug.recommend({}, 5, [("i3", 5), "i9"], ["i6"])
    assert not {"i3", "i9"} & {one.item_id for one in plug.recommend_to("u", 90)}
    assert [one.item_id for one in plug.recommend_to("u", 5, candidates=["i3", "i4"])] == ["i4"]
    assert plug.recommend_to("nobody", 3) == plug.recommend({}, 3)


def test_users_outlive_the_plug_and_can_be_forgotten(world: Path, tmp_path: Path) -> None:
    first = coldplug.load(world / "model", users=tmp_path / "users.db")
    first.observe("u", "i3", False)
    second = coldplug.load(world / "model", users=str(tmp_path / "users.db"))
    assert second.user("u") == ({}, [("i3", 2.0)]), "False is the lowest rating of the training"
    second.observe("u", "i4", 5)
    assert [item for item, _ in first.user("u").support] == ["i3", "i4"]
    first.forget("u")
    assert second.user("u") == ({}, [])


def test_an_unknown_item_is_refused_until_it_is_added_and_left_out_where_it_is_not(
    world: Path, tmp_path: Path
) -> None:
    store = open_users(tmp_path / "users.db")
    plug = coldplug.load(world / "model", users=store)
    with pytest.raises(UnknownItemError, match="n0"):
        plug.observe("u", "n0", 5)
    plug.add_items(write_new_items(tmp_path / "new"))
    plug.observe("u", "n0", 5)
    plug.observe("u", "i2", 4)
    assert plug.user("u").support == [("n0", 5.0), ("i2", 4.0)]
    unaware = coldplug.load(world / "model", users=store)
    assert unaware.user("u").support == [("i2", 4.0)]
    unaware.recommend_to("u", 3)
    unaware.add_items(tmp_path / "new" / "graph.ttl")
    assert unaware.user("u").support == [("n0", 5.0), ("i2", 4.0)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("u", "i1", math.nan), "reward=nan"),
        (("u", "i1", math.inf), "reward=inf"),
        (("u", "i1", "5"), "reward='5'"),
        (("u", "i1", None), "reward=None"),
        (("u", "i1", 5.5), "pass 2 to 5"),
        (("u", "i1", 0), "pass 2 to 5"),
        (("", "i1", 5), "user_id=''"),
        ((None, "i1", 5), "user_id=None"),
        (("\ud800", "i1", 5), "not valid Unicode"),
        (("u" * 513, "i1", 5), "512 characters"),
        (("u", ["i1"], 5), "item_id="),
    ],
)
def test_a_wrong_observation_says_what_is_wrong_and_keeps_nothing(
    plug: Plug, arguments: Any, message: str
) -> None:
    with pytest.raises(UserError, match=message.replace("[", r"\[")):
        plug.observe(*arguments)
    assert plug._live is not None
    assert plug._live._store.since(0, 10) == []


@pytest.mark.parametrize("attributes", [None, [], {"age": math.nan}, {1: "x"}, {"a": {1, 2}}])
def test_attributes_that_cannot_be_kept_are_refused(plug: Plug, attributes: Any) -> None:
    with pytest.raises(UserError, match="attributes="):
        plug.describe("u", attributes)


def test_a_plug_without_users_says_how_to_have_them(world: Path) -> None:
    plug = fresh_plug(world)
    for ask in (
        lambda: plug.observe("u", "i1", 5),
        lambda: plug.user("u"),
        lambda: plug.recommend_to("u"),
        lambda: plug.describe("u", {}),
        lambda: plug.forget("u"),
    ):
        with pytest.raises(UserError, match=r'users="users.db"'):
            ask()


def test_a_model_trained_without_ratings_takes_yes_and_no(plug: Plug, tmp_path: Path) -> None:
    live = Live(open_users(tmp_path / "clicks.db"), {"learner": {"scale": [0.0, 0.0, 0.0]}})
    catalogue = plug._catalogue
    for item, reward in (("i1", 1), ("i2", 0), ("i3", True), ("i4", False), ("i1", 1.0)):
        live.observe("u", item, reward, catalogue)
    user, refused = live.user("u", catalogue)
    assert [item for item, _ in user.support] == ["i3", "i1"]
    assert all(math.isnan(rating) for _, rating in user.support)
    assert refused == ["i2", "i4"]
    with pytest.raises(UserError, match="pass 0 or 1"):
        live.observe("u", "i5", 5, catalogue)


def test_the_scale_is_the_training_s_also_of_a_model_of_several() -> None:
    assert Scale.of({"learner": {"scale": [4.0, 1.0, 5.0]}}) == Scale(1.0, 5.0)
    assert Scale.of({"learner": {"members": [{"state": {"scale": [4.0, 1.0, 5.0]}}]}}) == Scale(1.0, 5.0)
    assert Scale.of({"learner": {}}) is None
