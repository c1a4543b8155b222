"""Accuracy of many rankings at once; ties count as the mean over all orders of the tied items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Accuracy:
    """One number a query; NaN where the query has no relevant item and so cannot be scored."""

    ndcg: NDArray[np.float64]
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    first: NDArray[np.float64]
    """Chance that the first item is relevant."""


def expected_gains(scores: Floats, relevant: Bools, k: int, excluded: Bools | None = None) -> Floats:
    """Chance that the item at each of the first k ranks is relevant, ties broken uniformly at random.

    Within a group of equal scores every order is as likely as any other, so each rank of the group expects
    the group's share of relevant items. NaN and minus infinity rank below every other score and tie with
    each other.

    Args:
        scores: (n_queries, n_items), higher is better.
        relevant: (n_queries, n_items).
        k: ranks to look at; at least 1.
        excluded: (n_queries, n_items), True where the item is not to be ranked for that query.

    Returns:
        (n_queries, k); zero at ranks beyond the number of ranked items.
    """
    n, m = scores.shape
    if k < 1 or relevant.shape != (n, m):
        raise ValueError(f"k={k}, scores {scores.shape}, relevant {relevant.shape}")
    ranked: Floats = np.array(scores, scores.dtype if scores.dtype == np.float32 else np.float64)
    if not np.isfinite(ranked).all():
        lowest = float(np.finfo(ranked.dtype).min)
        ranked = np.nan_to_num(ranked, copy=False, nan=lowest, neginf=lowest)
    counted = relevant
    if excluded is not None:
        ranked[excluded] = -np.inf
        counted = relevant & ~excluded
    width = min(k, m)
    if n == 0 or width == 0:
        return np.zeros((n, k))
    top = np.argpartition(ranked, m - width, axis=1)[:, m - width :]
    values = np.take_along_axis(ranked, top, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    values = np.take_along_axis(values, order, axis=1)
    gains = np.take_along_axis(counted, np.take_along_axis(top, order, axis=1), axis=1).astype(np.float64)
    same = values[:, :, None] == values[:, None, :]
    share = (same * gains[:, None, :]).sum(2) / same.sum(2)
    # the last group may reach beyond rank k: count it over the whole row
    last = values[:, -1:]
    boundary = ranked == last
    last_share = (boundary & counted).sum(1, keepdims=True) / boundary.sum(1, keepdims=True)
    share = np.where(values == last, last_share, share)
    share[np.isneginf(values)] = 0.0
    out = np.zeros((n, k))
    out[:, :width] = share
    return out


def accuracy(
    scores: Floats, relevant: Bools, excluded: Bools | None = None, *, ndcg_at: int = 10, recall_at: int = 20
) -> Accuracy:
    """NDCG with binary gain (Jarvelin and Kekalainen 2002), Recall, Precision and the first item, in expectation over ties.

    NDCG@k = sum over the first k ranks of gain / log2(rank + 1), over the same sum of min(k, relevant) ones.
    Recall@k = relevant items in the first k ranks / min(k, relevant). Precision@k = the same / k, at the cut of NDCG.

    Args:
        scores, relevant, excluded: (n_queries, n_items), see `expected_gains`.
        ndcg_at, recall_at: the two cut-offs; precision has the first.
    """
    gains = expected_gains(scores, relevant, max(ndcg_at, recall_at), excluded)
    counts = (relevant if excluded is None else relevant & ~excluded).sum(1)
    discounts = 1.0 / np.log2(np.arange(2, ndcg_at + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(discounts)])[np.minimum(counts, ndcg_at)]
    possible = np.where(counts > 0, np.minimum(counts, recall_at), np.nan)
    some = np.where(counts > 0, 1.0, np.nan)
    return Accuracy(
        ndcg=gains[:, :ndcg_at] @ discounts / ideal,
        recall=gains[:, :recall_at].sum(1) / possible,
        precision=gains[:, :ndcg_at].sum(1) / ndcg_at * some,
        first=np.asarray(gains[:, 0] * some, np.float64),
    )


def coverage(shown: NDArray[np.int64], n_items: int) -> float:
    """Share of the catalogue that comes up in anybody's list: `shown` (n_queries, k) are columns of n_items."""
    return len(np.unique(shown)) / n_items


def graded_ndcg(scores: Floats, gains: Floats, k: int) -> NDArray[np.float64]:
    """(n_queries,) NDCG@k with the graded gain itself, not its power of two (Jarvelin and Kekalainen 2002).

    Within a group of equal scores each rank expects the group's mean gain, so a constant scorer gets what a random order
    gets. NaN where a query has no gain above zero.

    Args:
        scores: (n_queries, n_items), higher is better, finite.
        gains: (n_queries, n_items), not negative: the true ratings.
        k: ranks to look at; at least 1.
    """
    if k < 1 or gains.shape != scores.shape:
        raise ValueError(f"k={k}, scores {scores.shape}, gains {gains.shape}")
    order = np.argsort(-scores, axis=1, kind="stable")
    values = np.take_along_axis(scores, order, axis=1)
    same = (values[:, :, None] == values[:, None, :]).astype(np.float64)
    expected = np.einsum("nij,nj->ni", same, np.take_along_axis(gains, order, axis=1)) / same.sum(2)
    discounts = 1.0 / np.log2(np.arange(2, min(k, scores.shape[1]) + 2))
    width = len(discounts)
    ideal = -np.sort(-gains, axis=1)[:, :width] @ discounts
    reached = expected[:, :width] @ discounts
    return np.where(ideal > 0, reached / np.where(ideal > 0, ideal, 1.0), np.nan)
