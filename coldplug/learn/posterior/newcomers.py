"""Items that nobody has met: their vectors, predicted from those of the anchors by what is known of both.

Whom an item is for and how many it is for are different questions, and different facts answer them: a director says much
about how many, a period or a rating about whom. So there are two kernels, each with relevances of its own. An anchor's row
in the profile basis is taken apart into a direction, the row divided by the root of its popularity, and the popularity:

    r_j = d_j sqrt(n_j + 3)        n_j = sum of the grades that item j was given

Row, direction, value, key and links of a new item are predicted by the kernel of tastes, log(1 + n) and the bias by the
kernel of popularity. The predicted row is an expectation, short where little is known, and serves the expected profile.
Likes are held against a row put together again from direction and popularity. The length of the description goes into the
second kernel alone: how much somebody wrote about an item says something of how many know it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from coldplug.learn.posterior.association import LINKS
from coldplug.learn.posterior.features import LENGTH, ItemFeatures
from coldplug.learn.posterior.relevance import ItemMap, Relevance, learn_relevance, predict
from coldplug.learn.posterior.users import ItemVectors
from coldplug.learn.posterior.userside import UserSide
from coldplug.types import FloatArray, IntArray

_SMOOTH = 3.0
"""Grades added to an item's popularity, so that the direction of one that few know is not mostly noise."""


@dataclass(frozen=True)
class Newcomers:
    """The two kernels and, for each, what the anchors' vectors come to in it."""

    anchors: ItemFeatures
    tastes: Relevance
    popularity: Relevance
    taste_weights: FloatArray
    taste_mean: FloatArray
    popularity_weights: FloatArray
    popularity_mean: FloatArray

    def vectors(self, features: ItemFeatures, dim: int) -> ItemVectors:
        """The vectors of items that are known by their features alone; none is an anchor."""
        tastes = predict(self.tastes, features, self.anchors, self.taste_weights, self.taste_mean)
        popular = predict(
            self.popularity, features, self.anchors, self.popularity_weights, self.popularity_mean
        )
        return assembled(tastes, popular, dim)


class NewcomerFit:
    """Both kernels fitted to the anchors; kept only while the parts of the score are weighed."""

    def __init__(
        self, side: UserSide, anchors: ItemFeatures, *, read: frozenset[str], steps: int, seed: int
    ) -> None:
        """Learn the relevances and factor the kernels.

        Args:
            side: of the users, with the anchors' vectors: those of all users and those of the users not held out.
            anchors: their features.
            read: the groups of features that were read from texts.
            steps: of fitting each kernel's relevances.
        """
        self.side = side
        popularity = np.asarray(side.profiles.grades.sum(0), np.float32).ravel()
        self.log_popularity = np.log1p(popularity)
        self.directions = side.basis.plain / np.sqrt(popularity + _SMOOTH)[:, None]
        without_length = anchors.without(LENGTH)
        tastes = learn_relevance(
            without_length, self.directions * side.strengths, read=read, steps=steps, seed=seed
        )
        centred = self.log_popularity - self.log_popularity.mean()
        popular = learn_relevance(anchors, centred[:, None], read=read, steps=steps, seed=seed)
        own, held = side.vectors, side.held_vectors
        mine, theirs = (own.values, own.keys, side.links), (held.values, held.keys, side.held_links)
        self.width = sum(part.shape[1] for part in mine)
        vectors = (*mine, *theirs, side.basis.rows, self.directions)
        self.tastes = ItemMap(tastes, anchors, np.hstack(vectors))
        counts = np.stack([own.bias, held.bias, self.log_popularity], 1)
        self.popularity = ItemMap(popular, anchors, counts)

    def newcomers(self) -> Newcomers:
        """What is kept: the vectors as learned from all users."""
        tastes = np.r_[: self.width, 2 * self.width : self.tastes.vectors.shape[1]]
        counts = np.array([0, 2])
        return Newcomers(
            self.tastes.anchors,
            self.tastes.relevance,
            self.popularity.relevance,
            np.ascontiguousarray(self.tastes.weights[:, tastes]),
            self.tastes.mean[tastes],
            np.ascontiguousarray(self.popularity.weights[:, counts]),
            self.popularity.mean[counts],
        )

    def left_out(self, folds: Sequence[IntArray]) -> ItemVectors:
        """The held-out users' vectors of all anchors, each fold's predicted from the other folds'."""
        tastes, popular = np.empty_like(self.tastes.vectors), np.empty_like(self.popularity.vectors)
        for fold in folds:
            tastes[fold] = self.tastes.left_out(fold)
            popular[fold] = self.popularity.left_out(fold)
        return assembled(tastes[:, self.width :], popular[:, 1:], self.side.held_vectors.values.shape[1])


def assembled(tastes: FloatArray, popular: FloatArray, dim: int) -> ItemVectors:
    """Vectors of new items from values, keys, links, rows and directions side by side, and from bias and log popularity."""
    shapes = 2 * dim + LINKS
    rank = (tastes.shape[1] - shapes) // 3  # rows have two sets of directions, the likings one
    parts = np.split(tastes, [dim, 2 * dim, shapes, shapes + 2 * rank], axis=1)
    values, keys, links, rows, directions = map(np.ascontiguousarray, parts)
    length = np.sqrt(np.maximum(np.expm1(popular[:, 1]), 0.0) + _SMOOTH)
    likings = (directions * length[:, None]).astype(np.float32)
    bias = np.ascontiguousarray(popular[:, 0])
    return ItemVectors(values, keys, bias, rows, likings, links, np.full(len(rows), -1))
