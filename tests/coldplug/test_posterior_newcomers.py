"""Items that nobody has met: a row is taken apart into direction and popularity, each with a kernel of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from learner_contract import planted

from coldplug.learn.posterior import Posterior
from coldplug.learn.posterior.association import LINKS
from coldplug.learn.posterior.features import LENGTH, ItemFeatures, item_features, learn_vocabulary
from coldplug.learn.posterior.newcomers import NewcomerFit, assembled
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.learn.posterior.userside import UserSide, fit_users


@pytest.fixture(scope="module")
def side() -> UserSide:
    return fit_users(planted()[0], PosteriorSettings(steps=20), 3, lambda text: None)


def described() -> tuple[ItemFeatures, frozenset[str]]:
    """The planted items' features, with descriptions of many lengths; every fifth item has none."""
    graph = planted()[0].graph
    texts = ["" if item % 5 == 0 else "x" * (7 * item) for item in range(graph.n_items)]
    graph = replace(graph, descriptions=texts)
    vocabulary = learn_vocabulary(graph)
    return item_features(graph, vocabulary, {}), vocabulary.read


def test_a_row_is_its_direction_times_the_root_of_its_popularity(side: UserSide) -> None:
    features, read = described()
    fit = NewcomerFit(side, features.rows(side.profiles.anchors), read=read, steps=2, seed=0)
    held = side.held_vectors
    tastes = np.hstack([held.values, held.keys, side.held_links, side.basis.rows, fit.directions])
    popular = np.stack([held.bias, fit.log_popularity], 1)
    again = assembled(tastes, popular, held.values.shape[1])
    np.testing.assert_allclose(again.likings, side.basis.plain, atol=1e-4)
    np.testing.assert_array_equal(again.rows, side.basis.rows)
    np.testing.assert_allclose(again.links, side.held_links)
    np.testing.assert_allclose(again.values, held.values)
    np.testing.assert_allclose(again.keys, held.keys)
    np.testing.assert_allclose(again.bias, held.bias)
    assert (again.column == -1).all()


def test_a_popularity_below_nothing_is_nothing() -> None:
    vectors = assembled(
        np.ones((2, 2 + LINKS + 2 * 2 + 2), np.float32), np.array([[0, -4], [0, 0]], np.float32), 1
    )
    np.testing.assert_array_equal(vectors.likings[0], vectors.likings[1])
    assert np.isfinite(vectors.likings).all()


def test_the_length_of_a_description_counts_for_popularity_alone(side: UserSide) -> None:
    features, read = described()
    assert np.isnan(features.numbers[LENGTH]).sum() == 18
    fit = NewcomerFit(side, features.rows(side.profiles.anchors), read=read, steps=2, seed=0)
    assert not any(LENGTH in group for group in fit.tastes.relevance.weights)
    assert sum(LENGTH in group for group in fit.popularity.relevance.weights) == 2


def test_without_descriptions_there_is_no_length() -> None:
    graph = planted()[0].graph
    assert LENGTH not in learn_vocabulary(graph).numbers


def test_each_fold_is_predicted_without_its_own_vectors(side: UserSide) -> None:
    features, read = described()
    anchors = features.rows(side.profiles.anchors)
    folds = [np.arange(start, anchors.count, 4) for start in range(4)]
    before = NewcomerFit(side, anchors, read=read, steps=0, seed=0).left_out(folds)
    altered = side.held_vectors.values.copy()
    altered[folds[1]] += 1
    changed = replace(side, held_vectors=replace(side.held_vectors, values=altered))
    after = NewcomerFit(changed, anchors, read=read, steps=0, seed=0).left_out(folds)
    # What is left of it is the mean of all anchors, to which predictions are drawn.
    own, others = (np.abs(after.values - before.values)[fold].mean() for fold in (folds[1], folds[0]))
    assert own < others


def test_new_items_like_popular_ones_are_thought_popular() -> None:
    """The planted world's popularity falls with the number of the item; a description's length tells it here."""
    data = planted()[0]
    met = np.bincount(data.interactions.items[data.positives()], minlength=data.graph.n_items)
    texts = ["x" * int(40 + 10 * n) for n in met]
    new = np.flatnonzero(met == 0)
    for place, item in enumerate(new):
        texts[item] = "x" * (20 if place % 2 else 40 + 10 * int(met.max()))
    learner = Posterior.fit(replace(data, graph=replace(data.graph, descriptions=texts)), seed=3, steps=20)
    lengths = np.linalg.norm(learner.items.likings[new], axis=1)
    assert lengths[::2].mean() > lengths[1::2].mean()
