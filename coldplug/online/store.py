"""What is kept of users between questions, as every store gives it, and how a store is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Literal, Protocol, runtime_checkable

from coldplug.types import Attributes
from plugbase.errors import UserError

MOST = 100
"""Items that a user's support keeps: the largest support that the default's weights are fitted for, and what one user can
cost in memory and time. Of more, the newest are kept."""
LONGEST = 512
"""Characters of an id."""
Fsync = Literal["checkpoint", "always"]
"""When an observation is forced to disk. "checkpoint": killing the process loses nothing; a power cut may lose the last,
and never damages the store. "always": before it is acknowledged, so that a power cut loses nothing either."""


@dataclass(frozen=True)
class Kept:
    """One user: attributes, and (item id, reward) oldest first; None is a like without a degree."""

    attributes: Attributes = field(default_factory=dict)
    met: Sequence[tuple[str, float | None]] = ()


@dataclass(frozen=True)
class Met:
    """One observation in the order of the store: `mark` grows, `at` is in seconds since 1970."""

    mark: int
    user_id: str
    item_id: str
    reward: float | None
    at: float


@runtime_checkable
class UserStore(Protocol):
    """Users in a key-value store. Safe for threads, and for several processes on the same place.

    What returns is kept; how well is the store's `Fsync`. Ids have been checked by `checked_id`.
    """

    def observe(self, user_id: str, item_id: str, reward: float | None, at: float) -> None:
        """Keep a reward as the user's newest; one that the user gave the item before is replaced."""

    def describe(self, user_id: str, attributes: str) -> None:
        """Keep the user's attributes, a JSON object, in place of those there were."""

    def read(self, user_id: str) -> Kept:
        """The user; of nobody, nothing."""

    def forget(self, user_id: str) -> None:
        """Remove all that is kept of the user."""

    def since(self, mark: int, most: int) -> list[Met]:
        """The newest observations after a mark, `most` of them, in order; one that was replaced may be missing."""

    def close(self) -> None:
        """Let go of the place; what was kept stays."""


def open_users(place: str | PathLike[str], *, fsync: Fsync = "checkpoint") -> UserStore:
    """A user store by its place.

    Args:
        place: a file, made where there is none, for SQLite; redis://host:port/number for Redis.
        fsync: when an observation is forced to disk.

    Raises:
        UserError: the file is no user store, or Redis does not answer or is not installed.
    """
    if fsync not in ("checkpoint", "always"):
        raise UserError(f"fsync={fsync!r}", mend='pass "checkpoint" or "always"')
    if isinstance(place, str) and place.startswith(("redis://", "rediss://", "unix://")):
        from coldplug.online.redis import RedisUsers

        return RedisUsers(place, fsync=fsync)
    from coldplug.online.sqlite import SQLiteUsers

    return SQLiteUsers(place, fsync=fsync)


def checked_id(given: object, name: str) -> str:
    """An id as text; `name` is the argument's, for the message.

    Raises:
        UserError: not a text, empty, too long, or not writable as UTF-8.
    """
    text = str(given) if isinstance(given, int) and not isinstance(given, bool) else given
    if not isinstance(text, str) or not 0 < len(text) <= LONGEST:
        raise UserError(f"{name}={given!r}"[:200], mend=f"an id is a text of 1 to {LONGEST} characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UserError(f"{name}={given!r} is not valid Unicode", mend="decode it as UTF-8 first") from None
    return text


def checked_attributes(given: object) -> str:
    """Attributes as a JSON object.

    Raises:
        UserError: not a mapping of names to texts, numbers and lists of texts.
    """
    try:
        if not isinstance(given, dict) or not all(isinstance(name, str) for name in given):
            raise TypeError
        text = json.dumps(given, allow_nan=False)
    except (TypeError, ValueError):
        raise UserError(
            f"attributes={given!r}"[:200],
            mend='pass a dict of texts, finite numbers and lists of texts, such as {"age": 25}',
        ) from None
    return text
