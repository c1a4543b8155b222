"""Users and items set aside from training data, so that learners can be compared on what they have never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate.metrics import accuracy
from coldplug.evaluate.split import grouped
from coldplug.learn import Learner
from coldplug.types import FloatArray, IntArray, Interactions, Query, TrainingData

SIZES = (0, 1, 3, 5, 10, 30)
"""Supports that are measured; half of a user's positives at most."""
_SET_ASIDE = 0.2
_MOST_USERS = 400
_LEAST_USERS = 20
_LEAST_OF_A_USER = 6
_MOST_ITEMS = 4000


@dataclass(frozen=True)
class Cell:
    """A size of support, and whether the items to rank are new; rows are users of the carve that can be asked."""

    size: int
    new: bool
    rows: IntArray

    @property
    def key(self) -> str:
        """ "known@5", "new@0"."""
        return f"{'new' if self.new else 'known'}@{self.size}"


@dataclass(frozen=True)
class Carve:
    """Training data without some users and some items, and what those users liked.

    `pools[u]` are the positives that supports are the beginnings of, `known_targets[u]` the other positives among
    `known_items`, `new_targets[u]` those among `new_items`; all in item numbers.
    """

    train: TrainingData
    users: IntArray
    pools: Sequence[IntArray]
    pool_ratings: Sequence[FloatArray]
    known_items: IntArray
    new_items: IntArray
    known_targets: Sequence[IntArray]
    new_targets: Sequence[IntArray]

    def cells(self) -> list[Cell]:
        """Every size of support, on known and on new items, that enough users can be asked at."""
        pools = np.array([len(pool) for pool in self.pools], np.int64)
        found = []
        for new, targets in ((False, self.known_targets), (True, self.new_targets)):
            some = np.array([len(target) > 0 for target in targets], np.bool_)
            for size in SIZES:
                rows = np.flatnonzero(some & (pools >= size))
                if len(rows) >= _LEAST_USERS:
                    found.append(Cell(size, new, rows))
        return found

    def items(self, cell: Cell) -> IntArray:
        """The items that are ranked in a cell."""
        return self.new_items if cell.new else self.known_items

    def scores(self, learner: Learner, cell: Cell) -> FloatArray:
        """(n_rows, n_items) of the cell's users and items; what is no number counts as a tie of all."""
        attributes = self.train.user_attributes
        queries = [
            Query(
                attributes[int(self.users[row])],
                self.pools[row][: cell.size],
                self.pool_ratings[row][: cell.size],
            )
            for row in cell.rows.tolist()
        ]
        found = np.asarray(learner.score(queries, self.items(cell)), np.float32)
        return found if np.isfinite(found).all() else np.zeros_like(found)

    def relevant(self, cell: Cell) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(n_rows, n_items) twice: what the users liked, and what they showed as support."""
        items = self.items(cell)
        targets = self.new_targets if cell.new else self.known_targets
        column = np.full(self.train.graph.n_items, -1, np.int64)
        column[items] = np.arange(len(items))
        liked = np.zeros((len(cell.rows), len(items)), np.bool_)
        shown = liked.copy()
        for place, row in enumerate(cell.rows.tolist()):
            liked[place, column[targets[row]]] = True
            pool = column[
                self.pools[row]
            ]  # the whole pool at every size, so that sizes are compared on the same items
            shown[place, pool[pool >= 0]] = True
        return liked, shown

    def ndcg(self, learner: Learner, cell: Cell) -> NDArray[np.float64]:
        """(n_rows,) NDCG@10."""
        return accuracy(self.scores(learner, cell), *self.relevant(cell)).ndcg


def met(data: TrainingData) -> NDArray[np.bool_]:
    """(n_items,) whether anybody met the item, which makes it a known one."""
    return np.bincount(data.interactions.items, minlength=data.graph.n_items) > 0


def carve(data: TrainingData, seed: int) -> Carve | None:
    """Set a fifth of the users with enough positives aside, 400 at most, and a fifth of the items.

    Returns:
        None where too few users or items would be left to say anything.
    """
    rng = np.random.default_rng([seed, 20])
    rows, positive, n_items = data.interactions, data.positives(), data.graph.n_items
    known = np.flatnonzero(met(data))
    new_items = np.sort(rng.choice(known, round(_SET_ASIDE * len(known)), replace=False))
    aside = np.zeros(n_items, np.bool_)
    aside[new_items] = True
    rated = [mine[positive[mine]] for mine in grouped(rows.users, len(data.user_ids))]
    able = np.array([(~aside[rows.items[mine]]).sum() >= _LEAST_OF_A_USER for mine in rated], np.bool_)
    n_users = min(_MOST_USERS, round(_SET_ASIDE * int(able.sum())))
    if n_users < _LEAST_USERS:
        return None
    users = np.sort(rng.choice(np.flatnonzero(able), n_users, replace=False))
    out = np.zeros(len(data.user_ids), np.bool_)
    out[users] = True
    keep = ~out[rows.users] & ~aside[rows.items]
    train = replace(data, interactions=_take(rows, keep))
    left = met(train)
    known_items = np.flatnonzero(left)
    if len(known_items) > _MOST_ITEMS:
        known_items = np.sort(rng.choice(known_items, _MOST_ITEMS, replace=False))
    if len(known_items) < 2:
        return None
    ranked = np.zeros(n_items, np.bool_)
    ranked[known_items] = True
    pools, ratings, known_targets, new_targets = [], [], [], []
    for user in users.tolist():
        mine = rng.permutation(rated[user])
        new_targets.append(np.unique(rows.items[mine[aside[rows.items[mine]]]]))
        mine = mine[left[rows.items[mine]]]
        half = min(len(mine) // 2, SIZES[-1])
        pools.append(rows.items[mine[:half]])
        ratings.append(rows.ratings[mine[:half]])
        rest = np.setdiff1d(rows.items[mine[half:]], pools[-1])
        known_targets.append(rest[ranked[rest]])
    return Carve(
        train,
        users,
        pools,
        ratings,
        known_items,
        new_items,
        known_targets,
        new_targets,
    )


def _take(rows: Interactions, keep: NDArray[np.bool_]) -> Interactions:
    times = None if rows.timestamps is None else rows.timestamps[keep]
    return Interactions(rows.users[keep], rows.items[keep], rows.ratings[keep], times)
