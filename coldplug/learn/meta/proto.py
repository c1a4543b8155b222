"""Prototypical networks (Snell, Swersky and Zemel 2017): a user is the mean of what they liked and of what they did not.

Each preference class has a prototype, the mean of the embeddings of its support items (eq. 1), shrunk towards a prior
prototype that comes from the user's attributes, so that it is defined for an empty support:

    c = (m c0(x) + sum of key_s over the class) / (m + number of support items of the class)

An item's score is the difference of the squared distances to the two prototypes (eq. 2, two classes), plus its bias. The
item's own length cancels, which leaves 2 (c_like - c_dislike) . value and what is the same for all items: the user is one
vector.
"""

from __future__ import annotations

import torch
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks

_CLASSES = 2


class PrototypeNetwork(VectorNetwork):
    """Prototypes of two classes, each with a weight of its own that falls with the support as far as was learned."""

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.prior = nn.Linear(sizes.attributes, _CLASSES * settings.dim)
        nn.init.zeros_(self.prior.weight)
        nn.init.zeros_(self.prior.bias)
        self.mass = nn.Parameter(torch.ones(_CLASSES))
        self.weight = nn.Parameter(torch.tensor([1.0, 0.3]))

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """Twice the difference of the prototypes."""
        share = tasks.grades if self.settings.loss == "clicks" else torch.sigmoid(2 * tasks.grades)
        classes = torch.stack([share, 1 - share], 1) * tasks.mask[:, None]
        sums = classes @ items.keys[tasks.items]
        prior = self.prior(tasks.attributes).unflatten(1, (_CLASSES, -1))
        mass = self.mass.exp()[:, None]
        prototypes = (mass * prior + sums) / (mass + classes.sum(2, keepdim=True))
        return 2 * (self.weight.exp()[:, None] * prototypes * torch.tensor([[1.0], [-1.0]])).sum(1)


class Proto(MetaLearner):
    """Prototypes per preference class."""

    name = "proto"
    network_class = PrototypeNetwork
