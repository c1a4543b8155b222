"""Meta-learning on the knowledge graph: what all users share of it, and what each takes from it.

After MetaKG (Du, Zhu, Chen, Fang and Gao 2022), which has two meta-learners over one graph of users, items and facts:

* knowledge-aware: vectors of values, learned from all users together; an item's vector along a relation is the sum of the
  vectors of its values, t_ig = sum of w_f e_f over its facts of relation g;
* collaborative-aware: a user's taste u and the weight a_g that they give each relation start at what the attributes say and
  take a few steps of gradient on the support (inner.py); the start is trained so that these steps help.

    metakg:             score = sum over g of a_g u . t_ig + u . v_i + bias

In the variant the user's own parameters are the relation that leads from "a user" to the items they like: a rotation, as
relations are in the graph embedding (RotatE: Sun et al. 2019; that a relation is learned from a support and moved along its
gradient is MetaR's idea: Chen et al. 2019). Each relation of the graph turns the values of its facts back to the item.

    metakg-relation:    t_i = sum of w_f e_f o conj(r_g) + v_i        score = -|h(x) o r_u - t_i|^2 + bias

The support's loss is a pairwise one, each support item against the mean item of the catalogue.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import Field
from torch import nn
from torch.func import vmap
from torch.nn.functional import dropout, logsigmoid

from coldplug.learn.meta.inner import Weights, adapted_all
from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Facts, ItemInputs, Items, Known, Network, Sizes
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks


class MetaKGSettings(MetaSettings):
    """Those of all learners, and the inner loop's."""

    dim: int = Field(32, ge=2, description="length of user, item and value vectors; even")
    batch: int = Field(128, ge=1, description="users, that is tasks, in one batch")
    inner_steps: int = Field(2, ge=1, description="steps of gradient a user takes on their support")
    inner_rate: float = Field(2.0, gt=0, description="their size at the start; learned")
    inner_clip: float = Field(10.0, gt=0, description="longest gradient of an inner step")


