"""How sure a fact is: what a construction and what the span model say of the same words, weighed together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from kgbuild.types import FieldName

WEIGHTS_FILE = Path(__file__).with_name("weights.json")
LOWEST, HIGHEST = -6.0, 8.0
"""Margins are cut off here; a span that the model does not offer has the lowest."""
PRUNED = -2.0
"""Words that no construction reads and whose margin is below this are not looked at."""
SHARED = (
    "margin",
    "rival",
    "read",
    "read_odds",
    "read_margin",
    "overlapped",
    "read_otherwise",
    "not_offered",
)


@dataclass(frozen=True, slots=True)
class Claim:
    """That characters [start, end) of a field state a relation, and what speaks for it.

    `margin` is the span model's score above that of absence, `rival` its highest for another relation of the
    same words, `read` the confidence of a construction that reads exactly this (0: none does), `overlapped`
    that of one which reads the relation in words that overlap, `read_otherwise` that of one which reads
    another relation in the same words.
    """

    relation: str
    field: FieldName
    start: int
    end: int
    value: str | None
    pattern: str
    margin: float
    rival: float
    read: float = 0.0
    overlapped: float = 0.0
    read_otherwise: float = 0.0

    @property
    def shared(self) -> tuple[float, ...]:
        """Its numbers in the order of SHARED."""
        margin, known = _cut(self.margin), float(self.read > 0)
        odds = math.log(self.read / (1 - self.read)) if 0 < self.read < 1 else 4.0 * known
        return (
            margin,
            _cut(self.rival),
            known,
            odds,
            known * margin,
            self.overlapped,
            self.read_otherwise,
            float(self.margin <= LOWEST),
        )

    @property
    def own(self) -> tuple[float, float, float]:
        """What each relation weighs for itself: a constant, the margin, whether a construction reads it."""
        return 1.0, _cut(self.margin), float(self.read > 0)


@dataclass(frozen=True)
class Weights:
    """A logistic regression over claims: `shared` for all relations, `own` for each besides."""

    shared: Mapping[str, float]
    own: Mapping[str, tuple[float, float, float]]

    @classmethod
    @cache
    def load(cls, file: Path = WEIGHTS_FILE) -> Weights:
        """The weights that ship with the project."""
        told = json.loads(file.read_text(encoding="utf-8"))
        return cls(told["shared"], {name: tuple(row) for name, row in told["own"].items()})

    @cached_property
    def _usual(self) -> tuple[float, ...]:
        """What a relation weighs that was not trained on: as much as the others do on average."""
        rows = list(self.own.values()) or [(0.0, 0.0, 0.0)]
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))

    def probability(self, claim: Claim) -> float:
        """How often such a claim is right, to three digits."""
        total = sum(self.shared[name] * value for name, value in zip(SHARED, claim.shared, strict=True))
        own = self.own.get(claim.relation) or self._usual
        total += sum(weight * value for weight, value in zip(own, claim.own, strict=True))
        return round(1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, total)))), 3)


def _cut(margin: float) -> float:
    return max(LOWEST, min(HIGHEST, margin))


def select(claims: Iterable[tuple[float, Claim]], least: float) -> list[tuple[float, Claim]]:
    """The surest claims: of those that overlap in one relation, and of relations in the same words, one each."""
    kept: list[tuple[float, Claim]] = []
    for sure, claim in sorted(
        claims, key=lambda pair: (-pair[0], pair[1].start - pair[1].end, *_place(pair[1]))
    ):
        if sure < least:
            break
        if not any(_clash(claim, other) for _, other in kept):
            kept.append((sure, claim))
    return sorted(kept, key=lambda pair: _place(pair[1]))


def _place(claim: Claim) -> tuple[str, int, int, str]:
    return claim.field, claim.start, claim.end, claim.relation


def _clash(claim: Claim, other: Claim) -> bool:
    if claim.field != other.field or claim.end <= other.start or other.end <= claim.start:
        return False
    return claim.relation == other.relation or (claim.start, claim.end) == (other.start, other.end)


@dataclass(frozen=True, slots=True)
class Constructed:
    """What a construction reads: characters [start, end) of a field, under a label of its own or their words."""

    relation: str
    field: FieldName
    start: int
    end: int
    value: str | None
    confidence: float
    pattern: str


Place = tuple[FieldName, int, int]


def claims_of(
    constructed: Sequence[Constructed], margins: Mapping[Place, Mapping[str, float]]
) -> list[Claim]:
    """Everything that a construction or the span model reads in an item, each once.

    Args:
        constructed: what the constructions read.
        margins: for the words that the span model offers, its margin for each relation it was trained on.
    """
    best: dict[tuple[Place, str], Constructed] = {}
    for found in constructed:
        key = ((found.field, found.start, found.end), found.relation)
        if key not in best or found.confidence > best[key].confidence:
            best[key] = found
    keys = set(best)
    keys.update(
        (place, relation)
        for place, row in margins.items()
        for relation, margin in row.items()
        if margin > PRUNED
    )
    return [_claim(place, relation, best, margins.get(place, {})) for place, relation in sorted(keys)]


def _claim(
    place: Place, relation: str, best: Mapping[tuple[Place, str], Constructed], row: Mapping[str, float]
) -> Claim:
    field, start, end = place
    read = best.get((place, relation))
    overlapped = otherwise = 0.0
    for (there, name), found in best.items():
        if name == relation and there != place and there[0] == field and there[1] < end and start < there[2]:
            overlapped = max(overlapped, found.confidence)
        elif name != relation and there == place:
            otherwise = max(otherwise, found.confidence)
    return Claim(
        relation,
        field,
        start,
        end,
        read.value if read else None,
        read.pattern if read else "span",
        row.get(relation, LOWEST),
        max((margin for name, margin in row.items() if name != relation), default=LOWEST),
        read.confidence if read else 0.0,
        overlapped,
        otherwise,
    )
