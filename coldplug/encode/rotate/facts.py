"""Facts as arrays of numbers, and exact look-ups of what is true of a question, for filtered negatives and ranks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplug.types import IntArray, ItemGraph


@dataclass(frozen=True)
class Triples:
    """Facts: `heads`, `relations`, `tails`, each (n,), in the numbers of a graph."""

    heads: IntArray
    relations: IntArray
    tails: IntArray

    @classmethod
    def of(cls, graph: ItemGraph) -> Triples:
        """All facts of a graph but the literal ones: heads are items, tails are values."""
        return cls(graph.heads, graph.relations, graph.tails)

    @classmethod
    def joined(cls, parts: Iterable[Triples]) -> Triples:
        """All facts of the parts, in their order."""
        columns = zip(*((part.heads, part.relations, part.tails) for part in parts), strict=True)
        return cls(*(np.concatenate(column) for column in columns))

    def __len__(self) -> int:
        return len(self.heads)

    def chosen(self, which: IntArray | NDArray[np.bool_] | slice) -> Triples:
        """The facts that an index or a mask picks."""
        return Triples(self.heads[which], self.relations[which], self.tails[which])


@dataclass(frozen=True)
class Truth:
    """Every answer of every question (first, second, ?) that has any: sorted keys, and a run of answers each."""

    keys: IntArray
    """(n_questions,) first * width + second, rising."""
    starts: IntArray
    """(n_questions + 1,) where the run of a question begins."""
    answers: IntArray
    """(n_facts,)."""
    width: int

    @classmethod
    def of(cls, first: IntArray, second: IntArray, answers: IntArray) -> Truth:
        """The questions of facts, three arrays (n,); a fact said twice counts once."""
        width = int(second.max(initial=0)) + 1
        room = int(answers.max(initial=0)) + 1
        asked, answers = np.divmod(np.unique((first * width + second) * room + answers), room)
        keys, starts = np.unique(asked, return_index=True)
        return cls(keys, np.append(starts, len(asked)), answers, width)

    def rows(self, first: IntArray, second: IntArray) -> IntArray:
        """(n,) the numbers of the questions asked; -1 where nothing is true of one."""
        if not len(self.keys):
            return np.full(len(first), -1)
        asked = first * self.width + second
        found = np.minimum(np.searchsorted(self.keys, asked), len(self.keys) - 1)
        return np.where((self.keys[found] == asked) & (second < self.width), found, -1)

    def pairs(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """Every answer of the questions `rows`: (m,) which of the rows it belongs to, and (m,) the answer."""
        begins = self.starts[rows]
        counts = np.where(rows < 0, 0, self.starts[rows + 1] - begins)
        owners = np.repeat(np.arange(len(rows)), counts)
        first_of_owner = np.cumsum(counts) - counts
        return owners, self.answers[np.arange(len(owners)) + np.repeat(begins - first_of_owner, counts)]

    def mask(self, rows: IntArray, column_of: IntArray, n_columns: int) -> NDArray[np.bool_]:
        """(n, n_columns) True where the column is an answer; `column_of[answer]` is -1 where it has no column.

        The work grows with the number of answers, not with rows x columns.
        """
        true = np.zeros((len(rows), n_columns), np.bool_)
        owners, answers = self.pairs(rows)
        columns = column_of[answers]
        there = columns >= 0
        true[owners[there], columns[there]] = True
        return true
