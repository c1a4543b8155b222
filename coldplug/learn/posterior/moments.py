"""The closed-form half of the posterior: the best linear guess at a profile from attributes and a random support.

Let y be a user's graded profile, x the attributes and S a random k-subset of the positives, n of them. Bayes linear
adjustment (Goldstein and Wooff, Bayes Linear Statistics, 2007, eq. 3.1) gives E[y | x, S] = W' z with z = [1, x, 1_S] and
W = (E[z z'] + lambda)^-1 E[z y']. Both moments over the random draw of S are exact: an item of the profile is in S with
probability k/n, a pair with k(k-1)/(n(n-1)). So the weights are those for the support size at hand; weights fitted on
whole profiles, as EASE has them, are far from right when three clicks are all there is. (An item rated below the threshold
is never drawn; its small grade is scaled as if it were.)

Profiles are expressed in a basis, two sets of `rank` directions, so an item is a vector, and so is a user.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve

from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import FloatArray

SIZES = (0, 1, 2, 3, 5, 10, 20, 50)
"""Support sizes with weights of their own; between two of them the weights are interpolated in log(1 + k)."""
Remember = Callable[[int, FloatArray, FloatArray], None]
_CHUNK = 4096
_SMOOTH = 3.0
"""Grades added to an item's popularity before its root is taken."""
_LEAST_USERS = 50


def principal_directions(grades: sparse.csr_matrix, rank: int, seed: int) -> FloatArray:
    """(n_anchors, rank) orthonormal: the leading right singular vectors of (n_users, n_anchors), strongest first.

    Randomised range finder with power iterations (Halko, Martinsson and Tropp 2011, algorithm 4.4).
    """
    rank = min(rank, *grades.shape)
    rng = np.random.default_rng(seed)
    sample = rng.standard_normal((grades.shape[1], min(rank + 32, *grades.shape))).astype(np.float32)
    for _ in range(5):
        sample, _ = np.linalg.qr(grades.T @ (grades @ sample))
    _, _, small = np.linalg.svd(grades @ sample, full_matrices=False)
    directions = sample @ small[:rank].T
    signs = np.sign(directions[np.abs(directions).argmax(0), np.arange(rank)])
    return (directions * signs).astype(np.float32)


@dataclass(frozen=True)
class Basis:
    """What profiles are written in: two sets of directions side by side, each half of what a profile comes to.

    The principal components of the grades are mostly about what many like. Those of the grades over the root of an
    item's popularity, as correspondence analysis weighs columns (Greenacre, Theory and Applications of Correspondence
    Analysis, 1984), give the rest a say. What one set cuts off the other keeps; the mean of the two is nearer than either.

    `analysis` (n_anchors, width) takes a profile to its coordinates, `rows` (n_anchors, width) takes them back. The first
    `rank` columns of `rows` are the principal components, orthonormal.
    """

    analysis: FloatArray
    rows: FloatArray
    rank: int

    @classmethod
    def of(cls, profiles: Profiles, rank: int, seed: int) -> Basis:
        """The leading directions, `rank` of each set where there are so many."""
        plain = principal_directions(profiles.grades, rank, seed)
        root = np.sqrt(np.asarray(profiles.grades.sum(0), np.float32).ravel() + _SMOOTH)
        scaled = principal_directions((profiles.grades @ sparse.diags_array(1 / root)).tocsr(), rank, seed)
        analysis = np.hstack([plain, scaled / root[:, None]]) / 2
        return cls(analysis.astype(np.float32), np.hstack([plain, scaled * root[:, None]]), plain.shape[1])

    @property
    def plain(self) -> FloatArray:
        """(n_anchors, rank) the principal components."""
        return self.rows[:, : self.rank]


@dataclass(frozen=True)
class Moments:
    """The weights, one set a support size.

    `keys[i]` is (n_anchors, width): what meeting an anchor adds to the expected profile at size `SIZES[i]`;
    `prior[i]` is (1 + n_attributes, width), the part that attributes give, its first row the intercept; `bridge[i]` is
    (rank, width), the regression of the keys on the anchors' principal components. `analysis` is the basis's.
    """

    keys: FloatArray
    prior: FloatArray
    bridge: FloatArray
    analysis: FloatArray

    @classmethod
    def fit(
        cls,
        profiles: Profiles,
        attributes: FloatArray,
        basis: Basis,
        *,
        ridge: float,
        attribute_ridge: float,
        remember: Remember | None = None,
    ) -> Moments:
        """Solve for the weights of every support size.

        Args:
            profiles: of the training users.
            attributes: (n_users, n_attributes) encoded attributes of the same users.
            basis: to express profiles in.
            ridge: lambda of a support item, in units of its chance to be drawn.
            attribute_ridge: lambda of an attribute, in users.
            remember: called for each size in turn with the size that enough profiles exceed, with what it solves with,
                E[z z'] + lambda, and with the lambdas, in sums over users; see `memory.py`.
        """
        asked = (profiles, attributes, basis.analysis)
        solved = [solve(*asked, k, ridge, attribute_ridge, remember) for k in SIZES]
        return cls.of([keys for keys, _ in solved], [prior for _, prior in solved], basis)

    @classmethod
    def of(cls, keys: Sequence[FloatArray], prior: Sequence[FloatArray], basis: Basis) -> Moments:
        """The moments with these weights, one pair a support size."""
        stacked = np.stack(keys)
        return cls(stacked, np.stack(prior), np.einsum("ir,kis->krs", basis.plain, stacked), basis.analysis)


