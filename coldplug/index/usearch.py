"""usearch: a graph of neighbours that a search walks along (HNSW), with rows of 16 bits a dimension."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from coldplug.index import library
from coldplug.types import FloatArray, IntArray

_FILE = "rows.usearch"


class UsearchIndex:
    """An HNSW index; its effort is the length of the list of candidates that a walk keeps."""

    EFFORTS: ClassVar[tuple[int, ...]] = (100, 200, 400, 800, 1600)

    def __init__(self, index: Any) -> None:
        self._index, self.effort = index, 400

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """Put in one row after the other."""
        index = library("usearch.index", "usearch").Index(
            ndim=vectors.shape[1], metric="l2sq", dtype="f16", connectivity=16, expansion_add=100
        )
        index.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)
        return cls(index)

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first."""
        if self._index.expansion_search != self.effort:
            self._index.expansion_search = self.effort
        return np.asarray(self._index.search(query, k, threads=1).keys, np.int64)

    def save(self, folder: Path) -> None:
        """One file."""
        self._index.save(str(folder / _FILE))

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """Read the file."""
        return cls(library("usearch.index", "usearch").Index.restore(str(folder / _FILE)))
