"""How much each part of the score counts, by support size, for items that were learned from and for items that were not.

The parts of a score are inner products of a user's vectors with an item's. Their weights are chosen on held-out users, for
whom a fifth of the items stand in for new ones, with the vectors predicted from the others: by coordinate ascent on the
NDCG of each kind of items, then by a scale and an offset that maximise the likelihood of both kinds together, so that the
scores of known and new items can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.learn.posterior.moments import mixing
from coldplug.types import FloatArray, IntArray

SIZES = (0, 1, 2, 3, 5, 10, 20, 50, 100)
PARTS = (
    "expected profile",
    "user vector",
    "item bias",
    "likes, fine",
    "likes, coarse",
    "association",
    "offset",
)
"""The parts of a score, in the order of the weights' last axis."""
COARSE = 32
"""Leading directions of the profile basis that make up the coarse view of a user's likes."""
_START_ANCHOR = np.array([8.0, 1.0, 1.0, 0.0, 0.0, 0.6, 0.0], np.float32)
_START_NEW = np.array([4.0, 0.2, 0.2, 4.0, 8.0, 0.0, 0.0], np.float32)
_FREE_ANCHOR = (0, 2, 5)
"""An anchor's own vector has its features in it already, so likes count only for new items."""
_FREE_NEW = (1, 2, 3, 4, 5)
_FACTORS = (0.5, 2.0, 0.71, 1.41)
_SEED_WEIGHT = 0.1
"""What a weight of 0 is raised to when it is tried."""
_SCALED = 300
"""Users that the scales are fitted to; three numbers need no more."""
_ROUNDS = 3
_GAIN = 5e-4
_MOST = 3.0
"""Bound of a logarithm of a scale."""


@dataclass(frozen=True)
class Blend:
    """`anchor` and `new` are (len(SIZES), len(PARTS)): the weights for the two kinds of items at each support size."""

    anchor: FloatArray
    new: FloatArray

    def at(self, k: int) -> tuple[FloatArray, FloatArray]:
        """The two weight vectors for a support of k items, each (len(PARTS),)."""
        shares = mixing(SIZES, k)
        anchor = sum(share * self.anchor[i] for i, share in shares)
        new = sum(share * self.new[i] for i, share in shares)
        return np.asarray(anchor, np.float32), np.asarray(new, np.float32)

    @classmethod
    def start(cls) -> Blend:
        """The weights to begin from, and to stay with where there is nothing to learn them from."""
        return cls(np.tile(_START_ANCHOR, (len(SIZES), 1)), np.tile(_START_NEW, (len(SIZES), 1)))


@dataclass(frozen=True)
class Episodes:
    """Users held out, each with a support of one size, and what makes up their scores of all anchors.

    `known` and `new` are (n_users, n_items, len(PARTS)): the parts of the scores with the anchors' own vectors, and with
    those predicted as if new. `targets` (n_users, n_items): grades of the query set, 0 elsewhere. `allowed` (n_users,
    n_items): True where the item may be ranked, False at the support.
    """

    known: FloatArray
    new: FloatArray
    targets: FloatArray
    allowed: NDArray[np.bool_]


