"""A sequence encoder over the support and a matching processor, after Mecos (Zheng, Liu, Li and Wu 2021).

The support is a sequence: self-attention (Vaswani et al. 2017) over the items' keys, each with a learned vector for how
long ago it came, counted from the latest. A matching processor (an LSTM that attends to the support at
each of a few steps) starts from what the attributes say and reads the sequence into the user's vector, beside the mean of
the keys.

The order is that of the support as given; interactions with timestamps give it in the order of time.
"""

from __future__ import annotations

import torch
from pydantic import Field
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks

LATEST = 50
"""Places counted from the latest item that have a vector of their own; all before share one."""


class MecosSettings(MetaSettings):
    """Those of all learners, and the encoder's."""

    heads: int = Field(4, ge=1, description="heads of the self-attention; they divide dim")
    matching_steps: int = Field(2, ge=1, description="steps of the matching processor")


class MecosNetwork(VectorNetwork):
    """Self-attention over the sequence, then a few steps of attending to it."""

    settings: MecosSettings

    def __init__(self, settings: MecosSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        dim = settings.dim
        self.ago = nn.Embedding(LATEST + 1, dim)
        nn.init.normal_(self.ago.weight, std=0.01)
        self.attention = nn.MultiheadAttention(dim, settings.heads, batch_first=True)
        self.prior = nn.Linear(sizes.attributes, dim)
        nn.init.zeros_(self.prior.weight)
        nn.init.zeros_(self.prior.bias)
        self.processor = nn.LSTMCell(dim, dim)
        self.asked, self.out = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)
        self.weight = nn.Parameter(torch.tensor(1.0))

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim)."""
        sizes = tasks.sizes.long()
        ago = (sizes - 1 - torch.arange(tasks.items.shape[1])).clamp(0, LATEST)
        keys = items.keys[tasks.items]
        if self.settings.loss == "ratings":
            mine = tasks.grades - items.key_bias[tasks.items] - self.lenience(tasks, items)
        else:
            mine = tasks.grades
        told = keys * mine[..., None]
        read = told + self.ago(ago)
        absent = (tasks.mask == 0) & (
            sizes > 0
        )  # an empty support attends to padding, which is then left out
        read = read + self.attention(read, read, read, key_padding_mask=absent, need_weights=False)[0]
        some = (sizes > 0).float()
        prior = self.prior(tasks.attributes)
        state, cell = torch.tanh(prior), torch.zeros_like(prior)
        for _ in range(self.settings.matching_steps):
            fit = (read @ self.asked(state)[..., None])[..., 0].masked_fill(absent, -1e4).softmax(1)
            found = (fit[:, None] @ read)[:, 0] * some
            state, cell = self.processor(found, (state, cell))
        mean = (tasks.mask[:, None] @ told)[:, 0] / (tasks.sizes + self.doubt.exp())
        return prior + some * self.out(state) + self.weight.exp() * mean


class Mecos(MetaLearner):
    """A sequence encoder over the support."""

    name = "mecos"
    network_class = MecosNetwork
    settings_class = MecosSettings
