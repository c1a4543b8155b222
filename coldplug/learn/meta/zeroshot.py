"""Zero shot: attributes of users and content of items in one semantic space; what a user did is not looked at.

As in zero-shot learning, where classes never seen are known by their attributes (Li, Jing, Lu, Zhu, Yang and Huang, From
Zero-Shot Learning to Cold-Start Recommendation, 2019), a user never seen is known by theirs: an encoder takes them to the
space of the item vectors, and the score is the inner product plus the item's bias.
"""

from __future__ import annotations

import torch
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks


class ZeroShotNetwork(VectorNetwork):
    """A linear encoder of attributes and a small one that lets them speak together."""

    keys = False

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.linear = nn.Linear(sizes.attributes, settings.dim)
        self.together = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(sizes.attributes, settings.dim),
            nn.GELU(),
            nn.Linear(settings.dim, settings.dim),
        )
        nn.init.zeros_(self.together[-1].weight)

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim) of attributes alone."""
        found: torch.Tensor = self.linear(tasks.attributes) + self.together(tasks.attributes)
        return found

    def lenience(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, 1) nothing: no support is read."""
        return torch.zeros(len(tasks.mask), 1)


class ZeroShot(MetaLearner):
    """Attribute encoders into one semantic space."""

    name = "zeroshot"
    network_class = ZeroShotNetwork
