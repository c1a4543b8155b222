"""The few items that may be a user's best: found coarsely among the new, exactly among those learned from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from coldplug.catalogue import Catalogue
from coldplug.index import NearestIndex, index_class
from coldplug.index.coarse import Coarse, made_users, sampled
from coldplug.index.exact import highest
from coldplug.types import FloatArray, IntArray
from coldplug.vectors import Vectors
from plugbase.errors import UserError

Mask = NDArray[np.bool_]

DIRECT = 10_000
"""Items that were learned from are scored one by one where there are so many at most; the rest goes into the index."""
TIMES, LEAST = 5, 300
"""Candidates for each item asked for, and candidates at least: what the short space puts a little too low is among them."""
_MARGIN = 50
"""Items more than asked for that the exact part hands on: the model rounds scores and orders ties by id."""
_SCANNED = 0.2
"""Where a filter lets through a smaller share, all that it lets through is looked at in the short space."""
_GATHERED = 0.1
"""Below this share the rows let through are picked out; above it is quicker to multiply all of them."""
_WIDER = 1.3
"""Over the number of rows that would do if those let through lay among the others by chance."""
_DECIMALS_THAT_ORDER = 5
_BLOCK = 20_000
_USERS, _JUDGES = 400, 64
DEPTH = 100
"""Recall is measured on the best so many."""
_AIM = 0.9995
"""Recall at which no more effort is tried."""


@dataclass(frozen=True)
class Finder:
    """An index over some items, and the other items' own vectors; items that come later are looked through one by one.

    `rows` (n,) are the item numbers of the short vectors `short` (n, width + 1), the first `indexed` of which the index
    holds. `direct` are the items scored by their own vectors, `direct_vectors`, whose columns are `columns` of all.
    `recall` is that of the best 100 for made users, against scoring everything, when the index was built.
    """

    kind: str
    index: NearestIndex
    coarse: Coarse
    rows: IntArray
    short: FloatArray
    indexed: int
    direct: IntArray
    direct_vectors: FloatArray
    columns: IntArray
    recall: float

    @classmethod
    def build(
        cls,
        vectors: Vectors,
        kind: str,
        *,
        seed: int = 0,
        place: str | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> Finder:
        """Make the short space, put the items into an index there, and choose the effort that finds nearly all.

        Args:
            vectors: of all items.
            kind: a name in `coldplug.index.KINDS`.
            seed: of every random draw.
            place: of the server, for a kind that has one.
            note: called with the name of each stage as it begins.

        Raises:
            UserError: no such kind, its library is not installed, or there is nothing to put into an index.
        """
        kind_class = index_class(kind)
        direct, rows = shared_out(vectors.learned())
        if not len(rows):
            raise UserError(
                "the model has no item that an index would be of use for",
                mend="its items are few enough to be scored one by one",
            )
        note("the short space")
        users = made_users(vectors, _USERS + _JUDGES, seed)
        fitting, judging = users[:_USERS], users[_USERS:]
        coarse = Coarse.fit(sampled(vectors, rows, seed), fitting)
        short, best = shortened(vectors, coarse, rows, judging)
        coarse = coarse.around(short)
        note(f"an index of {len(rows):,} items ({kind})")
        index = kind_class.build(short, seed=seed, place=place)
        own, columns = _own(vectors, direct)
        finder = cls(kind, index, coarse, rows, short, len(rows), direct, own, columns, 0.0)
        note("recall")
        return finder.tuned(judging, best)

    def tuned(self, users: FloatArray, best: IntArray) -> Finder:
        """This finder, its index told to try as hard as it must to find nearly all of the best rows for these users."""
        recall = 0.0
        for effort in self.index.EFFORTS:
            self.index.effort = effort
            recall = self.measured(users, best)
            if recall >= _AIM:
                break
        return replace(self, recall=recall)

    def measured(self, users: FloatArray, best: IntArray) -> float:
        """The share of the best rows, (n_users, depth), that are among the candidates for these users."""
        found = [
            np.isin(mine, self.index.search(self.coarse.user(user), self._wide(mine.size))).mean()
            for user, mine in zip(users, best, strict=True)
        ]
        return float(np.mean(found))

    def candidates(self, user: FloatArray, k: int, allowed: Mask | None = None) -> IntArray:
        """Item numbers, sorted, among which the k best are to be looked for.

        Args:
            user: (d,) the user's vector.
            k: how many are wanted.
            allowed: (n_items,) True where an item may be shown; all of them where None.
        """
        found = [self._direct(user, k, allowed)]
        query, wide = self.coarse.user(user), self._wide(k)
        let = None if allowed is None else allowed[self.rows]
        found.append(self.rows[self._near(query, wide, None if let is None else let[: self.indexed])])
        if self.indexed < len(self.rows):
            late = slice(self.indexed, None)
            found.append(self.rows[self._scan(query, wide, None if let is None else let[late], late)])
        return np.sort(np.concatenate(found))

    def extended(self, vectors: Vectors, count: int) -> Finder:
        """This finder, and the last `count` items too: they are looked through one by one until the next build."""
        total = len(vectors.learned())
        added = np.arange(total - count, total)
        short = self.coarse.items(vectors.items(added))
        return replace(
            self, rows=np.concatenate([self.rows, added]), short=np.concatenate([self.short, short])
        )

    def _wide(self, k: int) -> int:
        return min(max(LEAST, TIMES * k), len(self.rows))

    def _direct(self, user: FloatArray, k: int, allowed: Mask | None) -> IntArray:
        scores = self.direct_vectors @ user[self.columns]
        if allowed is None:
            return self.direct[highest(scores, k + _MARGIN)]
        may = np.flatnonzero(allowed[self.direct])
        return self.direct[may[highest(scores[may], k + _MARGIN)]]

    def _near(self, query: FloatArray, wide: int, let: Mask | None) -> IntArray:
        """Rows of the index."""
        if let is None:
            return self.index.search(query, wide)
        count = int(let.sum())
        if count <= wide:
            return np.flatnonzero(let)
        share = count / self.indexed
        if share >= _SCANNED:
            near = self.index.search(query, min(ceil(_WIDER * wide / share), self.indexed))
            near = near[let[near]]
            if len(near) >= wide:
                return near[:wide]
        # What is let through may all lie far away: then no search of any width does, and looking at all of it does.
        return self._scan(query, wide, let, slice(0, self.indexed))

    def _scan(self, query: FloatArray, wide: int, let: Mask | None, part: slice) -> IntArray:
        """Rows of this part that are let through and have the highest coarse scores."""
        short = self.short[part]
        if let is None:
            return highest(short @ query, wide) + part.start
        may = np.flatnonzero(let)
        scores = short[may] @ query if len(may) < _GATHERED * len(short) else (short @ query)[may]
        return may[highest(scores, wide)] + part.start


def shared_out(learned: Mask) -> tuple[IntArray, IntArray]:
    """Item numbers: those that are scored one by one, and those for the index."""
    direct = np.flatnonzero(learned)
    if len(direct) > DIRECT:
        return direct[:0], np.arange(len(learned))
    return direct, np.flatnonzero(~learned)


def _own(vectors: Vectors, direct: IntArray) -> tuple[FloatArray, IntArray]:
    """The vectors of items that are scored one by one, without the columns that are 0 in all of them."""
    whole = vectors.items(direct)
    columns = np.flatnonzero(whole.any(0))
    return np.ascontiguousarray(whole[:, columns]), columns


def shortened(
    vectors: Vectors, coarse: Coarse, rows: IntArray, users: FloatArray
) -> tuple[FloatArray, IntArray]:
    """(n, width + 1) short vectors, and for each user the rows with the highest scores, by the whole vectors."""
    short = np.empty((len(rows), coarse.item_map.shape[1] + 1), np.float32)
    depth = min(DEPTH, len(rows))
    best, top = np.zeros((len(users), 0), np.int64), np.zeros((len(users), 0), np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, min(start + _BLOCK, len(rows)))
        whole = vectors.items(rows[part])
        short[part] = coarse.items(whole)
        top = np.hstack([top, users @ whole.T])
        best = np.hstack([best, np.broadcast_to(np.arange(part.start, part.stop), (len(users), len(whole)))])
        few = np.argpartition(-top, depth - 1, axis=1)[:, :depth] if top.shape[1] > depth else None
        if few is not None:
            best, top = np.take_along_axis(best, few, 1), np.take_along_axis(top, few, 1)
    return short, best


def restored(finder: Finder, vectors: Vectors) -> Finder:
    """A finder read back without the vectors of items scored one by one, with those of the model."""
    own, columns = _own(vectors, finder.direct)
    return replace(finder, direct_vectors=own, columns=columns)


def best_places(scores: FloatArray, items: IntArray, k: int, catalogue: Catalogue) -> list[int]:
    """Places of the k highest scores, highest first; ties go by item id."""
    # The last bits of a product depend on where an item stands in it: they make no order.
    order = np.round(scores, _DECIMALS_THAT_ORDER)
    few = min(k, len(items))
    least = np.partition(order, len(order) - few)[len(order) - few]
    maybe = np.flatnonzero(order >= least)
    return sorted(maybe.tolist(), key=lambda n: (-float(order[n]), catalogue.item_ids[int(items[n])]))[:few]
