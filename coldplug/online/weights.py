"""How much recent sessions count for a new item, by how many it is in, learned from likes as they came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.types import FloatArray, IntArray

STEPS = (1, 2, 4, 8, 16, 32)
"""Numbers of sessions from which the next weight holds; to an item in none nothing is added."""
RIDGE = 1.0
"""Penalty on the squares of all weights, of nearness in units of its root mean square; the loss is a sum over likes."""


@dataclass(frozen=True)
class Moment:
    """One like and what it was chosen from.

    Of the new items in some session that could be chosen: the model's scores, numbers of sessions, and nearness, (n,).
    `rest` is the log of the sum of exp of the model's scores of all others that could be. `chosen` is the place of the one
    liked among the former, -1 where it was none of them.
    """

    rest: float
    scores: FloatArray
    counts: IntArray
    near: FloatArray
    chosen: int


@dataclass(frozen=True)
class Weights:
    """What is added to the score of a new item: offset + slope * nearness, both by its number of sessions (see STEPS)."""

    offsets: NDArray[np.float64]
    slopes: NDArray[np.float64]

    def added(self, counts: IntArray, near: FloatArray) -> FloatArray:
        """(n_items,) to be added to the model's scores."""
        step = np.searchsorted(STEPS, counts, side="right") - 1
        added = self.offsets[step] + self.slopes[step] * near
        return np.where(counts > 0, added, 0.0).astype(np.float32)

    def as_json(self) -> Mapping[str, Any]:
        """JSON-able."""
        return {
            "sessions from": list(STEPS),
            "offset": self.offsets.round(3).tolist(),
            "slope": self.slopes.round(3).tolist(),
        }


def fit_weights(moments: Sequence[Moment], *, walk: bool = True) -> Weights:
    """The weights under which the likes are likeliest, each a choice among all items (softmax), with a small penalty.

    Args:
        moments: likes of new and of known items alike.
        walk: False fits the offsets alone, which say no more than how popular an item is by now.
    """
    from scipy.optimize import minimize

    n = len(STEPS)
    sizes = np.array([len(moment.scores) for moment in moments])
    owner = np.repeat(np.arange(len(moments)), sizes)
    scores = np.concatenate([moment.scores for moment in moments]).astype(np.float64)
    near = np.concatenate([moment.near for moment in moments]).astype(np.float64)
    unit = float(np.sqrt((near**2).mean())) or 1.0 if len(near) else 1.0
    near /= unit
    step = np.searchsorted(STEPS, np.concatenate([moment.counts for moment in moments]), side="right") - 1
    rest = np.array([moment.rest for moment in moments])
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    chosen = np.array([s + m.chosen for s, m in zip(starts, moments, strict=True) if m.chosen >= 0], np.int64)
    gained = np.r_[np.bincount(step[chosen], minlength=n), np.bincount(step[chosen], near[chosen], n)]

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        offsets, slopes = weights[:n], weights[n:] * walk
        total = scores + offsets[step] + slopes[step] * near
        highest = rest.copy()
        np.maximum.at(highest, owner, total)
        grown = np.exp(total - highest[owner])
        sums = np.exp(rest - highest) + np.bincount(owner, grown, len(moments))
        share = grown / sums[owner]
        expected = np.r_[np.bincount(step, share, n), np.bincount(step, share * near, n) * walk]
        value = (highest + np.log(sums)).sum() - total[chosen].sum() + 0.5 * RIDGE * weights @ weights
        return float(value), expected - gained * np.r_[np.ones(n), np.full(n, walk)] + RIDGE * weights

    found = minimize(loss, np.zeros(2 * n), jac=True, method="L-BFGS-B").x
    return Weights(found[:n], found[n:] * walk / unit)
