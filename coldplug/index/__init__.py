"""Finding the best of a million items without scoring them all: a coarse index narrows the choice, the model decides.

One way through: `coarse.py` takes items and users to a short space in which near means liked; one file a library finds the
nearest there; `finder.py` hands the candidates on; `folder.py` keeps all of it beside the model.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError, did_you_mean

KINDS: dict[str, str] = {
    "faiss": "coldplug.index.faiss:FaissIndex",
    "usearch": "coldplug.index.usearch:UsearchIndex",
    "hnswlib": "coldplug.index.hnswlib:HnswlibIndex",
    "milvus": "coldplug.index.milvus:MilvusIndex",
    "exact": "coldplug.index.exact:ExactIndex",
}
"""Name -> "module:class". `exact` looks at every short vector and needs no library."""
DEFAULT = "faiss"


class NearestIndex(Protocol):
    """Rows of vectors, and the nearest of them to a query by Euclidean distance, nearly always all of them."""

    EFFORTS: ClassVar[tuple[int, ...]]
    """How hard a search may try, least first; what the numbers count is the library's affair."""
    effort: int

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """An index of (n, d) float32 rows; `place` says where, for a library that is a server."""

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first, for one query (d,). Any number of threads may search."""

    def save(self, folder: Path) -> None:
        """Write what `load` needs into a folder that is there."""

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """What was saved there; `vectors` are the rows that it was built of."""


def index_class(kind: str) -> type[NearestIndex]:
    """The class behind the name of a kind.

    Raises:
        UserError: no kind of that name, with the nearest one.
    """
    if kind not in KINDS:
        raise UserError(
            f"unknown kind of index {kind!r}",
            mend=did_you_mean(kind, KINDS) or "kinds: " + ", ".join(KINDS),
        )
    module, _, attribute = KINDS[kind].partition(":")
    found: type[NearestIndex] = getattr(importlib.import_module(module), attribute)
    return found


def library(module: str, package: str) -> Any:
    """A library that one kind of index needs, imported when it is asked for.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"this kind of index needs {package}, which is not installed ({error})",
            mend=f"pip install {package}, or use --kind faiss",
        ) from error
