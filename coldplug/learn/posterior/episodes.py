"""The learned half of the posterior: user and item vectors, trained on episodes like those to be met.

A user's vector has a Gaussian prior whose mean comes from the attributes, u ~ N(A x, I). A support item s with grade g is
the observation r(g) = key_s . u + noise, so the posterior is Gaussian in closed form (Bishop, Pattern Recognition and
Machine Learning, 2006, eq. 3.50-3.51), for any number of support items, none included:

    mean = A x + K' (K K' + sigma^2 I)^-1 (r - K A x)        covariance = I - K' (K K' + sigma^2 I)^-1 K

Item j is scored by the logit e_j . u + b_j. Everything is trained end to end through the posterior: each episode draws a
support of random size from a user's profile and the rest of the profile is the query set, under a multinomial loss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from coldplug.learn.posterior.profiles import LIKED, Profiles
from coldplug.types import FloatArray, IntArray

if TYPE_CHECKING:
    import torch

_SIZES = (0, 1, 2, 3, 5, 7, 10, 20, 40)
_DISLIKES = 0.2
"""Share of the episodes whose support is drawn from all rated items, so that a low rating means something."""


@dataclass(frozen=True)
class AnchorVectors:
    """Trained vectors of the anchors: `values` (n, dim) and `bias` (n,) score, `keys` (n, dim) observe."""

    values: FloatArray
    keys: FloatArray
    bias: FloatArray


@dataclass(frozen=True)
class UserModel:
    """How a user's vector is distributed before and after a support.

    `prior` is (1 + n_attributes, dim); `noise` holds (a, b) of sigma^2 = exp(a + b log(1 + k)); `observed` (r0, r1)
    of the observation r = r0 + r1 g.
    """

    prior: FloatArray
    noise: FloatArray
    observed: FloatArray

    def posterior(
        self, mean: FloatArray, keys: FloatArray, grades: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """A user's posterior mean (dim,) and what each support item added to it (k, dim).

        Args:
            mean: (dim,) prior mean.
            keys: (k, dim) keys of the support items.
            grades: (k,) their grades.
        """
        if not len(keys):
            return mean, np.zeros((0, len(mean)), np.float32)
        sigma2 = np.exp(self.noise[0] + self.noise[1] * np.log1p(len(keys)))
        residual = self.observed[0] + self.observed[1] * grades - keys @ mean
        if len(keys) <= keys.shape[1]:
            weights = np.linalg.solve(keys @ keys.T + sigma2 * np.eye(len(keys), dtype=np.float32), residual)
        else:  # Woodbury: solve in the smaller of the two dimensions
            inner = keys.T @ keys + sigma2 * np.eye(keys.shape[1], dtype=np.float32)
            weights = (residual - keys @ np.linalg.solve(inner, keys.T @ residual)) / sigma2
        added = weights[:, None] * keys
        return (mean + added.sum(0)).astype(np.float32), added.astype(np.float32)

    def covariance(self, keys: FloatArray) -> FloatArray:
        """(dim, dim) posterior covariance of the user's vector after a support with these keys (k, dim)."""
        sigma2 = np.exp(self.noise[0] + self.noise[1] * np.log1p(len(keys)))
        precision = np.eye(keys.shape[1]) + keys.T.astype(np.float64) @ keys / sigma2
        return np.linalg.inv(precision).astype(np.float32)


@dataclass(frozen=True)
class Batch:
    """Users cut into a support and a query set. Padded places of a support have mask 0."""

    attributes: torch.Tensor
    """(n, 1 + n_attributes), the first column ones."""
    support: torch.Tensor
    """(n, k) columns of the anchors in the supports."""
    mask: torch.Tensor
    """(n, k) 1 at a support item."""
    grades: torch.Tensor
    """(n, k) grades of the support items."""
    target: torch.Tensor
    """(n, n_anchors) what the multinomial loss asks for: grades of the query set over the root of their sum."""


class Draws:
    """Batches of episodes without end; every usable user comes once before one comes again."""

    def __init__(self, profiles: Profiles, attributes: FloatArray, batch: int, seed: int) -> None:
        """Of the users of `profiles` and their attributes (n_users, n_attributes); `seed` draws sizes and users.

        Which items a support has is drawn by torch's own generator.
        """
        import torch

        self.profiles, self.batch = profiles, batch
        self.rng = np.random.default_rng(seed)
        self.sizes = np.asarray(profiles.liked.sum(1)).ravel()
        self.usable = np.flatnonzero(self.sizes >= 4)
        if not len(self.usable):
            self.usable = np.arange(len(self.sizes))
        self.rated = profiles.grades.copy()
        self.rated.data[:] = 1  # a stored grade of 0 is a rating too
        self.attributes = torch.from_numpy(np.hstack([np.ones((len(self.sizes), 1), np.float32), attributes]))
        self._order: IntArray = np.empty(0, np.int64)

    def next(self) -> Batch:
        """The next batch."""
        if len(self._order) < self.batch:
            self._order = np.concatenate([self._order, self.rng.permutation(self.usable)])
        chosen, self._order = self._order[: self.batch], self._order[self.batch :]
        return self.of(chosen)

    def of(self, chosen: IntArray) -> Batch:
        """A batch of these users (rows of the profiles), their supports drawn at random."""
        import torch

        profiles = self.profiles
        grades = torch.from_numpy(profiles.grades[chosen].toarray())
        pool = torch.from_numpy(profiles.liked[chosen].toarray())
        if self.rng.random() < _DISLIKES:
            pool = torch.from_numpy(self.rated[chosen].toarray())
        most = np.maximum(self.sizes[chosen] - 3, 0)
        drawn = np.minimum(self.rng.choice(_SIZES, len(chosen)), most).astype(np.int64)
        longest = max(int(drawn.max()), 1)
        at = (torch.rand(pool.shape) * pool).topk(min(longest, pool.shape[1])).indices
        mask = (torch.arange(at.shape[1])[None] < torch.from_numpy(drawn)[:, None]).float()
        mask = mask * pool.gather(1, at)
        graded = grades.gather(1, at)
        target = grades.scatter(1, at, graded * (1 - mask))
        # Dividing by the root of the sum, not the sum: long profiles say more, though not in proportion.
        target = target / target.sum(1, keepdim=True).clamp(min=LIKED).sqrt()
        return Batch(self.attributes[chosen], at, mask, graded, target)


