"""From a model folder and new interactions to a model that knows them too: what `coldplug update` does."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.catalogue import Catalogue
from coldplug.errors import ModelFormatError
from coldplug.learn import TRAINABLE, TrainableLearner, UpdatableLearner, trainable_class
from coldplug.read import evidence_beside, read_graph, read_interactions, read_users
from coldplug.read.select import only_items
from coldplug.store import load_folder, save_folder
from coldplug.types import FloatArray, ItemGraph, TrainingData
from plugbase.errors import UserError
from plugbase.tables import BadRecord, read_table

_STATE = ("format", "files")
"""What `save_folder` puts into model.json itself."""


@dataclass(frozen=True)
class UpdateSummary:
    """What an update made of what."""

    model: Path
    method: str
    users: int
    interactions: int
    positives: int
    items: int
    added_items: int
    seconds: float
    remarks: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"model": str(self.model)}


def update_model(
    model: Path,
    interactions: Path,
    *,
    users: Path | None = None,
    graph: Path | None = None,
    out: Path | None = None,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
) -> UpdateSummary:
    """Train a model on with new interactions and write it to a folder, whole or not at all.

    Args:
        model: the model folder.
        interactions: interactions table, of new rows only: each user in it counts as one more.
        users: users table of the same users.
        graph: graph.ttl that describes items which the model does not know; the items it knows stay as they are.
        out: where the new model goes; the model's own folder where not given.
        seed: of every random draw.
        note: called with the name of each stage as it begins.

    Raises:
        ModelFormatError: the folder is no model, or `out` is a folder of something else.
        UserError: the method cannot be updated, a file is missing or wrong, an item is unknown, or there is too little to
            learn from.
    """
    if out is None:
        out = model
    elif out.exists() and not (out / "model.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ModelFormatError(f"{out} exists and is not a model", mend="name another folder, or remove it")
    began = time.perf_counter()
    note("reading the model and the new interactions")
    meta, arrays, texts = load_folder(model)
    learner = _learner(model, meta, arrays, texts)
    catalogue = Catalogue.from_state(arrays, texts)
    known = len(catalogue.item_ids)
    if graph is not None:
        catalogue = _with_items(catalogue, learner, graph)
    data, remarks = _new_data(catalogue, learner, interactions, users, graph)
    liked = np.unique(data.interactions.items[data.positives()]).tolist()
    if predicted := sum(map(learner.is_new, liked)):
        remarks.append(
            f"{predicted} of the {len(liked)} items liked here have no vector of their own: what the model says of them"
            " comes from their facts and texts until it is trained on everything again"
        )
    learner.update(data, seed=seed, note=note)
    note("writing the model")
    told, arrays, texts = learner.to_state()
    inputs = {path.name: _sha256(path) for path in (graph, users, interactions) if path is not None}
    described = {name: value for name, value in meta.items() if name not in _STATE}
    described |= {"learner": told, "updates": [*meta.get("updates", []), {"seed": seed, "inputs": inputs}]}
    kept_arrays, kept_texts = catalogue.to_state()
    save_folder(out, described, arrays | kept_arrays, texts | kept_texts)
    return UpdateSummary(
        out,
        meta["method"],
        len(np.unique(data.interactions.users)),
        len(data.interactions.items),
        int(data.positives().sum()),
        len(catalogue.item_ids),
        len(catalogue.item_ids) - known,
        round(time.perf_counter() - began, 1),
        remarks,
    )


def _learner(
    model: Path, meta: Mapping[str, Any], arrays: Mapping[str, Any], texts: Mapping[str, list[str]]
) -> UpdatableLearner:
    """The learner of a model folder; refused where its method cannot be updated, before anything else is done."""
    if "method" not in meta or "learner" not in meta:
        raise ModelFormatError(f"{model} does not say what made it", mend="train the model again")
    kind = trainable_class(meta["method"])
    if not can_update(kind):
        able = ", ".join(name for name in TRAINABLE if can_update(trainable_class(name)))
        raise UserError(
            f"a model of method {meta['method']!r} cannot be updated",
            mend=f"train it again on all interactions, or train one that can be updated: {able}",
        )
    learner = kind.from_state(meta["learner"], arrays, texts)
    assert isinstance(learner, UpdatableLearner)
    return learner


def can_update(kind: type[TrainableLearner]) -> bool:
    """Whether learners of this class are UpdatableLearners."""
    return getattr(kind, "update", None) is not None


def _with_items(catalogue: Catalogue, learner: TrainableLearner, graph: Path) -> Catalogue:
    """Tell the learner of the graph's items that the catalogue does not have; the catalogue with them."""
    read = read_graph(graph)
    fresh = np.array([item not in catalogue.numbers for item in read.item_ids], np.bool_)
    if not fresh.any():
        return catalogue
    added = only_items(read, fresh)
    learner.add_items(added)
    return catalogue.extended(Catalogue.of(added, evidence_beside(graph)))


