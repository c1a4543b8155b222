"""Fit the blend on users and items held out: the users' vectors from the others, the items' predicted as if new."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coldplug.learn.posterior.blend import SIZES, Blend, Episodes, fit_weights
from coldplug.learn.posterior.users import ItemVectors, score_parts, user_vectors
from coldplug.learn.posterior.userside import UserSide
from coldplug.types import IntArray

FOLDS = 5
"""Parts of the anchors, each once standing in for new items."""
_USERS = 1000
_CELLS = 3_000_000
"""Scores held at once, in users times items."""
_LEAST_QUERY = 5
_LEAST_USERS = 10


def fit_blend(side: UserSide, folds: Sequence[IntArray], predicted: ItemVectors, seed: int) -> Blend:
    """Weights of the parts of a score, each size by itself.

    Args:
        side: of the users; its held-out moments and vectors are those that are weighed.
        folds: the anchors' columns, in parts that stand in for new items together.
        predicted: the vectors of all anchors, each fold's predicted from the others.
    """
    blend = Blend.start()
    rng = np.random.default_rng(seed)
    most = int(np.clip(_CELLS // side.profiles.shape[1], 20, _USERS))
    for place, size in enumerate(SIZES):
        drawn = _episodes(side, predicted, rng.permutation(side.held_out)[:most], size, rng)
        start = blend.anchor[place], blend.new[place]
        if drawn is not None:
            blend.anchor[place], blend.new[place] = fit_weights(drawn, folds, start)
        elif place:  # too few have so many likes: as with fewer, so that the scale is one that was fitted
            blend.anchor[place], blend.new[place] = blend.anchor[place - 1], blend.new[place - 1]
    return blend


def _episodes(
    side: UserSide, predicted: ItemVectors, chosen: IntArray, size: int, rng: np.random.Generator
) -> Episodes | None:
    """One episode a held-out user with enough likes."""
    profiles = side.profiles
    everything = np.arange(profiles.shape[1])
    held = side.held_vectors
    basis = side.basis
    own = ItemVectors(held.values, held.keys, held.bias, basis.rows, basis.plain, side.held_links, everything)
    users, targets, allowed = [], [], []
    for row in chosen:
        liked = profiles.liked[row].indices
        if len(liked) < size + _LEAST_QUERY:
            continue
        support = rng.choice(liked, size, replace=False)
        grades = profiles.grades[row].toarray().ravel()
        adapted = user_vectors(
            side.held_moments,
            side.held_model,
            side.held_neighbours,
            own,
            side.attributes[row],
            support,
            grades[support],
            np.ones(size, np.float32),
        )
        target = np.zeros(len(everything), np.float32)
        target[liked] = grades[liked]
        target[support] = 0
        users.append(adapted.total())
        targets.append(target)
        allowed.append(~np.isin(everything, support))
    if len(users) < _LEAST_USERS:
        return None
    return Episodes(
        score_parts(users, own), score_parts(users, predicted), np.stack(targets), np.stack(allowed)
    )
