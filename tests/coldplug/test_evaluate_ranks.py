"""Average ranks and their critical difference against the worked example of Demsar 2006, and deviations over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import write_world

from coldplug.evaluate import run_c1
from coldplug.evaluate.metrics import accuracy, coverage
from coldplug.evaluate.ranks import (
    alike,
    average_ranks,
    compared,
    critical_difference,
    friedman,
    range_quantile,
)
from coldplug.evaluate.table import costs_table, methods_table
from coldplug.learn import METHODS
from coldplug.read import load_training_data
from coldplug.types import FloatArray, IntArray, Query, TrainingData

# Demsar 2006, table 6: C4.5 and three variants on 14 data sets; its text gives the ranks and the differences.
# Two values of the next to last set are printed alike and ranked 2 and 3; they are told apart here by a fourth digit.
AUC = """.763 .768 .771 .798  .599 .591 .590 .569  .954 .971 .968 .967  .628 .661 .654 .657
.882 .888 .886 .898  .936 .931 .916 .931  .661 .668 .609 .685  .583 .583 .563 .625
.775 .838 .866 .875  1.0 1.0 1.0 1.0  .940 .962 .965 .962  .619 .666 .614 .669
.972 .981 .9752 .9748  .957 .978 .946 .970"""


def test_the_worked_example() -> None:
    values = np.array(AUC.split(), np.float64).reshape(14, 4)
    np.testing.assert_allclose(average_ranks(values), [3.143, 2.000, 2.893, 1.964], atol=5e-4)
    assert critical_difference(4, 14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=2e-3)
    # the paper's chi squared of 9.28 (p = .0257) is not corrected for ties, which can only lower p
    assert 0.01 < friedman(values) < 0.0257
    # q for ten and for two methods at 5 %, Demsar 2006, table 5
    assert [range_quantile(k, 0.95) / 2**0.5 for k in (2, 10)] == pytest.approx([1.960, 3.164], abs=5e-4)


def test_ties_share_their_ranks_and_methods_alike_have_no_winner() -> None:
    values = np.array([[1.0, 1.0, 0.0], [0.5, 0.5, 0.5]])
    assert average_ranks(values).tolist() == [1.75, 1.75, 2.5]
    assert friedman(np.ones((5, 4))) == 1.0


def test_groups_are_the_longest_within_the_difference() -> None:
    average = {"d": 4.0, "a": 1.0, "b": 1.8, "c": 2.6}
    assert alike(average, 1.0) == [["a", "b"], ["b", "c"]]
    assert alike(average, 1.7) == [["a", "b", "c"], ["c", "d"]]
    assert alike(average, 0.1) == []


def test_users_that_cannot_be_measured_are_no_blocks() -> None:
    nan = float("nan")
    columns = [np.array([1.0, nan, 0.5, 0.2]), np.array([0.5, 0.4, 0.1, 0.1])]
    found = compared(["x", "y"], columns)
    assert found is not None
    assert (found["blocks"], found["average"]) == (3, {"x": 1.0, "y": 2.0})
    assert compared(["x"], columns[:1]) is None


def test_precision_first_and_coverage_by_hand() -> None:
    scores = np.array([[3.0, 2.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [3.0, 2.0, 1.0, 0.0]])
    relevant = np.array([[True, False, True, False], [True, False, False, False], [False] * 4])
    found = accuracy(scores, relevant, ndcg_at=2)
    assert found.precision[:2].tolist() == [0.5, 0.25]
    assert found.first[:2].tolist() == [1.0, 0.25]
    assert np.isnan([found.precision[2], found.first[2]]).all()
    excluded = np.array([[True, False, False, False]] * 3)
    assert accuracy(scores, relevant, excluded, ndcg_at=2).first[0] == 0.0
    assert coverage(np.array([[0, 1], [1, 2]]), 6) == 0.5


class Drawn:
    """Scores drawn from its seed alone."""

    name = "drawn"

    def __init__(self, seed: int) -> None:
        self.seed = seed

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Drawn:
        return cls(seed)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        return np.random.default_rng(self.seed).random((len(queries), len(items)), np.float32)


def test_seeds_are_averaged_and_their_deviation_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "drawn", f"{__name__}:Drawn")
    data = load_training_data(write_world(tmp_path) / "graph.ttl")
    methods, salts = ["drawn", "popularity"], ["", "a:"]
    alone = [run_c1(data, ["drawn"], salts, [], seed=seed)["results"][0]["ndcg"] for seed in (3, 4)]
    found = run_c1(data, methods, salts, [], controlled="drawn", seed=3, seeds=2)
    assert found["seeds"] == {"drawn": 2, "popularity": 1}
    ndcg = found["results"][0]["ndcg"]
    assert ndcg["by_seed"] == pytest.approx([one["mean"] for one in alone], abs=1e-6)
    assert ndcg["mean"] == pytest.approx(np.mean([one["mean"] for one in alone]))
    assert ndcg["sd"] == pytest.approx(np.std([one["mean"] for one in alone], ddof=1))
    assert ndcg["by_salt"] == pytest.approx(np.mean([one["by_salt"] for one in alone], axis=0), abs=1e-6)
    rows = {row[0]: row[1:] for row in methods_table(found).rows}
    assert all("±" in cell for cell in rows["drawn"])
    assert not any("±" in cell for cell in rows["popularity"])
    costs = costs_table(found)
    assert costs is not None
    assert {row[0]: row[1] for row in costs.rows} == {"drawn": "4", "popularity": "2"}
    assert all(float(row[-1].replace(",", "")) > 20 for row in costs.rows)
    gain = found["differences"][0]
    assert gain["mean"] == pytest.approx(
        ndcg["mean"] - found["results"][len(found["results"]) // 2]["ndcg"]["mean"]
    )
