"""The posterior keeps the learner's contract, and the baselines the parts of it that their formulas allow."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from learner_contract import ALL_ITEMS, COLD_ITEMS, LearnerContract, copied, near, planted

from coldplug.evaluate.controls import control
from coldplug.learn import BASELINES, Learner
from coldplug.learn.posterior import Posterior
from coldplug.learn.posterior.state import from_state, to_state
from coldplug.store import load_folder, save_folder
from coldplug.types import Query

SMALL = {"steps": 60, "batch": 64, "kernel_steps": 15, "rank": 16, "dim": 8}


class TestPosterior(LearnerContract):
    name = "posterior"
    settings = SMALL
    reads_dislikes = True
    checks_settings = True

    def reload(self, learner: Learner, folder: Path) -> Learner | None:
        assert isinstance(learner, Posterior)
        meta, arrays, texts = to_state(learner)
        save_folder(folder, {"learner": meta}, arrays, texts)
        read, arrays, texts = load_folder(folder)
        return from_state(read["learner"], arrays, texts)

    def fitted(self) -> Posterior:
        learner = self.fit()
        assert isinstance(learner, Posterior)
        return learner

    def test_parts_sum_to_the_score(self) -> None:
        learner = self.fitted()
        for query in self.asked():
            items = np.array([0, 5, int(COLD_ITEMS[0])])
            base, attributes, support = learner.contributions(query, items)
            assert support.shape == (len(query.items), len(items))
            total = base + sum(share for _, share in attributes) + support.sum(0)
            np.testing.assert_allclose(total, learner.score([query], items)[0], atol=1e-4)

    def test_the_variance_falls_with_the_support(self) -> None:
        learner = self.fitted()
        weight = [learner.blend.at(k)[0][1] for k in (0, 2, 4)]
        met = [Query(), Query({}, np.array([0, 3])), Query({}, np.array([0, 3, 6, 9]))]
        met = [replace(query, ratings=np.full(len(query.items), 5, np.float32)) for query in met]
        spread = [learner.variance(query, ALL_ITEMS) / w**2 for query, w in zip(met, weight, strict=True)]
        assert (spread[0] > 0).all()
        assert (spread[1] <= spread[0] * (1 + 1e-5)).all()
        assert spread[2].mean() < spread[1].mean() < spread[0].mean()

    def test_it_can_be_fitted_without_a_graph(self) -> None:
        data = planted()[0]
        bare = self.fit(data=replace(copied(data), graph=control("no graph", data.graph)))
        assert np.isfinite(bare.score(self.asked(), ALL_ITEMS)).all()

    def test_it_can_be_fitted_without_attributes_and_without_ratings(self) -> None:
        data = copied(planted()[0])
        liked = data.positives()
        rows = data.interactions
        implicit = replace(
            rows,
            users=rows.users[liked],
            items=rows.items[liked],
            ratings=np.full(int(liked.sum()), np.nan, np.float32),
        )
        nobody = [{} for _ in data.user_ids]
        learner = self.fit(data=replace(data, interactions=implicit, user_attributes=nobody, positive_at=0.0))
        scores = learner.score(
            [Query(), Query({}, np.array([0, 3, 6]), np.full(3, np.nan, np.float32))], ALL_ITEMS
        )
        gain = (scores[1] - scores[0])[9:]
        assert gain[ALL_ITEMS[9:] % 3 == 0].mean() > gain[ALL_ITEMS[9:] % 3 != 0].mean() + 0.1

    def test_new_items_added_later_score_as_if_they_had_been_there(self) -> None:
        from coldplug.read.select import only_items

        learner, data = self.fitted(), planted()[0]
        before = learner.score(self.asked(), ALL_ITEMS)
        grown = from_state(*_state(learner))
        grown.add_items(only_items(data.graph, np.isin(ALL_ITEMS, COLD_ITEMS)))
        near(grown.score(self.asked(), ALL_ITEMS), before)
        near(grown.score(self.asked(), ALL_ITEMS[-1] + 1 + np.arange(len(COLD_ITEMS))), before[:, COLD_ITEMS])


def _state(learner: Posterior) -> tuple[dict, dict, dict]:
    return to_state(learner)


@pytest.mark.parametrize("name", [name for name in BASELINES if "text" not in name and name != "ials-ridge"])
class TestBaselines:
    """No planted-signal tests here: what each baseline can learn is tested beside its formula."""

    def contract(self, name: str) -> LearnerContract:
        contract = LearnerContract()
        contract.name = name
        return contract

    def test_k_0_and_shapes(self, name: str) -> None:
        self.contract(name).test_its_scores_are_finite_float32_of_the_right_shape()
        self.contract(name).test_nothing_asked_gives_nothing()

    def test_determinism(self, name: str) -> None:
        self.contract(name).test_the_same_seed_gives_the_same_scores_and_leaves_the_data_as_they_were()

    def test_rows_and_supports(self, name: str) -> None:
        self.contract(name).test_a_score_does_not_depend_on_what_else_is_asked()
        self.contract(name).test_the_order_of_the_support_does_not_matter()
        self.contract(name).test_too_little_to_learn_from_is_said_or_borne()
