"""One recommender's scores on the scale of another: shift and stretch, person by person."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from coldplug.hosts import Host, Person, support_ids
from coldplug.plug import Plug
from coldplug.types import FloatArray

REFERENCE = 500
"""Items that scales are compared on; the mean and deviation of so many are known to a twentieth or so."""


def stretch(wanted: FloatArray, given: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Scale and offset, (n_people, 1) each, that give `given` the mean and the deviation that `wanted` has.

    Both (n_people, n_items), the same items; those where either is NaN are left out. Matching moments, not least squares:
    the slope of a regression is smaller by the correlation of the two, and would draw one of them to its middle. NaN for a
    person with fewer than two items in common, or for whom `given` is constant.
    """
    both = ~(np.isnan(wanted) | np.isnan(given))
    n = both.sum(1, keepdims=True)
    count = np.maximum(n, 1)

    def moments(values: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        kept = np.where(both, values, 0.0).astype(np.float64)
        mean = kept.sum(1, keepdims=True) / count
        return mean, np.sqrt((np.where(both, kept - mean, 0.0) ** 2).sum(1, keepdims=True) / count)

    (to_mean, to_spread), (from_mean, from_spread) = moments(wanted), moments(given)
    flat = (n < 2) | (from_spread <= 1e-12)
    scale = np.where(flat, np.nan, to_spread / np.where(flat, 1.0, from_spread))
    return scale.astype(np.float32), (to_mean - scale * from_mean).astype(np.float32)


class Reference:
    """The items on which a host's scores and ours are compared: fixed, so that a score depends on no other item asked for.

    They are spread evenly over the items that both know, from the most met to the least. What a person has met says nothing
    there: most hosts score their own training data higher than anything else.
    """

    def __init__(self, host: Host, plug: Plug, size: int = REFERENCE) -> None:
        ids = plug.item_ids
        counts = host.item_counts(ids)
        known = np.argsort(-counts, kind="stable")[: int((counts > 0).sum())]
        chosen = known[np.linspace(0, len(known) - 1, min(size, len(known))).astype(np.int64)]
        self.ids = [ids[item] for item in chosen.tolist()]

    def scores(self, host: Host, plug: Plug, people: Sequence[Person]) -> tuple[FloatArray, FloatArray]:
        """(n_people, n_reference) the host's and ours; NaN for what a person has met, and where the host has none."""
        theirs, ours = host.scores(people, self.ids), plug_scores(plug, people, self.ids)
        for row, person in enumerate(people):
            theirs[row, np.isin(self.ids, support_ids(person.support))] = np.nan
        return theirs, ours


def plug_scores(plug: Plug, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
    """(n_people, n_items) ours; NaN for items that the model does not know."""
    pairs = [(person.attributes, person.support) for person in people]
    return plug.score_batch(pairs, item_ids, unknown="nan")
