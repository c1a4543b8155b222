"""Clusters of relation wordings that no list knows: each is defined in words, definitions are embedded, and
the nearest clusters are joined as long as no guard keeps any two of their wordings apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from kgbuild.resolve import meaning
from kgbuild.resolve.guards import conflict, narrower
from kgbuild.resolve.labels import Label
from kgbuild.resolve.phrases import (
    direction,
    listed_as_inverse,
    opposed,
    relation_phrase,
    same_agent,
    share_a_stem,
    without_preposition,
)

ALIKE = 0.54
"""Least average cosine of two clusters' definitions: the lowest that keeps B-cubed precision at 0.95 on the
wordings of items.yaml (benchmarks/relations_webnlg.py); no other data played a part."""
TURNED_ROUND = 0.5
"""Two wordings with different prepositions whose other words lie that near may be inverses: "founder of",
"creator"."""
_VALUES_TOLD = 3


def definition_in_words(phrase: str, values: Sequence[str]) -> str:
    """What a relation means, as a sentence made of its wording and its most usual values.

    "runway length" with "2702" and "3500" becomes "the runway length of an item, such as 2702 or 3500".
    """
    told = " or ".join(values[:_VALUES_TOLD])
    return f"the {phrase} of an item, such as {told}" if told else f"the {phrase} of an item"


class WordingSpace:
    """Wordings of relations with their definitions: how alike any two are, and whether they must stay apart.

    `nearness` is (n, n): the cosines of the definitions.
    """

    def __init__(self, wordings: Sequence[str], definitions: Sequence[str]) -> None:
        self.phrases = [relation_phrase(wording) for wording in wordings]
        self.labels = [Label(" ".join(phrase)) for phrase in self.phrases]
        rows = meaning.encode(definitions)
        self.nearness: NDArray[np.float32] = rows @ rows.T
        self._bare = meaning.encode([" ".join(without_preposition(phrase)) for phrase in self.phrases])

    def apart(self, i: int, j: int) -> bool:
        """Whether a guard objects: of values, of direction, or a preposition that turns a near word round."""
        a, b = self.phrases[i], self.phrases[j]
        if conflict(self.labels[i], self.labels[j]) is not None or narrower(self.labels[i], self.labels[j]):
            return True
        if share_a_stem(a, b):
            return opposed(a, b)
        turned = direction(a) != direction(b) and float(self._bare[i] @ self._bare[j]) >= TURNED_ROUND
        return listed_as_inverse(a, b) or (turned and not same_agent(a, b))


def average_link(
    nearness: NDArray[np.float32], at_least: float, apart: Callable[[int, int], bool] = lambda i, j: False
) -> list[list[int]]:
    """Groups of rows: the two groups of the highest average similarity are joined until none reaches `at_least`.

    Two groups with a pair of rows that is `apart` are never joined. Ties go to the smaller indices, so the
    result depends on the order of the rows alone.

    Args:
        nearness: (n, n), symmetric.
        apart: asked only of pairs that lie near enough to matter, with i < j.

    Returns:
        The groups, each sorted, in order of their first row.
    """
    n = len(nearness)
    total = nearness.astype(np.float64)
    sizes = np.ones(n)
    for i, j in zip(*np.nonzero(np.triu(nearness >= at_least, 1)), strict=True):
        if apart(int(i), int(j)):
            total[i, j] = total[j, i] = -np.inf
    asked = nearness >= at_least
    np.fill_diagonal(total, -np.inf)
    groups: dict[int, list[int]] = {row: [row] for row in range(n)}
    mean = total.copy()
    best = mean.argmax(axis=1) if n else np.empty(0, np.intp)
    while len(groups) > 1:
        rows = np.fromiter(groups, np.intp)
        nearest = mean[rows, best[rows]]
        i = int(rows[nearest.argmax()])
        j = int(best[i])
        if not mean[i, j] >= at_least:
            break
        i, j = min(i, j), max(i, j)
        unasked = [(a, b) for a in groups[i] for b in groups[j] if not asked[a, b]]
        if any(apart(min(pair), max(pair)) for pair in unasked):
            total[i, j] = total[j, i] = mean[i, j] = mean[j, i] = -np.inf
            best[i], best[j] = mean[i].argmax(), mean[j].argmax()
            continue
        groups[i] = sorted([*groups[i], *groups.pop(j)])
        total[i] += total[j]
        total[j] = total[:, j] = -np.inf
        total[:, i] = total[i]
        sizes[i] += sizes[j]
        total[i, i] = total[i, j] = -np.inf
        mean[i] = total[i] / (sizes[i] * sizes)
        mean[:, i] = mean[i]
        mean[j] = mean[:, j] = -np.inf
        for row in groups:
            if row == i or best[row] in (i, j):
                best[row] = mean[row].argmax()
            elif mean[row, i] > mean[row, best[row]]:
                best[row] = i
    return sorted(groups.values())


def usual_values(counts: Mapping[str, int]) -> list[str]:
    """The values that tell most about a relation: the most frequent, ties by the alphabet."""
    return sorted(counts, key=lambda value: (-counts[value], value))[:_VALUES_TOLD]
