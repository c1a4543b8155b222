"""The NDCG that choices are made by, and the height of new items that is chosen by it."""

from __future__ import annotations

import numpy as np
import pytest

from coldplug.evaluate.metrics import accuracy
from coldplug.learn.ndcg import ideal_gains, list_ndcg, lowest_as_good


def test_it_is_the_ndcg_of_the_evaluation() -> None:
    rng = np.random.default_rng(1)
    scores = rng.standard_normal((20, 60)).astype(np.float32)
    liked, barred = rng.random((20, 60)) < 0.2, rng.random((20, 60)) < 0.1
    mine = list_ndcg(scores, liked, ~barred, ideal_gains(liked & ~barred))
    np.testing.assert_allclose(mine, accuracy(scores, liked & ~barred, barred).ndcg, atol=1e-6)
    nothing = ideal_gains(np.zeros((1, 60), np.bool_))
    assert np.isnan(nothing).all()


@pytest.mark.parametrize(
    ("ndcg", "wanted"),
    [
        ([0.300, 0.301, 0.302, 0.25], -3.0),
        ([0.20, 0.299, 0.302, 0.25], -1.0),
        ([0.10, 0.11, 0.12, 0.30], 1.0),
        ([np.nan, np.nan, np.nan, np.nan], 0.0),
    ],
)
def test_the_lowest_height_that_is_as_good_is_taken(ndcg: list[float], wanted: float) -> None:
    assert lowest_as_good((-3.0, -1.0, 0.0, 1.0), ndcg) == wanted
