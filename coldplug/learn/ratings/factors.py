"""What ratings alone say of items: a mean, factors and a noise each, by expectation maximisation.

Probabilistic principal components with missing entries (Tipping and Bishop 1999; Ilin and Raiko 2010), with a level of
the user's own among the factors and the users' attributes as the prior of both. As against alternating least squares, a
user with few ratings stays uncertain while the items are fitted, and the noise of every item is learned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from coldplug.learn.ratings.rows import Array, Ratings
from coldplug.types import FloatArray

_BIAS_DAMPING = 5.0
_ATTRIBUTE_RIDGE = 20.0
_NOISE_DAMPING = 10.0
"""Ratings with the common noise that each item's own is drawn towards it by."""
_NOISE_AT_FIRST, _LEVEL_AT_FIRST = 0.6, 0.2
"""Variance of the noise and of the users' levels to begin with, as shares of that of the ratings."""


@dataclass(frozen=True)
class Factors:
    """r = mean + bias_i + level_u + vectors_i . w_u + noise_i.

    `bias`, `noise` (n_items,); `vectors` (n_items, rank); `prior` (1 + n_attributes, 1 + rank) maps [1, attributes] to
    the expected [level, w]; `variance` (1 + rank,) is how far users lie from that, 1 for each factor.
    """

    mean: float
    bias: Array
    vectors: Array
    noise: Array
    prior: Array
    variance: Array


def fit_factors(
    rows: Ratings, attributes: FloatArray, *, rank: int, sweeps: int, item_ridge: float, seed: int
) -> Factors:
    """Alternate between the users' posteriors and the items' regressions.

    Args:
        rows: the ratings.
        attributes: (n_users, n_attributes) of the users in `rows`.
        item_ridge: penalty on an item's vector, in ratings.
    """
    given, counts = rows.matrix, rows.counts
    n_users, n_items = given.shape
    of_user = np.repeat(np.arange(n_users), np.diff(given.indptr))
    rest = given.data - rows.mean
    common = float(rest.var())
    bias, noise = rows.item_bias(_BIAS_DAMPING), np.full(n_items, _NOISE_AT_FIRST * max(common, 1e-6))
    vectors = np.random.default_rng(seed).normal(0.0, 0.1, (n_items, rank)) * (counts > 0)[:, None]
    x = np.hstack([np.ones((n_users, 1)), attributes])
    gram = x.T @ x + _ATTRIBUTE_RIDGE * np.eye(x.shape[1])
    prior = np.zeros((x.shape[1], 1 + rank))
    variance = np.concatenate([[_LEVEL_AT_FIRST * max(common, 1e-6)], np.ones(rank)])
    penalty = np.diag(np.concatenate([[_BIAS_DAMPING], np.full(rank, item_ridge)]))
    met = sparse.csr_array((np.ones(given.nnz), given.indices, given.indptr), shape=given.shape)
    by_item = sparse.csr_array(met.T)

    def with_data(data: Array) -> sparse.csr_array:
        return sparse.csr_array((data, given.indices, given.indptr), shape=given.shape)

    for _ in range(sweeps):
        # users: posterior mean and covariance of [level, w] given the items
        loadings = np.hstack([np.ones((n_items, 1)), vectors])
        precision = _summed(with_data(1 / noise[given.indices]), _squares(loadings))
        precision += np.diag(1 / variance)
        covariance: Array = np.linalg.inv(precision).astype(np.float64)
        weighed = with_data((rest - bias[given.indices]) / noise[given.indices]) @ loadings
        mean = np.einsum("uij,uj->ui", covariance, weighed + x @ prior / variance)
        # items: ridge regression on users who are known only up to their covariance
        second = covariance + mean[:, :, None] * mean[:, None, :]
        moments = second.copy()
        moments[:, 0, 0] = 1
        moments[:, 0, 1:] = moments[:, 1:, 0] = mean[:, 1:]
        level = np.hstack([mean[:, :1], second[:, 0, 1:]])
        design = np.hstack([np.ones((n_users, 1)), mean[:, 1:]])
        wanted = sparse.csr_array(with_data(rest).T) @ design - by_item @ level
        found = np.linalg.solve(_summed(by_item, moments) + penalty, wanted[:, :, None])[:, :, 0]
        bias, vectors = found[:, 0].copy(), found[:, 1:].copy()
        loadings = np.hstack([np.ones((n_items, 1)), vectors])
        error = rest - bias[given.indices] - np.einsum("nd,nd->n", loadings[given.indices], mean[of_user])
        unsure = np.einsum("iab,iab->i", _summed(by_item, covariance), _squares(loadings))
        squared = np.bincount(given.indices, error**2, n_items) + unsure
        common = float(squared.sum() / given.nnz)
        noise = (squared + _NOISE_DAMPING * common) / (counts + _NOISE_DAMPING)
        noise = np.maximum(noise, 1e-6)
        # the prior of the users, and factors in units of its deviation
        prior = np.linalg.solve(gram, x.T @ mean)
        variance = ((mean - x @ prior) ** 2).mean(0) + np.einsum("uii->i", covariance) / n_users
        unit = np.sqrt(np.maximum(variance[1:], 1e-12))
        vectors *= unit
        prior[:, 1:] /= unit
        variance = np.concatenate([np.maximum(variance[:1], 1e-6), np.ones(rank)])
    return Factors(rows.mean, bias, vectors, noise, prior, variance)


def _squares(rows: Array) -> Array:
    """(n, d, d) the outer product of each row with itself."""
    return rows[:, :, None] * rows[:, None, :]


def _summed(weights: sparse.csr_array, matrices: Array) -> Array:
    """(n, d, d) for each row of weights (n, m) the weighted sum of the m matrices (m, d, d)."""
    flat = weights @ matrices.reshape(len(matrices), -1)
    return np.asarray(flat).reshape(-1, *matrices.shape[1:])
