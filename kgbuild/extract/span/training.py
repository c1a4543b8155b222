"""Training an extractor on labelled items: minutes on two cores, stopped by what held-out items say."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from kgbuild.extract.span import store
from kgbuild.extract.span.calibration import (
    Calibration,
    Reading,
    calibrate,
    confidences,
    expected_calibration_error,
    score,
)
from kgbuild.extract.span.fitting import TrainingSettings, fit, mean_of, read_all
from kgbuild.extract.span.labels import LabelledFile, LabelledItem, labelled_items, read_labelled
from kgbuild.extract.span.memory import Memory
from kgbuild.extract.span.plan import Plan, make_plan, split
from kgbuild.extract.span.spans import windows_of
from kgbuild.schema import Schema
from plugbase.console import Console
from plugbase.errors import UserError

_FEWEST = 20


@dataclass(frozen=True)
class TrainingSummary:
    """What a training did, in numbers."""

    items: int
    """Items that some member was trained on."""
    held_out_items: int
    """Items that some member held out; where there are several, the others were trained on them."""
    relations: int
    not_verbatim: int
    several: bool
    epochs: int
    """Passes of all members together."""
    best_epochs: tuple[int, ...]
    """The pass that was kept, of each member."""
    held_out: Mapping[str, float]
    calibration_error: float
    seconds: float
    folder: str


def train_extractor(
    labelled: str | Path | Sequence[LabelledItem],
    output: str | Path,
    *,
    schema: Schema | None = None,
    settings: TrainingSettings | None = None,
    console: Console | None = None,
) -> TrainingSummary:
    """Fine-tune a span extractor on labelled items and write it to a folder.

    Args:
        labelled: a file in either format, or items with their labels.
        output: the folder; what is there stays until the new one is whole.
        schema: definitions of all relations; None takes those of kgbuild's own schema, and for a relation
            that it does not have, the relation's name alone.
        settings: see there.
        console: where progress is shown; silent by default.

    Raises:
        UserError: the labels cannot be used or the folder cannot be written; says which line and why.
    """
    began = time.monotonic()
    settings, console, output = settings or TrainingSettings(), console or Console(quiet=True), Path(output)
    if settings.adapter_rank:  # an addition is a product of two matrices, and the product of means is no mean
        settings = replace(settings, members=1)
    store.check_free(output)
    from_file = isinstance(labelled, str | Path)
    source = read_labelled(labelled) if isinstance(labelled, str | Path) else labelled_items(labelled)
    name = str(labelled) if from_file else "the labels"
    if len(source.items) < _FEWEST:
        raise UserError(
            f"{len(source.items)} labelled items are too few", file=name, mend=f"label {_FEWEST} or more"
        )
    if source.not_verbatim:
        console.warn(f"{name}: {source.not_verbatim} values stand in no text of their item and were left out")
    parts = [split(source.items, settings.held_out, member) for member in range(settings.members)]
    seen = source.items if len(parts) > 1 else parts[0][0]
    plan = make_plan(seen, source, schema, name)
    n_held = sum(len(held_out) for _, held_out in parts)
    console.note(f"{len(seen)} items to train on, {n_held} held out, {len(plan.relations)} relations")
    members, readings, best, epochs = [], [], [], 0
    for member, (kept, held_out) in enumerate(parts):
        own = make_plan(kept, source, schema, name)
        network, kept_pass, passes = fit(kept, held_out, own, settings, console, member)
        members.append(network.stored())
        readings += read_all(network, held_out, own)
        best.append(kept_pass)
        epochs += passes
    plan.memory = Memory.of(
        [(entry, windows_of(entry.item, plan.cut_forms)) for entry in seen], plan.relations
    )
    calibration = calibrate(readings, plan.several)
    held = score(readings, plan.several, calibration.bias)
    ece = _calibration_error(readings, plan, calibration)
    meta = {
        "settings": asdict(settings),
        "relations": [{"name": name, "definition": plan.definitions[name]} for name in plan.relations],
        "categories": plan.categories,
        "cut_forms": list(plan.cut_forms),
        "values": plan.memory.as_json(plan.relations),
        "several": plan.several,
        "calibration": asdict(calibration),
        "held_out": {"items": n_held, **held.as_json(), "calibration_error": ece},
        "trained_on": {"items": len(seen), "best_epochs": best, "sha256": _hash(labelled, source)},
    }
    store.save(output, meta, mean_of(members))
    return TrainingSummary(
        items=len(seen),
        held_out_items=n_held,
        relations=len(plan.relations),
        not_verbatim=source.not_verbatim,
        several=plan.several,
        epochs=epochs,
        best_epochs=tuple(best),
        held_out=held.as_json(),
        calibration_error=ece,
        seconds=round(time.monotonic() - began, 1),
        folder=str(output),
    )


def _calibration_error(readings: Sequence[Reading], plan: Plan, calibration: Calibration) -> float:
    import numpy as np

    logits, outcomes = confidences(readings, plan.several, calibration.bias)
    return round(
        expected_calibration_error(np.array([calibration.probability(x) for x in logits]), outcomes), 4
    )


def _hash(labelled: object, source: LabelledFile) -> str:
    if isinstance(labelled, str | Path):
        return hashlib.sha256(Path(labelled).read_bytes()).hexdigest()
    return hashlib.sha256(repr(source.items).encode("utf-8", "surrogatepass")).hexdigest()
