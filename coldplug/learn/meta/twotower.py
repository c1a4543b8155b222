"""Two towers (DSSM: Huang et al. 2013; Covington, Adams and Sargin 2016): features of user and of item, and a cosine.

    user tower: a layer over [attributes, mean key of the support, log(1 + k)]        item tower: content and own vector
    score = cosine(user, item) / temperature + bias

Negatives are items that other users of the batch liked, each once, so that an item's chance of being one does not grow
with its popularity, and the hard ones: those that the user's scores put highest. What a user met is never a negative, and
an item that was shown and not taken is none by being shown.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import normalize

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.losses import LOSSES
from coldplug.learn.meta.network import Items, Network, Sizes
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Episode, Tasks

_OUT = -1e4


class TwoTowerSettings(MetaSettings):
    """Those of all learners, and the negatives'."""

    hidden: int = Field(128, ge=1, description="width of the user tower's layer")
    in_batch: int = Field(1024, ge=1, description="items that others of the batch liked, as negatives of all")
    hard: int = Field(256, ge=0, description="negatives that a user's scores put highest")


class TwoTowerNetwork(Network):
    """The two towers and their cosine."""

    settings: TwoTowerSettings

    def __init__(self, settings: TwoTowerSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.tower = nn.Sequential(
            nn.Linear(sizes.attributes + settings.dim + 1, settings.hidden),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.hidden, settings.dim),
        )
        self.skip = nn.Linear(settings.dim, settings.dim, bias=False)
        self.log_temperature = nn.Parameter(torch.tensor(-1.0))

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted)."""
        weights = tasks.mask * (tasks.grades if self.settings.loss == "clicks" else 1 + tasks.grades)
        keys = normalize(items.keys, dim=1)
        liked = (weights[:, None] @ keys[tasks.items])[:, 0] / tasks.sizes.clamp(min=1)
        told = torch.cat([tasks.attributes, liked, torch.log1p(tasks.sizes)], 1)
        user = normalize(self.tower(told) + self.skip(liked), dim=1)
        scores = user @ normalize(items.values[wanted], dim=1).T / self.log_temperature.exp()
        scores = scores + items.bias[wanted]
        return scores + self.lenience(tasks, items) if self.settings.loss == "ratings" else scores

    def loss(self, episode: Episode, items: Items) -> torch.Tensor:
        """Cross-entropy of what was liked against the two kinds of negatives."""
        scores = self(episode.tasks, items, episode.candidates)
        if self.settings.loss == "clicks":
            liked = episode.target > 0
            others = torch.rand(scores.shape[1]) * liked.any(0)
            count = min(self.settings.in_batch, len(others))
            negatives = torch.zeros_like(scores, dtype=torch.bool)
            negatives[:, others.topk(count).indices] = True
            hard = scores.detach().masked_fill(episode.asked + episode.given > 0, _OUT)
            negatives.scatter_(1, hard.topk(min(self.settings.hard, hard.shape[1])).indices, True)
            scores = scores.masked_fill(~(negatives & (episode.asked == 0) | liked), _OUT)
        return LOSSES[self.settings.loss](scores, episode)


class TwoTower(MetaLearner):
    """Two towers and a cosine."""

    name = "twotower"
    network_class = TwoTowerNetwork
    settings_class = TwoTowerSettings
