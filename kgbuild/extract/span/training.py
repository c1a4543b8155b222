"""Training an extractor on labelled items: minutes on two cores, stopped by what held-out items say."""

from __future__ import annotations

import hashlib
import math
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.extract.span import store
from kgbuild.extract.span.calibration import (
    Calibration,
    Reading,
    calibrate,
    confidences,
    expected_calibration_error,
    score,
)
from kgbuild.extract.span.examples import Example, cut_forms_of, examples_of, loss_of
from kgbuild.extract.span.labels import (
    LabelledFile,
    LabelledItem,
    labelled_items,
    read_labelled,
    relation_text,
)
from kgbuild.extract.span.memory import Known, Memory
from kgbuild.extract.span.reading import margins_of
from kgbuild.extract.span.spans import Window, label_pieces, windows_of
from kgbuild.schema import Schema, load_schema
from plugbase.console import Console
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from kgbuild.extract.span.network import SpanNetwork

_FEWEST = 20
_STEPS = 350
_SEVERAL_AT = 0.02
"""Share of labelled relations with more than one value from which on several are looked for."""


@dataclass(frozen=True)
class TrainingSettings:
    """How an extractor is trained; the defaults were chosen on held-out parts of training files."""

    epochs: int | None = None
    """Passes over the items at most; None: about 350 steps, between 4 and 20 passes."""
    patience: int = 4
    """Epochs without a better held-out F1 after which training stops."""
    batch: int = 16
    encoder_rate: float = 1.5e-4
    head_rate: float = 1e-3
    averaging: float = 0.99
    """Decay, per step, of the moving average of the weights that is kept."""
    held_out: float = 0.1
    unlabelled_weight: float = 0.1
    """Weight of absence where a file in ExtractGPT's format has no label: mostly, but not surely, absent."""
    forgetting: float = 0.25
    """Share of windows that are read in training as if no value of theirs had been seen before."""
    adapter_rank: int = 0
    """0 trains the encoder's layers (a folder of 22 MB); 16 small additions to them (3 MB)."""
    seed: int = 0


@dataclass(frozen=True)
class TrainingSummary:
    """What a training did, in numbers."""

    items: int
    held_out_items: int
    relations: int
    not_verbatim: int
    several: bool
    epochs: int
    best_epoch: int
    held_out: Mapping[str, float]
    calibration_error: float
    seconds: float
    folder: str


@dataclass
class Plan:
    """What is asked of which item: all that turns labelled items into examples."""

    relations: list[str]
    definitions: dict[str, str]
    categories: dict[str, list[str]]
    """Category -> relations that were labelled in it; empty where labels are complete."""
    cut_forms: tuple[str, ...]
    several: bool
    memory: Memory = field(default_factory=Memory)
    vectors: Any = field(init=False)
    """(K, HIDDEN) sentence vectors of the relations."""

    def __post_init__(self) -> None:
        from kgbuild.extract.span.network import sentence_vectors

        self.vectors = sentence_vectors(
            [label_pieces(relation_text(name, self.definitions[name])) for name in self.relations]
        )

    def asked(self, category: str) -> list[str]:
        """The relations that are asked of an item of that category; all of them if it was never seen."""
        return self.categories.get(category) or self.relations

    def known(self, category: str, window: Window) -> list[Known]:
        """What training's values say of a window's spans."""
        places = [self.relations.index(name) for name in self.asked(category)]
        return list(self.memory.signs(window, places))


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
    import torch

    began = time.monotonic()
    settings, console, output = settings or TrainingSettings(), console or Console(quiet=True), Path(output)
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
    kept, held_out = split(source.items, settings.held_out)
    plan = make_plan(kept, source, schema, name)
    console.note(f"{len(kept)} items to train on, {len(held_out)} held out, {len(plan.relations)} relations")
    torch.manual_seed(settings.seed)
    network, calibration, best, epochs = _fit(kept, held_out, plan, settings, console)
    readings = read_all(network, held_out, plan)
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
        "held_out": {"items": len(held_out), **held.as_json(), "calibration_error": ece},
        "trained_on": {"items": len(kept), "best_epoch": best, "sha256": _hash(labelled, source)},
    }
    store.save(output, meta, network.stored())
    return TrainingSummary(
        items=len(kept),
        held_out_items=len(held_out),
        relations=len(plan.relations),
        not_verbatim=source.not_verbatim,
        several=plan.several,
        epochs=epochs,
        best_epoch=best,
        held_out=held.as_json(),
        calibration_error=ece,
        seconds=round(time.monotonic() - began, 1),
        folder=str(output),
    )


def split(items: Sequence[LabelledItem], share: float) -> tuple[list[LabelledItem], list[LabelledItem]]:
    """Items to train on and items held out, decided by a hash of their text: the same in every run."""

    def draw(entry: LabelledItem) -> str:
        text = f"{entry.item.category}\n{entry.item.title}\n{entry.item.description}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    order = sorted(range(len(items)), key=lambda at: (draw(items[at]), at))
    held = set(order[: max(1, round(share * len(items)))])
    return (
        [entry for at, entry in enumerate(items) if at not in held],
        [entry for at, entry in enumerate(items) if at in held],
    )


