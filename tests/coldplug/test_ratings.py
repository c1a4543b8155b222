"""What every rater must do, and the rating posterior against its own formulas."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from learner_contract import ALL_ITEMS, COLD_ITEMS, N_ITEMS, WARM_ITEMS, copied, planted
from scipy import sparse

from coldplug.errors import ModelFormatError
from coldplug.learn import Learner
from coldplug.learn.ratings import RATERS, Rater, rater_class
from coldplug.learn.ratings.factors import fit_factors
from coldplug.learn.ratings.learner import RatingPosterior
from coldplug.learn.ratings.rows import Ratings
from coldplug.learn.ratings.stars import Stars
from coldplug.learn.ratings.state import from_state, to_state
from coldplug.store import load_folder, save_folder
from coldplug.types import FloatArray, Interactions, Query
from plugbase.errors import UserError

MEETING = np.array([0, 1, 2, 3, 4, 5])
"""Two items of each taste."""


@cache
def fitted(name: str, seed: int = 3) -> Rater:
    settings = {"rank": 3, "directions": 40} if name == "rating-posterior" else {}
    return rater_class(name).fit(copied(planted()[0]), seed=seed, **settings)


def of_taste(taste: int) -> Query:
    """Six ratings of a user who likes one taste and tells nothing else."""
    return Query({}, MEETING, np.where(taste == MEETING % 3, 5, 2).astype(np.float32))


def asked() -> list[Query]:
    return [
        Query(),
        of_taste(1),
        Query({"likes": "space", "age": None}),
        Query({}, np.array([0, 85]), np.array([np.nan, 1.0], np.float32)),
        Query({"age": 30.0}, np.arange(60), np.full(60, 4, np.float32)),
        Query({}, np.array([3, 3]), np.array([1.0, 5.0], np.float32)),
    ]


@pytest.mark.parametrize("name", RATERS)
class TestEveryRater:
    def test_it_gives_finite_ratings_of_the_right_shape(self, name: str) -> None:
        rater, queries = fitted(name), asked()
        for items in (ALL_ITEMS, COLD_ITEMS, np.array([7]), ALL_ITEMS[:0]):
            found = rater.predict_ratings(queries, items)
            assert found.shape == (len(queries), len(items))
            assert found.dtype == np.float32
            assert np.isfinite(found).all()
        assert rater.predict_ratings([], ALL_ITEMS).shape == (0, N_ITEMS)

    def test_a_user_who_rates_higher_is_predicted_higher(self, name: str) -> None:
        items = np.array([6, 7, 8, 9, 10])
        kind, harsh = (Query({}, items, np.full(5, stars, np.float32)) for stars in (5, 2))
        found = fitted(name).predict_ratings([kind, harsh], WARM_ITEMS)
        assert found[0].mean() > found[1].mean() + 0.5

    def test_the_order_of_the_support_and_what_else_is_asked_do_not_matter(self, name: str) -> None:
        rater, query = fitted(name), of_taste(2)
        turned = Query({}, query.items[::-1], query.ratings[::-1])
        found = rater.predict_ratings([query, turned], ALL_ITEMS)
        np.testing.assert_allclose(found[0], found[1], atol=1e-4)
        np.testing.assert_allclose(
            rater.predict_ratings([query], ALL_ITEMS[5:7])[0], found[0, 5:7], atol=1e-4
        )

    def test_items_met_without_a_rating_say_nothing(self, name: str) -> None:
        silent = Query({}, MEETING, np.full(6, np.nan, np.float32))
        found = fitted(name).predict_ratings([silent, Query()], ALL_ITEMS)
        np.testing.assert_array_equal(found[0], found[1])

    def test_the_same_seed_gives_the_same_ratings(self, name: str) -> None:
        fitted.cache_clear()
        first = fitted(name).predict_ratings(asked(), ALL_ITEMS)
        fitted.cache_clear()
        np.testing.assert_array_equal(fitted(name).predict_ratings(asked(), ALL_ITEMS), first)

    def test_clicks_are_refused(self, name: str) -> None:
        data = planted()[0]
        rows = data.interactions
        clicks = Interactions(rows.users, rows.items, np.full(len(rows.items), np.nan, np.float32))
        with pytest.raises(UserError, match="ratings"):
            rater_class(name).fit(replace(data, interactions=clicks))


@pytest.mark.parametrize(
    ("name", "least"), [("rating-posterior", 0.3), ("als-fold-in", 0.3), ("bias-content-ridge", 0.15)]
)
def test_taste_shows_on_items_the_user_has_not_met(name: str, least: float) -> None:
    items = WARM_ITEMS[6:]
    found = fitted(name).predict_ratings([of_taste(taste) for taste in range(3)], items)
    for taste in range(3):
        same = items % 3 == taste
        others = np.delete(found[:, same], taste, axis=0)
        assert found[taste, same].mean() > others.mean() + least


def test_taste_reaches_new_items_through_their_facts() -> None:
    found = fitted("rating-posterior").predict_ratings([of_taste(taste) for taste in range(3)], COLD_ITEMS)
    for taste in range(3):
        same = taste == COLD_ITEMS % 3
        assert found[taste, same].mean() > found[taste, ~same].mean() + 0.3


def test_attributes_serve_where_there_is_no_support() -> None:
    found = fitted("rating-posterior").predict_ratings([Query({"likes": "crime"}), Query()], WARM_ITEMS)
    rise = found[0] - found[1]
    assert rise[WARM_ITEMS % 3 == 0].mean() > rise[WARM_ITEMS % 3 != 0].mean() + 0.3


def test_the_posterior_is_the_conditional_mean_of_its_gaussian() -> None:
    """The solve of the support's size against the textbook form, a solve of the weights' size."""
    rater = fitted("rating-posterior")
    assert isinstance(rater, RatingPosterior)
    assert isinstance(rater, Learner)
    query = of_taste(0)
    items, z = rater.items, rater.items.vectors[query.items].astype(np.float64)
    precise = 1 / items.noise[query.items].astype(np.float64)
    prior = rater.prior[0]
    left = np.diag(1 / rater.variance) + (z.T * precise) @ z
    right = prior / rater.variance + z.T @ (precise * (query.ratings - rater.mean - items.bias[query.items]))
    np.testing.assert_allclose(rater.weights(query), np.linalg.solve(left, right), atol=1e-6)
    expected = rater.mean + items.bias + items.vectors @ np.linalg.solve(left, right)
    shown = rater.predict_ratings([query], ALL_ITEMS)[0]
    for stars, mine in zip(rater.stars, (items.new == 0, items.new == 1), strict=True):
        np.testing.assert_allclose(shown[mine], stars.predict(expected[mine].astype(np.float32)), atol=1e-4)


def test_levels_are_recovered_and_the_prediction_lies_midway_to_the_median() -> None:
    random = np.random.default_rng(1)
    levels, thresholds = np.arange(1.0, 6.0), np.array([1.2, 2.0, 3.2, 4.4])
    expected = random.normal(3.6, 0.8, 20000)
    ratings = levels[np.searchsorted(thresholds, expected + random.normal(0, 0.9, len(expected)))]
    stars = Stars.fit(expected, ratings, levels)
    np.testing.assert_allclose(stars.thresholds, thresholds, atol=0.06)
    assert stars.spread == pytest.approx(0.9, abs=0.04)
    # at a threshold half of the ratings lie below it, so the median is the edge between the two levels
    exact = Stars(levels, thresholds, 0.9)
    shown = exact.predict(np.array([[2.0, 3.2, 4.4]], np.float32))
    np.testing.assert_allclose(shown, [[(2.0 + 2.5) / 2, (3.2 + 3.5) / 2, (4.4 + 4.5) / 2]], atol=1e-6)
    grid = exact.predict(np.linspace(-1, 8, 2000, dtype=np.float32))
    assert (np.diff(grid) > 0).all()
    assert len(np.unique(np.round(grid, 3))) > 1900, "nothing is rounded"


def test_ratings_on_a_continuum_are_predicted_by_their_mean() -> None:
    random = np.random.default_rng(2)
    ratings = random.normal(50, 10, 500)
    stars = Stars.fit(ratings + random.normal(0, 5, 500), ratings, np.unique(ratings))
    expected = np.array([20.0, 51.5, 80.0], np.float32)
    np.testing.assert_array_equal(stars.predict(expected), expected)


def test_factors_recover_a_planted_level_bias_and_taste() -> None:
    random = np.random.default_rng(0)
    n_users, n_items = 300, 40
    bias, level = random.normal(0, 0.5, n_items), random.normal(0, 0.6, n_users)
    taste, loading = random.normal(0, 1, n_users), random.normal(0, 0.7, n_items)
    noise = np.where(np.arange(n_items) < 20, 0.2, 0.8)
    exact = 3 + bias + level[:, None] + np.outer(taste, loading)
    given = exact + random.normal(0, 1, exact.shape) * noise
    met = random.random(exact.shape) < 0.6
    rows = Ratings(np.arange(n_users), sparse.csr_array(np.where(met, given, 0)))
    found = fit_factors(rows, np.zeros((n_users, 0), np.float32), rank=1, sweeps=40, item_ridge=1.0, seed=0)
    # what the average user gives: a mean of the factors may stand in the bias or in the prior
    middle = found.mean + found.bias + found.prior[0, 0] + found.vectors @ found.prior[0, 1:]
    np.testing.assert_allclose(middle, exact.mean(0), atol=0.15)
    assert abs(np.corrcoef(found.vectors[:, 0], loading)[0, 1]) > 0.98
    assert np.sqrt(found.variance[0]) == pytest.approx(0.6, abs=0.08)
    assert np.sqrt(found.noise[:20].mean()) == pytest.approx(0.2, abs=0.05)
    assert np.sqrt(found.noise[20:].mean()) == pytest.approx(0.8, abs=0.08)


def test_it_is_the_same_when_read_back_and_takes_new_items(tmp_path: Path) -> None:
    rater = fitted("rating-posterior", 5)
    assert isinstance(rater, RatingPosterior)
    meta, arrays, texts = to_state(rater)
    save_folder(tmp_path / "model", {"rater": meta}, arrays, texts)
    stored = load_folder(tmp_path / "model")
    again = from_state(stored[0]["rater"], stored[1], stored[2])
    before: FloatArray = rater.predict_ratings(asked(), ALL_ITEMS)
    np.testing.assert_allclose(again.predict_ratings(asked(), ALL_ITEMS), before, atol=1e-5)
    again.add_items(planted()[0].graph)
    whole = again.predict_ratings(asked(), np.arange(2 * N_ITEMS))
    np.testing.assert_allclose(whole[:, :N_ITEMS], before, atol=1e-5)
    # an item that was new already is predicted the same once more, and one that was rated is not
    np.testing.assert_allclose(whole[:, N_ITEMS + COLD_ITEMS], before[:, COLD_ITEMS], atol=1e-4)
    assert again.is_new(N_ITEMS)
    assert not again.is_new(0)
    del arrays["prior"]
    with pytest.raises(ModelFormatError, match="prior"):
        from_state(meta, arrays, texts)


def test_mistakes_are_named() -> None:
    data = planted()[0]
    with pytest.raises(UserError, match="rank"):
        RatingPosterior.fit(data, rnk=3)
    with pytest.raises(UserError, match="rating-posterior"):
        rater_class("rating-postrior")
    rows = Interactions(np.array([0]), np.array([0]), np.array([5], np.float32))
    with pytest.raises(UserError, match="only 0 items"):
        RatingPosterior.fit(replace(data, interactions=rows))
    with pytest.raises(IndexError):
        fitted("rating-posterior").predict_ratings([Query()], np.array([N_ITEMS]))
