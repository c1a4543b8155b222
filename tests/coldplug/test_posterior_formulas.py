"""The formulas of the posterior against brute force: moments, Gaussian posterior, leave-one-out, blend."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import sparse

from coldplug.evaluate.metrics import accuracy
from coldplug.learn.ndcg import ideal_gains, list_ndcg
from coldplug.learn.posterior import blend
from coldplug.learn.posterior import features as graph_features
from coldplug.learn.posterior.blend import PARTS, SIZES, Blend, better, climb
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.features import ItemFeatures
from coldplug.learn.posterior.moments import Basis, Moments, mixing, principal_directions, solve
from coldplug.learn.posterior.profiles import Profiles, RatingScale
from coldplug.learn.posterior.relevance import ItemMap, Relevance, learn_relevance, predict
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.types import ItemGraph

RIDGE, ATTRIBUTE_RIDGE = 0.3, 2.0


def tiny_profiles() -> tuple[Profiles, np.ndarray, np.ndarray]:
    """Four users with six or seven likes and some dislikes among nine items; attributes; an orthonormal basis."""
    rng = np.random.default_rng(2)
    grades, liked = np.zeros((4, 9), np.float32), np.zeros((4, 9), np.float32)
    for user, n in enumerate((6, 7, 6, 7)):
        met = rng.permutation(9)
        liked[user, met[:n]] = 1
        grades[user, met[:n]] = rng.choice([0.8, 0.9, 1.0], n)
        grades[user, met[n]] = 0.3
    attributes = rng.random((4, 2)).astype(np.float32)
    basis, _ = np.linalg.qr(rng.standard_normal((9, 4)))
    profiles = Profiles(np.arange(4), np.arange(9), sparse.csr_matrix(grades), sparse.csr_matrix(liked))
    return profiles, attributes, basis.astype(np.float32)


def by_brute_force(
    profiles: Profiles, attributes: np.ndarray, basis: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """The ridge solution with the moments averaged over every k-subset of every user's likes.

    What is to be predicted is the rest of the profile, without the support; only the part of the support that was
    liked is taken out for a user, and the attributes predict the same rest.
    """
    grades, liked = profiles.grades.toarray().astype(float), profiles.liked.toarray() > 0
    n_anchors, width = grades.shape[1], 1 + attributes.shape[1]
    gram = np.zeros((width + n_anchors, width + n_anchors))
    cross = np.zeros((width + n_anchors, basis.shape[1]))
    for user in range(len(grades)):
        subsets = list(combinations(np.flatnonzero(liked[user]), k))
        for subset in subsets:
            z = np.zeros(width + n_anchors)
            z[0], z[1:width], z[width + np.array(subset, int)] = 1, attributes[user], 1
            rest = np.zeros(n_anchors)
            left = np.setdiff1d(np.flatnonzero(liked[user]), subset)
            rest[left] = grades[user, left]
            gram += np.outer(z, z) / len(subsets)
            cross += np.outer(z, rest @ basis) / len(subsets)
    penalty = np.full(len(gram), RIDGE * k + 1e-3)
    penalty[1:width], penalty[0] = ATTRIBUTE_RIDGE, 1e-3
    weights = np.linalg.solve(gram + np.diag(penalty), cross)
    return weights[width:], weights[:width]


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_closed_form_is_the_average_over_all_supports(k: int) -> None:
    profiles, attributes, basis = tiny_profiles()
    # dislikes are spread over the expected profile too; without them the average is exact
    profiles = Profiles(
        profiles.users, profiles.anchors, profiles.grades.multiply(profiles.liked).tocsr(), profiles.liked
    )
    keys, prior = solve(profiles, attributes, basis, k, RIDGE, ATTRIBUTE_RIDGE)
    wanted_keys, wanted_prior = by_brute_force(profiles, attributes, basis, k)
    np.testing.assert_allclose(keys, wanted_keys, atol=2e-4)
    np.testing.assert_allclose(prior, wanted_prior, atol=2e-3)


def test_without_a_support_the_closed_form_is_ridge_regression() -> None:
    profiles, attributes, basis = tiny_profiles()
    keys, prior = solve(profiles, attributes, basis, 0, RIDGE, ATTRIBUTE_RIDGE)
    x = np.hstack([np.ones((4, 1)), attributes])
    y = profiles.grades.toarray() @ basis
    wanted = np.linalg.solve(x.T @ x + np.diag([1e-3, ATTRIBUTE_RIDGE, ATTRIBUTE_RIDGE]), x.T @ y)
    np.testing.assert_allclose(prior, wanted, atol=1e-4)
    assert not keys.any()


def test_moments_have_weights_for_every_size_and_a_bridge_to_new_items() -> None:
    profiles, attributes, basis = tiny_profiles()
    directions = Basis(basis, basis, basis.shape[1])
    found = Moments.fit(profiles, attributes, directions, ridge=RIDGE, attribute_ridge=ATTRIBUTE_RIDGE)
    assert np.isfinite(found.keys).all()
    assert np.isfinite(found.prior).all()
    for size in range(len(found.keys)):
        np.testing.assert_allclose(found.bridge[size], basis.T @ found.keys[size], atol=1e-5)


@pytest.mark.parametrize("k", [0, 1, 2, 4, 5, 17, 50, 99, 100, 1000])
def test_mixing_shares_sum_to_one_and_meet_k(k: int) -> None:
    shares = mixing(SIZES, k)
    assert sum(share for _, share in shares) == pytest.approx(1)
    assert all(0 < share <= 1 for _, share in shares)
    met = sum(share * np.log1p(SIZES[place]) for place, share in shares)
    assert met == pytest.approx(np.log1p(min(k, SIZES[-1])))


def test_a_size_of_the_grid_is_itself() -> None:
    for place, size in enumerate(SIZES):
        assert mixing(SIZES, size) == [(place, 1.0)]


def test_principal_directions_span_the_leading_singular_vectors() -> None:
    rng = np.random.default_rng(0)
    dense = (rng.random((40, 4)) @ rng.random((4, 15)) + 0.01 * rng.random((40, 15))).astype(np.float32)
    grades = sparse.csr_matrix(dense)
    found = principal_directions(grades, 4, seed=0)
    np.testing.assert_allclose(found.T @ found, np.eye(4), atol=1e-4)
    _, _, exact = np.linalg.svd(dense)
    np.testing.assert_allclose(np.linalg.svd(exact[:4] @ found, compute_uv=False), 1, atol=1e-3)
    assert principal_directions(grades, 99, seed=0).shape == (15, 15)


@pytest.mark.parametrize("k", [1, 3, 6, 7, 30])
def test_the_user_posterior_is_that_of_the_textbook(k: int) -> None:
    """Both branches: k <= dim and k > dim, against Bishop's eq. 3.50 and 3.51 by direct inversion."""
    rng = np.random.default_rng(k)
    dim = 6
    model = UserModel(
        np.zeros((1, dim), np.float32), np.array([-0.4, 0.3], np.float32), np.array([0.1, 0.7], np.float32)
    )
    mean, keys = rng.standard_normal(dim).astype(np.float32), rng.standard_normal((k, dim)).astype(np.float32)
    grades = rng.random(k).astype(np.float32)
    noise = np.exp(-0.4 + 0.3 * np.log1p(k))
    covariance = np.linalg.inv(np.eye(dim) + keys.T.astype(float) @ keys / noise)
    wanted = covariance @ (mean + keys.T.astype(float) @ (0.1 + 0.7 * grades) / noise)
    found, added = model.posterior(mean, keys, grades)
    np.testing.assert_allclose(found, wanted, atol=2e-4)
    np.testing.assert_allclose(mean + added.sum(0), found, atol=1e-5)
    np.testing.assert_allclose(model.covariance(keys), covariance, atol=1e-5)


