"""Lists that do not say the same thing ten times: maximal marginal relevance (Carbonell and Goldstein 1998).

    next = argmax over the items left of (1 - d) relevance(i) - d max over the items taken of similarity(i, j)

Relevance is the score, scaled to [0, 1] over the items to choose from. Similarity is the cosine of the items' facts, a fact
weighing log(items / items that have it): items alike are items of the same director, genre or theme, be they known or new.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from coldplug.catalogue import Catalogue
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError

POOL = 10
"""Items to choose from for each place in the list."""


def checked(diversity: float) -> float:
    """The share of dissimilarity in the choice.

    Raises:
        UserError: it is no number from 0 to 1.
    """
    wrong = isinstance(diversity, bool) or not isinstance(diversity, int | float | np.floating)
    if wrong or not 0 <= diversity <= 1:
        raise UserError(f"diversity={diversity!r}", mend="a number from 0, none, to 1")
    return float(diversity)


def diversified(
    catalogue: Catalogue, items: IntArray, scores: FloatArray, k: int, diversity: float
) -> list[int]:
    """Places in `items` of the k chosen, in the order in which they were chosen.

    Args:
        catalogue: with the facts of the items.
        items: (n,) item numbers, best first.
        scores: (n,) theirs.
        k: how many.
        diversity: 0 keeps the order, 1 looks at nothing but differences once the best is taken.
    """
    if not len(items):
        return []
    span = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / span if span > 0 else np.ones(len(items))
    alike = similarity(catalogue, items)
    left = np.ones(len(items), np.bool_)
    nearest = np.zeros(len(items))
    chosen: list[int] = []
    for _ in range(min(k, len(items))):
        worth = np.where(left, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        best = int(worth.argmax()) if chosen else 0
        chosen.append(best)
        left[best] = False
        nearest = np.maximum(nearest, alike[best])
    return chosen


def similarity(catalogue: Catalogue, items: IntArray) -> FloatArray:
    """(n, n) cosines of the items' facts; 0 beside an item without any."""
    starts, ends = np.searchsorted(catalogue.heads, [items, items + 1])
    rows = np.repeat(np.arange(len(items)), ends - starts)
    facts = np.concatenate([np.arange(start, end) for start, end in zip(starts, ends, strict=True)])
    facts = facts.astype(np.int64)
    keys = catalogue.relations[facts] * len(catalogue.value_iris) + catalogue.tails[facts]
    _, columns = np.unique(keys, return_inverse=True)
    rarity = np.log(len(catalogue.item_ids) / catalogue.sharing[facts]) if len(facts) else np.empty(0)
    table = sparse.csr_matrix((rarity, (rows, columns)), shape=(len(items), max(len(facts), 1)))
    lengths = np.sqrt(np.asarray(table.multiply(table).sum(1)).ravel())
    scaled = sparse.diags(np.divide(1, lengths, out=np.zeros_like(lengths), where=lengths > 0)) @ table
    return np.asarray((scaled @ scaled.T).toarray(), np.float32)
