"""From a network's scores to values: which spans of an item stand for which relation, and how surely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgbuild.extract.span.spans import Span, Window

if TYPE_CHECKING:
    from torch import Tensor

    from kgbuild.extract.span.memory import Known
    from kgbuild.extract.span.network import SpanNetwork

_KEPT = 24
"""Spans of a relation that are looked at once their margins are known."""
_TINY = 1e-6


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that could stand for a relation, by the first span that says it."""

    span: Span
    over: float
    """Log of how much likelier it is than absence: above 0 it is a fact."""
    logit: float
    """Log-odds that it is right, as the network has it; calibration makes a probability of it."""


def margins_of(
    network: SpanNetwork,
    texts: Sequence[Sequence[Window]],
    known: Sequence[Sequence[Sequence[Known]]],
    labels: Tensor,
) -> Iterator[NDArray[np.float32]]:
    """For each item, (spans of all its windows, K): how far each span's score is above that of absence.

    Several items go through the encoder at once; no bit of an item's margins depends on the others.

    Args:
        network: in evaluation mode.
        texts: the windows of each item.
        known: for each of them, what training's values say of its spans.
        labels: (K, HIDDEN) sentence vectors of the relations asked for.
    """
    import torch

    from kgbuild.encoder.packed import passes
    from kgbuild.extract.span.margins import window_margins

    flat = [window for windows in texts for window in windows]
    signs = [found for windows in known for found in windows]
    done: list[NDArray[np.float32]] = []
    with torch.inference_mode():
        for part in passes([len(window.ids) for window in flat]):
            margins = window_margins(network, flat[part], signs[part], labels)
            done.extend(rows.numpy() for rows in margins)
    rest = iter(done)
    for windows in texts:
        parts = [next(rest) for _ in windows]
        yield np.concatenate(parts) if parts else np.empty((0, len(labels)), np.float32)


def choices(
    spans: Sequence[Span], margins: NDArray[np.float32], *, several: bool, bias: float = 0.0
) -> list[Choice]:
    """The values that could stand for one relation, the likeliest first.

    One value: a softmax over all spans and absence, equal texts together. Several: each span against absence
    alone, and of spans that overlap only the likelier.

    Args:
        spans: candidates of an item.
        margins: (len(spans),) scores above that of absence.
        bias: added to the score of absence.
    """
    if not len(spans):
        return []
    top = np.argsort(-margins, kind="stable")[:_KEPT]
    if several:
        return _apart(spans, margins, top, bias)
    peak = max(float(margins[top[0]]), bias)
    total = float(np.exp(margins - peak).sum()) + float(np.exp(bias - peak))
    shares: dict[str, float] = {}
    first: dict[str, Span] = {}
    for at in top:
        text = spans[at].text
        shares[text] = shares.get(text, 0.0) + float(np.exp(margins[at] - peak)) / total
        first.setdefault(text, spans[at])
    absent = math.exp(bias - peak) / total
    found = [
        Choice(first[text], math.log(max(share, _TINY) / max(absent, _TINY)), _logit(share))
        for text, share in shares.items()
    ]
    return sorted(found, key=lambda choice: (-choice.logit, choice.span.start))[:_KEPT]


def _apart(
    spans: Sequence[Span], margins: NDArray[np.float32], top: NDArray[np.intp], bias: float
) -> list[Choice]:
    kept: list[Choice] = []
    for at in top:
        span = spans[at]
        clash = any(
            (span.field == other.span.field and span.start < other.span.end and other.span.start < span.end)
            or span.text.casefold() == other.span.text.casefold()
            for other in kept
        )
        if not clash:
            kept.append(Choice(span, float(margins[at]) - bias, float(margins[at]) - bias))
    return kept


def _logit(share: float) -> float:
    share = min(max(share, _TINY), 1 - _TINY)
    return math.log(share / (1 - share))
