"""Learning online: what a user met counts at once, is kept by a store, and outlives the process and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coldplug.online.live import User
from coldplug.online.store import Fsync, Kept, UserStore, open_users

if TYPE_CHECKING:
    from coldplug.online.swap import Swappable

__all__ = ["Fsync", "Kept", "Swappable", "User", "UserStore", "open_users"]


def __getattr__(name: str) -> Any:
    # The plug imports this package, and the holder imports the plug.
    if name == "Swappable":
        from coldplug.online.swap import Swappable

        return Swappable
    raise AttributeError(f"module 'coldplug.online' has no attribute {name!r}")
