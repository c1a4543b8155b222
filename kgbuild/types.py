"""The frozen records that pass between the stages: Item -> Mention -> Fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Scalar = str | int | float | date
FieldName = Literal["title", "description"]
CATALOGUE = "catalogue"


@dataclass(frozen=True, slots=True)
class Item:
    """One catalogue item. `attributes` holds, for each name, the values the catalogue already knows."""

    id: str
    title: str = ""
    description: str = ""
    category: str = ""
    attributes: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mention:
    """One statement about one item, in the words of its source, before anything is merged.

    `start` and `end` count characters of the named field, so `getattr(item, field)[start:end] == quote`; all four are None
    where the statement has no place in the text. `range` scopes the identity of the value ("person", "place", ...);
    None means that the relation is its own range.
    """

    item: str
    relation: str
    value: Scalar
    confidence: float
    source: str
    field: FieldName | None = None
    start: int | None = None
    end: int | None = None
    quote: str | None = None
    range: str | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """A mention after resolution: `relation` and `value` are the canonical labels of what the mention said."""

    mention: Mention
    relation: str
    value: Scalar
    range: str
