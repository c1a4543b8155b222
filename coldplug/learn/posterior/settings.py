"""The settings of the posterior, with the names that the command line and model.json use."""

from __future__ import annotations

import math

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

_EPOCHS = 100
_BOUNDS = 100, 800


class PosteriorSettings(BaseModel):
    """Settings of the default learner. The defaults were chosen on users and items held out of training blocks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(256, ge=1, description="directions of each of two sets that profiles are expressed in")
    dim: int = Field(64, ge=1, description="length of the learned user and item vectors")
    steps: int | None = Field(
        None,
        ge=1,
        description="training batches of the learned vectors; none: by the number of users, 100 to 800",
    )
    batch: int = Field(256, ge=1, description="users in one training batch")
    rate: float = Field(0.005, gt=0, description="peak learning rate of the learned vectors")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of a user vector dropped in training")
    least_positives: int = Field(
        3, ge=1, description="positives that make an item an anchor, learned from itself"
    )
    most_anchors: int = Field(6000, ge=2, description="anchors at most; memory grows with their square")
    kernel_steps: int = Field(30, ge=0, description="steps of fitting the relations' relevance")

    def training_steps(self, n_users: int) -> int:
        """Batches for so many users: as many as meet each of them a hundred times, in bounds. Few users bear no more."""
        return self.steps or int(np.clip(math.ceil(_EPOCHS * n_users / self.batch), *_BOUNDS))

    def user_side(self) -> tuple[object, ...]:
        """The settings that change what is learned of users."""
        return tuple(value for name, value in self.model_dump().items() if name != "kernel_steps")
