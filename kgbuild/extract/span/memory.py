"""Values that training saw: evidence for a span that says one of them again, learned so that new values lose nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kgbuild.extract.span.labels import LabelledItem
from kgbuild.extract.span.spans import Window

N_SIGNS = 4
"""Numbers that tell what is known of a span and a relation: known, how often, how surely, known for others."""
_MOST_VALUES = 20_000

Known = tuple[int, int, tuple[float, float, float, float]]
"""(span's place in its window, relation's place, signs)."""


@dataclass
class Memory:
    """For each value, by its case-folded text: relation -> (items that have it, items whose text holds it).

    Only items on which the relation was labelled are counted.
    """

    values: dict[str, dict[int, tuple[int, int]]] = field(default_factory=dict)

    @classmethod
    def of(cls, entries: Sequence[tuple[LabelledItem, Sequence[Window]]], relations: Sequence[str]) -> Memory:
        """What the labelled items say, those most often said first where there are very many."""
        number = {name: at for at, name in enumerate(relations)}
        said: dict[str, dict[int, int]] = {}
        for entry, _ in entries:
            for name, values in entry.facts.items():
                for text in {value.text.strip().casefold() for value in values}:
                    counts = said.setdefault(text, {})
                    counts[number[name]] = counts.get(number[name], 0) + 1
        most = sorted(said, key=lambda text: (-sum(said[text].values()), text))[:_MOST_VALUES]
        held: dict[str, dict[int, int]] = {text: {} for text in most}
        for entry, windows in entries:
            labelled = {number[name] for name in entry.facts}
            for text in _texts(windows):
                if text in held:
                    for relation in labelled & said[text].keys():
                        held[text][relation] = held[text].get(relation, 0) + 1
        # A value can be said of an item without being one of its spans: it is held at least as often.
        return cls(
            {
                text: {at: (count, max(count, held[text].get(at, 0))) for at, count in said[text].items()}
                for text in most
            }
        )

    def signs(
        self, window: Window, relations: Sequence[int], own: Mapping[int, frozenset[str]] | None = None
    ) -> Iterator[Known]:
        """What is known of the window's spans, for the relations asked.

        Args:
            window: its spans are looked up.
            relations: places of the relations that are asked.
            own: for each relation that is labelled on the window's own item, its values, case-folded: they are
                taken out of the counts, or training would learn to trust a memory that holds the answer.
        """
        asked = set(relations)
        for at, span in enumerate(window.spans):
            known = self.values.get(span.text.casefold())
            if not known:
                continue
            left = {
                relation: _without(pair, span.text.casefold(), own.get(relation) if own else None)
                for relation, pair in known.items()
            }
            left = {relation: pair for relation, pair in left.items() if pair[0] > 0}
            if not left:
                continue
            for relation in asked:
                count, held = left.get(relation, (0, 0))
                share = (count + 0.5) / (held + 1) if count else 0.0
                signs = (float(count > 0), math.log1p(count) / 2, share, float(count == 0))
                yield at, relation, signs

    def as_json(self, relations: Sequence[str]) -> dict[str, dict[str, tuple[int, int]]]:
        """Relation -> value -> its two counts."""
        told: dict[str, dict[str, tuple[int, int]]] = {name: {} for name in relations}
        for text, counts in sorted(self.values.items()):
            for relation, pair in counts.items():
                told[relations[relation]][text] = pair
        return told

    @classmethod
    def from_json(cls, told: Mapping[str, Mapping[str, Sequence[int]]], relations: Sequence[str]) -> Memory:
        """The memory that `as_json` wrote, for relations in this order; others are left out."""
        values: dict[str, dict[int, tuple[int, int]]] = {}
        for at, name in enumerate(relations):
            for text, (count, held) in told.get(name, {}).items():
                values.setdefault(text, {})[at] = (count, held)
        return cls(values)


def _texts(windows: Sequence[Window]) -> set[str]:
    return {span.text.casefold() for window in windows for span in window.spans}


def _without(pair: tuple[int, int], text: str, own: frozenset[str] | None) -> tuple[int, int]:
    if own is None:
        return pair
    return pair[0] - (text in own), pair[1] - 1
