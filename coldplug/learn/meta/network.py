"""What the learners are made of: item vectors from content and number, and networks that score items for tasks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import nn
from torch.nn.functional import dropout

from coldplug.learn.meta.losses import LOSSES
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Episode, Tasks
from coldplug.learn.posterior.profiles import Profiles


@dataclass(frozen=True)
class Sizes:
    """What a network must know of the data to be built."""

    content: int
    attributes: int
    anchors: int
    """Items with a learned vector of their own."""
    relations: tuple[int, ...] = ()
    """Values of each relation that connect items, in the order of the columns of the facts."""


@dataclass(frozen=True)
class ItemInputs:
    """A list of items as a network is given them."""

    content: torch.Tensor
    """(n, width) rows of the content map."""
    column: torch.Tensor
    """(n,) which learned vector is the item's own; 0 where it has none, and then `known` and `met` are 0."""
    known: torch.Tensor
    """(n,) 1 where the item's own vector counts when it is ranked, 0 where its content must do."""
    met: torch.Tensor
    """(n,) the same where the item stands in a support."""
    facts: Facts | None = None


@dataclass(frozen=True)
class Facts:
    """Facts of a list of items, (n_facts,) each: position of the item, column of the value, weight."""

    items: torch.Tensor
    values: torch.Tensor
    weights: torch.Tensor


def listed(facts: sparse.csr_matrix) -> Facts:
    """Sparse rows as a network is given them."""
    rows = np.repeat(np.arange(facts.shape[0]), np.diff(facts.indptr))
    return Facts(
        torch.from_numpy(rows),
        torch.from_numpy(facts.indices.astype(np.int64)),
        torch.from_numpy(facts.data.astype(np.float32)),
    )


@dataclass(frozen=True)
class Items:
    """Items encoded: vectors to rank by, vectors to learn of a user by, and how liked each is by and large."""

    values: torch.Tensor
    """(n, dim)."""
    keys: torch.Tensor
    """(n, dim)."""
    bias: torch.Tensor
    """(n,)."""
    key_bias: torch.Tensor
    """(n,) the same as a support item has it."""


class ItemEncoder(nn.Module):
    """vector = W content + own vector, the latter left out at random in training (DropoutNet: Volkovs et al. 2017).

    So the content learns to stand alone, and a new item, which has nothing else, gets a vector of the same kind.
    """

    def __init__(self, sizes: Sizes, dim: int, *, keys: bool = True) -> None:
        super().__init__()
        self.dim, self.parts = dim, 2 if keys else 1
        self.content = nn.Linear(sizes.content, self.parts * dim + 1, bias=False)
        nn.init.normal_(self.content.weight, std=0.1 / max(dim * sizes.content, 1) ** 0.5)
        self.own = nn.Embedding(sizes.anchors, self.parts * dim)
        nn.init.normal_(self.own.weight, std=0.1 / dim**0.5)
        self.own_bias = nn.Embedding(sizes.anchors, 1)
        nn.init.zeros_(self.own_bias.weight)

    def forward(self, inputs: ItemInputs) -> Items:
        """Values, keys and biases of the items; keys are values where the method has one kind of vector."""
        told = self.content(inputs.content)
        own = self.own(inputs.column)
        values = told[:, : self.dim] + inputs.known[:, None] * own[:, : self.dim]
        keys = told[:, -self.dim - 1 : -1] + inputs.met[:, None] * own[:, -self.dim :]
        own_bias = self.own_bias(inputs.column)[:, 0]
        return Items(values, keys, told[:, -1] + inputs.known * own_bias, told[:, -1] + inputs.met * own_bias)


@dataclass(frozen=True)
class Known:
    """What training begins with."""

    popularity: torch.Tensor
    """(n_anchors,) log of the number of positives over its mean, or mean standardised rating, shrunk."""
    content: torch.Tensor
    """(n_anchors, width) of the anchors."""
    attributes: torch.Tensor
    """(n_users, n_attributes)."""
    facts: Facts
    """Of the anchors."""
    profiles: Profiles
    values: sparse.csr_matrix
    """(n_users, n_anchors) what the learners see of each rating; stored wherever there is one."""


class Network(nn.Module):
    """Scores items for tasks. `encode` once for a list of items, then `forward` for any tasks that speak of it."""

    cells = 1
    """Numbers held at once for one score; what a batch of queries is cut by."""
    keys = True
    """Whether a support item has another vector than an item to be ranked."""
    reads_facts = False
    """Whether the facts themselves are read, beside the content that was made from them."""

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__()
        self.settings, self.sizes = settings, sizes
        self.encoder = ItemEncoder(sizes, settings.dim, keys=self.keys)
        self.doubt = nn.Parameter(torch.tensor(1.0))

    def begin(self, known: Known) -> None:
        """Start from what is known without training: an item's bias is how much it is liked by and large."""
        with torch.no_grad():
            self.encoder.own_bias.weight[:, 0] = known.popularity

    def of_content(self) -> list[nn.Parameter]:
        """The weights that turn content into vectors, which decay: new items rest on them alone."""
        return [self.encoder.content.weight]

    def encode(self, inputs: ItemInputs) -> Items:
        """The items' vectors."""
        found: Items = self.encoder(inputs)
        return found

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted) logits, or standardised ratings; `wanted` are positions in the list of items."""
        raise NotImplementedError

    def loss(self, episode: Episode, items: Items) -> torch.Tensor:
        """What training makes small on one episode."""
        return LOSSES[self.settings.loss](self(episode.tasks, items, episode.candidates), episode)

    def lenience(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, 1) how far above the items' means a user rates: the support's mean residual, shrunk."""
        residual = ((tasks.grades - items.key_bias[tasks.items]) * tasks.mask).sum(1, keepdim=True)
        return residual / (tasks.sizes + self.doubt.exp())


class VectorNetwork(Network):
    """A user is one vector: score = user . values + bias. A method says how the vector comes about."""

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim)."""
        raise NotImplementedError

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted)."""
        user = dropout(self.user(tasks, items), self.settings.dropout, self.training)
        scores = torch.addmm(items.bias[wanted], user, items.values[wanted].T)
        return scores + self.lenience(tasks, items) if self.settings.loss == "ratings" else scores
