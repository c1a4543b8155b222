"""Queries in batches whose supports are of like length: what a learner holds at once grows with the longest of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from coldplug.types import IntArray, Query

SCORES = 2_000_000
"""Scores held at once; bounds the memory of a data set with many items."""
SUPPORTS = 50_000
"""Support items held at once, padding counted: some learners hold a vector, or a row of scores, for each."""


def batches(queries: Sequence[Query], n_items: int) -> Iterator[tuple[IntArray, list[Query]]]:
    """Row numbers and queries, each row once, short supports first."""
    sizes = np.array([len(query.items) for query in queries], np.int64)
    order = np.argsort(sizes, kind="stable")
    rows = max(1, SCORES // max(n_items, 1))
    start = 0
    while start < len(order):
        stop = min(start + rows, len(order))
        # the last of the batch is the longest
        while (stop - start) * sizes[order[stop - 1]] > SUPPORTS and stop - start > 1:
            stop = start + max(1, min(stop - start - 1, SUPPORTS // int(sizes[order[stop - 1]])))
        batch = order[start:stop].astype(np.int64)
        yield batch, [queries[row] for row in batch.tolist()]
        start = stop
