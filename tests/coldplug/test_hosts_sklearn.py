"""coldplug as a scikit-learn estimator: fit, predict, get_params, clone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from host_contract import NEW_ITEMS, World, world  # noqa: F401 - a fixture
from plug_world import SETTINGS

from coldplug.errors import UnknownItemError
from plugbase.errors import UserError

base = pytest.importorskip("sklearn.base", reason="scikit-learn is not installed")


def pairs_of(world: World) -> tuple[Any, Any]:  # noqa: F811
    rows = world.data.interactions
    users = [world.user_ids[user] for user in rows.users]
    items = [world.item_ids[item] for item in rows.items]
    return np.array([users, items]).T, rows.ratings


def estimator(world: World) -> Any:  # noqa: F811
    from coldplug.hosts.sklearn import ColdplugEstimator

    users = dict(zip(world.user_ids, world.data.user_attributes, strict=True))
    return ColdplugEstimator(
        world.folder / "graph.ttl", users=users, positive_at=world.data.positive_at, settings=SETTINGS
    )


def test_it_predicts_what_the_model_trained_on_the_same_scores(world: World) -> None:  # noqa: F811
    pairs, ratings = pairs_of(world)
    made = estimator(world).fit(pairs, ratings)
    asked = [("u7", "i3"), ("u31", "i4"), ("u7", NEW_ITEMS[0]), ("nobody", "i3")]
    found = made.predict(asked)
    support = {
        item: float(r) for (user, item), r in zip(pairs.tolist(), ratings, strict=True) if user == "u7"
    }
    told = world.data.user_attributes[world.user_ids.index("u7")]
    expected = world.plug.score(told, ["i3", NEW_ITEMS[0]], support)
    np.testing.assert_allclose(found[[0, 2]], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[3], world.plug.score({}, ["i3"])[0], rtol=1e-4, atol=1e-4)


def test_it_is_cloned_and_tells_its_settings(world: World) -> None:  # noqa: F811
    made = estimator(world)
    again = base.clone(made).set_params(seed=5)
    assert again.get_params()["seed"] == 5
    assert again.get_params() | {"seed": 0} == made.get_params()


def test_it_says_what_is_wrong(world: World) -> None:  # noqa: F811
    from sklearn.exceptions import NotFittedError

    made = estimator(world)
    with pytest.raises(NotFittedError):
        made.predict([("u7", "i3")])
    with pytest.raises(UserError, match="two columns"):
        made.fit(np.zeros(3))
    with pytest.raises(UnknownItemError, match="no such item"):
        made.fit([("u7", "no such item")])
