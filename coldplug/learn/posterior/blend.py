"""How much each part of the score counts, by support size, for items that were learned from and for items that were not.

The parts of a score are inner products of a user's vectors with an item's. Their weights are checked on held-out users, for
whom a fifth of the items stand in for new ones, with the vectors predicted from the others: by coordinate ascent on the
NDCG of each kind of items, from weights that did well elsewhere, which a step leaves only where the users agree that it
is better. Then a scale for each kind and an offset maximise the likelihood of both kinds together, and the offset moves on
to where one list of both is best, so that the scores of known and new items can be compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplug.learn.ndcg import ideal_gains, list_ndcg
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
    "neighbours",
    "offset",
)
"""The parts of a score, in the order of the weights' last axis."""
COARSE = 32
"""Leading directions of the profile basis that make up the coarse view of a user's likes."""
_START_ANCHOR = np.array([8.0, 1.0, 1.0, 0.0, 0.0, 0.6, 6.0, 0.0], np.float32)
_START_NEW = np.array([4.0, 0.1, 0.2, 8.0, 8.0, 0.0, 1.0, 0.0], np.float32)
_NEIGHBOURS = 6
"""The part that takes several likes to tell anything: it begins at (k - 1) / (k + 2) of its weight."""
_FREE_ANCHOR = (0, 2, 5, 6)
"""An anchor's own vector has its features in it already, so likes count only for new items."""
_FREE_NEW = (1, 2, 3, 4, 5, 6)
_FACTORS = (0.5, 2.0, 0.71, 1.41)
_SEED_WEIGHT = 0.1
"""What a weight of 0 is raised to when it is tried."""
_SCALED = 300
"""Users that the scales are fitted to; three numbers need no more."""
_ROUNDS = 3
_SURE_ANCHOR, _SURE_NEW = 2.0, 1.0
"""Standard errors of the mean over users by which a step has to gain. What the facts of new items are worth differs more
from one dataset to the next."""
_LOOKED_AT = 300
"""Items of a list, the best at the start, that the weights are climbed with."""
_MOST = 3.0
"""Bound of a logarithm of a scale."""
_OFFSETS = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, -2.0, -3.0)
"""Steps from the likeliest offset that are tried."""


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
        anchor, new = (np.tile(start, (len(SIZES), 1)) for start in (_START_ANCHOR, _START_NEW))
        sizes = np.array(SIZES, np.float32)
        for weights in (anchor, new):
            weights[:, _NEIGHBOURS] *= np.maximum(sizes - 1, 0) / (sizes + 2)
        return cls(anchor, new)


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
    episodes: Episodes, folds: Sequence[IntArray], start: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    """Weights of one support size: first the order within each kind of items, then the two kinds on one scale.

    Args:
        episodes: of the support size.
        folds: the items that stand in for new ones together; a user ranks each fold by itself, so that there are as many
            to choose from as there would be.
        start: where to start: of anchors, of new items.
    """
    liked, allowed = episodes.targets > 0, episodes.allowed
    one_list = episodes.known[:, None], liked[:, None], allowed[:, None]
    anchor = climb(*one_list, start[0], _FREE_ANCHOR, _SURE_ANCHOR)
    size = min(map(len, folds))
    together = np.stack([fold[:size] for fold in folds])
    lists = episodes.new[:, together], liked[:, together], allowed[:, together]
    fresh = climb(*lists, start[1], _FREE_NEW, _SURE_NEW)
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
    sure: float,
) -> FloatArray:
    """Coordinate ascent on the mean NDCG@10 of each user's lists, one part's weight at a time.

    A step counts only if it gains more than chance would: weights stay where they are on data too small to tell.

    Args:
        parts: (n_users, n_lists, n_items, len(start)) the parts of the scores.
        liked: (n_users, n_lists, n_items), as is `ranked`, True where an item may be in the list.
        start: weights to begin with.
        free: parts whose weights may change.
        sure: standard errors by which a step has to gain.
    """
    weights = start.copy()
    scores = parts @ weights
    ideal = ideal_gains(liked & ranked)
    if scores.shape[-1] > _LOOKED_AT:
        shown = np.where(ranked, scores, -np.inf)
        top = np.argpartition(-shown, _LOOKED_AT, axis=-1)[..., :_LOOKED_AT]
        scores = np.take_along_axis(scores, top, -1)
        liked, ranked = np.take_along_axis(liked, top, -1), np.take_along_axis(ranked, top, -1)
        parts = np.take_along_axis(parts, top[..., None], -2)
    best = list_ndcg(scores, liked, ranked, ideal)
    for _ in range(_ROUNDS):
        moved = False
        for part in free:
            for factor in _FACTORS:
                to = weights[part] * factor if weights[part] else np.float32(_SEED_WEIGHT)
                tried = scores + (to - weights[part]) * parts[..., part]
                found = list_ndcg(tried, liked, ranked, ideal)
                if better(found, best, sure):
                    weights[part], scores, best, moved = to, tried, found, True
        if not moved:
            break
    return weights


def better(found: FloatArray, before: FloatArray, sure: float) -> bool:
    """Whether (n_users, n_lists) figures, some of them nan, are above others by so many standard errors over users."""
    told = ~np.isnan(found)
    gains = np.where(told, found - before, 0).sum(1)[told.any(1)] / told.sum(1)[told.any(1)]
    if len(gains) < 2:
        return False
    return bool(gains.mean() > sure * gains.std(ddof=1) / np.sqrt(len(gains)))


def on_one_scale(
    episodes: Episodes, is_new: NDArray[np.bool_], anchor: FloatArray, fresh: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Scale both kinds of scores and set the offset of the new, by the multinomial likelihood of the query sets.

    Neither changes the order within a kind; both decide how a new item stands against a known one. The likelihood is of
    all items, a list shows few of them: so the offset is tried on either side, by the NDCG of one list of both kinds.
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
    anchor, fresh = anchor * np.exp(known_scale), fresh * np.exp(new_scale)
    scores = np.where(is_new, episodes.new @ fresh, episodes.known @ anchor)
    ideal = ideal_gains((targets > 0) & episodes.allowed)
    ndcg = [
        np.nanmean(list_ndcg(scores + (offset + step) * is_new, targets > 0, episodes.allowed, ideal))
        for step in _OFFSETS
    ]
    fresh[-1] += offset + _OFFSETS[int(np.argmax(ndcg))]
    return anchor.astype(np.float32), fresh.astype(np.float32)