def _new_data(
    catalogue: Catalogue,
    learner: TrainableLearner,
    interactions: Path,
    users: Path | None,
    graph: Path | None,
) -> tuple[TrainingData, list[str]]:
    """The new users and interactions in the model's numbers, and what is to be said of them."""
    known = read_users(users) if users is not None else None
    ids = known.ids if known else []
    found = read_interactions(interactions, catalogue.item_ids, ids)
    if found.unknown_items:
        line, item = _first_of(interactions, found.unknown_items)
        more = f" ({len(found.unknown_items)} items are unknown)" if len(found.unknown_items) > 1 else ""
        where = f"{graph} does not describe it either" if graph else "name a graph that describes it: --graph"
        raise UserError(
            f"item {item!r} is unknown to the model{more}", file=str(interactions), line=line, mend=where
        )
    if not len(found.interactions.users):
        raise UserError("holds no rows", file=str(interactions), mend="user_id,item_id[,rating][,timestamp]")
    remarks = []
    if found.repeated:
        remarks.append(f"{found.repeated} interactions left out: a later one has the same user and item")
    if known and len(found.user_ids) > len(ids):
        remarks.append(f"{len(found.user_ids) - len(ids)} users have interactions but no row in {users}")
    positive_at, lowest, highest = learner.to_state()[0]["scale"]
    remarks += _off_scale(found.interactions.ratings, lowest, highest)
    attributes = [*(known.attributes if known else []), *({} for _ in range(len(found.user_ids) - len(ids)))]
    return TrainingData(
        bare_graph(catalogue.item_ids), found.user_ids, attributes, found.interactions, positive_at
    ), remarks


def _first_of(path: Path, wanted: Mapping[str, int]) -> tuple[int, str]:
    """Line and item of the first row about one of these items."""
    for line, record in read_table(path, text_columns=("user_id", "item_id")):
        item = "" if isinstance(record, BadRecord) else str(record["item_id"])
        if item in wanted:
            return line, item
    raise AssertionError("a row that was read is gone")


def _off_scale(ratings: FloatArray, lowest: float, highest: float) -> list[str]:
    given = ratings[~np.isnan(ratings)]
    if lowest == highest and len(given):
        return ["the model was trained without ratings: every row counts as a like, whatever its rating"]
    off = given[(given < lowest) | (given > highest)]
    if not len(off):
        return []
    return [
        f"{len(off)} ratings such as {off[0]:g} are outside the scale of the training, {lowest:g} to {highest:g}"
    ]


def bare_graph(item_ids: Sequence[str]) -> ItemGraph:
    """A graph that knows no more of its items than their ids and numbers."""
    none, empty = np.empty(0, np.int64), np.empty(0, np.float32)
    no, blank = np.empty(0, np.bool_), [""] * len(item_ids)
    return ItemGraph(
        list(item_ids), blank, blank, [], [], [], none, none, none, empty, no, none, none, empty, no
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
