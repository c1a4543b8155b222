"""Fit the blend on users and items held out: the users' vectors from the others, the items' predicted as if new."""

from __future__ import annotations

import numpy as np

from coldplug.learn.posterior.blend import SIZES, Blend, fit_weights
from coldplug.learn.posterior.users import ItemVectors, user_vectors
from coldplug.learn.posterior.userside import UserSide
from coldplug.types import FloatArray, IntArray

FOLDS = 5
"""Parts of the anchors, each once standing in for new items."""
_USERS = 400
_CELLS = 1_500_000
"""Scores held at once, in users times items."""
_LEAST_QUERY = 5
_LEAST_USERS = 10


def fit_blend(side: UserSide, folds: list[tuple[IntArray, ItemVectors]], seed: int) -> Blend:
    """Weights of the parts of a score, one size after another.

    Args:
        side: of the users; its held-out moments and vectors are those that are weighed.
        folds: for each fold, the anchors' columns that stand in for new items, and the vectors of all anchors with those
            predicted (their `column` is -1).
    """
    blend = Blend.start()
    rng = np.random.default_rng(seed)
    most = int(np.clip(_CELLS // side.profiles.shape[1], 20, _USERS))
    before = (blend.anchor[0], blend.new[0])
    for place, size in enumerate(SIZES):
        drawn = _episodes(side, folds, rng.permutation(side.held_out)[:most], size, rng)
        if drawn is not None:
            before = fit_weights(*drawn, before)
        blend.anchor[place], blend.new[place] = before
    return blend


def _episodes(
    side: UserSide,
    folds: list[tuple[IntArray, ItemVectors]],
    chosen: IntArray,
    size: int,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """One episode a held-out user with enough likes: parts, new, targets, allowed, as `fit_weights` takes them."""
    profiles = side.profiles
    everything = np.arange(profiles.shape[1])
    parts, new, targets, allowed = [], [], [], []
    for turn, row in enumerate(chosen):
        block, vectors = folds[turn % len(folds)]
        liked = profiles.liked[row].indices
        candidates = np.setdiff1d(liked, block)
        if len(candidates) < size or len(liked) < size + _LEAST_QUERY:
            continue
        support = rng.choice(candidates, size, replace=False)
        grades = profiles.grades[row].toarray().ravel()
        user = user_vectors(
            side.held_moments,
            side.held_model,
            vectors,
            side.attributes[row],
            support,
            grades[support],
            np.ones(size, np.float32),
        )
        target = np.zeros(len(everything), np.float32)
        target[liked] = grades[liked]
        target[support] = 0
        open_to = np.ones(len(everything), np.float32)
        open_to[support] = 0
        parts.append(user.total().parts(vectors, everything)[0])
        new.append((vectors.column < 0).astype(np.float32))
        targets.append(target)
        allowed.append(open_to)
    if len(parts) < _LEAST_USERS:
        return None
    return np.stack(parts), np.stack(new), np.stack(targets), np.stack(allowed)
