"""Adapters of libraries that are trained on a matrix: implicit, LightFM, Cornac, scikit-learn, each the real one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from host_contract import HostContract, World, world  # noqa: F401 - a fixture

from coldplug.hosts import Host, host_class
from plugbase.errors import UserError


class TestImplicit(HostContract):
    library = "implicit"
    takes_newcomers = True

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(factors=8, random_state=0, use_gpu=False, num_threads=1)
        model.fit(world.likes, show_progress=False)
        return host_class("implicit")(model, world.user_ids, world.item_ids, world.likes), model

    def own(self, world: World, made: Any, user: str, item: str) -> float:  # noqa: F811
        number, column = world.user_ids.index(user), world.item_ids.index(item)
        ids, scores = made.recommend(
            number, world.likes[number], items=[column], filter_already_liked_items=False
        )
        assert ids.tolist() == [column]
        return float(scores[0])


class TestImplicitPairs(TestImplicit):
    """A loss over pairs, which cannot solve for a newcomer."""

    takes_newcomers = False

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from implicit.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(factors=8, random_state=0, use_gpu=False, num_threads=1)
        model.fit(world.likes, show_progress=False)
        return host_class("implicit")(model, world.user_ids, world.item_ids, world.likes), model


class TestLightFM(HostContract):
    library = "lightfm"

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from lightfm import LightFM

        model = LightFM(no_components=8, loss="warp", random_state=0)
        model.fit(world.likes.tocoo(), epochs=5, num_threads=1)
        return host_class("lightfm")(model, world.user_ids, world.item_ids, world.likes), model

    def own(self, world: World, made: Any, user: str, item: str) -> float:  # noqa: F811
        number, column = world.user_ids.index(user), world.item_ids.index(item)
        return float(made.predict(number, np.array([column], np.int32))[0])


class TestCornac(HostContract):
    library = "cornac"

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from cornac.data import Dataset
        from cornac.models import BPR

        pairs = zip(*world.likes.nonzero(), strict=True)
        rows = [(world.user_ids[user], world.item_ids[item], 1.0) for user, item in pairs]
        model = BPR(k=8, max_iter=20, seed=0, verbose=False).fit(Dataset.from_uir(rows, seed=0))
        return host_class("cornac")(model), model

    def own(self, world: World, made: Any, user: str, item: str) -> float:  # noqa: F811
        return float(made.score(made.uid_map[user], made.iid_map[item]))

    def test_a_model_that_was_not_fitted_is_refused(self) -> None:
        models = pytest.importorskip("cornac.models", reason="cornac is not installed")
        with pytest.raises(UserError, match="not fitted"):
            host_class("cornac")(models.BPR())


class TestSVD(HostContract):
    library = "sklearn"
    takes_newcomers = True

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from sklearn.decomposition import TruncatedSVD

        model = TruncatedSVD(8, random_state=0).fit(world.likes)
        return host_class("sklearn")(model, world.user_ids, world.item_ids, world.likes), model

    def own(self, world: World, made: Any, user: str, item: str) -> float:  # noqa: F811
        row = world.likes[world.user_ids.index(user)]
        return float((made.transform(row) @ made.components_)[0, world.item_ids.index(item)])


class TestNMF(TestSVD):
    """Another decomposition, through the same adapter."""

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from sklearn.decomposition import NMF

        model = NMF(6, random_state=0, max_iter=300).fit(world.likes)
        return host_class("sklearn")(model, world.user_ids, world.item_ids, world.likes), model


def test_ids_must_fit_the_matrix(world: World) -> None:  # noqa: F811
    decomposition = pytest.importorskip("sklearn.decomposition", reason="scikit-learn is not installed")
    model = decomposition.TruncatedSVD(4, random_state=0).fit(world.likes)
    with pytest.raises(UserError, match="90 item ids"):
        host_class("sklearn")(model, world.user_ids[1:], world.item_ids, world.likes)


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'cornac'"):
        host_class("corna")
