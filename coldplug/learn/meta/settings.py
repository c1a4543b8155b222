"""Settings that all learners of this folder share, with the names that the command line and model.json use."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class MetaSettings(BaseModel):
    """What every learner here has; a learner with more of its own inherits."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    loss: Literal["clicks", "ratings"] = Field("clicks", description="rank what is liked, or predict ratings")
    dim: int = Field(64, ge=1, description="length of user and item vectors")
    steps: int = Field(400, ge=1, description="training batches")
    batch: int = Field(256, ge=1, description="users, that is tasks, in one batch")
    rate: float = Field(0.005, gt=0, description="peak learning rate")
    clip: float = Field(5.0, gt=0, description="longest gradient of a batch; a longer one is shortened")
    dropout: float = Field(0.3, ge=0, lt=1, description="share of a user vector dropped in training")
    id_dropout: float = Field(0.4, ge=0, le=1, description="share of batches that rank by content alone")
    decay: float = Field(3.0, ge=0, description="weight decay of the map from content to item vectors")
    candidates: int = Field(4096, ge=2, description="items ranked in one batch; all of them where fewer")
    least_positives: int = Field(3, ge=1, description="positives that give an item a vector of its own")
