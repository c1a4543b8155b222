"""Paired bootstrap intervals over users and cold items: every method sees the same draws."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
REPLICATES = 500
RANKS_KEPT = 32
"""Ranks kept of each ranking: enough that a draw of the items fills ten places from them."""


@dataclass(frozen=True)
class Draws:
    """How often each user, and each item, comes up in each replicate: (replicates, n)."""

    users: NDArray[np.int32]
    items: NDArray[np.int32]


def draws(name: str, n_users: int, n_items: int, replicates: int = REPLICATES) -> Draws:
    """Draws with replacement that depend on the name and the sizes alone, so that methods are paired."""
    seed = int(hashlib.sha1(name.encode()).hexdigest()[:12], 16)
    random = np.random.default_rng(seed)

    def drawn(n: int) -> NDArray[np.int32]:
        if n == 0:
            return np.zeros((replicates, 0), np.int32)
        return np.stack(
            [np.bincount(random.integers(0, n, n), minlength=n) for _ in range(replicates)]
        ).astype(np.int32)

    return Draws(drawn(n_users), drawn(n_items))


def over_users(values: Floats, drawn: NDArray[np.int32]) -> Floats:
    """(replicates,) means over the drawn users; users whose value is NaN are left out."""
    known = ~np.isnan(values)
    weight = drawn[:, known]
    return np.asarray(weight @ values[known] / np.maximum(weight.sum(1), 1), np.float64)


def kept_ranks(scores: NDArray[Any], ranks: int = RANKS_KEPT, seed: int = 0) -> NDArray[np.int64]:
    """(n_queries, ranks) columns of the highest scores, best first; ties in an order drawn once."""
    n_items = scores.shape[1]
    shuffle = np.random.default_rng(seed).permutation(n_items)
    width = min(ranks, n_items)
    mixed = -np.nan_to_num(scores[:, shuffle], nan=-np.inf)
    top = np.sort(np.argpartition(mixed, width - 1, axis=1)[:, :width], axis=1)
    order = np.argsort(np.take_along_axis(mixed, top, axis=1), axis=1, kind="stable")
    return np.asarray(shuffle[np.take_along_axis(top, order, axis=1)], np.int64)


def over_users_and_items(
    kept: NDArray[np.int64], relevant: Sequence[NDArray[np.int64]], drawn: Draws, k: int = 10
) -> Floats:
    """(replicates,) mean NDCG@k when users and items are both drawn anew.

    An item drawn w times takes w places in a row in every ranking, and counts w times among the relevant.

    Args:
        kept: (n_users, ranks) from `kept_ranks`.
        relevant: columns relevant to each user.
        drawn: draws of users and of columns.
    """
    n_users, _ = kept.shape
    n_items = drawn.items.shape[1]
    sizes = np.array([len(r) for r in relevant])
    flat = np.concatenate([*relevant, np.empty(0, np.int64)]).astype(np.int64)
    owner = np.repeat(np.arange(n_users), sizes)
    hit = np.isin(kept + np.arange(n_users)[:, None] * n_items, flat + owner * n_items)
    gain_to = np.concatenate([[0.0], np.cumsum(1.0 / np.log2(np.arange(2, k + 2)))]).astype(np.float32)
    hits = hit.astype(np.float32)
    out = np.full(len(drawn.users), np.nan)
    for replicate, (users, items) in enumerate(zip(drawn.users, drawn.items, strict=True)):
        filled = np.minimum(np.cumsum(items.astype(np.int16)[kept], axis=1, dtype=np.int16), k)
        reached = gain_to[filled]
        reached[:, 1:] -= reached[:, :-1].copy()
        gained = np.einsum("ij,ij->i", hits, reached).astype(np.float64)
        wanted = np.minimum(np.bincount(owner, items[flat], n_users).astype(np.int64), k)
        counted = users * (wanted > 0)
        if counted.sum():
            out[replicate] = (counted * gained / np.maximum(gain_to[wanted], 1e-12)).sum() / counted.sum()
    return out


def interval(first: Floats, second: Floats, share: float = 0.95) -> tuple[float, float]:
    """Ends of the central interval of first minus second, replicate by replicate."""
    tail = (1 - share) / 2
    low, high = np.nanquantile(first - second, [tail, 1 - tail])
    return float(low), float(high)
