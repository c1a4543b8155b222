"""From a graph, users and interactions to a model folder: what `coldplug train` does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.catalogue import Catalogue
from coldplug.errors import ModelFormatError
from coldplug.read import evidence_beside, find_beside, load_training_data
from coldplug.store import save_folder
from plugbase.errors import UserError, did_you_mean

TRAINABLE = ("posterior",)
"""Methods that make a model; the others are baselines, run by `coldplug evaluate`."""


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
    """The weight of each relation, largest first: how much sharing a value says about sharing an audience."""
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
        settings: of the method.

    Raises:
        UserError: a file is missing or wrong, or there is too little to learn from.
    """
    from coldplug.learn.posterior import Posterior
    from coldplug.learn.posterior.state import to_state

    if method not in TRAINABLE:
        raise UserError(
            f"no model can be trained by method {method!r}",
            mend=did_you_mean(method, TRAINABLE) or f"methods: {', '.join(TRAINABLE)}",
        )
    if out.exists() and not (out / "model.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ModelFormatError(f"{out} exists and is not a model", mend="name another folder, or remove it")
    began = time.perf_counter()
    note("reading graph, users and interactions")
    remarks: list[str] = []
    beside = find_beside(graph)
    users, interactions = users or beside[0], interactions or beside[1]
    data = load_training_data(graph, users, interactions, positive_at, remarks=remarks)
    learner = Posterior.fit(data, seed=seed, note=note, **(settings or {}))
    note("writing the model")
    meta, arrays, texts = to_state(learner)
    catalogue_arrays, catalogue_texts = Catalogue.of(data.graph, evidence_beside(graph)).to_state()
    inputs = {p.name: _sha256(p) for p in (graph, users, interactions) if p is not None}
    described = {"method": method, "seed": seed, "inputs": inputs, "learner": meta}
    save_folder(out, described, arrays | catalogue_arrays, texts | catalogue_texts)
    met = np.unique(data.interactions.items)
    relevance = sorted(learner.newcomers.tastes.weights.items(), key=lambda pair: -pair[1])
    return TrainSummary(
        out,
        method,
        data.graph.n_items,
        data.graph.n_items - len(met),
        len(np.unique(data.interactions.users)),
        len(data.interactions.items),
        int(data.positives().sum()),
        learner.newcomers.anchors.count,
        round(time.perf_counter() - began, 1),
        relevance,
        remarks,
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
