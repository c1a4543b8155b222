"""NDCG@10 of many lists at once, to choose by on what is held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from coldplug.types import FloatArray

DEPTH = 10
_DISCOUNT = 1 / np.log2(np.arange(DEPTH) + 2)


def list_ndcg(
    scores: FloatArray, liked: NDArray[np.bool_], ranked: NDArray[np.bool_], ideal: FloatArray
) -> FloatArray:
    """NDCG@10 with binary gain of lists along the last axis; `ideal` is the best gain there can be; ties in any order."""
    shown = np.where(ranked, scores, -np.inf)
    relevant = liked & ranked
    depth = min(DEPTH, scores.shape[-1])
    top = np.argpartition(-shown, depth - 1, axis=-1)[..., :depth]
    order = np.argsort(-np.take_along_axis(shown, top, -1), axis=-1, kind="stable")
    top = np.take_along_axis(top, order, -1)
    return np.asarray((np.take_along_axis(relevant, top, -1) * _DISCOUNT[:depth]).sum(-1) / ideal)


def ideal_gains(relevant: NDArray[np.bool_]) -> FloatArray:
    """The discounted gain of lists along the last axis with all that is relevant first; nan where nothing is."""
    best = np.concatenate([[np.nan], np.cumsum(_DISCOUNT)])
    return np.asarray(best[np.minimum(relevant.sum(-1), DEPTH)])
