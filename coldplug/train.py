"""From a graph, users and interactions to a model folder: what `coldplug train` does."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.catalogue import Catalogue
from coldplug.errors import ModelFormatError
from coldplug.learn import TRAINABLE, ExplainingLearner, trainable_class
from coldplug.read import evidence_beside, find_beside, load_training_data
from coldplug.store import save_folder
from plugbase.errors import UserError

__all__ = ["TRAINABLE", "TrainSummary", "train_model"]

_SWEPT = ("mf",)
"""Methods that solve for all users at once: a pass is one of their `sweeps`, and there are no batches."""


@dataclass(frozen=True)
class TrainSummary:
    """What a training made of what."""

    model: Path
    method: str
    items: int
    new_items: int
    users: int
    interactions: int
    positives: int
    anchors: int
    seconds: float
    relevance: list[tuple[str, float]]
    """The weight of each relation, largest first: how much sharing a value says about sharing an audience.

    Empty where the method does not tell."""
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"model": str(self.model)}


def train_model(
    graph: Path,
    out: Path,
    *,
    users: Path | None = None,
    interactions: Path | None = None,
    method: str = "posterior",
    positive_at: float | None = None,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
    settings: Mapping[str, Any] | None = None,
    epochs: int | None = None,
) -> TrainSummary:
    """Train a model and write it to a folder.

    Args:
        graph: graph.ttl; its evidence file is read where it lies beside it.
        out: the model folder; a model that is there is replaced once the new one is whole.
        users: users table; looked for beside the graph where not given.
        interactions: likewise.
        method: one of TRAINABLE.
        positive_at: ratings from here on are positives; three quarters up the scale where not given.
        seed: of every random draw.
        note: called with the name of each stage as it begins.
        settings: of the method; numbers may be texts.
        epochs: passes over the users, in place of the setting that says how long the method trains.

    Raises:
        UserError: an unknown method or setting, a file is missing or wrong, or there is too little to learn from.
    """
    from coldplug.learn.settings import checked

    kind = trainable_class(method)
    chosen = dict(settings or {})
    checked(kind.settings_class, chosen)
    if out.exists() and not (out / "model.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ModelFormatError(f"{out} exists and is not a model", mend="name another folder, or remove it")
    began = time.perf_counter()
    note("reading graph, users and interactions")
    remarks: list[str] = []
    beside = find_beside(graph)
    users, interactions = users or beside[0], interactions or beside[1]
    data = load_training_data(graph, users, interactions, positive_at, remarks=remarks)
    n_users = len(np.unique(data.interactions.users))
    if method in _SWEPT and "batch" in chosen:
        remarks.append(f"{method} solves for all users at once; the setting batch changes nothing")
    if epochs is not None:
        batch = checked(kind.settings_class, chosen).model_dump()["batch"]
        if batch is None:
            raise UserError(
                f"method {method} trains learners with batches of different sizes, so that epochs={epochs} says too little",
                mend="give the size of a batch beside the epochs",
            )
        chosen |= _passes(method, epochs, n_users, batch)
    learner = kind.fit(data, seed=seed, note=note, **chosen)
    note("writing the model")
    meta, arrays, texts = learner.to_state()
    catalogue_arrays, catalogue_texts = Catalogue.of(data.graph, evidence_beside(graph)).to_state()
    inputs = {p.name: _sha256(p) for p in (graph, users, interactions) if p is not None}
    described = {"method": method, "seed": seed, "inputs": inputs, "learner": meta}
    save_folder(out, described, arrays | catalogue_arrays, texts | catalogue_texts)
    met = np.unique(data.interactions.items)
    told = learner.relevance() if isinstance(learner, ExplainingLearner) else {}
    relevance = sorted(told.items(), key=lambda pair: -pair[1])
    return TrainSummary(
        out,
        method,
        data.graph.n_items,
        data.graph.n_items - len(met),
        n_users,
        len(data.interactions.items),
        int(data.positives().sum()),
        meta["anchors"],
        round(time.perf_counter() - began, 1),
        relevance,
        remarks,
    )


def read_settings(path: Path, method: str | None = None) -> tuple[str, dict[str, Any]]:
    """Method and settings from a file that `coldplug tune` wrote.

    Raises:
        UserError: it is none, or of another method than the one asked for.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        tuned, settings = str(told["method"]), dict(told["settings"])
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "holds no settings", file=str(path), mend="write it with `coldplug tune -o`"
        ) from error
    if method is not None and method != tuned:
        raise UserError(f"its settings are of method {tuned!r}, not {method!r}", file=str(path))
    return tuned, settings


def _passes(method: str, epochs: int, n_users: int, batch: int) -> dict[str, int]:
    """The setting that makes a method see every user so many times, in batches or in whole sweeps."""
    if isinstance(epochs, bool) or not isinstance(epochs, int) or epochs < 1:
        raise UserError(f"epochs={epochs!r}", mend="epochs must be a whole number from 1 up")
    if method in _SWEPT:
        return {"sweeps": epochs}
    return {"steps": math.ceil(epochs * n_users / min(batch, max(n_users, 1)))}


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
