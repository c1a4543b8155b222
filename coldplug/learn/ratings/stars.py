"""From the expected rating to the one to predict: a rating is one of a few levels, and not evenly spread about its mean.

The chance that a rating is at most level k is Phi((t_k - m) / s) for the expected rating m. Thresholds t and spread s are
fitted by maximum likelihood (ordered probit; McCullagh 1980). The median of that, interpolated within the level it falls in
as for grouped data, lies above the mean where the low ratings are the long tail. What is predicted is midway between the
two: on users and items held out that is better than the mean in absolute and in squared error both. It is not rounded, and
as it rises with m it changes no order among items of one kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import ndtr

from coldplug.learn.ratings.rows import Array
from coldplug.types import FloatArray

MOST_LEVELS = 20
"""With more distinct ratings than this they are taken as a continuum, and the mean is predicted."""
_LEAST = 200
"""Pairs of an expected and a true rating that a fit needs."""


@dataclass(frozen=True)
class Stars:
    """`levels` (n,) rising; `thresholds` (n - 1,) rising; `spread`. No thresholds: the mean is predicted."""

    levels: Array
    thresholds: Array
    spread: float

    @classmethod
    def fit(cls, expected: Array, ratings: Array, levels: Array) -> Stars:
        """The thresholds and the spread under which these ratings are likeliest, given what was expected of each."""
        n = len(levels)
        if not 2 <= n <= MOST_LEVELS or len(ratings) < _LEAST:
            return cls(levels, np.zeros(0), 1.0)
        place = np.searchsorted(levels, ratings)
        gap = float(levels[-1] - levels[0]) / (n - 1)

        def unpacked(raw: Array) -> tuple[Array, float]:
            return np.cumsum(np.concatenate([raw[:1], np.exp(raw[1 : n - 1])])), float(np.exp(raw[-1]))

        def surprise(raw: Array) -> float:
            reached = _reached(expected, *unpacked(raw))
            rows = np.arange(len(place))
            return float(-np.log(np.maximum(reached[rows, place + 1] - reached[rows, place], 1e-9)).mean())

        first = np.concatenate([[levels[0] + gap / 2], np.full(n - 2, np.log(gap)), [np.log(gap)]])
        found = minimize(surprise, first, method="L-BFGS-B")
        return cls(levels, *unpacked(found.x))

    def predict(self, expected: FloatArray) -> FloatArray:
        """The same shape: midway between what is expected and the interpolated median."""
        if not len(self.thresholds):
            return expected
        middle = (self.levels[1:] + self.levels[:-1]) / 2
        edges = np.concatenate([[2 * self.levels[0] - middle[0]], middle, [2 * self.levels[-1] - middle[-1]]])
        flat = expected.ravel().astype(np.float64)
        # the median is where half is reached: between the thresholds on either side of the expected rating
        level = np.searchsorted(self.thresholds, flat)
        walls = np.concatenate([[-np.inf], self.thresholds, [np.inf]])
        below, upto = ndtr((walls[level] - flat) / self.spread), ndtr((walls[level + 1] - flat) / self.spread)
        share = (0.5 - below) / np.maximum(upto - below, 1e-12)
        median = edges[level] + share * (edges[level + 1] - edges[level])
        return ((flat + median) / 2).reshape(expected.shape).astype(np.float32)


def _reached(expected: Array, thresholds: Array, spread: float) -> Array:
    """(n, n_levels + 1) chance of lying below each level, from 0 to 1."""
    inner = ndtr((thresholds[None, :] - expected[:, None]) / spread)
    return np.hstack([np.zeros((len(expected), 1)), inner, np.ones((len(expected), 1))])
