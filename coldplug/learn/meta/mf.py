"""Matrix completion, the plain root: alternating least squares, new users folded in, new items by their content.

Clicks: implicit feedback (Hu, Koren and Volinsky 2008), p = 1 with confidence 1 + alpha where an item was liked, p = 0 with
confidence 1 elsewhere. Ratings: squared error on what was rated, after the item's mean (Koren, Bell and Volinsky 2009).

A user never seen is not one who dislikes all that they have not met yet, so the fold-in of a support does not count the
rest of the catalogue as zeros: it takes the users of the training as a Gaussian prior, with a mean that a ridge regression
expects from the attributes, and the support as noisy observations of value_s . u:

    u = m(x) + S K' (K S K' + noise I)^-1 (y - K m(x))

The noise grows with the root of the support's size, since the likes of one user are not independent observations. An item
never met has the vector that a ridge regression expects from its content.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import sparse

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Known, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks
from coldplug.types import FloatArray

_BLOCK = 2048
Array = NDArray[np.float64]


class MFSettings(MetaSettings):
    """Those of all learners (steps, rates and dropout are not used), and those of the factorisation."""

    sweeps: int = Field(8, ge=1, description="rounds of alternating least squares")
    alpha: float = Field(10.0, ge=0, description="confidence of a click beyond that of an item not met")
    ridge: float = Field(0.01, gt=0, description="penalty of the factors, as a share of the number of users")
    noise: float = Field(
        1.0, gt=0, description="variance of a support item's observation over the residual's"
    )
    content_ridge: float = Field(30.0, gt=0, description="penalty of the regression from content to vectors")
    attribute_ridge: float = Field(30.0, gt=0, description="penalty of that from attributes to users")


class CompletionNetwork(VectorNetwork):
    """Factors and fold-in; nothing of it is trained by gradient."""

    keys = False
    settings: MFSettings

    def __init__(self, settings: MFSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.register_buffer("mean", torch.zeros(sizes.attributes + 1, settings.dim))
        self.register_buffer("precision", torch.eye(settings.dim))
        self.register_buffer("noise", torch.ones(()))
        self.register_buffer("centre", torch.zeros(settings.dim))

    def begin(self, known: Known) -> None:
        """Factorise, then fit the two regressions and the prior."""
        settings, of_ratings = self.settings, self.settings.loss == "ratings"
        bias = known.popularity.numpy().astype(np.float64)
        if of_ratings:
            marks = known.values.astype(np.float64)
            marks.data -= bias[marks.indices]
        else:
            marks = known.profiles.liked.astype(np.float64)
            bias[:] = 0
        users, items = als(
            marks,
            settings.dim,
            settings.sweeps,
            alpha=None if of_ratings else settings.alpha,
            ridge=10.0 if of_ratings else settings.ridge * marks.shape[0],
        )
        attributes = np.hstack([np.ones((len(users), 1)), known.attributes.numpy()])
        mean = _ridge(attributes, users, settings.attribute_ridge)
        expected = attributes @ mean
        spread = np.cov((users - expected).T).reshape(settings.dim, settings.dim)
        entries = marks.tocoo()
        fitted = np.einsum("nd,nd->n", users[entries.row], items[entries.col])
        noise = float(((1.0 if not of_ratings else entries.data) - fitted).var()) * settings.noise
        content = np.hstack([np.ones((len(items), 1)), known.content.numpy()])
        weights = _ridge(content, items, settings.content_ridge)
        with torch.no_grad():
            self.mean.copy_(torch.from_numpy(mean))
            self.precision.copy_(
                torch.from_numpy(np.linalg.inv(spread + 1e-4 * np.eye(len(spread)) * spread.trace()))
            )
            self.noise.fill_(max(noise, 1e-3))
            self.centre.copy_(torch.from_numpy(weights[0]))
            self.encoder.content.weight.zero_()
            self.encoder.content.weight[:-1] = torch.from_numpy(weights[1:].T)
            self.encoder.own.weight.copy_(torch.from_numpy(items - content @ weights))
            self.encoder.own_bias.weight[:, 0] = torch.from_numpy(bias)
        self.requires_grad_(False)

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim) posterior means."""
        prior = self.mean[0] + tasks.attributes @ self.mean[1:]
        keys = (items.keys[tasks.items] + self.centre) * tasks.mask[..., None]
        seen = tasks.grades
        if self.settings.loss == "ratings":
            seen = seen - items.key_bias[tasks.items] - self.lenience(tasks, items)
        left = (seen * tasks.mask)[..., None] - keys @ prior[..., None]
        # (S^-1 + K'K / noise)^-1 K' / noise, the same in the smaller of the two sizes for a long support
        noise = self.noise * tasks.sizes.clamp(min=1).sqrt()[..., None]
        precision = noise * self.precision + keys.transpose(1, 2) @ keys
        told: torch.Tensor = prior + torch.linalg.solve(precision, keys.transpose(1, 2) @ left)[..., 0]
        return told

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted)."""
        user = self.user(tasks, items)
        scores = user @ (items.values[wanted] + self.centre).T + items.bias[wanted]
        return scores + self.lenience(tasks, items) if self.settings.loss == "ratings" else scores


class MatrixFactorisation(MetaLearner):
    """Matrix completion by alternating least squares."""

    name = "mf"
    network_class = CompletionNetwork
    settings_class = MFSettings
    update = None  # type: ignore[assignment]  # factors of users and items together, nothing to hold by its gradient

    def train(self, known: Known, seed: int, **_: object) -> list[float]:
        """Nothing is left to train once the factors are there."""
        return []


def als(
    marks: sparse.csr_matrix, dim: int, sweeps: int, *, alpha: float | None, ridge: float
) -> tuple[Array, Array]:
    """(n_rows, dim) and (n_columns, dim) factors by alternating least squares, all rows of a block at once.

    Args:
        marks: what was observed, stored entries only.
        dim: length of the factors.
        sweeps: rounds.
        alpha: confidence of an entry as in the formula; None: what is not stored is unknown, not zero.
        ridge: penalty.
    """
    marks = marks.tocsr()
    turned = marks.T.tocsr()
    rng = np.random.default_rng(0)
    columns = rng.normal(0, 0.1, (marks.shape[1], dim))
    for _ in range(sweeps):
        rows = _solved(marks, columns, alpha, ridge)
        columns = _solved(turned, rows, alpha, ridge)
    return _solved(marks, columns, alpha, ridge), columns


def _solved(marks: sparse.csr_matrix, other: Array, alpha: float | None, ridge: float) -> Array:
    dim = other.shape[1]
    base = ridge * np.eye(dim) + (other.T @ other if alpha is not None else 0)
    pattern = sparse.csr_matrix((np.ones(marks.nnz), marks.indices, marks.indptr), shape=marks.shape)
    upper = np.triu_indices(dim)
    outer = other[:, upper[0]] * other[:, upper[1]]
    out = np.empty((marks.shape[0], dim))
    for start in range(0, marks.shape[0], _BLOCK):
        part = slice(start, start + _BLOCK)
        half = np.asarray(pattern[part] @ outer) * (1.0 if alpha is None else alpha)
        grams = np.empty((len(half), dim, dim))
        grams[:, upper[0], upper[1]] = grams[:, upper[1], upper[0]] = half
        wanted = np.asarray(marks[part] @ other) * (1.0 if alpha is None else 1 + alpha)
        out[part] = np.linalg.solve(grams + base, wanted[..., None])[..., 0]
    return out


def _ridge(features: Array | FloatArray, targets: Array, penalty: float) -> Array:
    """(n_features, any): the first feature is the constant, which is not penalised."""
    gram = features.T @ features + penalty * np.eye(features.shape[1])
    gram[0, 0] -= penalty
    return np.asarray(np.linalg.solve(gram, features.T @ targets), np.float64)
