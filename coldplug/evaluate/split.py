"""Who and what is cold: decided by sha1 of ids, so every machine cuts the same way, or for users by when they came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from coldplug.types import IntArray, Interactions, TrainingData
from plugbase.errors import UserError

By = Literal["hash", "time", "all-but-k"]
"""How users are cut. `hash`: cold by sha1, supports from a pool of ten, what is behind it is right for every k.
`time`: the last fifth of users to come is cold, their order is that of time, and nothing that happened once the first of
them had come is trained on. `all-but-k`: as `hash`, but all positives that were not told are right."""
WAYS: tuple[str, ...] = get_args(By)
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
    target_ratings: Sequence[NDArray[np.float32]]
    cold_positives: Sequence[IntArray]
    warm_users: IntArray
    """Warm users with at least one training row and at least one positive among the cold items."""
    warm_user_cold_positives: Sequence[IntArray]
    n_warm_users: int
    by: By = "hash"

    def support(self, row: int, shots: int | None, *, whole: bool) -> tuple[IntArray, NDArray[np.float32]]:
        """What is told of the cold user: the first so many; of None all, and all but the last unless `whole`."""
        if shots is not None:
            k = min(shots, POOL)
            return self.pools[row, :k], self.pool_ratings[row, :k]
        items = np.concatenate([self.pools[row], self.targets[row]])
        ratings = np.concatenate([self.pool_ratings[row], self.target_ratings[row]])
        return (items, ratings) if whole else (items[:-1], ratings[:-1])

    def wanted(self, row: int, shots: int | None) -> IntArray:
        """The warm items that are right for the cold user."""
        if self.by != "all-but-k":
            return self.targets[row]
        return np.concatenate([self.pools[row], self.targets[row]])[-1 if shots is None else shots :]

    def hidden(self, row: int, shots: int | None) -> IntArray:
        """The warm items that are not ranked for the cold user."""
        if self.by != "all-but-k":
            return self.pools[row]
        return self.support(row, shots, whole=False)[0]


def grouped(keys: IntArray, n_groups: int) -> list[IntArray]:
    """Row numbers of each key 0..n_groups-1, in the order of the rows."""
    order = np.argsort(keys, kind="stable")
    bounds = np.searchsorted(keys[order], np.arange(n_groups + 1))
    return [order[bounds[g] : bounds[g + 1]] for g in range(n_groups)]


def make_split(data: TrainingData, salt: str = "", by: By = "hash") -> Split:
    """Cut the data for one salt, as the protocol has it; `by` is how users are cut, items always by their hash.

    Raises:
        UserError: nothing is left to measure, because the data set is too small, or it has no timestamps to cut by.
    """
    rows = data.interactions
    positive = data.positives()
    item_cold = cold("item", data.graph.item_ids, salt)
    if by == "time":
        user_cold, before = _late(data)
    else:
        user_cold, before = cold("user", data.user_ids, salt), np.ones(len(rows.users), np.bool_)
    rated = np.zeros(data.graph.n_items, np.bool_)
    rated[rows.items] = True
    in_train = ~item_cold[rows.items] & ~user_cold[rows.users] & before
    train = TrainingData(
        data.graph, data.user_ids, data.user_attributes, _take(rows, in_train), data.positive_at
    )

    by_user = grouped(rows.users, len(data.user_ids))
    users, pools, ratings, targets, target_ratings, cold_positives = [], [], [], [], [], []
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
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        if by == "time" and rows.timestamps is not None:
            order = order[np.argsort(rows.timestamps[on_warm[order]], kind="stable")]
        ordered = on_warm[order]
        users.append(user)
        pools.append(rows.items[ordered[:POOL]])
        ratings.append(rows.ratings[ordered[:POOL]])
        targets.append(rows.items[ordered[POOL:]])
        target_ratings.append(rows.ratings[ordered[POOL:]])
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
        target_ratings=target_ratings,
        cold_positives=cold_positives,
        warm_users=np.array(warm_users, np.int64),
        warm_user_cold_positives=warm_positives,
        n_warm_users=int((~user_cold & trained).sum()),
        by=by,
    )


def _late(data: TrainingData) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(n_users,) the last fifth of users to come, and (n_interactions,) what happened before the first of them came."""
    times = data.interactions.timestamps
    if times is None:
        raise UserError(
            "the interactions have no timestamps, so users cannot be cut by time",
            mend="add a column `timestamp`, or leave out --split-by",
        )
    came = np.full(len(data.user_ids), np.iinfo(np.int64).max)
    np.minimum.at(came, data.interactions.users, times)
    here = np.flatnonzero(came < np.iinfo(np.int64).max)
    late = here[np.argsort(came[here], kind="stable")][len(here) - len(here) // COLD_IN :]
    cold_users = np.zeros(len(data.user_ids), np.bool_)
    cold_users[late] = True
    return cold_users, times < came[late].min(initial=np.iinfo(np.int64).max)


def _take(rows: Interactions, keep: NDArray[np.bool_]) -> Interactions:
    times = None if rows.timestamps is None else rows.timestamps[keep]
    return Interactions(rows.users[keep], rows.items[keep], rows.ratings[keep], times)
