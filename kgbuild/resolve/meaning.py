"""Nearness of meaning: MiniLM embeddings of short labels, loaded only when there is something to encode."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kgbuild.encoder import HIDDEN, pieces_of

if TYPE_CHECKING:
    from kgbuild.encoder.bert import Bert

FloatArray = NDArray[np.float32]
_ROWS = 1024
_EXACT = 8192
_PROBED = 24
_PIECES = 256
"""Pieces of a text at most, the marks around it among them: MiniLM was trained on no longer ones."""


@cache
def _encoder() -> Bert:
    # Threads that spin while they wait cost ten times the work on a busy machine. Read when torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    from kgbuild.encoder import load_encoder
    from kgbuild.encoder.layout import lay_out

    encoder = load_encoder()
    lay_out(encoder)
    return encoder


def encode(texts: Sequence[str]) -> FloatArray:
    """(n, 384) rows of length 1, one a text; whatever stands beside it, a text has the same."""
    if not texts:
        return np.empty((0, HIDDEN), np.float32)
    encoder = _encoder()
    from kgbuild.encoder.packed import unit_vectors

    distinct = sorted(set(texts))
    rows = np.empty((len(distinct), HIDDEN), np.float32)
    for start in range(0, len(distinct), _ROWS):
        some = distinct[start : start + _ROWS]
        rows[start : start + len(some)] = unit_vectors(encoder, [pieces_of(text, _PIECES) for text in some])
    place = {text: row for row, text in enumerate(distinct)}
    return rows[[place[text] for text in texts]]


@lru_cache(maxsize=8)
def encode_kept(texts: tuple[str, ...]) -> FloatArray:
    """The same, kept for the next call: for texts such as a schema's, which every run brings again."""
    return encode(texts)


def near_pairs(rows: FloatArray, at_least: float) -> Iterator[tuple[int, int, float]]:
    """Pairs (i, j, cosine) with i < j whose rows are at least that near, in order of i then j.

    Up to `_EXACT` rows every pair is compared. Beyond, a row meets the rows of the `_PROBED` cells nearest to
    it (inverted lists over k-means with a fixed seed): the search grows with n^1.5 and not with n^2.
    """
    if len(rows) > _EXACT:
        yield from _near_pairs_by_cells(rows, at_least)
        return
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS] @ rows[start:].T
        for i, j in zip(*np.nonzero(block >= at_least), strict=True):
            if i < j:
                yield start + int(i), start + int(j), min(1.0, float(block[i, j]))


def _near_pairs_by_cells(rows: FloatArray, at_least: float) -> Iterator[tuple[int, int, float]]:
    import faiss

    cells = int(2 * len(rows) ** 0.5)
    index = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], cells, faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = 1, 8, 64
    index.train(rows)
    index.add(rows)
    index.nprobe = _PROBED
    for start in range(0, len(rows), _ROWS):
        ends, nearness, found = index.range_search(rows[start : start + _ROWS], at_least)
        for row in range(len(ends) - 1):
            i = start + row
            hits = sorted(
                zip(
                    found[ends[row] : ends[row + 1]].tolist(),
                    nearness[ends[row] : ends[row + 1]].tolist(),
                    strict=True,
                )
            )
            for j, near in hits:
                if i < j:
                    yield i, j, min(1.0, near)
