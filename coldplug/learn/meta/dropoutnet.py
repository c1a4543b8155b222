"""DropoutNet (Volkovs, Yu and Poutanen 2017): a network told by its inputs' absence how to do without them.

Inputs are the vectors of a matrix factorisation and the content, of item and of user. In training one or the other vector
is put to zero at random and the network has to give the factorisation's own score all the same, so that at run time an item
or a user that the factorisation never saw is a case like others:

    minimise (U_u . V_i - f(U_u or 0, attributes) . g(V_i or 0, content))^2

A user who is met after the factorisation gets the mean vector of their support in place of U_u, and that is what training
gives the network too. After it has learned to copy the factorisation it is told what was really liked, by the same loss as
all learners here; `imitate` is the share of the steps for the former.
"""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from scipy import sparse
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.mf import als
from coldplug.learn.meta.network import ItemInputs, Items, Known, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Episode, Tasks


class DropoutNetSettings(MetaSettings):
    """Those of all learners, and those of the factorisation that it starts from."""

    hidden: int = Field(128, ge=1, description="width of the two networks' layer")
    imitate: float = Field(
        0.5, ge=0, le=1, description="share of the steps that copy the factorisation's scores"
    )
    sweeps: int = Field(6, ge=1, description="rounds of the factorisation")


class DropoutNetwork(VectorNetwork):
    """The two networks f and g over the factorisation's vectors."""

    settings: DropoutNetSettings

    def __init__(self, settings: DropoutNetSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        dim, hidden = settings.dim, settings.hidden
        self.register_buffer("factors", torch.zeros(sizes.anchors, dim))
        self.users: torch.Tensor | None = None
        self.step, self.spread = 0, 1.0
        self.item_in = nn.Linear(dim + sizes.content, hidden)
        self.item_out = nn.Linear(hidden, dim)
        self.user_in = nn.Linear(dim + sizes.attributes + 1, hidden)
        self.user_out = nn.Linear(hidden, dim)
        self.sharpness = nn.Parameter(torch.tensor(2.0 if settings.loss == "clicks" else 0.0))
        self.through = nn.Linear(dim, dim, bias=False)
        with torch.no_grad():
            self.through.weight.copy_(torch.eye(dim) / dim)

    def begin(self, known: Known) -> None:
        """Factorise; the vectors are scaled to a mean squared element of one."""
        of_ratings = self.settings.loss == "ratings"
        if of_ratings:  # a factorisation of clicks has the popularity in its vectors
            super().begin(known)
        marks = sparse.csr_matrix(known.values if of_ratings else known.profiles.liked, dtype=np.float64)
        if of_ratings:
            marks.data -= known.popularity.numpy()[marks.indices]
        users, items = als(
            marks,
            self.settings.dim,
            self.settings.sweeps,
            alpha=None if of_ratings else 10.0,
            ridge=10.0 if of_ratings else 0.01 * marks.shape[0],
        )
        scale = float((items**2).mean()) ** 0.5
        self.factors.copy_(torch.from_numpy(items / scale))
        self.users = torch.from_numpy(users * scale).float()
        self.spread = float((users @ items[::7].T).var())

    def encode(self, inputs: ItemInputs) -> Items:
        """g of the items, once as candidates and once as they stand in supports; the latter with their factors beside."""
        factors, told = self.factors[inputs.column], self.encoder(inputs)

        def item(known: torch.Tensor) -> torch.Tensor:
            own = known[:, None] * factors
            hidden = torch.tanh(self.item_in(torch.cat([own, inputs.content], 1)))
            return self.item_out(hidden) + own

        own = inputs.met[:, None] * factors
        return Items(item(inputs.known), torch.cat([own, told.keys], 1), told.bias, told.key_bias)

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """f of the mean of the support's vectors and the attributes."""
        keys = items.keys[tasks.items]
        factors, keys = keys.split(self.settings.dim, 2)
        grades = tasks.grades
        if self.settings.loss == "ratings":
            grades = grades - items.key_bias[tasks.items] - self.lenience(tasks, items)
        weights = (grades * tasks.mask)[:, None] / (tasks.sizes + self.doubt.exp())[..., None]
        mean = (weights @ (factors + keys))[:, 0]
        told = torch.cat([mean, tasks.attributes, torch.log1p(tasks.sizes)], 1)
        user: torch.Tensor = self.user_out(torch.tanh(self.user_in(told))) + self.through(mean)
        return self.sharpness.exp() * user

    def loss(self, episode: Episode, items: Items) -> torch.Tensor:
        """First the factorisation's scores, then what was liked."""
        self.step += 1
        if self.users is None or self.step > self.settings.imitate * self.settings.steps:
            return super().loss(episode, items)
        ranked = episode.candidates
        wanted = self.users[torch.from_numpy(episode.users)] @ self.factors[episode.columns[ranked]].T
        scores = self.user(episode.tasks, items) / self.sharpness.exp() @ items.values[ranked].T
        return ((scores - wanted) ** 2).mean() / self.spread


class DropoutNet(MetaLearner):
    """DropoutNet over a matrix factorisation."""

    name = "dropoutnet"
    network_class = DropoutNetwork
    settings_class = DropoutNetSettings
