"""Every learner trained on episodes keeps the learner's contract, is read back without pickle, and takes new items."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learner_contract import ALL_ITEMS, COLD_ITEMS, LearnerContract, copied, near, planted

from coldplug.errors import ModelFormatError
from coldplug.evaluate.controls import control
from coldplug.learn import Learner
from coldplug.learn.meta.learner import MetaLearner
from coldplug.read.select import only_items
from coldplug.store import load_folder, save_folder
from coldplug.types import Query

INNER = {"steps": 80, "batch": 64, "dim": 16, "hidden": 16, "inner_steps": 1, "rate": 0.01}


class MetaContract(LearnerContract):
    """The contract, and what the shared door adds to it."""

    settings = {"steps": 80, "batch": 64, "dim": 16}  # noqa: RUF012 - replaced, never changed
    checks_settings = True

    def reload(self, learner: Learner, folder: Path) -> Learner | None:
        assert isinstance(learner, MetaLearner)
        meta, arrays, texts = learner.to_state()
        save_folder(folder, {"learner": meta}, arrays, texts)
        read, arrays, texts = load_folder(folder)
        return type(learner).from_state(read["learner"], arrays, texts)

    def test_new_items_added_later_score_as_if_they_had_been_there(self, tmp_path: Path) -> None:
        learner, data = self.fit(), planted()[0]
        before = learner.score(self.asked(), ALL_ITEMS)
        grown = self.reload(learner, tmp_path / "model")
        assert isinstance(grown, MetaLearner)
        grown.add_items(only_items(data.graph, np.isin(ALL_ITEMS, COLD_ITEMS)))
        near(grown.score(self.asked(), ALL_ITEMS), before)
        near(grown.score(self.asked(), ALL_ITEMS[-1] + 1 + np.arange(len(COLD_ITEMS))), before[:, COLD_ITEMS])

    def test_ratings_are_predicted_in_their_own_units(self) -> None:
        learner = self.fit(loss="ratings")
        assert isinstance(learner, MetaLearner)
        ratings = np.array([5, 5, 5, 1, 1], np.float32)
        query = Query({}, np.array([0, 3, 6, 1, 2]), ratings)
        found = learner.predict_ratings([query], np.arange(9, 78))[0]
        same = np.arange(9, 78) % 3 == 0
        assert 1 <= found.mean() <= 5
        if self.reads_support:
            assert found[same].mean() > found[~same].mean() + 0.1

    def test_it_can_be_fitted_without_a_graph_attributes_and_ratings(self) -> None:
        data = copied(planted()[0])
        liked, rows = data.positives(), data.interactions
        implicit = replace(
            rows,
            users=rows.users[liked],
            items=rows.items[liked],
            ratings=np.full(int(liked.sum()), np.nan, np.float32),
        )
        nobody = [{} for _ in data.user_ids]
        bare = replace(
            data,
            interactions=implicit,
            user_attributes=nobody,
            positive_at=0.0,
            graph=control("no graph", data.graph),
        )
        assert np.isfinite(self.fit(data=bare, steps=5).score(self.asked(), ALL_ITEMS)).all()

    def test_a_damaged_state_is_refused(self) -> None:
        learner = self.fit()
        assert isinstance(learner, MetaLearner)
        meta, arrays, texts = learner.to_state()
        arrays["items.content"] = arrays["items.content"][:, :-1]
        with pytest.raises(ModelFormatError):
            type(learner).from_state(meta, arrays, texts)


class TestProto(MetaContract):
    name = "proto"
    reads_dislikes = True


class TestMatching(MetaContract):
    name = "matching"
    reads_dislikes = True


class TestMecos(MetaContract):
    name = "mecos"
    order_matters = True


class TestMAML(MetaContract):
    settings = INNER
    name = "maml"


class TestFOMAML(MetaContract):
    settings = {**INNER, "inner_rate": 0.1}  # noqa: RUF012 - first-order steps must be small where few are trained
    name = "fomaml"


class TestMeLU(MetaContract):
    settings = INNER
    name = "melu"


class TestMAMLGRU(MetaContract):
    name = "maml-gru"
    order_matters = True


class TestTwoTower(MetaContract):
    name = "twotower"


class TestMetaKG(MetaContract):
    name = "metakg"


class TestMetaKGRelation(MetaContract):
    name = "metakg-relation"


class TestDropoutNet(MetaContract):
    name = "dropoutnet"


class TestMatrixFactorisation(MetaContract):
    name = "mf"


class TestZeroShot(MetaContract):
    name = "zeroshot"
    reads_support = False


class TestZeroShotProto(MetaContract):
    name = "zeroshot-proto"
    reads_support = False
