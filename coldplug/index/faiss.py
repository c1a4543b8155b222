"""faiss: rows in cells around centres, and the cells nearest to the query looked through (an inverted file)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from coldplug.index import library
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError

_FILE = "rows.faiss"
_CELLS = (16, 2048)
"""At least and at most; between them four times the root of the number of rows, as the library's guide has it."""
_ROWS_A_CELL = 40
"""That the centres are learned from."""
_FEW = 2_000
"""Rows up to here are in one cell: to look at all of them costs nothing."""


class FaissIndex:
    """An IVF index of whole rows; its effort is the number of cells looked through."""

    EFFORTS: ClassVar[tuple[int, ...]] = (4, 8, 16, 32, 64, 128, 256, 512)

    def __init__(self, index: Any) -> None:
        self._faiss, self._index, self.effort = library("faiss", "faiss-cpu"), index, 32

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """Learn the centres, then put every row into its cell."""
        faiss = library("faiss", "faiss-cpu")
        count, width = vectors.shape
        cells = 1 if count <= _FEW else int(np.clip(4 * count**0.5, *_CELLS))
        centres = faiss.IndexFlatL2(width)
        index = faiss.IndexIVFFlat(centres, width, cells, faiss.METRIC_L2)
        index.cp.max_points_per_centroid, index.cp.niter, index.cp.seed = _ROWS_A_CELL, 6, seed + 1
        index.cp.min_points_per_centroid = 1
        index.train(vectors)
        index.add(vectors)
        # The index would free the centres with this name: it is told that they are its own now.
        centres.this.disown()
        index.own_fields = True
        return cls(index)

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first, of the `effort` nearest cells."""
        cells = self._faiss.SearchParametersIVF(nprobe=min(self.effort, self._index.nlist))
        rows = self._index.search(query[None], k, params=cells)[1][0]
        return np.asarray(rows[rows >= 0], np.int64)

    def save(self, folder: Path) -> None:
        """One file."""
        self._faiss.write_index(self._index, str(folder / _FILE))

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """Read the file.

        Raises:
            UserError: faiss cannot read it, or it is of other rows.
        """
        faiss = library("faiss", "faiss-cpu")
        try:
            index = faiss.read_index(str(folder / _FILE))
        except RuntimeError as error:
            raise UserError(f"faiss cannot read {folder / _FILE}", mend="build the index again") from error
        return cls(index)
