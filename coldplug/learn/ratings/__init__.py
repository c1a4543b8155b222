"""Predicting ratings: what a rater is, and which there are, from the mean of the support to the posterior.

The posterior is one linear Gaussian model. A rating of item i by user u is

    r = mu + b_i + z_i . w_u + noise_i,        w_u ~ N(W attributes_u, diag(variances))

z_i holds 1 (the user's own level), the item's factors (what ratings say items have in common) and the item's features as
directions of a kernel (what facts and texts say so). A support set conditions w_u in closed form; nothing is iterated and
no rating of another new user is looked at. A new item has b_i and z_i predicted from its facts and text.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, Self, runtime_checkable

from coldplug.learn import METHODS
from coldplug.types import FloatArray, IntArray, Query, TrainingData
from plugbase.errors import UserError, did_you_mean

RATERS: dict[str, str] = {
    "rating-posterior": "coldplug.learn.ratings.learner:RatingPosterior",
    "support-mean": "coldplug.learn.ratings.baselines:SupportMean",
    "support-median": "coldplug.learn.ratings.baselines:SupportMedian",
    "damped-bias": "coldplug.learn.ratings.baselines:DampedBias",
    "bias-content-ridge": "coldplug.learn.ratings.baselines:BiasContentRidge",
    "als-fold-in": "coldplug.learn.ratings.baselines:ALSFoldIn",
}
"""Name -> "module:class"."""
LEARNERS: dict[str, str] = {name: where for name, where in METHODS.items() if ".learn.meta." in where}
"""Learners that rank by default, and predict ratings when trained with the setting loss=ratings."""


@runtime_checkable
class Rater(Protocol):
    """A method that is fitted once and then predicts ratings, in the unit of the training ratings."""

    name: str

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Learn from the training data alone.

        Raises:
            UserError: the data has no ratings, or a setting does not exist.
        """

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32, neither rounded nor clipped; items by their number."""


def fit_rater(name: str, data: TrainingData, *, seed: int = 0, **settings: Any) -> Rater:
    """A rater of that name, fitted; a learner is trained to predict ratings rather than to rank.

    Raises:
        UserError: none of that name, or what its `fit` raises.
    """
    chosen = rater_class(name)
    return chosen.fit(data, seed=seed, **({"loss": "ratings"} if name in LEARNERS else {}), **settings)


def rater_class(name: str) -> type[Rater]:
    """The class behind the name of a rater or of a learner.

    Raises:
        UserError: none of that name, with the nearest one.
    """
    known = {**RATERS, **LEARNERS}
    if name not in known:
        raise UserError(
            f"unknown rater {name!r}", mend=did_you_mean(name, known) or "raters: " + ", ".join(known)
        )
    module, _, attribute = known[name].partition(":")
    found: type[Rater] = getattr(importlib.import_module(module), attribute)
    return found