def mixing(sizes: Sequence[int], k: int) -> list[tuple[int, float]]:
    """Positions in `sizes` to interpolate between for k, with their shares, linear in log(1 + k)."""
    if k >= sizes[-1]:
        return [(len(sizes) - 1, 1.0)]
    after = int(np.searchsorted(np.asarray(sizes), k, side="right"))
    low, high = np.log1p(sizes[after - 1]), np.log1p(sizes[after])
    share = float((np.log1p(k) - low) / (high - low))
    return [(after - 1, 1.0 - share)] + ([(after, share)] if share else [])


def solve(
    profiles: Profiles,
    attributes: FloatArray,
    analysis: FloatArray,
    k: int,
    ridge: float,
    attribute_ridge: float,
    remember: Remember | None = None,
) -> tuple[FloatArray, FloatArray]:
    """The weights of one support size: keys (n_anchors, width), prior (1 + n_attributes, width)."""
    sizes = np.asarray(profiles.liked.sum(1)).ravel()
    # A size that few profiles exceed is learned at the largest size that enough of them do.
    enough = min(_LEAST_USERS, max(1, int((sizes >= 3).sum())))
    k = min(k, max(0, int(np.sort(sizes)[-enough]) - 3))
    gram, cross = expectations(profiles, attributes, analysis, k)
    width = attributes.shape[1] + 1
    penalty = np.full(len(gram), attribute_ridge, np.float32)
    penalty[0] = 1e-3
    penalty[width:] = ridge * k + 1e-3
    gram[np.diag_indices_from(gram)] += penalty
    if remember is not None:
        remember(k, gram, penalty)
    weights = cho_solve(cho_factor(gram, overwrite_a=True, check_finite=False), cross, check_finite=False)
    keys = weights[width:] if k else np.zeros_like(analysis)
    return keys.astype(np.float32), weights[:width].astype(np.float32)


def expectations(
    profiles: Profiles, attributes: FloatArray, analysis: FloatArray, k: int
) -> tuple[FloatArray, FloatArray]:
    """E[z z'] and E[z y'] over supports of k, in sums over users, with y written by `analysis`.

    Those with k + 2 likes or fewer are left out. z has 1 + n_attributes entries, and n_anchors more where k is not 0.
    """
    n_anchors = profiles.shape[1]
    sizes = np.asarray(profiles.liked.sum(1)).ravel()
    rows = np.flatnonzero(sizes > k + 2)
    width = attributes.shape[1] + 1
    total = width + (n_anchors if k else 0)
    gram = np.zeros((total, total), np.float32)
    cross = np.zeros((total, analysis.shape[1]), np.float32)
    own = np.zeros(n_anchors, np.float32)
    drawn = np.zeros(n_anchors, np.float32)
    for start in range(0, len(rows), _CHUNK):
        chunk = rows[start : start + _CHUNK]
        n = sizes[chunk, None].astype(np.float32)
        x = np.hstack([np.ones((len(chunk), 1), np.float32), attributes[chunk]])
        y = np.asarray(profiles.grades[chunk] @ analysis, np.float32)
        gram[:width, :width] += x.T @ x
        cross[:width] += x.T @ (y * (1 - k / n))
        if not k:
            continue
        liked = profiles.liked[chunk].toarray()
        single, pair = k / n, k * (k - 1) / (n * (n - 1))
        rest = k * (n - k) / (n * (n - 1))
        gram[:width, width:] += x.T @ (liked * single)
        gram[width:, width:] += liked.T @ (liked * pair)
        drawn += (liked * single).sum(0)
        cross[width:] += liked.T @ (y * rest)
        own += np.asarray(
            profiles.grades[chunk].multiply(profiles.liked[chunk]).multiply(rest).sum(0)
        ).ravel()
    if k:
        gram[width:, :width] = gram[:width, width:].T
        gram[np.arange(width, total), np.arange(width, total)] = drawn
        cross[width:] -= own[:, None] * analysis  # the support item itself is no target of its own
    return gram, cross


def hits(
    profiles: Profiles,
    attributes: FloatArray,
    rows: FloatArray,
    weights: tuple[FloatArray, FloatArray],
    k: int,
    seed: int,
) -> float:
    """Share of the ten best-scored anchors that a held-out user likes, given a random support of k of their likes.

    `rows` are the basis's.
    """
    keys, prior = weights
    rng = np.random.default_rng(seed)
    found = []
    for row in range(profiles.shape[0]):
        likes = profiles.liked[row].indices
        if len(likes) < k + 5:
            continue
        support = rng.choice(likes, k, replace=False)
        x = np.concatenate([np.ones(1, np.float32), attributes[row]])
        scores = rows @ (x @ prior + keys[support].sum(0))
        scores[support] = -np.inf
        best = np.argpartition(-scores, min(10, len(scores) - 1))[:10]
        found.append(np.isin(best, likes).mean())
    return float(np.mean(found)) if found else 0.0
