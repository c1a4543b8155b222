"""The learned half of the posterior: user and item vectors, trained on episodes like those to be met.

A user's vector has a Gaussian prior whose mean comes from the attributes, u ~ N(A x, I). A support item s with grade g is
the observation r(g) = key_s . u + noise, so the posterior is Gaussian in closed form (Bishop, Pattern Recognition and
Machine Learning, 2006, eq. 3.50-3.51), for any number of support items, none included:

    mean = A x + K' (K K' + sigma^2 I)^-1 (r - K A x)        covariance = I - K' (K K' + sigma^2 I)^-1 K

Item j is scored by the logit e_j . u + b_j. Everything is trained end to end through the posterior: each episode draws a
support of random size from a user's profile and the rest of the profile is the query set, under a multinomial loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coldplug.learn.posterior.profiles import LIKED, Profiles
from coldplug.types import FloatArray

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
) -> tuple[UserModel, AnchorVectors]:
    """Train on `steps` batches of episodes.

    Args:
        profiles: of the training users.
        attributes: (n_users, n_attributes) of the same users.
        dim: length of the vectors.
        rate: peak of the one-cycle learning rate (Smith and Topin 2019) of AdamW.
        dropout: share of the user vector's elements dropped in training.
        progress: called with the number of steps done since the last call.
    """
    import torch
    from torch import nn
    from torch.nn import functional

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    n_anchors = profiles.shape[1]
    sizes = np.asarray(profiles.liked.sum(1)).ravel()
    usable = np.flatnonzero(sizes >= 4)
    if not len(usable):
        usable = np.arange(len(sizes))
    popularity = np.asarray(profiles.liked.sum(0)).ravel() + 1.0
    rated = profiles.grades.copy()
    rated.data[:] = 1  # a stored grade of 0 is a rating too
    x_all = torch.from_numpy(np.hstack([np.ones((len(sizes), 1), np.float32), attributes]))
    values = nn.Parameter(0.1 * torch.randn(n_anchors, dim) / dim**0.5)
    keys = nn.Parameter(0.1 * torch.randn(n_anchors, dim) / dim**0.5)
    bias = nn.Parameter(torch.from_numpy(np.log(popularity / popularity.sum())).float())
    prior = nn.Parameter(torch.zeros(x_all.shape[1], dim))
    noise = nn.Parameter(torch.tensor([0.0, 0.3]))
    observed = nn.Parameter(torch.tensor([0.0, 1.0]))
    groups = [
        {"params": [values, keys, bias, prior], "lr": rate},
        {"params": [noise, observed], "lr": 2 * rate},
    ]
    optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
    warming = 0.1 if steps > 10 else 0.3  # a tenth of ten steps is one, by whose end torch divides by zero
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, max_lr=[rate, 2 * rate], total_steps=steps, pct_start=warming
    )
    order = np.empty(0, np.int64)
    for _ in range(steps):
        if len(order) < batch:
            order = np.concatenate([order, rng.permutation(usable)])
        chosen, order = order[:batch], order[batch:]
        grades = torch.from_numpy(profiles.grades[chosen].toarray())
        liked = torch.from_numpy(profiles.liked[chosen].toarray())
        pool = liked
        if rng.random() < _DISLIKES:
            pool = torch.from_numpy(rated[chosen].toarray())
        drawn = np.minimum(rng.choice(_SIZES, len(chosen)), np.maximum(sizes[chosen] - 3, 0)).astype(np.int64)
        longest = max(int(drawn.max()), 1)
        at = (torch.rand(pool.shape) * pool).topk(min(longest, n_anchors)).indices
        mask = (torch.arange(at.shape[1])[None] < torch.from_numpy(drawn)[:, None]).float()
        mask = mask * pool.gather(1, at)
        mean = x_all[chosen] @ prior
        support = keys[at] * mask[..., None]
        sigma2 = torch.exp(noise[0] + noise[1] * torch.log1p(mask.sum(1)))[:, None, None]
        gram = support @ support.transpose(1, 2) + sigma2 * torch.eye(at.shape[1])
        residual = (observed[0] + observed[1] * grades.gather(1, at)) * mask - (support @ mean[..., None])[
            ..., 0
        ]
        weights = torch.linalg.solve(gram, residual[..., None])
        user = mean + (support.transpose(1, 2) @ weights)[..., 0]
        logits = functional.dropout(user, dropout) @ values.T + bias
        logits = logits.scatter_add(1, at, -1e4 * mask)
        target = grades.scatter(1, at, grades.gather(1, at) * (1 - mask))
        # Dividing by the root of the sum, not the sum: long profiles say more, though not in proportion.
        target = target / target.sum(1, keepdim=True).clamp(min=LIKED).sqrt()
        loss = -(target * functional.log_softmax(logits, 1)).sum() / len(chosen)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress:
            progress(1)
    vectors = AnchorVectors(*(t.detach().numpy() for t in (values, keys, bias)))
    return UserModel(*(t.detach().numpy() for t in (prior, noise, observed))), vectors
