"""The posterior learner as arrays and JSON, and back: what a model folder holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.attributes import AttributeEncoder
from coldplug.errors import ModelFormatError
from coldplug.learn.posterior.blend import Blend
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.features import ItemFeatures, Vocabulary
from coldplug.learn.posterior.learner import Posterior
from coldplug.learn.posterior.memory import Fisher, Precisions
from coldplug.learn.posterior.moments import Moments
from coldplug.learn.posterior.neighbours import Neighbours
from coldplug.learn.posterior.newcomers import Newcomers
from coldplug.learn.posterior.profiles import RatingScale
from coldplug.learn.posterior.relevance import Relevance
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.learn.posterior.users import ItemVectors

Arrays = dict[str, NDArray[Any]]
_GROUPS: tuple[tuple[str, type, tuple[str, ...]], ...] = (
    ("moments", Moments, ("keys", "prior", "bridge", "analysis")),
    ("model", UserModel, ("prior", "noise", "observed")),
    ("neighbours", Neighbours, tuple(field.name for field in fields(Neighbours))),
    ("items", ItemVectors, ("values", "keys", "bias", "rows", "likings", "links", "column")),
    ("blend", Blend, ("anchor", "new")),
    ("precisions", Precisions, ("sizes", "rest", "directions", "penalty")),
    ("fisher", Fisher, ("values", "keys", "bias", "prior", "noise", "observed")),
)
_MAPS = ("taste_weights", "taste_mean", "popularity_weights", "popularity_mean")


def to_state(learner: Posterior) -> tuple[dict[str, Any], Arrays, dict[str, list[str]]]:
    """JSON-able settings, arrays, and lists of texts."""
    arrays: Arrays = {}
    for group, _, names in _GROUPS:
        for name in names:
            arrays[f"{group}.{name}"] = getattr(getattr(learner, group), name)
    newcomers = learner.newcomers
    for name in _MAPS:
        arrays[f"newcomers.{name}"] = getattr(newcomers, name)
    for place, rows in enumerate(newcomers.anchors.facts.values()):
        for part in ("data", "indices", "indptr"):
            arrays[f"facts.{place}.{part}"] = getattr(rows, part)
    for place, values in enumerate(newcomers.anchors.numbers.values()):
        arrays[f"numbers.{place}"] = values
    for place, dense in enumerate(newcomers.anchors.embeddings.values()):
        arrays[f"embeddings.{place}"] = dense
    texts: dict[str, list[str]] = {}
    for place, columns in enumerate(learner.vocabulary.columns.values()):
        texts[f"values-{place}"] = list(columns)
        arrays[f"rarity.{place}"] = np.array([weight for _, weight in columns.values()], np.float64)
    scale = learner.scale
    meta = {
        "settings": learner.settings.model_dump(),
        "scale": [scale.positive_at, scale.lowest, scale.highest],
        "attributes": learner.encoder.state(),
        "read": sorted(learner.vocabulary.read),
        "relevance": {"tastes": _told(newcomers.tastes), "popularity": _told(newcomers.popularity)},
        "anchors": newcomers.anchors.count,
        "facts": list(newcomers.anchors.facts),
        "numbers": [[name, *learner.vocabulary.numbers[name]] for name in newcomers.anchors.numbers],
        "embeddings": list(newcomers.anchors.embeddings),
    }
    return meta, arrays, texts


def from_state(
    meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
) -> Posterior:
    """The learner that `to_state` took apart.

    Raises:
        ModelFormatError: something is missing or of the wrong kind.
    """
    try:
        groups = {
            group: kind(*(arrays[f"{group}.{name}"] for name in names)) for group, kind, names in _GROUPS
        }
        vocabulary, anchors = _features(meta, arrays, texts)
        tastes, popularity = (
            _relevance(meta["relevance"][name], anchors) for name in ("tastes", "popularity")
        )
        return Posterior(
            PosteriorSettings(**meta["settings"]),
            RatingScale(*meta["scale"]),
            AttributeEncoder.from_state(meta["attributes"]),
            groups["moments"],
            groups["model"],
            groups["neighbours"],
            groups["items"],
            groups["blend"],
            vocabulary,
            Newcomers(anchors, tastes, popularity, *(arrays[f"newcomers.{name}"] for name in _MAPS)),
            groups["precisions"],
            groups["fisher"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelFormatError(
            f"not the state of a posterior model: {error!r}", mend="train it again"
        ) from error


def _told(relevance: Relevance) -> dict[str, Any]:
    scales = [relevance.linear, relevance.radial, relevance.constant, relevance.noise]
    return {"weights": relevance.weights, "read": sorted(relevance.read), "scales": scales}


def _relevance(told: Mapping[str, Any], anchors: ItemFeatures) -> Relevance:
    weights = {group: told["weights"][group] for group in anchors.groups if group in told["weights"]}
    return Relevance(weights, frozenset(told["read"]), *told["scales"])


def _features(
    meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
) -> tuple[Vocabulary, ItemFeatures]:
    count = int(meta["anchors"])
    columns, facts = {}, {}
    for place, group in enumerate(meta["facts"]):
        keys, rarity = texts[f"values-{place}"], arrays[f"rarity.{place}"]
        columns[group] = {key: (at, float(rarity[at])) for at, key in enumerate(keys)}
        parts = tuple(arrays[f"facts.{place}.{part}"] for part in ("data", "indices", "indptr"))
        facts[group] = sparse.csr_matrix(parts, shape=(count, len(keys)))
    numbers = {name: arrays[f"numbers.{place}"] for place, (name, *_) in enumerate(meta["numbers"])}
    embeddings = {name: arrays[f"embeddings.{place}"] for place, name in enumerate(meta["embeddings"])}
    scales = {name: (float(mean), float(deviation)) for name, mean, deviation in meta["numbers"]}
    return Vocabulary(columns, scales, frozenset(meta["read"])), ItemFeatures(
        count, facts, numbers, embeddings
    )
