"""Settings of a method, checked, with an error that names the nearest one there is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from plugbase.errors import UserError, did_you_mean

Settings = TypeVar("Settings", bound=BaseModel)


def checked(kind: type[Settings], settings: Mapping[str, Any]) -> Settings:
    """The settings as such; numbers may be texts, as a command line gives them.

    Raises:
        UserError: one does not exist, with the nearest that does, or has a value that cannot be.
    """
    try:
        return kind(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        near = did_you_mean(name, kind.model_fields) if first["type"] == "extra_forbidden" else None
        message = f"setting {name}={settings.get(name)!r}: {first['msg']}"
        raise UserError(message, mend=near or f"settings: {', '.join(kind.model_fields)}") from error
