"""Settings that all learners of this folder share, checked, with the names that the command line and model.json use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plugbase.errors import UserError, did_you_mean


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


Settings = TypeVar("Settings", bound=MetaSettings)


def checked(kind: type[Settings], settings: Mapping[str, Any]) -> Settings:
    """The settings as such.

    Raises:
        UserError: one does not exist, with the nearest that does, or has a value that cannot be.
    """
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        mend = did_you_mean(name, kind.model_fields) if first["type"] == "extra_forbidden" else None
        message = f"setting {name}={settings.get(name)!r}: {first['msg']}"
        raise UserError(message, mend=mend or f"settings: {', '.join(kind.model_fields)}") from error
