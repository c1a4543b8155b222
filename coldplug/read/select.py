"""A part of a graph: some of its items with their facts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldplug.types import ItemGraph


def only_items(graph: ItemGraph, keep: NDArray[np.bool_]) -> ItemGraph:
    """The graph of the items where `keep` (n_items,) is true; relations and values keep their numbers."""
    if keep.all():
        return graph
    number = np.cumsum(keep) - 1
    facts, literals = keep[graph.heads], keep[graph.literal_items]
    chosen = np.flatnonzero(keep).tolist()
    return replace(
        graph,
        item_ids=[graph.item_ids[n] for n in chosen],
        titles=[graph.titles[n] for n in chosen],
        descriptions=[graph.descriptions[n] for n in chosen],
        heads=number[graph.heads[facts]],
        relations=graph.relations[facts],
        tails=graph.tails[facts],
        weights=graph.weights[facts],
        stated=graph.stated[facts],
        literal_items=number[graph.literal_items[literals]],
        literal_relations=graph.literal_relations[literals],
        literal_numbers=graph.literal_numbers[literals],
        literal_stated=graph.literal_stated[literals],
    )
