"""Which items are liked together, one pair at a time: vectors whose inner product is about the association of two items.

The association of items i and j is their pointwise mutual information, with counts smoothed towards independence:

    a_ij = log (n_ij + s) / (n_i n_j / n + s)

for n users, n_i who like i, n_ij who like both. Summed over a support it is what naive Bayes adds to the logit of j. The
moments settle what all support items say together, for which rare pairs are too rare; this asks of each pair by itself, so
that the two err differently. Its leading eigenvectors, times the roots of their eigenvalues, are the items' vectors, as
they are of words (Levy and Goldberg, Neural Word Embedding as Implicit Matrix Factorization, 2014).
"""

from __future__ import annotations

import numpy as np

from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import FloatArray

LINKS = 64
"""Length of the vectors at most."""
_SMOOTH = 2.0
"""Users, as if seen, with whom two items are independent."""


def associations(profiles: Profiles, length: int = LINKS) -> FloatArray:
    """(n_anchors, length) vectors z with z_i . z_j about a_ij; an item's association with itself counts as none.

    Directions that there are not enough of are 0.
    """
    from scipy.sparse.linalg import eigsh

    liked = profiles.liked.astype(np.float32)
    count = np.asarray(liked.sum(0), np.float32).ravel()
    n = len(count)
    matrix = (liked.T @ liked).toarray()
    matrix += _SMOOTH
    expected = np.outer(count, count / np.float32(liked.shape[0]))
    expected += _SMOOTH
    matrix /= expected
    np.log(matrix, out=matrix)
    np.fill_diagonal(matrix, 0.0)
    if n > 3 * length:
        strengths, found = eigsh(matrix, k=length, which="LA", v0=np.ones(n, np.float32))
    else:
        strengths, found = np.linalg.eigh(matrix)
    leading = np.argsort(-strengths, kind="stable")[:length]
    found = found[:, leading] * np.sqrt(np.maximum(strengths[leading], 0.0))
    signs = np.sign(found[np.abs(found).argmax(0), np.arange(found.shape[1])])
    out = np.zeros((n, length), np.float32)
    out[:, : found.shape[1]] = found * signs
    return out
