"""The C1 split: who and what is cold is decided by sha1 of ids, so every machine cuts the same way."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplug.types import IntArray, Interactions, TrainingData
from plugbase.errors import UserError

POOL = 10
"""Positives of a cold user that supports are drawn from; those after them are the targets."""
MIN_SUPPORT = 15
"""Cold users with fewer positives among the warm items are left out."""
COLD_IN = 5
"""One id in this many is cold."""


def hashed(text: str) -> int:
    """First 48 bits of sha1 of the text."""
    return int(hashlib.sha1(text.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16)


def cold(kind: str, ids: Sequence[str], salt: str) -> NDArray[np.bool_]:
    """(n_ids,) True where the id falls on the cold side; `kind` is "item" or "user"."""
    return np.array([hashed(f"{salt}{kind}:{ident}") % COLD_IN == 0 for ident in ids], np.bool_)


@dataclass(frozen=True)
class Split:
    """One salt's cut. `train` is all that a learner is given; everything else stays with the evaluator.

    `users` are the cold users that are measured, `pools[i]` and `pool_ratings[i]` the first ten of their
    positives among warm items, in support order. `targets` and `cold_positives` are lists of item numbers,
    one a cold user.
    """

    salt: str
    train: TrainingData
    warm_items: IntArray
    cold_items: IntArray
    users: IntArray
    pools: IntArray
    pool_ratings: NDArray[np.float32]
    targets: Sequence[IntArray]
    cold_positives: Sequence[IntArray]
    warm_users: IntArray
    """Warm users with at least one training row and at least one positive among the cold items."""
    warm_user_cold_positives: Sequence[IntArray]
    n_warm_users: int


def grouped(keys: IntArray, n_groups: int) -> list[IntArray]:
    """Row numbers of each key 0..n_groups-1, in the order of the rows."""
    order = np.argsort(keys, kind="stable")
    bounds = np.searchsorted(keys[order], np.arange(n_groups + 1))
    return [order[bounds[g] : bounds[g + 1]] for g in range(n_groups)]


def make_split(data: TrainingData, salt: str = "") -> Split:
    """Cut the data for one salt, as the protocol has it.

    Raises:
        UserError: nothing is left to measure, because the data set is too small.
    """
    rows = data.interactions
    positive = data.positives()
    item_cold = cold("item", data.graph.item_ids, salt)
    user_cold = cold("user", data.user_ids, salt)
    rated = np.zeros(data.graph.n_items, np.bool_)
    rated[rows.items] = True
    in_train = ~item_cold[rows.items] & ~user_cold[rows.users]
    train = TrainingData(
        data.graph, data.user_ids, data.user_attributes, _take(rows, in_train), data.positive_at
    )

    by_user = grouped(rows.users, len(data.user_ids))
    users, pools, ratings, targets, cold_positives = [], [], [], [], []
    warm_users, warm_positives = [], []
    trained = np.bincount(rows.users[in_train], minlength=len(data.user_ids)) > 0
    for user, mine in enumerate(by_user):
        liked = mine[positive[mine]]
        on_cold = rows.items[liked[item_cold[rows.items[liked]]]]
        if not user_cold[user]:
            if trained[user] and len(on_cold):
                warm_users.append(user)
                warm_positives.append(on_cold)
            continue
        on_warm = liked[~item_cold[rows.items[liked]]]
        if len(on_warm) < MIN_SUPPORT:
            continue
        ident = data.user_ids[user]
        keys = [hashed(f"{salt}s:{ident}:{data.graph.item_ids[i]}") for i in rows.items[on_warm].tolist()]
        ordered = on_warm[np.argsort(np.array(keys, np.uint64), kind="stable")]
        users.append(user)
        pools.append(rows.items[ordered[:POOL]])
        ratings.append(rows.ratings[ordered[:POOL]])
        targets.append(rows.items[ordered[POOL:]])
        cold_positives.append(on_cold)
    if not users or not in_train.any():
        raise UserError(
            f"nothing to measure at salt {salt!r}: {int(user_cold.sum())} cold users, none of them with "
            f"{MIN_SUPPORT} positives among the {int((rated & ~item_cold).sum())} warm items",
            mend=f"C1 needs users with {MIN_SUPPORT} or more interactions that count as positives "
            f"(ratings of {data.positive_at:g} and above here)",
        )
    return Split(
        salt=salt,
        train=train,
        warm_items=np.flatnonzero(rated & ~item_cold),
        cold_items=np.flatnonzero(rated & item_cold),
        users=np.array(users, np.int64),
        pools=np.stack(pools),
        pool_ratings=np.stack(ratings),
        targets=targets,
        cold_positives=cold_positives,
        warm_users=np.array(warm_users, np.int64),
        warm_user_cold_positives=warm_positives,
        n_warm_users=int((~user_cold & trained).sum()),
    )


def _take(rows: Interactions, keep: NDArray[np.bool_]) -> Interactions:
    times = None if rows.timestamps is None else rows.timestamps[keep]
    return Interactions(rows.users[keep], rows.items[keep], rows.ratings[keep], times)
