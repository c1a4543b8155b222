"""Training a network on with new users alone, held by what the old ones settled (elastic weight consolidation)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from coldplug.learn.meta.network import Known, listed
from coldplug.learn.meta.tasks import seen_values
from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import TrainingData
from plugbase.errors import UserError

if TYPE_CHECKING:
    from coldplug.learn.meta.learner import MetaLearner

PASSES = 30
"""Over the new users, but no more steps than the training had."""
_LEAST_STEPS = 40
_STRENGTH = 3.0
"""Of the penalty, as that of the posterior's trained half."""


def update(learner: MetaLearner, data: TrainingData, *, seed: int, note: Callable[[str], None]) -> None:
    """Train on. The columns of the attributes and the items with vectors of their own stay those of the training.

    Raises:
        UserError: none of the interactions is with an item that has a vector of its own.
    """
    known = newly_known(learner, data)
    network, settings = learner.network, learner.settings
    weights = dict(network.named_parameters())
    stars = {name: weights[name].detach().clone() for name in learner.fisher}
    held = {name: torch.as_tensor(settled) for name, settled in learner.fisher.items()}
    n_users = known.profiles.shape[0]

    def penalty() -> torch.Tensor:
        parts = [(held[name] * (weights[name] - star) ** 2).sum() for name, star in stars.items()]
        return 0.5 * _STRENGTH * torch.stack(parts).sum() / n_users

    note("training")
    steps = -(-PASSES * n_users // min(settings.batch, n_users))
    learner.train(known, seed, steps=min(settings.steps, max(_LEAST_STEPS, steps)), penalty=penalty)


def newly_known(learner: MetaLearner, data: TrainingData) -> Known:
    """The new users as training begins with them."""
    anchors = np.flatnonzero(learner.column >= 0)
    anchors = anchors[np.argsort(learner.column[anchors])]
    profiles = Profiles.over(data, learner.scale, anchors)
    values = seen_values(data, profiles, learner.column, learner.ratings)
    if not (values if learner.settings.loss == "ratings" else profiles.liked).nnz:
        raise UserError(
            "no new user likes an item that the model has learned from itself",
            mend="train again on all interactions: new items become known by a full training alone",
        )
    facts = sparse.csr_matrix((len(anchors), 0)) if learner.facts is None else learner.facts[anchors]
    return Known(
        torch.zeros(len(anchors)),
        torch.from_numpy(learner.content[anchors]),
        torch.from_numpy(learner.encoder.transform([data.user_attributes[user] for user in profiles.users])),
        listed(facts),
        profiles,
        values,
    )
