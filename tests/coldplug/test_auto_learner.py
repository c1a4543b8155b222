"""`auto` keeps the learner's contract, leaves out what does not suit the data, and says what became of each candidate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import write_world
from learner_contract import ALL_ITEMS, COLD_ITEMS, LearnerContract, copied, near, planted

from coldplug.errors import ModelFormatError
from coldplug.evaluate.controls import control
from coldplug.learn import Learner
from coldplug.learn.auto.learner import Auto
from coldplug.learn.auto.suit import CANDIDATES, suitable
from coldplug.read.select import only_items
from coldplug.solver import ColdStartSolver
from coldplug.store import load_folder, save_folder
from coldplug.types import Interactions, Query, TrainingData
from plugbase.errors import UserError

SMALL: dict[str, Any] = {"candidates": "proto,mf,zeroshot", "steps": 80, "batch": 64, "dim": 16}


class TestAuto(LearnerContract):
    name = "auto"
    settings = SMALL
    checks_settings = True

    def reload(self, learner: Learner, folder: Path) -> Learner | None:
        assert isinstance(learner, Auto)
        meta, arrays, texts = learner.to_state()
        save_folder(folder, {"learner": meta}, arrays, texts)
        read, arrays, texts = load_folder(folder)
        return Auto.from_state(read["learner"], arrays, texts)

    def fitted(self) -> Auto:
        learner = self.fit()
        assert isinstance(learner, Auto)
        return learner

    def test_a_score_is_the_weighed_sum_of_the_learners_that_were_kept(self, tmp_path: Path) -> None:
        """Every other user's attributes are hidden, so that one who reads attributes alone is not enough."""
        data = copied(planted()[0])
        half = [user if n % 2 else {} for n, user in enumerate(data.user_attributes)]
        learner = Auto.fit(
            replace(data, user_attributes=half), seed=3, **(SMALL | {"candidates": "zeroshot,mf"})
        )
        assert list(learner.members) == ["zeroshot", "mf"]
        asked = self.asked()
        again = self.reload(learner, tmp_path / "model")
        assert again is not None
        near(again.score(asked, ALL_ITEMS), learner.score(asked, ALL_ITEMS))
        slopes, offsets = learner.mixture.at([len(query.items) for query in asked])
        kind = (~learner.known).astype(int)
        wanted = offsets[kind].T + sum(
            member.score(asked, ALL_ITEMS) * slopes[m][kind].T
            for m, member in enumerate(learner.members.values())
        )
        near(learner.score(asked, ALL_ITEMS), wanted)
        np.testing.assert_array_equal(np.flatnonzero(~learner.known), COLD_ITEMS)

    def test_new_items_added_later_score_as_if_they_had_been_there(self, tmp_path: Path) -> None:
        before = self.fitted().score(self.asked(), ALL_ITEMS)
        grown = self.reload(self.fitted(), tmp_path / "model")
        assert isinstance(grown, Auto)
        grown.add_items(only_items(planted()[0].graph, np.isin(ALL_ITEMS, COLD_ITEMS)))
        near(grown.score(self.asked(), ALL_ITEMS), before)
        near(grown.score(self.asked(), ALL_ITEMS[-1] + 1 + np.arange(len(COLD_ITEMS))), before[:, COLD_ITEMS])

    def test_a_damaged_state_is_refused(self) -> None:
        meta, arrays, texts = self.fitted().to_state()
        for spoilt in (
            meta | {"slopes": meta["slopes"][:-1]},
            meta | {"members": []},
            meta | {"members": [{"method": "auto", "state": meta}]},
            meta | {"members": [{"method": "nothing", "state": {}}]},
            {key: part for key, part in meta.items() if key != "offsets"},
        ):
            with pytest.raises(ModelFormatError, match="not the state of"):
                Auto.from_state(spoilt, arrays, texts)

    def test_every_candidate_is_told_of(self) -> None:
        heard: list[str] = []
        again = Auto.fit(copied(planted()[0]), seed=3, note=heard.append, **SMALL)
        said = [line for line in heard if ": kept" in line or ": left out" in line]
        assert len(said) == len(again.report) == 3
        weighed = [row for row in again.report if row["kept"]]
        for cell in ("known@0", "known@5", "new@0", "new@5"):
            assert sum(row["weights"][cell] for row in weighed) == pytest.approx(1, abs=1e-3)
            assert all(0 < row["ndcg"][cell] <= 1 for row in again.report)
        assert {row["method"] for row in weighed} == set(again.members)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ("proto,mff", "did you mean 'mf'"),
            ("proto,proto", "twice"),
            ("auto,mf", "cannot weigh itself"),
            ("itemknn", "baseline"),
        ],
    )
    def test_candidates_that_cannot_be_are_refused(self, given: str, said: str) -> None:
        with pytest.raises(UserError, match=said):
            self.fit(candidates=given)


def bare(**parts: Any) -> TrainingData:
    return replace(copied(planted()[0]), **parts)


def test_candidates_suit_the_data() -> None:
    data = planted()[0]
    assert suitable(data) == (list(CANDIDATES), {})
    names, why = suitable(bare(user_attributes=[{"age": None} for _ in data.user_ids]))
    assert (names, why) == (["posterior", "proto", "metakg", "mf"], {"zeroshot": "no user has attributes"})
    names, why = suitable(bare(graph=control("no graph", data.graph)))
    assert (names, why) == (["posterior", "proto", "mf", "zeroshot"], {"metakg": "the graph has no facts"})
    rows, few = data.interactions, data.interactions.users < 50
    names, why = suitable(
        bare(interactions=Interactions(rows.users[few], rows.items[few], rows.ratings[few]))
    )
    assert names == ["posterior", "mf"]
    assert all("50 users" in reason for reason in why.values())


def test_too_few_users_to_weigh_leave_the_first_candidate_as_it_is() -> None:
    rows = planted()[0].interactions
    few = rows.users < 60
    data = bare(interactions=Interactions(rows.users[few], rows.items[few], rows.ratings[few]))
    learner = Auto.fit(data, seed=3, **(SMALL | {"candidates": "mf,proto"}))
    assert [(row["method"], row["kept"]) for row in learner.report] == [("mf", True), ("proto", False)]
    assert "too few users" in learner.report[1]["why"]
    asked = [Query(), Query({}, np.array([0, 3]), np.full(2, 5, np.float32))]
    near(learner.score(asked, ALL_ITEMS), learner.members["mf"].score(asked, ALL_ITEMS))


def test_epochs_need_a_batch(tmp_path: Path) -> None:
    world = write_world(tmp_path / "world", 45, 40)
    solver = ColdStartSolver(world / "graph.ttl", "auto")
    with pytest.raises(UserError, match="batches of different sizes"):
        solver.train(epochs=2)
