"""Episodes: users cut into a support and a query, a batch at once, as padded arrays of item positions with masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse

from coldplug.learn.posterior.profiles import Profiles, RatingScale
from coldplug.types import FloatArray, IntArray, Query, TrainingData

SIZES = (0, 0, 1, 2, 3, 5, 7, 10, 20, 40)
"""Support sizes, drawn alike: train for the sizes that will be met (Vinyals et al. 2016, section 2.2)."""
_KEPT = 3
"""Items of a profile that stay in the query, whatever size was drawn."""
_UNKNOWN = 0.15
"""Share of the episodes whose user's attributes are left out: such users will be met too."""
_DISLIKES = 0.2
"""Share of the episodes whose support is drawn from all that was rated, so that a low rating means something."""


@dataclass(frozen=True)
class Tasks:
    """A batch of users: their attributes and supports. Padded places have mask 0 and point at position 0."""

    attributes: torch.Tensor
    """(n_tasks, n_attributes)."""
    items: torch.Tensor
    """(n_tasks, k) positions of the support items in the batch's list of items, in the order in which they were met."""
    mask: torch.Tensor
    """(n_tasks, k) 1 at a support item, 0 at padding."""
    grades: torch.Tensor
    """(n_tasks, k) how much each was liked: a grade in [0, 1], or for the loss of ratings a standardised rating."""

    @property
    def sizes(self) -> torch.Tensor:
        """(n_tasks, 1) support sizes."""
        return self.mask.sum(1, keepdim=True)


@dataclass(frozen=True)
class Episode:
    """One training batch: the tasks, the items that it speaks of, and what the users made of the candidates."""

    tasks: Tasks
    users: IntArray
    """(n_tasks,) rows of the profiles."""
    items: IntArray
    """Numbers of the items; `tasks.items` and `candidates` are positions in this list."""
    columns: torch.Tensor
    """Their columns among the anchors."""
    candidates: torch.Tensor
    """(n_candidates,) positions of the items to rank."""
    target: torch.Tensor
    """(n_tasks, n_candidates) grades or standardised ratings of the query items, 0 elsewhere."""
    asked: torch.Tensor
    """(n_tasks, n_candidates) 1 where the user met the item as a query; 0 at items not met and at the support."""
    given: torch.Tensor
    """(n_tasks, n_candidates) 1 at support items."""


class Ratings:
    """Ratings as the learners see them: grades for the loss of clicks, standardised for that of ratings."""

    def __init__(self, scale: RatingScale, loss: str, mean: float, deviation: float) -> None:
        self.scale, self.loss, self.mean, self.deviation = scale, loss, mean, deviation

    @classmethod
    def of(cls, ratings: FloatArray, scale: RatingScale, loss: str) -> Ratings:
        """The scale of the training's ratings."""
        known = ratings[~np.isnan(ratings)].astype(np.float64)
        if not len(known):
            return cls(scale, loss, 0.0, 1.0)
        return cls(scale, loss, float(known.mean()), float(max(known.std(), 1e-6)))

    def seen(self, ratings: FloatArray) -> FloatArray:
        """(n,) grades or standardised ratings; a missing rating is a full like, or one deviation above the mean."""
        if self.loss == "clicks":
            return self.scale.grade(ratings)
        return np.nan_to_num((ratings - self.mean) / self.deviation, nan=1.0).astype(np.float32)


