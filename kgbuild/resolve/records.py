"""What resolution hands on: the facts under their canonical labels, and every merge that made them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from kgbuild.types import Fact

MergeKind = Literal["relation", "value"]


@dataclass(frozen=True, slots=True, order=True)
class MergeRecord:
    """One label that was taken for another.

    `range` is empty where a relation was merged. `score` lies in (0, 1]; `reason` names the rule that
    decided.
    """

    kind: MergeKind
    range: str
    into: str
    from_label: str
    score: float
    reason: str

    def as_json(self) -> dict[str, str | float]:
        """The record as it is printed and written, under the names that the overrides file uses."""
        return {
            "kind": self.kind,
            "range": self.range,
            "from": self.from_label,
            "into": self.into,
            "score": round(self.score, 4),
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Resolution:
    """All that resolution decided.

    `facts` holds one fact a triple, sorted by item, relation and value. `relations` maps a canonical
    relation to its other wordings, `values` maps (range, canonical label) to the value's other labels; both
    are sorted and leave out the canonical label itself. `dropped` counts the mentions of each raw relation
    that a closed schema left out.
    """

    facts: list[Fact]
    relations: dict[str, list[str]] = field(default_factory=dict)
    values: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    merges: list[MergeRecord] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)
