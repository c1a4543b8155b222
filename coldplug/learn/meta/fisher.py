"""How much the users of a training settled each weight of a network: the diagonal of the Fisher information.

For a loss that is minus a log-likelihood it is the sum over users of the squared gradient, in the mean over labels drawn
from the model itself (Kirkpatrick et al. 2017; Kunstner, Hennig and Balles 2019). Under such labels the gradients of two
users are independent and zero in the mean, so the square of their sum is in the mean the sum of their squares: no gradient
of a single user is needed, and the estimate fits every network of this folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch

from coldplug.learn.meta.tasks import Episode, kept
from coldplug.types import FloatArray

if TYPE_CHECKING:
    from coldplug.learn.meta.learner import MetaLearner
    from coldplug.learn.meta.network import Known

Fisher = Mapping[str, FloatArray]
"""Name of a weight -> how much it was settled, in the weight's shape, summed over users."""
_BATCHES = 48
_OUT = -1e4


def fisher_of(learner: MetaLearner, known: Known, seed: int) -> Fisher:
    """Of the users that are known, from batches of episodes like those of the training."""
    network, episodes = learner.network.eval(), learner.episodes(known, seed)
    rng = np.random.default_rng(seed)
    weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    found = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    for _ in range(_BATCHES):
        episode = episodes.draw()
        inputs = learner.inputs(episode.items, *kept(rng, len(episode.items), learner.settings.id_dropout))
        scores = network(episode.tasks, network.encode(inputs), episode.candidates)
        drawn = by_drawn_labels(scores.detach(), episode, learner.settings.loss)
        gradients = torch.autograd.grad(scores, list(weights.values()), drawn, allow_unused=True)
        share = len(episodes.usable) / len(episode.users) / _BATCHES
        for settled, gradient in zip(found.values(), gradients, strict=True):
            if gradient is not None:
                settled += share * gradient**2
    return {name: settled.numpy() for name, settled in found.items()}


def by_drawn_labels(scores: torch.Tensor, episode: Episode, loss: str) -> torch.Tensor:
    """(n_tasks, n_candidates) a user's gradient by the scores at labels drawn from the model, zero in the mean.

    Its covariance is the Hessian of the user's loss by the scores: t (diag p - p p') for the multinomial loss of weight t,
    2 / n on the diagonal for the mean square of n errors.
    """
    if loss == "ratings":
        shares = episode.asked / episode.asked.sum(1, keepdim=True).clamp(min=1.0)
        return (2 * shares).sqrt() * torch.randn_like(scores)
    chances = torch.softmax(scores.masked_fill(episode.given > 0, _OUT), 1)
    label = torch.multinomial(chances, 1)
    total = episode.target.sum(1, keepdim=True)
    weight = total / total.clamp(min=1.0).sqrt()
    return weight.sqrt() * chances.scatter_add(1, label, -torch.ones_like(label, dtype=chances.dtype))
