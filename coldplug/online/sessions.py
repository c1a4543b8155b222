"""Recent sessions as hyperedges over items: what was liked together lately says whom a new item is for.

Each session of a user is one hyperedge over the items liked in it. With H the incidence of items (rows) in sessions
(columns), and Dv and De the diagonal matrices of how many sessions an item has and how many items a session, one step of
hypergraph convolution is

    Theta = Dv^-1/2 H De^-1 H' Dv^-1/2

(Zhou, Huang and Schoelkopf, Learning with Hypergraphs, NIPS 2006, section 4; the layer of Feng et al., Hypergraph Neural
Networks, AAAI 2019, eq. 10, with all weights 1): a walk from an item to its sessions and on to their items. An item's
nearness to a user is the sum of its entries with the items that the user liked last, over their number.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from coldplug.online.store import UserStore
from coldplug.types import FloatArray

MOST = 5000
"""Sessions that are remembered: with 30 items each some 30 MB."""
LONGEST = 50
"""Items of a session; of more, the newest."""
GAP_S = 1800.0
"""Pause after which a user's next observation begins another session."""
SEED = 20
"""Items that a walk starts from: the newest likes."""
AT_ONCE = 100_000
"""Observations that one look into a store takes at most, the newest."""


class Sessions:
    """The last sessions of all users; safe for threads."""

    def __init__(self, most: int = MOST, *, longest: int = LONGEST, gap_s: float = GAP_S) -> None:
        self._most, self._longest, self._gap = most, longest, gap_s
        self._sessions: OrderedDict[int, dict[str, None]] = OrderedDict()
        self._of_item: dict[str, set[int]] = {}
        self._open: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._next = self._mark = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, user_id: str, item_id: str, at: float) -> None:
        """A user liked an item at a time, in seconds; times of one user do not run backwards."""
        with self._lock:
            number, last = self._open.pop(user_id, (-1, at))
            if number not in self._sessions or at - last > self._gap:
                number, self._next = self._next, self._next + 1
                self._sessions[number] = {}
            self._open[user_id] = number, at
            if len(self._open) > self._most:
                self._open.popitem(last=False)
            items = self._sessions[number]
            items[item_id] = None
            self._of_item.setdefault(item_id, set()).add(number)
            if len(items) > self._longest:
                self._leave(next(iter(items)), number)
            if len(self._sessions) > self._most:
                oldest = next(iter(self._sessions))
                for item in list(self._sessions[oldest]):
                    self._leave(item, oldest)
                del self._sessions[oldest]

    def catch_up(self, store: UserStore, liked_from: float) -> int:
        """Add the likes that a store got since the last call, whichever process observed them.

        Args:
            store: always the same one; see `coldplug.online.store.open_users`.
            liked_from: the lowest reward that is a like; what was observed as True is one anyhow.

        Returns:
            How many likes were read.
        """
        met = store.since(self._mark, AT_ONCE)
        liked = [one for one in met if one.reward is None or one.reward >= liked_from]
        for one in liked:
            self.add(one.user_id, one.item_id, one.at)
        self._mark = met[-1].mark if met else self._mark
        return len(liked)

    def _leave(self, item: str, session: int) -> None:
        del self._sessions[session][item]
        mine = self._of_item[item]
        mine.discard(session)
        if not mine:
            del self._of_item[item]

    def counts(self, item_ids: Sequence[str]) -> np.ndarray:
        """(n_items,) how many sessions each item is in."""
        with self._lock:
            return np.array([len(self._of_item.get(item, ())) for item in item_ids], np.int64)

    def nearness(self, liked: Sequence[str], item_ids: Sequence[str]) -> FloatArray:
        """(n_items,) the mean of Theta between each item and those that a user liked; 0 where no session has both.

        Args:
            liked: the user's likes, oldest first; the newest 20 are looked at.
            item_ids: items to score. It takes time in the number of their sessions.
        """
        out = np.zeros(len(item_ids), np.float32)
        with self._lock:
            seed = {item: len(self._of_item[item]) ** -0.5 for item in liked[-SEED:] if item in self._of_item}
            met: dict[int, float] = {}
            for place, item in enumerate(item_ids):
                mine = self._of_item.get(item)
                if not mine or not seed:
                    continue
                reached = 0.0
                for session in mine:
                    if session not in met:
                        items = self._sessions[session]
                        met[session] = sum(seed[one] for one in seed.keys() & items.keys()) / len(items)
                    reached += met[session]
                out[place] = reached / (len(mine) ** 0.5 * min(len(liked), SEED))
        return out