def make_plan(kept: Sequence[LabelledItem], source: LabelledFile, schema: Schema | None, file: str) -> Plan:
    """The relations, their definitions and where they are asked."""
    relations = source.relations
    known = (schema or load_schema()).relations
    for name in relations if schema else ():
        if name not in known:
            line = next(entry.line for entry in source.items if name in entry.facts)
            mend = did_you_mean(name, known) or "define it there, or leave --schema out"
            raise UserError(
                f"relation {name!r} is not in the schema", file=file, line=line or None, mend=mend
            )
    definitions = {name: known[name].definition if name in known else "" for name in relations}
    said = [values for entry in source.items for values in entry.facts.values() if values]
    if not said:
        raise UserError("no item has a value that its text holds", file=file, mend="label spans of the text")
    several = sum(len(values) > 1 for values in said) > _SEVERAL_AT * len(said)
    categories: dict[str, list[str]] = {}
    if not any(entry.complete for entry in source.items):
        for entry in source.items:
            known = categories.setdefault(entry.item.category, [])
            known.extend(name for name in entry.facts if name not in known)
        categories = {category: sorted(known) for category, known in sorted(categories.items()) if category}
    return Plan(relations, definitions, categories, cut_forms_of(kept), several)


def read_all(network: SpanNetwork, entries: Sequence[LabelledItem], plan: Plan) -> list[Reading]:
    """What the network makes of labelled items."""
    network.eval()
    texts = [windows_of(entry.item, plan.cut_forms) for entry in entries]
    readings = []
    known = [
        [plan.known(entry.item.category, window) for window in windows]
        for entry, windows in zip(entries, texts, strict=True)
    ]
    found = margins_of(network, texts, known, plan.vectors)
    for entry, windows, margins in zip(entries, texts, found, strict=True):
        spans = [span for window in windows for span in window.spans]
        at = {name: number for number, name in enumerate(plan.relations)}
        asked = {name: margins[:, at[name]] for name in plan.asked(entry.item.category)}
        readings.append(Reading(entry, spans, asked))
    return readings


def _fit(
    kept: Sequence[LabelledItem],
    held_out: Sequence[LabelledItem],
    plan: Plan,
    settings: TrainingSettings,
    console: Console,
) -> tuple[SpanNetwork, Calibration, int, int]:
    """Train until the held-out part gets no better; the network with its best averaged weights."""
    import torch

    from kgbuild.extract.span.network import SpanNetwork, batch_of

    network = SpanNetwork(settings.adapter_rank)
    texts = [windows_of(entry.item, plan.cut_forms) for entry in kept]
    plan.memory = Memory.of(list(zip(kept, texts, strict=True)), plan.relations)
    examples = [
        example
        for entry, windows in zip(kept, texts, strict=True)
        for example in examples_of(
            entry,
            windows,
            plan.relations,
            plan.asked(entry.item.category),
            plan.memory,
            settings.unlabelled_weight,
        )
    ]
    trained = network.stored()
    average = {name: value.clone() for name, value in trained.items()}
    optimizer = torch.optim.AdamW(_groups(network, settings), weight_decay=0.01, fused=True)
    steps_an_epoch = math.ceil(len(examples) / settings.batch)
    epochs = settings.epochs or min(20, max(4, math.ceil(_STEPS / steps_an_epoch)))
    total = steps_an_epoch * epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate_at(step, total))
    draw = random.Random(settings.seed)
    best: tuple[float, int, dict[str, Tensor], Calibration] = (-1.0, 0, {}, Calibration())
    step = epoch = 0
    with console.progress("training", len(examples) * epochs, unit="windows") as progress:
        for epoch in range(1, epochs + 1):
            network.train()
            for chosen in _batches(examples, settings.batch, draw):
                known = [() if draw.random() < settings.forgetting else example.known for example in chosen]
                windows = [example.window for example in chosen]
                scores, absent = network(batch_of(windows, known), plan.vectors)
                loss = loss_of(scores, absent, chosen)
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                schedule.step()
                step += 1
                decay = min(settings.averaging, step / (step + 10))
                torch._foreach_lerp_(list(average.values()), list(network.stored().values()), 1 - decay)
                progress.advance(len(chosen))
            current = {name: value.clone() for name, value in network.stored().items()}
            _set(network, average)
            readings = read_all(network, held_out, plan)
            calibration = calibrate(readings, plan.several)
            found = score(readings, plan.several, calibration.bias)
            console.detail(
                f"epoch {epoch}: held-out F1 {found.f1:.4f}, with what was not asked {found.strict_f1:.4f}"
            )
            goodness = (found.f1 + found.strict_f1) / 2
            if goodness > best[0]:
                best = (
                    goodness,
                    epoch,
                    {name: value.clone() for name, value in average.items()},
                    calibration,
                )
            _set(network, current)
            if epoch - best[1] >= settings.patience:
                break
    _set(network, best[2])
    return network.eval(), best[3], best[1], epoch


def _set(network: SpanNetwork, weights: Mapping[str, Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, value in network.stored().items():
            value.copy_(weights[name])


def _groups(network: SpanNetwork, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Parameters with their learning rates: the encoder's are moved less than the new heads'."""
    encoder, heads = [], []
    for name, value in network.named_parameters():
        if value.requires_grad:
            tuned = name.startswith("encoder.") and ".down." not in name and ".up." not in name
            (encoder if tuned else heads).append(value)
    return [{"params": encoder, "lr": settings.encoder_rate}, {"params": heads, "lr": settings.head_rate}]


def _rate_at(step: int, total: int) -> float:
    """Share of the learning rate: up over the first twentieth, then down along a half cosine."""
    warm = max(1, total // 20)
    if step < warm:
        return (step + 1) / warm
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


def _batches(examples: Sequence[Example], size: int, draw: random.Random) -> Iterator[list[Example]]:
    """All examples in a new order, those of like length together within chunks of many batches."""
    order = list(examples)
    draw.shuffle(order)
    chunk = size * 16
    batches = []
    for begin in range(0, len(order), chunk):
        near = sorted(order[begin : begin + chunk], key=lambda example: len(example.window.ids))
        batches += [near[at : at + size] for at in range(0, len(near), size)]
    draw.shuffle(batches)
    yield from batches


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
