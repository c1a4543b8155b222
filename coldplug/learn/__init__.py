"""What a learner is, and which learners there are: command-line names -> classes, imported when asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, runtime_checkable

from numpy.typing import NDArray

from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from pydantic import BaseModel

State = tuple[dict[str, Any], dict[str, NDArray[Any]], dict[str, list[str]]]
"""What a model folder holds of a learner: JSON-able settings, arrays, and lists of texts."""

METHODS: dict[str, str] = {
    "posterior": "coldplug.learn.posterior:Posterior",
    "auto": "coldplug.learn.auto.learner:Auto",
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
TRAINABLE: tuple[str, ...] = tuple(name for name in METHODS if name not in BASELINES)
"""Methods that make a model; the others are run by `coldplug evaluate`."""


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


@runtime_checkable
class TrainableLearner(Learner, Protocol):
    """A learner that makes a model: it can be kept, read back, and told of new items."""

    settings_class: ClassVar[type[BaseModel]]
    """The settings that `fit` takes."""

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        note: Callable[[str], None] = lambda text: None,
        **settings: Any,
    ) -> Self:
        """As every learner's; `note` is called with the name of each stage as it begins."""

    def add_items(self, graph: ItemGraph) -> None:
        """Append items described by a graph of their own, numbered on from the last; nothing is retrained.

        Whoever scores old items in another thread meanwhile gets their scores as before.
        """

    def to_state(self) -> State:
        """What to keep; the settings in it have `settings` and `anchors`, the number of items with vectors of their own."""

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> Self:
        """The learner that `to_state` took apart.

        Raises:
            ModelFormatError: something is missing or of the wrong kind.
        """


@runtime_checkable
class UpdatableLearner(TrainableLearner, Protocol):
    """A learner that can be trained on with new users alone, without forgetting those it was trained on."""

    def update(
        self, data: TrainingData, *, seed: int = 0, note: Callable[[str], None] = lambda text: None
    ) -> None:
        """Learn from new users; after an error the learner is as it was.

        Args:
            data: new users and their interactions; every user counts as one more. Items are numbered as the learner
                numbers them, and `graph` need know no more of them than that; `positive_at` is the training's.
            seed: of every random draw.
            note: called with the name of each stage as it begins.

        Raises:
            UserError: there is too little to learn from.
        """

    def is_new(self, item: int) -> bool:
        """Whether the item has no vector of its own, and is scored by its facts and text alone."""


@runtime_checkable
class ExplainingLearner(TrainableLearner, Protocol):
    """A learner whose score is a sum of parts that mean something."""

    def contributions(
        self, query: Query, items: IntArray
    ) -> tuple[FloatArray, list[tuple[str, FloatArray]], FloatArray]:
        """What makes up the scores of items: bases (n,), each known attribute by name (n,), each support item (k, n).

        They sum to the scores.
        """

    def fact_weight(self, relation: str, value_iri: str) -> float:
        """How much sharing this value says of two items; 0 where none shares it."""

    def is_new(self, item: int) -> bool:
        """Whether the item is scored by its facts and text alone."""

    def relevance(self) -> Mapping[str, float]:
        """Relation -> how much sharing a value of it says about sharing an audience."""


def trainable_class(name: str) -> type[TrainableLearner]:
    """The class behind the name of a method that makes a model.

    Raises:
        UserError: no such method, with the nearest one.
    """
    if name not in TRAINABLE:
        methods = f"methods: {', '.join(TRAINABLE)}"
        told = f"it is a baseline, which `coldplug evaluate` runs; {methods}" if name in BASELINES else None
        raise UserError(
            f"no model can be trained by method {name!r}",
            mend=told or did_you_mean(name, TRAINABLE) or methods,
        )
    found: Any = learner_class(name)
    kind: type[TrainableLearner] = found
    return kind


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