def test_the_posterior_without_a_support_is_the_prior() -> None:
    model = UserModel(np.zeros((1, 3), np.float32), np.zeros(2, np.float32), np.ones(2, np.float32))
    mean = np.array([1, 2, 3], np.float32)
    found, added = model.posterior(mean, np.empty((0, 3), np.float32), np.empty(0, np.float32))
    np.testing.assert_array_equal(found, mean)
    assert added.shape == (0, 3)
    np.testing.assert_allclose(model.covariance(np.empty((0, 3), np.float32)), np.eye(3))


def test_the_covariance_shrinks_with_every_item_at_the_same_noise() -> None:
    keys = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    model = UserModel(np.zeros((1, 4), np.float32), np.zeros(2, np.float32), np.ones(2, np.float32))
    found = [model.covariance(keys[:k]).astype(float) for k in range(6)]
    for more, fewer in zip(found[1:], found, strict=False):
        assert np.linalg.eigvalsh(fewer - more).min() > -1e-5
        assert np.trace(more) < np.trace(fewer)


def facts(columns: np.ndarray, n_values: int) -> sparse.csr_matrix:
    return sparse.csr_matrix(
        (np.ones(len(columns), np.float32), (np.arange(len(columns)), columns)),
        shape=(len(columns), n_values),
    )


