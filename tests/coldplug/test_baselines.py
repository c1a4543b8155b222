"""Every baseline keeps the learner's contract, and each gives what its formula says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from c1_world import GENRES, write_world
from scipy import sparse

from coldplug.evaluate.controls import control
from coldplug.learn import BASELINES, METHODS, Learner, learner_class
from coldplug.learn.baselines.ials import apply_map, ridge_map, solve
from coldplug.learn.baselines.matrices import AttributeCoder, positive_matrix
from coldplug.read import load_training_data
from coldplug.types import Interactions, Query, TrainingData
from plugbase.errors import UserError

READS_TEXT = {"content-text", "ials-ridge-text", "ials-ridge"}
SOME = np.array([2, 0, 7, 88, 89], np.int64)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """The small world with items 80 to 89 cold."""
    whole = load_training_data(write_world(tmp_path_factory.mktemp("world")) / "graph.ttl")
    numbers = np.array([int(ident[1:]) for ident in whole.graph.item_ids])
    rows = whole.interactions
    keep = numbers[rows.items] < 80
    return replace(whole, interactions=Interactions(rows.users[keep], rows.items[keep], rows.ratings[keep]))


@pytest.fixture(scope="module", params=BASELINES)
def learner(request: pytest.FixtureRequest, data: TrainingData) -> Learner:
    if request.param in READS_TEXT:
        pytest.importorskip("coldplug.encode.text")
    return learner_class(request.param).fit(data, seed=3)


def number(data: TrainingData, *idents: str) -> np.ndarray:
    return np.array([list(data.graph.item_ids).index(ident) for ident in idents], np.int64)


def queries(data: TrainingData) -> list[Query]:
    return [
        Query(),
        Query({"likes": GENRES[0], "age": 30}),
        Query({"likes": "never heard of", "weight": 3.0, "age": None}),
        Query({"likes": GENRES[1]}, number(data, "i1", "i4"), np.array([5.0, np.nan], np.float32)),
        Query({}, number(data, "i0", "i3", "i6"), np.array([5, 4, 5], np.float32)),
        Query({}, number(data, "i0", "i2"), np.array([1.0, 1.0], np.float32)),
        Query({}, number(data, "i85"), np.array([5.0], np.float32)),
    ]


def test_scores_are_finite_and_shaped(learner: Learner, data: TrainingData) -> None:
    asked = queries(data)
    scores = learner.score(asked, SOME)
    assert scores.shape == (len(asked), len(SOME))
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert learner.score([], SOME).shape == (0, len(SOME))
    assert learner.score(asked, SOME[:0]).shape == (len(asked), 0)


def test_scores_do_not_depend_on_what_else_is_asked(learner: Learner, data: TrainingData) -> None:
    asked = queries(data)
    together = learner.score(asked, SOME)
    for row, query in enumerate(asked):
        np.testing.assert_allclose(
            learner.score([query], SOME[::-1])[0, ::-1], together[row], rtol=1e-4, atol=1e-6
        )


def test_the_same_seed_gives_the_same_scores(learner: Learner, data: TrainingData) -> None:
    again = type(learner).fit(data, seed=3)
    np.testing.assert_array_equal(again.score(queries(data), SOME), learner.score(queries(data), SOME))


def test_it_can_be_fitted_without_a_graph(learner: Learner, data: TrainingData) -> None:
    bare = type(learner).fit(replace(data, graph=control("no graph", data.graph)))
    assert np.isfinite(bare.score(queries(data), SOME)).all()


@pytest.mark.parametrize("name", ["itemknn", "ease", "naive-bayes", "ials-ridge-genres"])
def test_a_support_of_one_genre_lifts_that_genre(name: str, data: TrainingData) -> None:
    fitted = learner_class(name).fit(data)
    query = Query({}, number(data, "i0", "i3", "i6", "i9"), np.full(4, 5, np.float32))
    scores = fitted.score([query, Query()], np.arange(data.graph.n_items))
    numbers = np.array([int(ident[1:]) for ident in data.graph.item_ids])
    wanted, other = (numbers % 3 == 0) & (numbers < 80) & (numbers > 9), (numbers % 3 != 0) & (numbers < 80)
    assert scores[0, wanted].mean() - scores[0, other].mean() > 0
    assert np.median(scores[0, wanted]) > np.median(scores[0, other])


@pytest.mark.parametrize("name", ["content-genre", "ials-ridge-genres", "ials-ridge-catalogue"])
def test_content_ranks_cold_items(name: str, data: TrainingData) -> None:
    fitted = learner_class(name).fit(data)
    query = Query({}, number(data, "i0", "i3", "i6", "i9"), np.full(4, 5, np.float32))
    scores = fitted.score([query], number(data, "i81", "i84", "i80", "i82", "i83"))[0]
    assert scores[:2].min() > scores[2:].max()


def test_popularity_counts_likes(data: TrainingData) -> None:
    fitted = learner_class("popularity").fit(data)
    row = fitted.score([Query()], np.arange(data.graph.n_items))[0]
    liked = data.interactions.items[data.positives()]
    np.testing.assert_array_equal(row, np.bincount(liked, minlength=data.graph.n_items))


def test_popularity_within_attributes_follows_the_group(data: TrainingData) -> None:
    fitted = learner_class("popularity-attributes").fit(data)
    numbers = np.array([int(ident[1:]) for ident in data.graph.item_ids])
    scores = fitted.score([Query({"likes": g}) for g in GENRES] + [Query()], np.arange(len(numbers)))
    for taste in range(3):
        gain = scores[taste] - scores[3]
        assert gain[(numbers % 3 == taste) & (numbers < 80)].mean() > 0
        assert gain[(numbers % 3 != taste) & (numbers < 80)].mean() < 0


def test_itemknn_is_the_sum_of_cosines(data: TrainingData) -> None:
    liked = positive_matrix(data).toarray().astype(float)
    length = np.maximum(np.linalg.norm(liked, axis=0), 1e-9)
    cosine = liked.T @ liked / np.outer(length, length)
    np.fill_diagonal(cosine, 0)
    support = number(data, "i1", "i5", "i30")
    query = Query({}, support, np.array([5, 4.75, 1], np.float32))
    found = learner_class("itemknn").fit(data).score([query], np.arange(data.graph.n_items))[0]
    np.testing.assert_allclose(found, cosine[support[:2]].sum(0), rtol=1e-5, atol=1e-6)


def test_ease_solves_its_constrained_least_squares(data: TrainingData) -> None:
    liked = positive_matrix(data).toarray().astype(float)
    ease = learner_class("ease").fit(data, ridge=40.0)
    weights = ease.score(
        [Query({}, np.array([i]), np.array([5.0], np.float32)) for i in range(data.graph.n_items)],
        np.arange(data.graph.n_items),
    ).astype(float)
    seen = liked.any(0)
    weights = weights[np.ix_(seen, seen)]
    np.testing.assert_allclose(np.diag(weights), 0, atol=1e-7)
    # off the diagonal the gradient of |X - XB|^2 + ridge |B|^2 vanishes
    gram = liked[:, seen].T @ liked[:, seen]
    gradient = gram @ weights - gram + 40.0 * weights
    np.fill_diagonal(gradient, 0)
    assert np.abs(gradient).max() < 1e-3


def test_ials_rows_minimise_the_weighted_squares(data: TrainingData) -> None:
    liked = positive_matrix(data)[:4]
    other = np.random.default_rng(0).normal(size=(liked.shape[1], 5))
    rows = solve(liked, other, alpha=3.0, ridge=2.0)
    p = liked.toarray().astype(float)
    confidence = 1 + 3.0 * p
    gradient = ((confidence * (rows @ other.T - p)) @ other) + 2.0 * rows
    assert np.abs(gradient).max() < 1e-8


@pytest.mark.parametrize("shape", [(6, 9), (9, 6)])
def test_the_ridge_map_is_ridge_regression_with_an_intercept(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=shape) * (random.random(shape) < 0.7)
    targets = random.normal(size=(shape[0], 2))
    found = ridge_map(sparse.csr_array(features), targets, 2.0)
    x, y = features - features.mean(0), targets - targets.mean(0)
    direct = np.linalg.solve(x.T @ x + 2.0 * np.eye(shape[1]), x.T @ y)
    np.testing.assert_allclose(found[:-1], direct, atol=1e-10)
    fitted = apply_map(sparse.csr_array(features), found)
    np.testing.assert_allclose(fitted, x @ direct + targets.mean(0), atol=1e-10)


def test_attributes_are_grouped_and_rare_values_dropped() -> None:
    users = [
        {"age": float(a), "job": "cook" if a % 2 else ["cook", "poet"], "zip": str(a)} for a in range(40)
    ]
    coder = AttributeCoder(users)
    assert not any(name == "zip" for name, _ in coder.columns)
    encoded = coder.encode([{"age": 5, "job": "poet"}, {"age": None, "job": "baker"}, {}]).toarray()
    assert encoded.sum(1).tolist() == [2, 0, 0]
    assert len({g for name, g in coder.columns if name == "age"}) == 8


def test_method_names_resolve_and_are_told_apart() -> None:
    for name in BASELINES:
        assert learner_class(name).name == name
    assert set(BASELINES) < set(METHODS)
    with pytest.raises(UserError, match="did you mean 'itemknn'"):
        learner_class("item-knn")
