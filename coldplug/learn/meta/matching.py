"""Matching networks (Vinyals, Blundell, Lillicrap, Kavukcuoglu and Wierstra 2016): attention of an item over the support.

It gives the share of it that was liked (eq. 1), y = sum of a(i, s) y_s, with a softmax
over f(i) . g(s), two embeddings of the items (section 2.1.1). One place more takes part in the softmax, for everybody's
taste, with a small share of likes p0: without it a support of likes alone would like every item.

    P(i) = (p0 + sum of e^(f(i) . g(s) + c) y_s) / (1 + sum of e^(f(i) . g(s) + c))
    score = prior(x) . f(i) + bias + w log P(i)
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import dropout

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Network, Sizes
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks


class MatchingSettings(MetaSettings):
    """Smaller batches: attention holds a number for each item and support item."""

    batch: int = Field(96, ge=1, description="users, that is tasks, in one batch")
    candidates: int = Field(1536, ge=2, description="items ranked in one batch; all of them where fewer")


class MatchingNetwork(Network):
    """Attention of items over the support."""

    cells = 4

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.prior = nn.Linear(sizes.attributes, settings.dim)
        nn.init.zeros_(self.prior.weight)
        nn.init.zeros_(self.prior.bias)
        self.everybody = nn.Parameter(torch.tensor(-3.0))
        self.evidence = nn.Parameter(torch.tensor(-3.0))
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted)."""
        values, rate, training = items.values[wanted], self.settings.dropout, self.training
        keys = dropout(items.keys, rate, training)[tasks.items]
        alike = keys @ values.T + self.evidence
        attention = alike.clamp(max=20).exp() * tasks.mask[..., None]
        prior = dropout(self.prior(tasks.attributes), rate, training) @ values.T + items.bias[wanted]
        if self.settings.loss == "ratings":
            mine = tasks.grades - items.key_bias[tasks.items] - self.lenience(tasks, items)
            matched = (attention * mine[..., None]).sum(1) / (1 + attention.sum(1))
            return prior + matched + self.lenience(tasks, items)
        liked = (attention * tasks.grades[..., None]).sum(1) + self.everybody.exp()
        return prior + self.weight * (liked.log() - torch.log1p(attention.sum(1)))


class Matching(MetaLearner):
    """Attention over the support."""

    name = "matching"
    network_class = MatchingNetwork
    settings_class = MatchingSettings
