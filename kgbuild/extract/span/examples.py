"""Labelled items as what the network is trained on: windows, and for each relation which spans are right."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kgbuild.extract.span.labels import LabelledItem, Value, occurrences
from kgbuild.extract.span.memory import Known, Memory
from kgbuild.extract.span.spans import Window

if TYPE_CHECKING:
    from torch import Tensor

_CUT_AT_LEAST = 2
_MOST_CUT_FORMS = 200


@dataclass(frozen=True, slots=True)
class Case:
    """One relation of one window: the spans that say one value, or none of them where nothing is said.

    `others` are spans that are neither right nor wrong here: those of the relation's further values.
    """

    relation: int
    right: tuple[int, ...]
    others: tuple[int, ...]
    weight: float


@dataclass(slots=True)
class Example:
    """A window with its cases."""

    window: Window
    cases: list[Case]
    known: list[Known] = field(default_factory=list)
    """What the labels of other items say of the window's spans."""


def cut_forms_of(entries: Sequence[LabelledItem]) -> tuple[str, ...]:
    """Values that several items have at the beginning of a longer word only: "Print" of "Printed"."""
    counted: Counter[str] = Counter()
    for entry in entries:
        for values in entry.facts.values():
            for value in values:
                text = value.text.strip()
                places = occurrences(entry.item, text)
                if (
                    text.isalpha()
                    and len(text) > 1
                    and all(getattr(entry.item, name)[end : end + 1].islower() for name, _, end in places)
                ):
                    counted[text] += 1
    often = [(text, count) for text, count in counted.most_common(_MOST_CUT_FORMS) if count >= _CUT_AT_LEAST]
    return tuple(sorted(text for text, _ in often))


def examples_of(
    entry: LabelledItem,
    windows: Sequence[Window],
    relations: Sequence[str],
    asked: Sequence[str],
    memory: Memory,
    unlabelled_weight: float,
) -> Iterator[Example]:
    """The item's windows with their cases, and what the labels of the other items say of their spans.

    Args:
        entry: what is labelled.
        windows: of its item.
        relations: all relations; a case names one by its place here.
        asked: the relations that are asked of such an item; of those without a label absence is taught, at
            `unlabelled_weight` unless the labels are complete.
        memory: of all items, this one among them.
        unlabelled_weight: 0 teaches nothing from what was not labelled.
    """
    number = {name: at for at, name in enumerate(relations)}
    own = {
        number[name]: frozenset(value.text.strip().casefold() for value in values)
        for name, values in entry.facts.items()
    }
    for window in windows:
        places: dict[tuple[str, int, int], int] = {
            (span.field, span.start, span.end): at for at, span in enumerate(window.spans)
        }
        texts: dict[str, list[int]] = defaultdict(list)
        for at, span in enumerate(window.spans):
            texts[span.text.casefold()].append(at)
        cases: list[Case] = []
        for name in asked:
            if name not in entry.facts:
                weight = 1.0 if entry.complete else unlabelled_weight
                if weight:
                    cases.append(Case(number[name], (), (), weight))
                continue
            values = entry.facts[name]
            groups = [_spans_of(value, entry, places) for value in values]
            spared = {
                at
                for value in values
                for text in (value.text, *value.accept)
                for at in texts.get(text.strip().casefold(), ())
            }
            said = [group for group in groups if group]
            for group in said:
                others = tuple(sorted((spared | set().union(*said)) - set(group)))
                cases.append(Case(number[name], tuple(sorted(group)), others, 1.0 / len(said)))
            if not said:
                # The value stands in another window, or where no span can be.
                reachable = not values or not spared
                if reachable:
                    cases.append(Case(number[name], (), (), 1.0 if not values else 0.5))
        if cases:
            known = memory.signs(window, [number[name] for name in asked], own)
            yield Example(window, cases, list(known))


def _spans_of(value: Value, entry: LabelledItem, places: dict[tuple[str, int, int], int]) -> set[int]:
    if value.field is not None and value.start is not None and value.end is not None:
        at = places.get((value.field, value.start, value.end))
        return set() if at is None else {at}
    found = (places.get(place) for place in occurrences(entry.item, value.text))
    return {at for at in found if at is not None}


def loss_of(scores: Tensor, absent: Tensor, examples: Sequence[Example]) -> Tensor:
    """Mean negative log-likelihood of what is right, over the cases of a batch, weighted.

    For each case a softmax over the window's spans and absence; the probability of a value is the sum over
    the spans that say it, and spans of the relation's other values are left out of the softmax.

    Args:
        scores: (B, M, K).
        absent: (B, K).
        examples: B of them, in the same order.
    """
    import torch

    rows = [(row, case) for row, example in enumerate(examples) for case in example.cases]
    at = torch.tensor([row for row, _ in rows])
    relation = torch.tensor([case.relation for _, case in rows])
    weight = torch.tensor([case.weight for _, case in rows])
    logits = torch.cat([scores[at, :, relation], absent[at, relation][:, None]], dim=1)
    right = torch.zeros(logits.shape, dtype=torch.bool)
    left_out = torch.zeros(logits.shape, dtype=torch.bool)
    for place, (_, case) in enumerate(rows):
        right[place, list(case.right) or [-1]] = True
        if case.others:
            left_out[place, list(case.others)] = True
    everything = logits.masked_fill(left_out, -1e4).logsumexp(1)
    likely = logits.masked_fill(~right, -1e9).logsumexp(1)
    return ((everything - likely) * weight).sum() / weight.sum()
