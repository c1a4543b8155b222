"""Every row looked at: nothing to build, nothing to miss."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from coldplug.types import FloatArray, IntArray


class ExactIndex:
    """The rows themselves."""

    EFFORTS: ClassVar[tuple[int, ...]] = (1,)

    def __init__(self, vectors: FloatArray) -> None:
        self.vectors, self.effort = vectors, 1
        self._half_squares = 0.5 * np.einsum("nd,nd->n", vectors, vectors)

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """Keeps the rows."""
        return cls(vectors)

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first."""
        return highest(self.vectors @ query - self._half_squares, k)

    def save(self, folder: Path) -> None:
        """Nothing: the rows are kept by whoever keeps the index."""

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """Over the same rows."""
        return cls(vectors)


def highest(values: FloatArray, k: int) -> IntArray:
    """(at most k,) places of the highest values, highest first."""
    few = np.arange(len(values))
    if k < len(values):
        few = np.argpartition(values, len(values) - k)[len(values) - k :]
    return np.asarray(few[np.argsort(-values[few], kind="stable")], np.int64)
