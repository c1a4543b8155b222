"""The rating posterior as arrays and JSON, and back: what a model folder holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.attributes import AttributeEncoder
from coldplug.errors import ModelFormatError
from coldplug.learn.posterior.features import ItemFeatures, Vocabulary
from coldplug.learn.posterior.relevance import Relevance
from coldplug.learn.ratings.learner import RatedItems, RatingPosterior
from coldplug.learn.ratings.settings import RatingSettings
from coldplug.learn.ratings.stars import Stars

Arrays = dict[str, NDArray[Any]]
_OWN = ("prior", "variance", "map_weights", "map_mean")
_ITEMS = ("bias", "vectors", "noise", "new")


def to_state(learner: RatingPosterior) -> tuple[dict[str, Any], Arrays, dict[str, list[str]]]:
    """JSON-able settings, arrays, and lists of texts."""
    arrays: Arrays = {name: getattr(learner, name) for name in _OWN}
    arrays |= {f"items.{name}": getattr(learner.items, name) for name in _ITEMS}
    anchors, vocabulary, relevance = learner.anchors, learner.vocabulary, learner.relevance
    texts = {}
    for place, (group, columns) in enumerate(vocabulary.columns.items()):
        texts[f"values-{place}"] = list(columns)
        arrays[f"rarity.{place}"] = np.array([weight for _, weight in columns.values()], np.float64)
        for part in ("data", "indices", "indptr"):
            arrays[f"facts.{place}.{part}"] = getattr(anchors.facts[group], part)
    arrays["levels"] = learner.stars[0].levels
    for place, stars in enumerate(learner.stars):
        arrays[f"thresholds.{place}"] = stars.thresholds
    for kind, rows in (("numbers", anchors.numbers), ("embeddings", anchors.embeddings)):
        arrays |= {f"{kind}.{place}": values for place, values in enumerate(rows.values())}
    meta = {
        "settings": learner.settings.model_dump(),
        "attributes": learner.encoder.state(),
        "mean": learner.mean,
        "new_noise": learner.new_noise,
        "spreads": [stars.spread for stars in learner.stars],
        "relevance": {
            "weights": relevance.weights,
            "read": sorted(relevance.read),
            "scales": [relevance.linear, relevance.radial, relevance.constant, relevance.noise],
        },
        "anchors": anchors.count,
        "facts": list(vocabulary.columns),
        "read": sorted(vocabulary.read),
        "numbers": {name: list(vocabulary.numbers[name]) for name in anchors.numbers},
        "embeddings": list(anchors.embeddings),
    }
    return meta, arrays, texts


def from_state(
    meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
) -> RatingPosterior:
    """The learner that `to_state` took apart.

    Raises:
        ModelFormatError: something is missing or of the wrong kind.
    """
    try:
        count = int(meta["anchors"])
        columns, facts = {}, {}
        for place, group in enumerate(meta["facts"]):
            keys, rarity = texts[f"values-{place}"], arrays[f"rarity.{place}"]
            columns[group] = {key: (at, float(rarity[at])) for at, key in enumerate(keys)}
            parts = tuple(arrays[f"facts.{place}.{part}"] for part in ("data", "indices", "indptr"))
            facts[group] = sparse.csr_matrix(parts, shape=(count, len(keys)))
        numbers = {name: arrays[f"numbers.{place}"] for place, name in enumerate(meta["numbers"])}
        dense = {name: arrays[f"embeddings.{place}"] for place, name in enumerate(meta["embeddings"])}
        anchors = ItemFeatures(count, facts, numbers, dense)
        scales = {name: (float(mean), float(spread)) for name, (mean, spread) in meta["numbers"].items()}
        relevance = meta["relevance"]
        linear, radial, constant, noise = map(float, relevance["scales"])
        # in the order of the training run, so that sums over groups round alike
        weights = {name: float(relevance["weights"][name]) for name in anchors.groups}
        return RatingPosterior(
            RatingSettings(**meta["settings"]),
            AttributeEncoder.from_state(meta["attributes"]),
            float(meta["mean"]),
            arrays["prior"],
            arrays["variance"],
            RatedItems(*(arrays[f"items.{name}"] for name in _ITEMS)),
            Vocabulary(columns, scales, frozenset(meta["read"])),
            Relevance(weights, frozenset(relevance["read"]), linear, radial, constant, noise),
            anchors,
            arrays["map_weights"],
            arrays["map_mean"],
            float(meta["new_noise"]),
            (_stars(meta, arrays, 0), _stars(meta, arrays, 1)),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelFormatError(
            f"not the state of a rating posterior: {error!r}", mend="train it again"
        ) from error


def _stars(meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], place: int) -> Stars:
    return Stars(arrays["levels"], arrays[f"thresholds.{place}"], float(meta["spreads"][place]))