def posterior_mean(
    mean: torch.Tensor, support: torch.Tensor, batch: Batch, noise: torch.Tensor, observed: torch.Tensor
) -> torch.Tensor:
    """(n, dim) the users' vectors after their supports, as in `UserModel.posterior`.

    `mean` is (n, dim), `support` (n, k, dim) the keys of the supports, 0 at padding; `noise` and `observed` are (2,) or
    (n, 2).
    """
    import torch

    sigma2 = torch.exp(noise[..., 0] + noise[..., 1] * torch.log1p(batch.mask.sum(1)))[:, None, None]
    gram = support @ support.transpose(1, 2) + sigma2 * torch.eye(support.shape[1])
    seen = (observed[..., :1] + observed[..., 1:] * batch.grades) * batch.mask
    residual = seen - (support @ mean[..., None])[..., 0]
    weights = torch.linalg.solve(gram, residual[..., None])
    return mean + (support.transpose(1, 2) @ weights)[..., 0]


def barred(logits: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The logits (n, n_anchors) with the support out of the race."""
    return logits.scatter_add(1, batch.support, -1e4 * batch.mask)


def train_user_model(
    profiles: Profiles,
    attributes: FloatArray,
    *,
    dim: int,
    steps: int,
    batch: int,
    rate: float,
    dropout: float,
    seed: int,
    progress: Callable[[int], None] | None = None,
    start: tuple[UserModel, AnchorVectors] | None = None,
    penalty: Callable[[Sequence[torch.Tensor]], torch.Tensor] | None = None,
) -> tuple[UserModel, AnchorVectors]:
    """Train on `steps` batches of episodes.

    Args:
        profiles: of the training users.
        attributes: (n_users, n_attributes) of the same users.
        dim: length of the vectors.
        rate: peak of the one-cycle learning rate (Smith and Topin 2019) of AdamW.
        dropout: share of the user vector's elements dropped in training.
        progress: called with the number of steps done since the last call.
        start: what to begin with, instead of random vectors.
        penalty: added to the loss of each batch; it is given values, keys, bias, prior, noise and observed.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    draws = Draws(profiles, attributes, batch, seed)
    n_anchors, width = profiles.shape[1], draws.attributes.shape[1]
    if start is None:
        popularity = np.asarray(profiles.liked.sum(0)).ravel() + 1.0
        first = [
            0.1 * torch.randn(n_anchors, dim) / dim**0.5,
            0.1 * torch.randn(n_anchors, dim) / dim**0.5,
            torch.from_numpy(np.log(popularity / popularity.sum())).float(),
            torch.zeros(width, dim),
            torch.tensor([0.0, 0.3]),
            torch.tensor([0.0, 1.0]),
        ]
    else:
        model, vectors = start
        kept = (vectors.values, vectors.keys, vectors.bias, model.prior, model.noise, model.observed)
        first = [torch.from_numpy(np.array(array, np.float32)) for array in kept]
    parameters = [nn.Parameter(tensor) for tensor in first]
    values, keys, bias, prior, noise, observed = parameters
    groups = [{"params": parameters[:4], "lr": rate}, {"params": parameters[4:], "lr": 2 * rate}]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    warming = 0.1 if steps > 10 else 0.3  # a tenth of ten steps is one, by whose end torch divides by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[rate, 2 * rate], total_steps=steps, pct_start=warming
    )
    for _ in range(steps):
        drawn = draws.next()
        support = keys[drawn.support] * drawn.mask[..., None]
        user = posterior_mean(drawn.attributes @ prior, support, drawn, noise, observed)
        logits = barred(functional.dropout(user, dropout) @ values.T + bias, drawn)
        loss = -(drawn.target * functional.log_softmax(logits, 1)).sum() / len(logits)
        if penalty is not None:
            loss = loss + penalty(parameters)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(1)
    found = [tensor.detach().numpy() for tensor in parameters]
    return UserModel(*found[3:]), AnchorVectors(*found[:3])
