"""The posterior learner as arrays and JSON, and back: what a model folder holds of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.rotate import RotatE
from coldplug.errors import ModelFormatError
from coldplug.learn.posterior.blend import Blend
from coldplug.learn.posterior.episodes import UserModel
from coldplug.learn.posterior.features import ItemFeatures, Vocabulary
from coldplug.learn.posterior.learner import Posterior
from coldplug.learn.posterior.moments import Moments
from coldplug.learn.posterior.profiles import RatingScale
from coldplug.learn.posterior.relevance import Relevance
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.learn.posterior.users import ItemVectors

Arrays = dict[str, NDArray[Any]]
_GROUPS: tuple[tuple[str, type, tuple[str, ...]], ...] = (
    ("moments", Moments, ("keys", "prior", "bridge")),
    ("model", UserModel, ("prior", "noise", "observed")),
    ("items", ItemVectors, ("values", "keys", "bias", "rows", "column")),
    ("blend", Blend, ("anchor", "new")),
)


def to_state(learner: Posterior) -> tuple[dict[str, Any], Arrays, dict[str, list[str]]]:
    """JSON-able settings, arrays, and lists of texts."""
    arrays: Arrays = {"map.weights": learner.map_weights, "map.mean": learner.map_mean}
    for group, _, names in _GROUPS:
        for name in names:
            arrays[f"{group}.{name}"] = getattr(getattr(learner, group), name)
    for place, rows in enumerate(learner.anchors.facts.values()):
        for part in ("data", "indices", "indptr"):
            arrays[f"facts.{place}.{part}"] = getattr(rows, part)
    for place, values in enumerate(learner.anchors.numbers.values()):
        arrays[f"numbers.{place}"] = values
    for place, dense in enumerate(learner.anchors.embeddings.values()):
        arrays[f"embeddings.{place}"] = dense
    texts: dict[str, list[str]] = {}
    for place, columns in enumerate(learner.vocabulary.columns.values()):
        texts[f"values-{place}"] = list(columns)
        arrays[f"rarity.{place}"] = np.array([weight for _, weight in columns.values()], np.float64)
    if learner.rotate is not None:
        arrays |= {f"rotate.{name}": array for name, array in learner.rotate.state().items()}
        texts |= {f"rotate-{name}": lines for name, lines in learner.rotate.vocabulary().items()}
    scale, relevance = learner.scale, learner.relevance
    meta = {
        "settings": learner.settings.model_dump(),
        "scale": [scale.positive_at, scale.lowest, scale.highest],
        "attributes": learner.encoder.state(),
        "relevance": {
            "weights": relevance.weights,
            "read": sorted(relevance.read),
            "scales": [relevance.linear, relevance.radial, relevance.constant, relevance.noise],
        },
        "anchors": learner.anchors.count,
        "facts": list(learner.anchors.facts),
        "numbers": {name: list(learner.vocabulary.numbers[name]) for name in learner.anchors.numbers},
        "embeddings": list(learner.anchors.embeddings),
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
        rotate = None
        if "rotate.phases" in arrays:
            prefix = "rotate."
            parts = {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
            lines = {
                name[len(prefix) :]: found for name, found in texts.items() if name.startswith("rotate-")
            }
            rotate = RotatE.from_state(parts, lines)
        relevance = meta["relevance"]
        linear, radial, constant, noise = relevance["scales"]
        weights = {name: relevance["weights"][name] for name in anchors.groups}
        read = frozenset(relevance["read"])
        return Posterior(
            PosteriorSettings(**meta["settings"]),
            RatingScale(*meta["scale"]),
            AttributeEncoder.from_state(meta["attributes"]),
            groups["moments"],
            groups["model"],
            groups["items"],
            groups["blend"],
            vocabulary,
            rotate,
            Relevance(weights, read, linear, radial, constant, noise),
            anchors,
            arrays["map.weights"],
            arrays["map.mean"],
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ModelFormatError(
            f"not the state of a posterior model: {error!r}", mend="train it again"
        ) from error


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
    numbers = {name: arrays[f"numbers.{place}"] for place, name in enumerate(meta["numbers"])}
    embeddings = {name: arrays[f"embeddings.{place}"] for place, name in enumerate(meta["embeddings"])}
    scales = {name: (float(mean), float(deviation)) for name, (mean, deviation) in meta["numbers"].items()}
    read = frozenset(meta["relevance"]["read"])
    return Vocabulary(columns, scales, read), ItemFeatures(count, facts, numbers, embeddings)
