"""What a run of `kgbuild extract` did, or would do, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kgbuild.resolve import Resolution
from kgbuild.write import OutputPaths

_REMAINING_NAMED = 10


@dataclass(frozen=True)
class ExtractSummary:
    """What a run did, in numbers."""

    items: int
    rejected: int
    failed: int
    reused: int
    facts: int
    facts_by_source: Mapping[str, int]
    facts_by_relation: Mapping[str, int]
    values: int
    values_merged: int
    relations_merged: int
    warnings: Mapping[str, int]
    seconds: float
    files: Mapping[str, str]
    stopped: str | None = None
    """Which limit ended the run before every item was asked about; the same command carries on."""
    remaining: int = 0
    """Items that were not asked about; all are named in the file "remaining", the first ones here."""
    remaining_first: tuple[str, ...] = ()
    spending: Mapping[str, Any] | None = None
    """What calls came to, in "this run" and for "this graph" in all runs; None where nothing was paid for."""


@dataclass(frozen=True)
class ExtractEstimate:
    """What a run would do, in numbers: tokens and prices are guesses, with nothing taken to be cached."""

    items: int
    rejected: int
    reused: int
    to_ask: int
    spending: Mapping[str, Any]


def remaining_file(paths: OutputPaths) -> Path:
    """Where the items are named that a run with a limit did not come to."""
    return paths.graph.with_name(paths.graph.name.removesuffix(".ttl") + ".remaining.jsonl")


def summarise(
    paths: OutputPaths,
    resolution: Resolution,
    warnings: Mapping[str, tuple[int, int]],
    *,
    items: int,
    rejected: int,
    failed: int,
    reused: int,
    stopped: str | None,
    remaining: Sequence[tuple[str, int]],
    spending: Mapping[str, Any] | None,
    seconds: float,
) -> ExtractSummary:
    """The summary of a run; `warnings` are (first line, count) by text, `remaining` (id, line) in order."""
    by_kind = Counter(merge.kind for merge in resolution.merges)
    written = {
        "graph": paths.graph,
        "evidence": paths.evidence,
        "merges": paths.merges,
        "rejected": paths.rejected,
        "remaining": remaining_file(paths),
    }
    return ExtractSummary(
        items=items,
        rejected=rejected,
        failed=failed,
        reused=reused,
        facts=len(resolution.facts),
        facts_by_source=_counted(fact.mention.source for fact in resolution.facts),
        facts_by_relation=_counted(fact.relation for fact in resolution.facts),
        values=len({(fact.range, fact.value) for fact in resolution.facts if isinstance(fact.value, str)}),
        values_merged=by_kind["value"],
        relations_merged=by_kind["relation"],
        warnings={text: count for text, (_, count) in sorted(warnings.items())},
        seconds=round(seconds, 3),
        files={name: str(path) for name, path in written.items() if path.exists()},
        stopped=stopped,
        remaining=len(remaining),
        remaining_first=tuple(identifier for identifier, _ in remaining[:_REMAINING_NAMED]),
        spending=spending,
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    """Most frequent first, ties by name."""
    return dict(sorted(Counter(names).items(), key=lambda counted: (-counted[1], counted[0])))
