"""What hosts trained on a matrix of users and items share: who is in it, how often, and a row for a newcomer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse

from coldplug.hosts import Person, places, support_ids
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError


class MatrixHost(ABC):
    """A host whose library numbers users and items as the rows and columns of the matrix it was trained on.

    Args:
        user_ids: the id of each row.
        item_ids: the id of each column, as in the graph.
        user_items: (n_users, n_items) sparse, what the host was trained on.

    Raises:
        UserError: ids and matrix are not of one size.
    """

    name: str

    def __init__(self, user_ids: Sequence[str], item_ids: Sequence[str], user_items: Any) -> None:
        matrix = sparse.csr_matrix(user_items, dtype=np.float32)
        if matrix.shape != (len(user_ids), len(item_ids)):
            raise UserError(
                f"a matrix {matrix.shape[0]} x {matrix.shape[1]}, with {len(user_ids)} user ids, {len(item_ids)} item ids",
                mend="pass an id for every row and every column, in their order",
            )
        self.user_items = matrix
        self._users = {str(ident): number for number, ident in enumerate(user_ids)}
        self._items = {str(ident): number for number, ident in enumerate(item_ids)}
        self._per_user = np.diff(matrix.indptr).astype(np.int64)
        self._per_item = np.bincount(matrix.indices, minlength=matrix.shape[1]).astype(np.int64)

    @abstractmethod
    def known(self, users: IntArray, items: IntArray) -> FloatArray:
        """(n_users, n_items) the library's scores, of rows and columns of the matrix."""

    def newcomers(self, rows: sparse.csr_matrix, items: IntArray) -> FloatArray:
        """(n_rows, n_items) the library's scores for users it never met, by their interactions, if `takes_newcomers`."""
        raise NotImplementedError

    def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) float32, as `Host.scores`."""
        out = np.full((len(people), len(item_ids)), np.nan, np.float32)
        columns = places(item_ids, self._items)
        here = np.flatnonzero((columns >= 0) & (self._per_item[columns] > 0))
        users = self._rows(people)
        met = np.flatnonzero(users >= 0)
        if len(met) and len(here):
            out[np.ix_(met, here)] = self.known(users[met], columns[here])
        new = np.flatnonzero(users < 0)
        rows = self._supports([people[row] for row in new.tolist()])
        told = np.diff(rows.indptr) > 0
        if self.takes_newcomers and told.any() and len(here):
            out[np.ix_(new[told], here)] = self.newcomers(rows[told], columns[here])
        return out

    def user_counts(self, people: Sequence[Person]) -> IntArray:
        """(n_people,) as `Host.user_counts`."""
        users = self._rows(people)
        supports = np.diff(self._supports(people).indptr) if self.takes_newcomers else 0
        return np.where(users >= 0, self._per_user[users], supports).astype(np.int64)

    def item_counts(self, item_ids: Sequence[str]) -> IntArray:
        """(n_items,) as `Host.item_counts`."""
        columns = places(item_ids, self._items)
        return np.where(columns >= 0, self._per_item[columns], 0).astype(np.int64)

    @property
    def takes_newcomers(self) -> bool:
        """Whether the library has something to say of a user it never met."""
        return type(self).newcomers is not MatrixHost.newcomers

    def _rows(self, people: Sequence[Person]) -> IntArray:
        """(n_people,) rows of the matrix; -1 for those who are not in it or have nothing there."""
        found = places(["" if p.user_id is None else p.user_id for p in people], self._users)
        return np.where((found >= 0) & (self._per_user[found] > 0), found, -1)

    def _supports(self, people: Sequence[Person]) -> sparse.csr_matrix:
        """(n_people, n_items) one for each item of the support that the library was trained on."""
        lists = [places(support_ids(person.support), self._items) for person in people]
        kept = [np.sort(mine[(mine >= 0) & (self._per_item[mine] > 0)]) for mine in lists]
        ends = np.cumsum([0, *map(len, kept)]).astype(np.int32)
        columns = np.concatenate([*kept, np.empty(0, np.int64)]).astype(np.int32)
        ones = np.ones(len(columns), np.float32)
        return sparse.csr_matrix((ones, columns, ends), shape=(len(people), self.user_items.shape[1]))
