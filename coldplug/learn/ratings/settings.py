"""The settings of the rating posterior."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class RatingSettings(BaseModel):
    """Settings of the rating posterior. The defaults were chosen on users and items held out of the warm block."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(10, ge=1, description="factors that ratings give an item")
    sweeps: int = Field(15, ge=1, description="rounds of expectation maximisation")
    item_ridge: float = Field(20.0, gt=0, description="penalty on an item's factors, in ratings")
    directions: int = Field(
        256, ge=1, description="directions of the kernel that facts and texts give an item"
    )
    taste: float = Field(0.1, ge=0, description="variance of a user's taste in each direction of the kernel")
    drift: float = Field(0.05, ge=0, description="variance of how much higher a user rates what is new")
    least_ratings: int = Field(
        5, ge=1, description="ratings that make an item an anchor, learned from itself"
    )
    most_anchors: int = Field(6000, ge=2, description="anchors at most; memory grows with their square")
    kernel_steps: int = Field(30, ge=0, description="steps of fitting the relations' relevance")