class Episodes:
    """Draws batches of episodes from profiles. Everything is one array operation a batch, no loop over users."""

    def __init__(
        self,
        profiles: Profiles,
        attributes: FloatArray,
        values: sparse.csr_matrix,
        *,
        loss: str,
        batch: int,
        candidates: int,
        seed: int,
    ) -> None:
        """Prepare.

        Args:
            profiles: of the training users.
            attributes: (n_users, n_attributes).
            values: (n_users, n_anchors) stored at every rated pair: what `Ratings.seen` makes of the rating.
            loss: "clicks": supports are liked items for the most part; "ratings": rated ones.
            batch: episodes a batch.
            candidates: items to rank at most.
            seed: of all draws.
        """
        self.anchors, self.attributes, self.values = profiles.anchors, attributes, values
        self.liked = profiles.liked.tocsr()
        self.loss, self.batch, self.limit = loss, min(batch, len(attributes)), candidates
        self.rng = np.random.default_rng(seed)
        self.rated = sparse.csr_matrix(
            (np.ones(values.nnz, np.float32), values.indices, values.indptr), shape=values.shape
        )
        pool = self.rated if loss == "ratings" else self.liked
        self.usable = np.flatnonzero(np.diff(pool.indptr) > _KEPT)
        if not len(self.usable):
            self.usable = np.arange(values.shape[0])
        self._order = np.empty(0, np.int64)

    def draw(self) -> Episode:
        """The next batch; every usable user comes once before one comes again."""
        while len(self._order) < self.batch:
            self._order = np.concatenate([self._order, self.rng.permutation(self.usable)])
        users, self._order = self._order[: self.batch], self._order[self.batch :]
        columns, mask = self._supports(users)
        candidates = self._candidates(users)
        items, place = np.unique(np.concatenate([candidates, columns[mask]]), return_inverse=True)
        positions = np.zeros(columns.shape, np.int64)
        positions[mask] = place[len(candidates) :]
        wanted = self.values[users][:, candidates].toarray()
        met = self.rated[users][:, candidates].toarray()
        given = self._given(columns, mask, candidates)
        grades = np.asarray(self.values[np.repeat(users, columns.shape[1]), columns.ravel()], np.float32)
        known = (self.rng.random((len(users), 1)) >= _UNKNOWN).astype(np.float32)
        tasks = Tasks(
            torch.from_numpy(self.attributes[users] * known),
            torch.from_numpy(positions),
            torch.from_numpy(mask.astype(np.float32)),
            torch.from_numpy(grades.reshape(columns.shape) * mask),
        )
        return Episode(
            tasks,
            users,
            self.anchors[items],
            torch.from_numpy(items),
            torch.from_numpy(np.searchsorted(items, candidates)),
            torch.from_numpy(wanted * (1 - given)),
            torch.from_numpy(met * (1 - given)),
            torch.from_numpy(given),
        )

    def _supports(self, users: IntArray) -> tuple[IntArray, np.ndarray]:
        """(batch, k) columns and mask: the first so many of each user's items in random order."""
        free = np.full(len(users), self.loss == "ratings") | (self.rng.random(len(users)) < _DISLIKES)
        entries = [(free, self.rated), (~free, self.liked)]
        rows, columns = [], []
        for which, pool in entries:
            some = pool[users[which]]
            rows.append(np.repeat(np.flatnonzero(which), np.diff(some.indptr)))
            columns.append(some.indices)
        row, column = np.concatenate(rows), np.concatenate(columns).astype(np.int64)
        order = np.lexsort((self.rng.random(len(row)), row))
        row, column = row[order], column[order]
        counts = np.bincount(row, minlength=len(users))
        rank = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
        sizes = np.minimum(self.rng.choice(SIZES, len(users)), np.maximum(counts - _KEPT, 0))
        kept = rank < sizes[row]
        width = max(int(sizes.max()), 1)
        found, mask = np.zeros((len(users), width), np.int64), np.zeros((len(users), width), np.bool_)
        found[row[kept], rank[kept]] = column[kept]
        mask[row[kept], rank[kept]] = True
        return found, mask

    def _candidates(self, users: IntArray) -> IntArray:
        """Columns to rank: all, or half of them what the batch's users liked, the rest drawn alike."""
        n_anchors = len(self.anchors)
        if n_anchors <= self.limit:
            return np.arange(n_anchors)
        own = np.unique(self.liked[users].indices).astype(np.int64)
        own = self.rng.permutation(own)[: self.limit // 2]
        drawn = self.rng.choice(n_anchors, self.limit - len(own), replace=False)
        return np.union1d(own, drawn)

    def _given(self, columns: IntArray, mask: np.ndarray, candidates: IntArray) -> FloatArray:
        """(batch, n_candidates) 1 at each user's support items."""
        at = np.full(len(self.anchors), -1, np.int64)
        at[candidates] = np.arange(len(candidates))
        where = at[columns]
        rows, places = np.nonzero(mask & (where >= 0))
        given = np.zeros((len(columns), len(candidates)), np.float32)
        given[rows, where[rows, places]] = 1
        return given


def seen_values(
    data: TrainingData, profiles: Profiles, column: IntArray, ratings: Ratings
) -> sparse.csr_matrix:
    """(n_users, n_anchors) what the learners see of each rating, stored wherever there is one, zeros too."""
    rows = data.interactions
    keep = column[rows.items] >= 0
    users = np.searchsorted(profiles.users, rows.users[keep])
    seen = ratings.seen(rows.ratings[keep])
    seen[seen == 0] = 1e-6  # a stored zero would be lost on the way
    made = sparse.csr_matrix(
        (seen, (users, column[rows.items[keep]])), shape=profiles.shape, dtype=np.float32
    )
    made.sum_duplicates()
    return made


def kept(rng: np.random.Generator, n_items: int, share: float) -> tuple[FloatArray, FloatArray]:
    """(n_items,) twice: whether an item's own vector counts when it is ranked, and where it is a support.

    In a share of the batches the candidates have none at all, as a list of new items has; supports lose a tenth.
    """
    known = np.full(n_items, rng.random() >= share, np.float32)
    return known, (rng.random(n_items) >= 0.1).astype(np.float32)


def padded(queries: list[Query], attributes: FloatArray, ratings: Ratings, position: IntArray) -> Tasks:
    """Queries as tasks; `position` (n_items,) gives each item's place in the list of items at hand."""
    sizes = np.array([len(query.items) for query in queries], np.int64)
    width = max(int(sizes.max(initial=0)), 1)
    mask = np.arange(width)[None] < sizes[:, None]
    items = np.zeros((len(queries), width), np.int64)
    grades = np.zeros((len(queries), width), np.float32)
    if sizes.any():
        items[mask] = position[np.concatenate([query.items for query in queries])]
        grades[mask] = ratings.seen(np.concatenate([query.ratings for query in queries]).astype(np.float32))
    return Tasks(
        torch.from_numpy(attributes),
        torch.from_numpy(items),
        torch.from_numpy(mask.astype(np.float32)),
        torch.from_numpy(grades),
    )
