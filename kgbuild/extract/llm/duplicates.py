"""Near-identical descriptions found, so that a model reads one of them and the others take over what they say too."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from kgbuild.types import Item

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ALIKE = 0.9
"""Jaccard similarity of two texts' shingles from which on one answer serves both: about one word changed in 60."""
_SHINGLE = 3
_BANDS, _ROWS = 12, 6
"""Texts at 0.9 are overlooked once in 10,000 times: (1 - 0.9**6)**12."""
_SEED = 20251
_WORD = re.compile(r"\w+")


def group_near_duplicates(items: Sequence[Item]) -> Iterator[list[Item]]:
    """Groups of items whose texts say nearly the same; each item in one group, groups in the order of their first.

    Texts are alike where they are the same but for case, white space and punctuation, or where the Jaccard
    similarity of their three-word shingles is at least 0.9. Titles belong to the text, and items of another
    category are never alike. An item joins the first group whose first item it is like: likeness is not passed on,
    so a group does not drift. Candidates come from MinHash (Broder 1997) with banding, and each is checked exactly.

    Args:
        items: those that are looked at together; memory grows with their number.
    """
    words = [_WORD.findall(f"{item.title} \n {item.description}".casefold()) for item in items]
    shingles = [_shingles(found) for found in words]
    buckets = [_buckets(signature) for signature in _signatures(shingles)]
    firsts_in: dict[tuple[int, bytes], list[int]] = {}
    same: dict[tuple[str, ...], int] = {}
    groups: dict[int, list[Item]] = {}
    for at, item in enumerate(items):
        key = (item.category, *words[at])
        first = same.get(key)
        if first is None:
            candidates = sorted({one for bucket in buckets[at] for one in firsts_in.get(bucket, ())})
            first = next(
                (
                    one
                    for one in candidates
                    if items[one].category == item.category and _jaccard(shingles[one], shingles[at]) >= ALIKE
                ),
                at,
            )
        same.setdefault(key, first)
        groups.setdefault(first, []).append(item)
        if first == at:
            for bucket in buckets[at]:
                firsts_in.setdefault(bucket, []).append(at)
    yield from groups.values()


def _shingles(words: Sequence[str]) -> frozenset[int]:
    """Hashes of every three words in a row; of all of them where there are fewer."""
    parts = [" ".join(words[at : at + _SHINGLE]) for at in range(max(1, len(words) - _SHINGLE + 1))]
    return frozenset(
        int.from_bytes(hashlib.blake2b(part.encode("utf-8", "replace"), digest_size=8).digest())
        for part in parts
    )


def _signatures(shingles: Sequence[frozenset[int]]) -> Iterator[NDArray[np.uint64]]:
    """(bands * rows,) least hashes of each set, under as many multiply-and-add hash functions."""
    import numpy as np

    draw = np.random.default_rng(_SEED)
    factors = draw.integers(1, 2**63, _BANDS * _ROWS, dtype=np.uint64) | np.uint64(1)
    offsets = draw.integers(0, 2**63, _BANDS * _ROWS, dtype=np.uint64)
    for found in shingles:
        hashes = np.fromiter(found, np.uint64, len(found))
        # The low bits of a product modulo 2**64 are poorly mixed.
        yield ((hashes[:, None] * factors + offsets) >> np.uint64(32)).min(axis=0)


def _buckets(signature: NDArray[np.uint64]) -> list[tuple[int, bytes]]:
    return [(band, part.tobytes()) for band, part in enumerate(signature.reshape(_BANDS, _ROWS))]


def _jaccard(one: frozenset[int], other: frozenset[int]) -> float:
    return len(one & other) / len(one | other)
