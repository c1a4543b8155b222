"""coldplug scores users and items that a recommender has never seen, from a knowledge graph and a few clicks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from coldplug.errors import ModelFormatError, UnknownItemError

if TYPE_CHECKING:
    from os import PathLike

    from coldplug.online import UserStore
    from coldplug.plug import Plug, Support
    from coldplug.solver import ColdStartSolver
    from coldplug.types import Attributes, FloatArray

__all__ = ["ColdStartSolver", "ModelFormatError", "UnknownItemError", "load", "score"]

_loaded: Plug | None = None


def load(path: str | PathLike[str], users: str | PathLike[str] | UserStore | None = None) -> Plug:
    """Load a model folder that `coldplug train` wrote; `coldplug.score` uses the one loaded last.

    `users` is where `plug.observe` keeps users: a file, redis://..., or an open store.

    Raises:
        ModelFormatError: it is no model, of an unknown format version, or was truncated or altered.
    """
    global _loaded
    from coldplug.plug import load as load_plug

    _loaded = load_plug(path, users)
    return _loaded


def score(
    user_attrs: Attributes, item_ids: Sequence[str], support: Support | None = None, **options: Any
) -> FloatArray:
    """Score items for one user with the model loaded last, or else the one that $COLDPLUG_MODEL names.

    See `Plug.score` for the arguments, the result and the errors.
    """
    plug = _loaded
    if plug is None:
        path = os.environ.get("COLDPLUG_MODEL")
        if not path:
            from plugbase.errors import UserError

            raise UserError(
                "no model is loaded", mend='call coldplug.load("model/") first, or set $COLDPLUG_MODEL'
            )
        plug = load(path)
    return plug.score(user_attrs, item_ids, support, **options)


def __getattr__(name: str) -> Any:
    if name == "ColdStartSolver":
        from coldplug.solver import ColdStartSolver

        return ColdStartSolver
    raise AttributeError(f"module 'coldplug' has no attribute {name!r}")
