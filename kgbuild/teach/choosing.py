"""Which items the teacher reads: first those that lie far apart, then those of which the student is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_DOUBTFUL = 3
"""Of so many times as many doubtful items as are wanted, those that lie far apart are taken."""


def far_apart(vectors: NDArray[np.float32], number: int, taken: Sequence[int] = ()) -> list[int]:
    """Rows that lie far from each other and from those `taken`: each next one is the farthest from all before it
    (Gonzalez 1985). Without any taken, the first is the row nearest to the mean, the most typical one.

    Args:
        vectors: (n, d), rows of length 1.
        number: how many; fewer come where there are no more rows.

    Returns:
        Row numbers in the order of choosing: a prefix of a longer choice is the shorter choice.
    """
    import numpy as np

    if not len(vectors):
        return []
    chosen: list[int] = []
    # Cosine distances, rounded: the last bits depend on the machine.
    distance = np.full(len(vectors), np.inf, np.float32)
    for row in taken:
        distance = np.minimum(distance, _distances(vectors, row))
    blocked = set(taken)
    if not taken:
        centre = (vectors @ vectors.mean(axis=0)).round(4)
        chosen.append(int(centre.argmax()))
        distance = _distances(vectors, chosen[0])
    while len(chosen) < number and len(chosen) + len(blocked) < len(vectors):
        open_ones = distance.copy()
        open_ones[[*blocked, *chosen]] = -1
        chosen.append(int(open_ones.argmax()))
        distance = np.minimum(distance, _distances(vectors, chosen[-1]))
    return chosen[:number]


def in_doubt(
    vectors: NDArray[np.float32], doubts: Sequence[float], number: int, taken: Sequence[int]
) -> list[int]:
    """Rows of which the student is most in doubt, and among those such as lie far apart: of texts that are alike,
    one is enough."""
    open_ones = [row for row in range(len(vectors)) if row not in set(taken)]
    open_ones.sort(key=lambda row: (-doubts[row], row))
    doubtful = open_ones[: number * _DOUBTFUL]
    if len(doubtful) <= number:
        return doubtful
    apart = far_apart(vectors[[*taken, *doubtful]], number, taken=range(len(taken)))
    return [doubtful[row - len(taken)] for row in apart]


def _distances(vectors: NDArray[np.float32], row: int) -> NDArray[np.float32]:
    distances: NDArray[np.float32] = (1 - vectors @ vectors[row]).round(4)
    return distances
