"""Resolution: mentions in the words of their sources become facts under one name for each relation and value."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.resolve.records import MergeRecord, Resolution
from kgbuild.types import CATALOGUE, Fact, Mention

if TYPE_CHECKING:
    from kgbuild.schema import Schema

__all__ = ["MergeRecord", "Resolution", "resolve"]


def resolve(mentions: Iterable[Mention], schema: Schema, *, overrides: Path | None = None) -> Resolution:
    """One fact a triple, each with its best-supported mention as evidence."""
    best: dict[tuple[str, str, str, str], Mention] = {}
    for mention in mentions:
        key = (mention.item, mention.relation, type(mention.value).__name__, str(mention.value))
        if key not in best or _evidence_order(mention) < _evidence_order(best[key]):
            best[key] = mention
    facts = [
        Fact(best[key], best[key].relation, best[key].value, best[key].range or key[1])
        for key in sorted(best)
    ]
    relations: dict[str, list[str]] = {fact.relation: [] for fact in facts}
    values: dict[tuple[str, str], list[str]] = {
        (fact.range, fact.value): [] for fact in facts if isinstance(fact.value, str)
    }
    return Resolution(facts, dict(sorted(relations.items())), dict(sorted(values.items())))


def _evidence_order(mention: Mention) -> tuple[object, ...]:
    """Smallest first: what the catalogue knows, then the surest, then by place and wording, so that ties are fixed."""
    return (
        mention.source != CATALOGUE,
        -mention.confidence,
        mention.source,
        mention.field or "",
        -1 if mention.start is None else mention.start,
        -1 if mention.end is None else mention.end,
        mention.relation,
        str(mention.value),
    )
