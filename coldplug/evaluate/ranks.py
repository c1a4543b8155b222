"""Which methods can be told apart: Friedman's test and Nemenyi's critical difference over users (Demsar 2006)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LEVEL = 0.05


def average_ranks(values: Floats) -> Floats:
    """(n_methods,) mean over blocks of the rank of each method's value in the block, 1 the highest, ties their mean.

    Args:
        values: (n_blocks, n_methods), higher is better.
    """
    from scipy.stats import rankdata

    return np.asarray(rankdata(-values, axis=1).mean(0), np.float64)


def friedman(values: Floats) -> float:
    """Probability of average ranks as far apart as these if all methods were alike (Friedman 1937, corrected for ties)."""
    from scipy.stats import friedmanchisquare

    if values.shape[1] < 3 or (values == values[:, :1]).all():
        return 1.0
    return float(friedmanchisquare(*values.T).pvalue)


def critical_difference(n_methods: int, n_blocks: int, level: float = LEVEL) -> float:
    """Average ranks further apart than this differ: q sqrt(k (k + 1) / (6 n)), Demsar 2006, section 3.2.2.

    q is the quantile of the studentised range for k groups and infinitely many degrees of freedom, over the root of 2.
    """
    quantile = range_quantile(n_methods, 1 - level) / np.sqrt(2)
    return float(quantile * np.sqrt(n_methods * (n_methods + 1) / (6 * n_blocks)))


@cache
def range_quantile(k: int, share: float) -> float:
    """What the range of k standard normal numbers stays under in that share of draws.

    P(range < q) = k * integral of phi(x) (Phi(x) - Phi(x - q))^(k - 1) dx, x the largest. scipy's studentised range gives
    the same, and takes seconds for it.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    x = np.linspace(-9.0, 9.0, 4001)
    density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)

    def above(q: float) -> float:
        return float(k * np.sum(density * (ndtr(x) - ndtr(x - q)) ** (k - 1)) * (x[1] - x[0])) - share

    return float(brentq(above, 0.0, 20.0))


def alike(average: Mapping[str, float], difference: float) -> list[list[str]]:
    """The largest groups, best first, whose average ranks lie no further apart than the difference; none of one."""
    ordered = sorted(average, key=lambda name: average[name])
    groups: list[list[str]] = []
    for start, first in enumerate(ordered):
        group = [name for name in ordered[start:] if average[name] - average[first] <= difference]
        if len(group) > 1 and (not groups or group[-1] != groups[-1][-1]):
            groups.append(group)
    return groups


def compared(methods: Sequence[str], columns: Sequence[Floats]) -> dict[str, Any] | None:
    """A row of a result's `ranks`; None where there are fewer than two methods or blocks.

    Args:
        methods: names.
        columns: one value a block for each of them; a block where any is NaN is left out.
    """
    if len(methods) < 2:
        return None
    values = np.stack(columns, axis=1)
    values = values[~np.isnan(values).any(1)]
    if len(values) < 2:
        return None
    average = {name: round(float(rank), 4) for name, rank in zip(methods, average_ranks(values), strict=True)}
    difference = critical_difference(len(methods), len(values))
    return {
        "blocks": len(values),
        "friedman_p": friedman(values),
        "critical_difference": round(difference, 4),
        "average": average,
        "alike": alike(average, difference),
    }