def fit_weights(
    episodes: Episodes, folds: Sequence[IntArray], before: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Weights of one support size: first the order within each kind of items, then the two kinds on one scale.

    Args:
        episodes: of the support size.
        folds: the items that stand in for new ones together; a user ranks each fold by itself, so that there are as many
            to choose from as there would be.
        before: where to start: of anchors, of new items.
    """
    liked, allowed = episodes.targets > 0, episodes.allowed
    anchor = climb(episodes.known, liked, allowed, before[0], _FREE_ANCHOR)
    size = min(map(len, folds))
    together = np.stack([fold[:size] for fold in folds])

    def a_fold_a_row(of_users: NDArray[Any]) -> NDArray[Any]:
        found = of_users[:, together]
        return found.reshape(-1, size, *found.shape[3:])

    fresh = climb(
        a_fold_a_row(episodes.new), a_fold_a_row(liked), a_fold_a_row(allowed), before[1], _FREE_NEW
    )
    few = Episodes(
        episodes.known[:_SCALED], episodes.new[:_SCALED], episodes.targets[:_SCALED], allowed[:_SCALED]
    )
    is_new = np.zeros(few.allowed.shape, np.bool_)
    for user in range(len(is_new)):
        is_new[user, folds[user % len(folds)]] = True
    return on_one_scale(few, is_new, anchor, fresh)


def climb(
    parts: FloatArray,
    liked: NDArray[np.bool_],
    ranked: NDArray[np.bool_],
    start: FloatArray,
    free: tuple[int, ...],
) -> FloatArray:
    """Coordinate ascent on the mean NDCG@10 of the ranked items, one part's weight at a time.

    A step counts only if it gains more than noise would: weights stay where they are on data too small to tell.
    """
    weights = start.copy()
    scores = parts @ weights
    best = mean_ndcg(scores, liked, ranked)
    for _ in range(_ROUNDS):
        moved = False
        for part in free:
            for factor in _FACTORS:
                tried = weights.copy()
                tried[part] = weights[part] * factor if weights[part] else _SEED_WEIGHT
                found = mean_ndcg(scores + (tried[part] - weights[part]) * parts[:, :, part], liked, ranked)
                if found > best + _GAIN:
                    best, moved = found, True
                    scores = scores + (tried[part] - weights[part]) * parts[:, :, part]
                    weights = tried
        if not moved:
            break
    return weights


def mean_ndcg(
    scores: FloatArray, liked: NDArray[np.bool_], ranked: NDArray[np.bool_], depth: int = 10
) -> float:
    """Mean NDCG@10 with binary gain over the users who like some of the ranked items; ties in any order."""
    shown = np.where(ranked, scores, -np.inf)
    relevant = liked & ranked
    depth = min(depth, scores.shape[1])
    top = np.argpartition(-shown, depth - 1, axis=1)[:, :depth]
    top = np.take_along_axis(top, np.argsort(-np.take_along_axis(shown, top, 1), axis=1, kind="stable"), 1)
    discount = 1 / np.log2(np.arange(depth) + 2)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(relevant.sum(1), depth)]
    gained = (np.take_along_axis(relevant, top, 1) * discount).sum(1)
    counted = ideal > 0
    return float((gained[counted] / ideal[counted]).mean()) if counted.any() else 0.0


def on_one_scale(
    episodes: Episodes, is_new: NDArray[np.bool_], anchor: FloatArray, fresh: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Scale both kinds of scores and set the offset of the new, by the multinomial likelihood of the query sets.

    Neither changes the order within a kind; both decide how a new item stands against a known one.
    `is_new` (n_users, n_items) tells which items stand in for new ones.
    """
    import torch

    chosen = torch.from_numpy(is_new)
    known_score = torch.from_numpy(episodes.known @ anchor)
    new_score = torch.from_numpy(episodes.new @ fresh)
    targets = episodes.targets
    t = torch.from_numpy(targets / np.sqrt(np.maximum(targets.sum(1, keepdims=True), 1.0)))
    barred = torch.from_numpy(np.where(episodes.allowed, 0, -1e4).astype(np.float32))
    free = torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.LBFGS([free], max_iter=30, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        known = known_score * torch.exp(free[0].clamp(-_MOST, _MOST))
        fresh_score = new_score * torch.exp(free[1].clamp(-_MOST, _MOST)) + free[2]
        logits = torch.where(chosen, fresh_score, known)
        total: torch.Tensor = -(t * torch.log_softmax(logits + barred, 1)).sum() / len(targets)
        total = total + 1e-3 * (free**2).sum()
        total.backward()
        return total

    optimiser.step(loss)
    # A search that ran away, as on a graph of noise, changes nothing.
    found = np.nan_to_num(free.detach().numpy(), posinf=0.0, neginf=0.0)
    known_scale, new_scale = np.clip(found[:2], -_MOST, _MOST)
    offset = found[2]
    fresh = fresh * np.exp(new_scale)
    fresh[-1] += offset
    return (anchor * np.exp(known_scale)).astype(np.float32), fresh.astype(np.float32)
