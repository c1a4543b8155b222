"""Milvus: rows in a server that others share, or embedded in this process (milvus-lite), by one client.

With a place such as http://127.0.0.1:19530 the rows go to a collection there, named by their content, so that two models do
not meet; $MILVUS_TOKEN is the server's token. Without one they lie in a folder beside the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from coldplug.index import library
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError

_FILE, _EMBEDDED = "milvus.json", "milvus.db"
_AT_ONCE = 5_000
"""Rows in one call: the server bounds the size of a message."""
_MOST = 16_384
"""Rows that the server returns at most; a filter that wants more of them has all rows looked at."""
_CELLS = (16, 4096)


class MilvusIndex:
    """A collection with an IVF_FLAT index; its effort is the number of cells looked through."""

    EFFORTS: ClassVar[tuple[int, ...]] = (8, 16, 32, 64, 128, 256)

    def __init__(self, client: Any, collection: str, place: str | None, folder: Path | None) -> None:
        self._client, self._collection, self._place, self._folder = client, collection, place, folder
        self.effort = 32

    @classmethod
    def build(cls, vectors: FloatArray, *, seed: int = 0, place: str | None = None) -> Self:
        """Send the rows; a collection of the same rows that is there is built anew."""
        milvus = library("pymilvus", "pymilvus")
        collection = "coldplug_" + hashlib.sha256(np.ascontiguousarray(vectors).tobytes()).hexdigest()[:24]
        folder = None if place is not None else _scratch()
        client = _client(place if folder is None else str(folder / _EMBEDDED))
        if client.has_collection(collection):
            client.drop_collection(collection)
        schema = client.create_schema(auto_id=False)
        schema.add_field("id", milvus.DataType.INT64, is_primary=True)
        schema.add_field("vector", milvus.DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        client.create_collection(collection, schema=schema)
        for start in range(0, len(vectors), _AT_ONCE):
            rows = vectors[start : start + _AT_ONCE]
            client.insert(collection, [{"id": start + at, "vector": row} for at, row in enumerate(rows)])
        client.flush(collection)
        cells = int(np.clip(4 * len(vectors) ** 0.5, *_CELLS))
        parameters = client.prepare_index_params()
        parameters.add_index(
            "vector", index_type="IVF_FLAT", metric_type="L2", params={"nlist": min(cells, len(vectors))}
        )
        client.create_index(collection, parameters)
        client.load_collection(collection)
        return cls(client, collection, place, folder)

    def search(self, query: FloatArray, k: int) -> IntArray:
        """(at most k,) rows, nearest first."""
        found = self._client.search(
            self._collection,
            [query],
            limit=min(k, _MOST),
            output_fields=["id"],
            search_params={"params": {"nprobe": self.effort}},
        )
        return np.array([row["id"] for row in found[0]], np.int64)

    def save(self, folder: Path) -> None:
        """Where the rows are, and the rows themselves where they are embedded."""
        told = {"place": self._place, "collection": self._collection}
        (folder / _FILE).write_text(json.dumps(told) + "\n", encoding="utf-8")
        if self._folder is not None:
            self._client.close()
            shutil.copytree(self._folder / _EMBEDDED, folder / _EMBEDDED)
            self._client = _opened(str(self._folder / _EMBEDDED), self._collection)

    @classmethod
    def load(cls, folder: Path, vectors: FloatArray) -> Self:
        """Open a copy of the embedded rows, which nothing that happens to it can spoil, or ask the server.

        Raises:
            UserError: the server cannot be reached, or does not have the collection.
        """
        told = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        place, collection, copy = told["place"], told["collection"], None
        if place is None:
            copy = _scratch()
            shutil.copytree(folder / _EMBEDDED, copy / _EMBEDDED)
        client = _opened(place or str(copy and copy / _EMBEDDED), collection)
        index = cls(client, collection, place, copy)
        if copy is not None:
            weakref.finalize(index, shutil.rmtree, copy, ignore_errors=True)
        return index


def _opened(place: str, collection: str) -> Any:
    client = _client(place)
    if not client.has_collection(collection):
        raise UserError(f"{place} has no collection {collection}", mend="build the index again")
    client.load_collection(collection)
    return client


def _client(place: str | None) -> Any:
    milvus = library("pymilvus", "pymilvus and milvus-lite")
    try:
        return milvus.MilvusClient(place, token=os.environ.get("MILVUS_TOKEN", ""), timeout=30)
    except Exception as error:  # the client's own kinds differ from version to version
        raise UserError(
            f"no Milvus at {place}: {' '.join(str(error).split())[:200]}",
            mend="start the server, or pip install pymilvus milvus-lite",
        ) from error


def _scratch() -> Path:
    return Path(tempfile.mkdtemp(prefix="coldplug-milvus-"))
