"""hnswlib: a graph of neighbours that a search walks along, by the authors of HNSW (Malkov and Yashunin 2018)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from coldplug.index import library
from coldplug.types import FloatArray, IntArray

_FILE = "rows.hnswlib"


class HnswlibIndex:
    """An HNSW index; its effort is the length of the list of candidates that a walk keeps."""

    EFFORTS: ClassVar[tuple[int, ...]] = (100, 200, 400, 800, 1600)

    def __init__(self, index: Any, count: int) -> None:
        self._index, self._count, self.effort = index, count, 400
        self._asking = threading.Lock()

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """Put in one row after the other."""
        index = library("hnswlib", "hnswlib").Index(space="l2", dim=vectors.shape[1])
        index.init_index(max_elements=len(vectors), M=16, ef_construction=100, random_seed=seed + 1)
        index.add_items(vectors, np.arange(len(vectors)), num_threads=1)
        return cls(index, len(vectors))

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first."""
        k = min(k, self._count)
        # It fails where it keeps fewer candidates than it is to return, and the number is the same for all threads.
        with self._asking:
            self._index.set_ef(max(self.effort, k))
            return np.asarray(self._index.knn_query(query, k, num_threads=1)[0][0], np.int64)

    def save(self, folder: Path) -> None:
        """One file."""
        self._index.save_index(str(folder / _FILE))

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """Read the file."""
        index = library("hnswlib", "hnswlib").Index(space="l2", dim=vectors.shape[1])
        index.load_index(str(folder / _FILE), max_elements=len(vectors))
        return cls(index, len(vectors))
