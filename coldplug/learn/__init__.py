"""What a learner is, and which learners there are: command-line names -> classes, imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, Self, runtime_checkable

from coldplug.types import FloatArray, IntArray, Query, TrainingData
from plugbase.errors import UserError, did_you_mean

METHODS: dict[str, str] = {
    "posterior": "coldplug.learn.posterior:Posterior",
    "maml": "coldplug.learn.meta.maml:MAML",
    "fomaml": "coldplug.learn.meta.maml:FOMAML",
    "melu": "coldplug.learn.meta.maml:MeLU",
    "maml-gru": "coldplug.learn.meta.maml_gru:MAMLGRU",
    "metakg": "coldplug.learn.meta.metakg:MetaKG",
    "metakg-relation": "coldplug.learn.meta.metakg:MetaKGRelation",
    "proto": "coldplug.learn.meta.proto:Proto",
    "matching": "coldplug.learn.meta.matching:Matching",
    "mecos": "coldplug.learn.meta.mecos:Mecos",
    "twotower": "coldplug.learn.meta.twotower:TwoTower",
    "dropoutnet": "coldplug.learn.meta.dropoutnet:DropoutNet",
    "mf": "coldplug.learn.meta.mf:MatrixFactorisation",
    "zeroshot": "coldplug.learn.meta.zeroshot:ZeroShot",
    "zeroshot-proto": "coldplug.learn.meta.zeroshot_proto:ZeroShotProto",
    "popularity": "coldplug.learn.baselines.popularity:Popularity",
    "popularity-attributes": "coldplug.learn.baselines.popularity:PopularityByAttributes",
    "itemknn": "coldplug.learn.baselines.itemknn:ItemKNN",
    "ease": "coldplug.learn.baselines.ease:EASE",
    "naive-bayes": "coldplug.learn.baselines.naive_bayes:NaiveBayes",
    "content-genre": "coldplug.learn.baselines.content:ContentGenre",
    "content-text": "coldplug.learn.baselines.content:ContentText",
    "ials-ridge-genres": "coldplug.learn.baselines.ials:IALSGenres",
    "ials-ridge-catalogue": "coldplug.learn.baselines.ials:IALSCatalogue",
    "ials-ridge-text": "coldplug.learn.baselines.ials:IALSText",
    "ials-ridge": "coldplug.learn.baselines.ials:IALSRidge",
}
"""Name -> "module:class". `ials-ridge` uses catalogue facts and text both."""

BASELINES: tuple[str, ...] = tuple(name for name in METHODS if ".baselines." in METHODS[name])


@runtime_checkable
class Learner(Protocol):
    """A method that is fitted once and then scores any items for any user by attributes and support."""

    name: str

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """Learn from the training data alone.

        Args:
            data: users and items without a row in `data.interactions` are cold, but described.
            seed: the same seed, data and settings give the same scores.
        """

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32; higher is better, comparable within a row. Items by their number."""


def learner_class(name: str) -> type[Learner]:
    """The class behind a method's name.

    Raises:
        UserError: no method of that name, with the nearest one.
    """
    if name not in METHODS:
        raise UserError(
            f"unknown method {name!r}",
            mend=did_you_mean(name, METHODS) or "methods: " + ", ".join(METHODS),
        )
    module, _, attribute = METHODS[name].partition(":")
    found: type[Learner] = getattr(importlib.import_module(module), attribute)
    return found
