"""Counts of a graph that tell whether a recommender can learn from it: who is tied to whom, and by what."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from kgbuild.report.facts import FactTable, Ints
from kgbuild.types import CATALOGUE

Numbers = dict[str, Any]
Mask = np.ndarray[Any, np.dtype[np.bool_]]
HUB_SHARE = 0.10
"""A value on more than this share of all items is a hub: it says nearly the same of all of them."""
HUB_LEAST = 4
"""No value on so few items is a hub, however small the catalogue."""
HEAD_SHARE = 0.80
"""The head: the largest relations that together hold this share of the facts."""
_HUBS_SHOWN = 10


def hub_above(n_items: int) -> int:
    """The number of items above which a value is a hub."""
    return max(HUB_LEAST, int(HUB_SHARE * n_items))


def measure(table: FactTable, known: Collection[str] | None = None) -> Numbers:
    """All numbers of the report but those of certainty and merges, ready for JSON; shares lie in [0, 1].

    A value ties two items together where both have it, it is not a hub, and it is neither number nor date:
    those are near or far rather than the same.

    Args:
        known: ids of items with interactions; the graph's other items are cold. None where nothing is known
            of interactions.
    """
    n_items, catalogue = len(table.ids), _from_catalogue(table)
    warm = None if known is None else np.array([ident in known for ident in table.ids], np.bool_)
    everything = np.ones(len(table.item), np.bool_)
    a_view = {"whole graph": everything}
    if catalogue.any() and not catalogue.all():
        a_view |= {"catalogue alone": catalogue, "text alone": ~catalogue}
    facts = np.bincount(table.item, minlength=n_items).astype(np.int32)
    uses, ties = _ties(table, everything)
    amounts = _amounts(table)
    limit = hub_above(n_items)
    return {
        "graph": table.name,
        "items": n_items,
        "facts": len(table.item),
        "relations": len(table.relations),
        "values": int((~amounts).sum()),
        "facts_from_catalogue": int(catalogue.sum()),
        "facts_from_text": int((~catalogue).sum()),
        "facts_with_numbers_or_dates": int(amounts[table.value].sum()),
        "facts_an_item": _spread(facts),
        "hub_above": limit,
        "values_on_one_item": int((uses == 1).sum()),
        "values_that_tie": int(((uses > 1) & (uses <= limit)).sum()),
        "values_that_are_hubs": int((uses > limit).sum()),
        "hubs": [
            {
                "value": table.values[value].label,
                "range": table.values[value].range,
                "items": int(uses[value]),
            }
            for value in np.argsort(-uses, kind="stable")[:_HUBS_SHOWN]
            if uses[value] > limit
        ],
        "ties_an_item": _spread(ties),
        "cold_items": None if warm is None else int((~warm).sum()),
        "warm_items": None if warm is None else int(warm.sum()),
        "tied": [{"facts": name, **_tied(table, mask, warm)} for name, mask in a_view.items()],
        "by_relation": _by_relation(table, uses, catalogue),
    }


def _from_catalogue(table: FactTable) -> Mask:
    flags: Mask = np.array([source == CATALOGUE for source in table.sources], np.bool_)[table.source]
    return flags


def _amounts(table: FactTable) -> Mask:
    return np.array([value.amount for value in table.values], np.bool_)


def _pairs(table: FactTable, mask: Mask) -> tuple[Ints, Ints]:
    """The items and values of the masked facts, each pair once: a person who directs and plays ties once."""
    mask = mask & ~_amounts(table)[table.value]
    width = len(table.values)
    joined = np.unique(table.item[mask].astype(np.int64) * width + table.value[mask])
    return (joined // width).astype(np.int32), (joined % width).astype(np.int32)


def _ties(table: FactTable, mask: Mask) -> tuple[Ints, Ints]:
    """Of each value the number of items that have it; of each item the number of values that tie it."""
    items, values = _pairs(table, mask)
    uses = np.bincount(values, minlength=len(table.values)).astype(np.int32)
    tying = (uses[values] > 1) & (uses[values] <= hub_above(len(table.ids)))
    return uses, np.bincount(items[tying], minlength=len(table.ids)).astype(np.int32)


def _tied(table: FactTable, mask: Mask, warm: Mask | None) -> Numbers:
    """How many items are tied to another, and of the cold ones, how many to one with interactions."""
    items, values = _pairs(table, mask)
    uses, ties = _ties(table, mask)
    n_items = len(table.ids)
    found: Numbers = {"items": int((ties > 0).sum()), "share": _share(int((ties > 0).sum()), n_items)}
    if warm is None:
        return found
    n_cold = int((~warm).sum())
    cold = int(((ties > 0) & ~warm).sum())
    warm_uses = np.bincount(values[warm[items]], minlength=len(table.values))
    to_warm = (uses[values] > 1) & (uses[values] <= hub_above(n_items)) & (warm_uses[values] > 0)
    reached = np.zeros(n_items, np.bool_)
    reached[items[to_warm]] = True
    cold_to_warm = int((reached & ~warm).sum())
    return found | {
        "cold_items": cold,
        "cold_share": _share(cold, n_cold),
        "cold_to_warm_items": cold_to_warm,
        "cold_to_warm_share": _share(cold_to_warm, n_cold),
    }


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _spread(counts: Ints) -> Numbers:
    """Mean, median, extremes, and how many items lie in bins that double: 0, 1, 2, 3-4, 5-8, ..."""
    if not len(counts):
        return {"mean": 0.0, "median": 0.0, "least": 0, "most": 0, "bins": []}
    bins: list[dict[str, int]] = []
    low, high = 0, 0
    while low <= counts.max():
        inside = int(((counts >= low) & (counts <= high)).sum())
        bins.append({"from": low, "to": high, "items": inside})
        low, high = high + 1, max(1, high * 2)
    return {
        "mean": round(float(counts.mean()), 3),
        "median": float(np.median(counts)),
        "least": int(counts.min()),
        "most": int(counts.max()),
        "bins": bins,
    }


def entropy(counts: Sequence[int] | Ints) -> float:
    """Shannon entropy in bits, H = -sum p log2 p (Shannon 1948), of a distribution given as counts."""
    total = float(sum(counts))
    return round(-sum(c / total * math.log2(c / total) for c in map(float, counts) if c) + 0.0, 4)


def _by_relation(table: FactTable, uses: Ints, catalogue: Mask) -> list[Numbers]:
    """One row a relation, largest first, ties by name."""
    limit, n_items = hub_above(len(table.ids)), len(table.ids)
    counts = np.bincount(table.relation, minlength=len(table.relations))
    names = [relation.label for relation in table.relations]
    order = sorted(range(len(names)), key=lambda number: (-counts[number], names[number]))
    groups = np.split(np.argsort(table.relation, kind="stable"), np.cumsum(counts)[:-1])
    rows: list[Numbers] = []
    before = 0
    for number in order:
        facts = groups[number]
        used = np.unique(table.value[facts], return_counts=True)[1].astype(np.int32)
        text = facts[~catalogue[facts]]
        items = len(np.unique(table.item[facts]))
        rows.append(
            {
                "relation": names[number],
                "wordings": list(table.relations[number].wordings),
                "part": "head" if before < HEAD_SHARE * len(table.item) else "tail",
                "facts": len(facts),
                "share": _share(len(facts), len(table.item)),
                "items": items,
                "items_share": _share(items, n_items),
                "values": len(used),
                "shared_values": int((used > 1).sum()),
                "facts_on_hubs": int((uses[table.value[facts]] > limit).sum()),
                "entropy": entropy(used),
                "from_text": len(text),
                "mean_confidence": round(float(table.confidence[text].mean()), 4) if len(text) else None,
            }
        )
        before += len(facts)
    return rows