class GraphNetwork(Network):
    """metakg: tastes and relation weights that move."""

    keys = False
    reads_facts = True
    settings: MetaKGSettings

    def __init__(self, settings: MetaKGSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        dim, relations = settings.dim, len(sizes.relations)
        self.values = nn.Parameter(0.1 * torch.randn(sum(sizes.relations), dim) / dim**0.5)
        groups = torch.repeat_interleave(
            torch.arange(relations), torch.tensor(sizes.relations, dtype=torch.long)
        )
        self.register_buffer("relation_of", groups, persistent=False)
        self.register_buffer("usual", torch.zeros(sum(sizes.relations)))
        self.start = nn.ParameterDict(
            {"taste": nn.Parameter(torch.zeros(dim)), "relations": nn.Parameter(torch.zeros(relations))}
        )
        self.attributes = nn.Parameter(torch.zeros(sizes.attributes, dim + relations))
        self.log_rates = nn.ParameterDict(
            {name: nn.Parameter(torch.tensor(settings.inner_rate).log()) for name in self.start}
        )

    def begin(self, known: Known) -> None:
        """The facts of the mean item."""
        super().begin(known)
        self.usual.index_add_(0, known.facts.values, known.facts.weights / self.sizes.anchors)

    def of_content(self) -> list[nn.Parameter]:
        """The vectors of values too."""
        return [*super().of_content(), self.values]

    def encode(self, inputs: ItemInputs) -> Items:
        """An item is its vector along each relation and its own, side by side: (n, (n_relations + 1) dim)."""
        assert inputs.facts is not None
        told = self.encoder(inputs)
        along = self.along(inputs.facts, len(inputs.content))
        values, keys = torch.cat([along, told.values], 1), torch.cat([along, told.keys], 1)
        return Items(values, keys, told.bias, told.key_bias)

    def along(self, facts: Facts, n_items: int) -> torch.Tensor:
        """(n_items, n_relations dim) the sums of the values' vectors, relation by relation."""
        relations, dim = len(self.sizes.relations), self.settings.dim
        rows = facts.items * relations + self.relation_of[facts.values]
        summed = torch.zeros(n_items * relations, dim)
        return summed.index_add(0, rows, facts.weights[:, None] * self.values[facts.values]).view(n_items, -1)

    def mean_item(self) -> torch.Tensor:
        """(1, width) what `encode` says of an item with the usual facts; content is zero in the mean."""
        everything = torch.arange(len(self.usual))
        facts = Facts(torch.zeros_like(everything), everything, self.usual)
        return torch.cat([self.along(facts, 1), self.encoder.own.weight.mean(0, keepdim=True)], 1)

    def user(self, own: Weights, attributes: torch.Tensor) -> torch.Tensor:
        """(width,) one user's vector over `encode`'s, from what moved of it and the attributes."""
        told = attributes @ self.attributes
        taste = own["taste"] + told[: self.settings.dim]
        weights = (own["relations"] + told[self.settings.dim :]).exp()
        return torch.cat([(weights[:, None] * taste).flatten(), taste])

    def squared(self, items: torch.Tensor) -> torch.Tensor:
        """(n,) what a score loses by the item's length: nothing here."""
        return torch.zeros(len(items))

    def forward(self, tasks: Tasks, items: Items, wanted: torch.Tensor) -> torch.Tensor:
        """(n_tasks, n_wanted)."""
        moved = adapted_all(
            self.support_loss(self.mean_item()),
            dict(self.start.items()),
            (
                tasks.attributes,
                items.keys[tasks.items],
                items.key_bias[tasks.items],
                tasks.grades,
                tasks.mask,
                self.lenience(tasks, items)[:, 0],
            ),
            steps=self.settings.inner_steps,
            rates={name: rate.exp() for name, rate in self.log_rates.items()},
            clip=self.settings.inner_clip,
            second_order=True,
        )
        users = dropout(vmap(self.user)(moved, tasks.attributes), self.settings.dropout, self.training)
        among = items.values[wanted]
        scores = torch.addmm(items.bias[wanted] - self.squared(among), users, among.T)
        return scores + self.lenience(tasks, items) if self.settings.loss == "ratings" else scores

    def support_loss(self, usual: torch.Tensor) -> Callable[..., torch.Tensor]:
        """The loss of one task's support, given the mean item."""
        doubt, of_ratings = self.doubt.exp(), self.settings.loss == "ratings"

        def loss(own: Weights, *task: torch.Tensor) -> torch.Tensor:
            attributes, mine, bias, grades, mask, lenience = task
            user = self.user(own, attributes)
            if of_ratings:
                scores = mine @ user - self.squared(mine) + bias + lenience
                return ((scores - grades) ** 2 * mask).sum() / (mask.sum() + doubt)
            above = (mine - usual) @ user - self.squared(mine) + self.squared(usual)
            return -(grades * mask * logsigmoid(above)).sum() / (mask.sum() + doubt)

        return loss


class RelationNetwork(GraphNetwork):
    """metakg-relation: the user is a rotation from "a user" to the items; complex numbers as (real, imaginary) halves."""

    def __init__(self, settings: MetaKGSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        half = settings.dim // 2
        self.phases = nn.Parameter(torch.zeros(len(sizes.relations), half))
        self.head = nn.Parameter(torch.ones(half))
        self.start = nn.ParameterDict({"angles": nn.Parameter(torch.rand(half) * 2 * torch.pi)})
        self.attributes = nn.Parameter(torch.zeros(sizes.attributes, 2 * half))
        self.log_rates = nn.ParameterDict({"angles": nn.Parameter(torch.tensor(settings.inner_rate).log())})

    def along(self, facts: Facts, n_items: int) -> torch.Tensor:
        """(n_items, dim) the values' vectors, each turned back by its relation, summed."""
        angles = self.phases[self.relation_of]
        real, imaginary = self.values.chunk(2, 1)
        cosine, sine = angles.cos(), angles.sin()
        turned = torch.cat([real * cosine + imaginary * sine, imaginary * cosine - real * sine], 1)
        summed = torch.zeros(n_items, self.values.shape[1])
        return summed.index_add(0, facts.items, facts.weights[:, None] * turned[facts.values])

    def encode(self, inputs: ItemInputs) -> Items:
        """An item is one complex vector: its facts' and its own."""
        found, dim = super().encode(inputs), self.settings.dim
        values, keys = (each[:, :dim] + each[:, dim:] for each in (found.values, found.keys))
        return Items(values, keys, found.bias, found.key_bias)

    def mean_item(self) -> torch.Tensor:
        """(1, dim)."""
        found, dim = super().mean_item(), self.settings.dim
        return found[:, :dim] + found[:, dim:]

    def user(self, own: Weights, attributes: torch.Tensor) -> torch.Tensor:
        """(dim,) twice the head after the rotation, for -|h o r - t|^2 = 2 Re <h o r, t> - |t|^2 - |h|^2."""
        turn, stretch = (attributes @ self.attributes).chunk(2)
        angles, length = own["angles"] + turn, self.head * stretch.exp()
        return 2 * torch.cat([length * angles.cos(), length * angles.sin()])

    def squared(self, items: torch.Tensor) -> torch.Tensor:
        """(n,) squared lengths."""
        return (items**2).sum(1)


class MetaKG(MetaLearner):
    """Collaborative-aware and knowledge-aware meta-learners over the graph."""

    name = "metakg"
    network_class = GraphNetwork
    settings_class = MetaKGSettings


class MetaKGRelation(MetaLearner):
    """The user as a relation of the graph embedding."""

    name = "metakg-relation"
    network_class = RelationNetwork
    settings_class = MetaKGSettings
