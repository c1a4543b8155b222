"""The loop of a training: batches, steps, the average of the weights, and when to stop."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kgbuild.extract.span.calibration import Reading, calibrate, score
from kgbuild.extract.span.examples import Example, examples_of, loss_of
from kgbuild.extract.span.labels import LabelledItem
from kgbuild.extract.span.memory import Memory
from kgbuild.extract.span.plan import Plan
from kgbuild.extract.span.reading import margins_of
from kgbuild.extract.span.spans import windows_of
from plugbase.console import Console

if TYPE_CHECKING:
    from torch import Tensor

    from kgbuild.extract.span.network import SpanNetwork

_STEPS = 520


@dataclass(frozen=True)
class TrainingSettings:
    """How an extractor is trained; the defaults were chosen on held-out parts of training files."""

    epochs: int | None = None
    """Passes over the items at most; None: about 520 steps, between 4 and 20 passes."""
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
    members: int = 2
    """Trainings from one beginning, each with another part held out, whose weights are averaged; one with adapters."""
    seed: int = 0


def fit(
    kept: Sequence[LabelledItem],
    held_out: Sequence[LabelledItem],
    plan: Plan,
    settings: TrainingSettings,
    console: Console,
    member: int = 0,
) -> tuple[SpanNetwork, int, int]:
    """Train one member until its held-out part gets no better.

    Returns:
        The network with its best averaged weights, the pass that they are of, and the number of passes.
    """
    import torch

    # Gradients of labels that are learnt by heart become denormal numbers, with which processors are slow.
    torch.set_flush_denormal(True)
    try:
        return _fit(kept, held_out, plan, settings, console, member)
    finally:
        torch.set_flush_denormal(False)  # it holds for the whole process, whose other numbers are not ours


def _fit(
    kept: Sequence[LabelledItem],
    held_out: Sequence[LabelledItem],
    plan: Plan,
    settings: TrainingSettings,
    console: Console,
    member: int,
) -> tuple[SpanNetwork, int, int]:
    import torch

    from kgbuild.extract.span.network import SpanNetwork, batch_of

    # Members begin with the same heads, without which an average of their weights would mean nothing.
    torch.manual_seed(settings.seed)
    network = SpanNetwork(settings.adapter_rank)
    if member:
        torch.manual_seed(settings.seed + 1000 * member)
    examples = _examples(kept, plan, settings)
    average = _copy(network.stored())
    optimizer = torch.optim.AdamW(_groups(network, settings), weight_decay=0.01, fused=True)
    steps_an_epoch = math.ceil(len(examples) / settings.batch)
    epochs = settings.epochs or min(20, max(4, math.ceil(_STEPS / steps_an_epoch)))
    total = steps_an_epoch * epochs
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate_at(step, total))
    draw = random.Random(settings.seed + 1000 * member)
    best: tuple[float, int, dict[str, Tensor]] = (-1.0, 0, {})
    step = epoch = 0
    told = f"training {member + 1} of {settings.members}"
    with console.progress(told, len(examples) * epochs, unit="windows") as progress:
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
            current = _copy(network.stored())
            _set(network, average)
            readings = read_all(network, held_out, plan)
            calibration = calibrate(readings, plan.several)
            found = score(readings, plan.several, calibration.bias)
            console.detail(
                f"epoch {epoch}: held-out F1 {found.f1:.4f}, with what was not asked {found.strict_f1:.4f}"
            )
            goodness = (found.f1 + found.strict_f1) / 2
            if goodness > best[0]:
                best = goodness, epoch, _copy(average)
            _set(network, current)
            if epoch - best[1] >= settings.patience:
                break
    _set(network, best[2])
    return network.eval(), best[1], epoch


def _examples(kept: Sequence[LabelledItem], plan: Plan, settings: TrainingSettings) -> list[Example]:
    """All windows with their cases; the plan remembers the values on the way."""
    texts = [windows_of(entry.item, plan.cut_forms) for entry in kept]
    plan.memory = Memory.of(list(zip(kept, texts, strict=True)), plan.relations)
    return [
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


def mean_of(members: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of the members' weights: as good as the mean of their answers, at the price of one (Wortsman et
    al. 2022)."""
    import torch

    return {name: torch.stack([weights[name] for weights in members]).mean(0) for name in members[0]}


def _copy(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in weights.items()}


def _set(network: SpanNetwork, weights: Mapping[str, Tensor]) -> None:
    import torch

    with torch.no_grad():
        for name, value in network.stored().items():
            value.copy_(weights[name])


def _groups(network: SpanNetwork, settings: TrainingSettings) -> list[dict[str, Any]]:
    """Parameters with their learning rates: the encoder's are moved less than the new heads'."""
    encoder: list[Any] = []
    heads: list[Any] = []
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
