"""Adaptation carried from click to click: a GRU reads the gradient of each click's loss and keeps the user's state.

An optimiser that was learned (Ravi and Larochelle, Optimization as a Model for Few-Shot Learning, 2017), with a GRU in
place of their LSTM (Cho et al. 2014). The state starts at what the attributes say. At each click s, in the order in which
they came, the loss of the click under the state, a multinomial one against a background of items, has the gradient

    d/du -g log softmax(u . key + bias)_s = -g (key_s - sum over the background of p_b key_b)

in closed form. The user's vector takes a step down it, shorter from click to click, and the GRU is given the gradient, the
item's key and its grade, and makes the next state of them: what to add to the plain steps, and what to forget, is learned.
"""

from __future__ import annotations

import torch
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.maml import BACKGROUND
from coldplug.learn.meta.network import Items, Known, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks


class CarriedNetwork(VectorNetwork):
    """A GRU over clicks and their gradients; the user's vector is a linear image of its state."""

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        dim = settings.dim
        self.start = nn.Linear(sizes.attributes, dim)
        self.cell = nn.GRUCell(2 * dim + 2, dim)
        self.out = nn.Linear(dim, dim)
        self.stride = nn.Parameter(torch.tensor(0.0))
        nn.init.zeros_(self.start.weight)
        nn.init.zeros_(self.start.bias)
        self.register_buffer("background", torch.zeros(min(BACKGROUND, sizes.anchors), dtype=torch.long))
        self.register_buffer("background_content", torch.zeros(len(self.background), sizes.content))

    def begin(self, known: Known) -> None:
        """Draw the background."""
        super().begin(known)
        drawn = torch.randperm(self.sizes.anchors)[: len(self.background)]
        self.background.copy_(drawn)
        self.background_content.copy_(known.content[drawn])

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim) after the last click."""
        dim = self.settings.dim
        others = self.encoder.content(self.background_content)
        keys = others[:, dim : 2 * dim] + self.encoder.own(self.background)[:, dim:]
        bias = others[:, -1] + self.encoder.own_bias(self.background)[:, 0]
        start = self.start(tasks.attributes)
        state, moved = torch.tanh(start), torch.zeros_like(start)
        lenience = self.lenience(tasks, items)
        for place in range(tasks.items.shape[1]):
            at, mask = tasks.items[:, place], tasks.mask[:, place, None]
            user, grade, key = start + moved + self.out(state), tasks.grades[:, place, None], items.keys[at]
            if self.settings.loss == "ratings":
                said = (user * key).sum(1, keepdim=True) + items.key_bias[at][:, None] + lenience
                gradient = (said - grade) * key
            else:
                expected = torch.softmax(user @ keys.T + bias, 1) @ keys
                gradient = -grade * (key - expected)
            told = torch.cat([gradient, key, grade, torch.full_like(grade, place).log1p()], 1)
            state = torch.where(mask > 0, self.cell(told, state), state)
            moved = moved - mask * self.stride.exp() * gradient / (place + 1 + self.doubt.exp())
        return start + moved + self.out(state)


class MAMLGRU(MetaLearner):
    """Adaptation by a GRU over clicks and gradients."""

    name = "maml-gru"
    network_class = CarriedNetwork