def item_features(n: int = 60) -> ItemFeatures:
    """A relation that decides an item's vector, one that is noise, a number with a gap and an embedding."""
    rng = np.random.default_rng(4)
    years = rng.standard_normal(n).astype(np.float32)
    years[3] = np.nan
    rows = rng.standard_normal((n, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    useful, noise = facts(np.arange(n) % 4, 4), facts(rng.integers(0, 4, n), 4)
    return ItemFeatures(n, {"noise": noise, "useful": useful}, {"year": years}, {"text": rows})


def targets(n: int = 60) -> np.ndarray:
    rng = np.random.default_rng(5)
    return (3 * np.eye(4)[np.arange(n) % 4] + 0.3 * rng.standard_normal((n, 4))).astype(np.float32)


RELEVANCE = Relevance(
    {"noise": 0.2, "useful": 1.0, "year (near)": 0.3, "year (far)": 0.5, "text": 0.4},
    frozenset({"noise"}),
    0.7,
    0.5,
    0.2,
    0.1,
)


def test_block_leave_one_out_is_refitting_without_the_block() -> None:
    """The mean that predictions are drawn to is that of all anchors, the block's own included."""
    features, vectors = item_features(), targets()
    whole = ItemMap(RELEVANCE, features, vectors)
    for block in (np.array([7]), np.array([0, 3, 8, 41])):
        rest = np.setdiff1d(np.arange(60), block)
        kernel = RELEVANCE.kernel(features, features).astype(float)
        inverse = np.linalg.inv(kernel[np.ix_(rest, rest)] + RELEVANCE.noise * np.eye(len(rest)))
        mean = vectors.mean(0)
        wanted = mean + kernel[np.ix_(block, rest)] @ inverse @ (vectors[rest] - mean)
        np.testing.assert_allclose(whole.left_out(block), wanted, atol=2e-3)


def test_new_items_are_predicted_by_kernel_regression_in_blocks_of_any_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, vectors = item_features(), targets()
    old, new = features.rows(np.arange(50)), features.rows(np.arange(50, 60))
    fitted = ItemMap(RELEVANCE, old, vectors[:50])
    kernel = RELEVANCE.kernel(old, old).astype(float) + RELEVANCE.noise * np.eye(50)
    mean = vectors[:50].mean(0)
    wanted = mean + RELEVANCE.kernel(new, old) @ np.linalg.solve(kernel, vectors[:50] - mean)
    found = predict(RELEVANCE, new, old, fitted.weights, fitted.mean)
    np.testing.assert_allclose(found, wanted, atol=2e-3)
    monkeypatch.setattr("coldplug.learn.posterior.relevance._BLOCK", 3)
    np.testing.assert_allclose(predict(RELEVANCE, new, old, fitted.weights, fitted.mean), found, atol=1e-5)


def test_the_kernel_is_positive_definite_and_one_with_itself() -> None:
    features = item_features()
    kernel = RELEVANCE.kernel(features, features)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-5)
    assert np.linalg.eigvalsh(kernel.astype(float)).min() > -1e-4
    for group in features.groups:
        np.testing.assert_allclose(
            np.diag(features.kernel(group, features)), features.self_kernel(group), atol=1e-6
        )


@pytest.mark.parametrize("read", [frozenset(), frozenset({"noise", "useful"})])
def test_a_useful_relation_gets_more_weight_than_noise(read: frozenset[str]) -> None:
    found = learn_relevance(item_features(), targets(), read=read, steps=60, seed=0)
    assert set(found.weights) == set(item_features().groups)
    assert found.weights["useful"] > 3 * found.weights["noise"]
    assert found.weights["useful"] == max(found.weights.values())
    assert found.read == read
    again = learn_relevance(item_features(), targets(), read=read, steps=60, seed=0)
    assert again == found


def test_what_was_read_only_ever_brings_items_together() -> None:
    rng = np.random.default_rng(6)
    text = rng.standard_normal((3, 5)).astype(np.float32)
    theme = sparse.csr_matrix(np.array([[1, 0], [1, 0], [0, 0]], np.float32))
    without = ItemFeatures(3, {"theme": theme * 0}, {}, {"text": text})
    having = ItemFeatures(3, {"theme": theme}, {}, {"text": text})
    for read, gains in ((frozenset({"theme"}), True), (frozenset[str](), False)):
        relevance = Relevance({"theme": 0.3, "text": 0.4}, read, 0.7, 0.5, 0.2, 0.1)
        gained = relevance.kernel(having, having) - relevance.kernel(without, without)
        assert gained[0, 1] > 0.1
        # The third item has no theme: where themes were read, that sets it apart from nobody.
        assert (gained.min() >= -1e-6) == gains


def test_more_stated_relations_do_not_set_items_further_apart_to_begin_with() -> None:
    """The radial part would vanish if the weights' sum grew with the number of relations."""
    few = learn_relevance(item_features(), targets(), read=frozenset(), steps=0, seed=0)
    features = item_features()
    more = {f"{name} {i}": rows for i in range(5) for name, rows in features.facts.items()}
    many = ItemFeatures(features.count, more, features.numbers, features.embeddings)
    found = learn_relevance(many, targets(), read=frozenset(), steps=0, seed=0)
    assert len(found.weights) > 2 * len(few.weights)
    assert sum(found.weights.values()) == pytest.approx(sum(few.weights.values()))


@pytest.mark.parametrize("stated", [True, False])
def test_rows_that_were_read_keep_their_lengths(stated: bool) -> None:
    """Item 0 has two shared values, item 1 one, item 2 one that is doubtful."""
    heads, tails = np.array([0, 0, 1, 2, 3, 3]), np.array([0, 1, 0, 1, 0, 1])
    graph = ItemGraph(
        item_ids=tuple("abcd"),
        titles=("",) * 4,
        descriptions=("",) * 4,
        relation_names=("theme",),
        value_iris=("v:0", "v:1"),
        value_labels=("0", "1"),
        heads=heads,
        relations=np.zeros(6, np.int64),
        tails=tails,
        weights=np.array([1, 1, 1, 0.5, 1, 1], np.float32),
        stated=np.full(6, stated),
        literal_items=np.empty(0, np.int64),
        literal_relations=np.empty(0, np.int64),
        literal_numbers=np.empty(0, np.float32),
        literal_stated=np.empty(0, bool),
    )
    vocabulary = graph_features.learn_vocabulary(graph)
    assert vocabulary.read == (frozenset() if stated else {"theme"})
    squares = graph_features.item_features(graph, vocabulary, {}).self_kernel("theme")
    if stated:
        np.testing.assert_allclose(squares, 1, atol=1e-6)
    else:
        assert squares.mean() == pytest.approx(1, abs=1e-6)
        assert squares[0] == pytest.approx(2 * squares[1], rel=1e-5)
        assert squares[2] == pytest.approx(squares[1] / 4, rel=1e-5)


def test_items_of_which_nothing_is_known_are_all_alike() -> None:
    found = learn_relevance(ItemFeatures(5), targets(5), read=frozenset(), steps=3, seed=0)
    np.testing.assert_array_equal(found.kernel(ItemFeatures(2), ItemFeatures(5)), np.ones((2, 5)))


def made_parts(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parts of the scores of 30 users' two lists, of which the third says what is liked, and the others nothing."""
    rng = np.random.default_rng(seed)
    parts = rng.standard_normal((30, 2, 40, len(PARTS))).astype(np.float32)
    liked = parts[..., 2] + 0.3 * rng.standard_normal((30, 2, 40)) > 1
    ranked = rng.random((30, 2, 40)) < 0.8
    return parts, liked, ranked


def mean(parts: np.ndarray, weights: np.ndarray, liked: np.ndarray, ranked: np.ndarray) -> float:
    return float(np.nanmean(list_ndcg(parts @ weights, liked, ranked, ideal_gains(liked & ranked))))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_climbing_never_lowers_the_ndcg_and_finds_the_part_that_counts(seed: int) -> None:
    made = made_parts(seed)
    start = np.array([4, 1, 0.2, *[0] * (len(PARTS) - 3)], np.float32)
    found = climb(*made, start, (0, 1, 2, 3), 2.0)
    assert mean(made[0], found, *made[1:]) > mean(made[0], start, *made[1:]) + 0.1
    assert found[2] / abs(found[0]) > start[2] / start[0]
    assert found[4] == start[4]
    stuck = climb(*made, found, (0, 1, 2, 3), 2.0)
    assert mean(made[0], stuck, *made[1:]) >= mean(made[0], found, *made[1:]) - 1e-9


def test_noise_moves_no_weight() -> None:
    start = Blend.start().anchor[4]
    moved = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        parts = rng.standard_normal((25, 1, 15, len(PARTS))).astype(np.float32)
        liked, ranked = rng.random((25, 1, 15)) < 0.2, np.ones((25, 1, 15), bool)
        moved += bool((climb(parts, liked, ranked, start, (0,), 2.0) != start).any())
        np.testing.assert_array_equal(climb(parts, np.zeros_like(liked), ranked, start, (0, 2), 2.0), start)
    assert moved <= 6, "four steps are tried, each with a chance of one in forty"


def test_a_gain_that_users_disagree_about_is_none() -> None:
    before = np.zeros((50, 1))
    assert better(before + 0.01, before, 2)
    assert not better(before, before, 2)
    assert not better(before - 0.01, before, 2)
    assert not better(np.where(np.arange(50)[:, None] % 2, 0.5, -0.48), before, 2)
    assert not better(np.full((50, 1), np.nan), before, 2)
    assert not better(before[:1] + 1, before[:1], 2)


def test_lists_of_one_user_are_one_opinion() -> None:
    gains = np.random.default_rng(0).standard_normal((12, 1)) * 0.1 + 0.03
    nothing = np.zeros((12, 1))
    assert better(gains, nothing, 1) == better(np.repeat(gains, 9, 1), np.repeat(nothing, 9, 1), 1)


def test_a_long_list_is_cut_to_what_may_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    made, start = made_parts(4), np.array([1, 1, 1, *[0] * (len(PARTS) - 3)], np.float32)
    whole = climb(*made, start, (0, 1, 2), 2.0)
    monkeypatch.setattr(blend, "_LOOKED_AT", 30)
    cut = climb(*made, start, (0, 1, 2), 2.0)
    np.testing.assert_allclose(cut / cut[2], whole / whole[2], rtol=1e-5)


@pytest.mark.parametrize("n_items", [40, 11, 10, 6])
def test_ndcg_of_lists_is_that_of_the_evaluation(n_items: int) -> None:
    rng = np.random.default_rng(n_items)
    scores = rng.permuted(np.tile(np.arange(n_items, dtype=np.float32), (24, 1)), axis=1)
    liked, ranked = rng.random((24, n_items)) < 0.3, rng.random((24, n_items)) < 0.9
    wanted = accuracy(scores, liked, ~ranked).ndcg
    ideal = ideal_gains(liked & ranked)
    np.testing.assert_allclose(list_ndcg(scores, liked, ranked, ideal), wanted, atol=1e-6)
    shape = (8, 3, n_items)
    cut = (array.reshape(shape) for array in (scores, liked, ranked))
    found = list_ndcg(*cut, ideal.reshape(shape[:2]))
    np.testing.assert_allclose(found.ravel(), wanted, atol=1e-6)


def test_the_blend_is_interpolated_between_its_sizes() -> None:
    blend = Blend.start()
    blend.anchor[:, 0] = np.arange(len(SIZES))
    assert blend.at(0)[0][0] == 0
    assert blend.at(10**6)[0][0] == len(SIZES) - 1
    between = [float(blend.at(k)[0][0]) for k in range(120)]
    assert between == sorted(between)
    kept = [part for part in range(len(PARTS)) if PARTS[part] != "neighbours"]
    assert blend.at(4)[1][kept].tolist() == blend.new[0][kept].tolist()


def test_grades_rise_with_the_rating() -> None:
    scale = RatingScale(4.0, 1.0, 5.0)
    grades = scale.grade(np.array([1, 2, 3, 3.5, 4, 5, np.nan], np.float32))
    np.testing.assert_allclose(grades, [0, 0, 0.2, 0.5, 0.8, 1, 1], atol=1e-6)
    assert scale.liked(np.array([3.99, 4, np.nan], np.float32)).tolist() == [False, True, True]
    only_one = RatingScale(5.0, 5.0, 5.0)
    assert np.isfinite(only_one.grade(np.array([5, 3, 9], np.float32))).all()


def test_settings_are_checked() -> None:
    for wrong in ({"steps": 0}, {"dropout": 1.0}, {"rank": "many"}, {"ranks": 3}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            PosteriorSettings(**wrong)
