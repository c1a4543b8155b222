"""Zero shot by prototypes: each attribute value stands for what those who have it like, and a user for a mix of these.

A group is the users who share an attribute value; its prototype is the mean vector of the items that the group likes, over
and above what everybody likes (after Snell et al. 2017, where a class without examples has a prototype made from its
description). A user's vector is the sum of their groups' prototypes, each with a learned weight and a learned correction:

    c_g = sum over items of (p(item | group g) - p(item)) / p(item)^(1/2) value_item
    u = sum over g of x_g (a_g c_g + d_g)

The prototypes are of the training users; nothing that the user at hand did is looked at.
"""

from __future__ import annotations

import torch
from torch import nn

from coldplug.learn.meta.learner import MetaLearner
from coldplug.learn.meta.network import Items, Known, Sizes, VectorNetwork
from coldplug.learn.meta.settings import MetaSettings
from coldplug.learn.meta.tasks import Tasks


class GroupNetwork(VectorNetwork):
    """Prototypes of attribute groups, through the same item vectors that are ranked."""

    keys = False

    def __init__(self, settings: MetaSettings, sizes: Sizes) -> None:
        super().__init__(settings, sizes)
        self.register_buffer("likes", torch.zeros(sizes.attributes, sizes.anchors))
        self.register_buffer("liked_content", torch.zeros(sizes.attributes, sizes.content))
        self.weight = nn.Parameter(torch.full((sizes.attributes, 1), 1.0))
        self.correction = nn.Parameter(torch.zeros(sizes.attributes, settings.dim))

    def begin(self, known: Known) -> None:
        """Count what each group likes."""
        super().begin(known)
        liked = known.profiles.liked
        counts = torch.from_numpy((liked.T @ known.attributes.numpy()).T.astype("float32"))
        everyone = torch.from_numpy(liked.sum(0).A1.astype("float32")) + 0.5
        everyone = everyone / everyone.sum()
        total = counts.sum(1, keepdim=True)
        share = (counts + 100 * everyone) / (total + 100)
        likes = (share - everyone) / everyone.sqrt()
        self.likes.copy_(likes / likes.norm(dim=1, keepdim=True).clamp(min=1e-9))
        self.liked_content.copy_(self.likes @ known.content)

    def user(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, dim) the mix of the user's groups."""
        told = self.encoder.content(self.liked_content)[:, :-1]
        prototypes = told + self.likes @ self.encoder.own.weight
        return tasks.attributes @ (self.weight * prototypes + self.correction)

    def lenience(self, tasks: Tasks, items: Items) -> torch.Tensor:
        """(n_tasks, 1) nothing: no support is read."""
        return torch.zeros(len(tasks.mask), 1)


class ZeroShotProto(MetaLearner):
    """Prototypes of attribute groups."""

    name = "zeroshot-proto"
    network_class = GroupNetwork
