"""A plug's users: what they met is kept as it happens, and is their support from the next question on."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

from coldplug.catalogue import Catalogue
from coldplug.errors import UnknownItemError
from coldplug.online.store import UserStore, checked_attributes, checked_id
from coldplug.types import Attributes
from plugbase.errors import UserError


class User(NamedTuple):
    """One user as `Plug.score_batch` takes them: attributes and support."""

    attributes: Attributes
    support: list[tuple[str, float]]


@dataclass(frozen=True)
class Scale:
    """What a reward can be: the ratings of the training from `lowest` to `highest`, or no degrees at all."""

    lowest: float = 0.0
    highest: float = 0.0

    @classmethod
    def of(cls, meta: Mapping[str, Any]) -> Scale | None:
        """The scale that a model was trained on; None where it does not say."""
        told = meta["learner"]
        for part in (told, *(member["state"] for member in told.get("members", ()))):
            scale = part.get("scale")
            if isinstance(scale, list) and len(scale) == 3:
                return cls(float(scale[1]), float(scale[2]))
        return None

    @property
    def rated(self) -> bool:
        """Whether the training had ratings."""
        return self.highest > self.lowest


class Live:
    """A user store beside a model."""

    def __init__(self, store: UserStore, meta: Mapping[str, Any]) -> None:
        """Made by `coldplug.load(..., users=...)`."""
        self._store, self._scale = store, Scale.of(meta)

    def observe(self, user_id: str, item_id: str, reward: float | bool, catalogue: Catalogue) -> None:
        """See `Plug.observe`."""
        user, item = checked_id(user_id, "user_id"), checked_id(item_id, "item_id")
        kept = self._reward(reward)
        if item not in catalogue.numbers:
            raise UnknownItemError([item])
        self._store.observe(user, item, kept, time.time())

    def describe(self, user_id: str, attributes: Attributes) -> None:
        """See `Plug.describe`."""
        told = checked_attributes(attributes)
        self._store.describe(checked_id(user_id, "user_id"), told)

    def forget(self, user_id: str) -> None:
        """See `Plug.forget`."""
        self._store.forget(checked_id(user_id, "user_id"))

    def user(self, user_id: str, catalogue: Catalogue) -> tuple[User, list[str]]:
        """The user, and the items that they said no to of which the model can learn nothing.

        Items that the model does not know, though another process did, are kept but left out.
        """
        kept = self._store.read(checked_id(user_id, "user_id"))
        degrees = self._scale is None or self._scale.rated
        support, refused = [], []
        for item, reward in kept.met:
            if item not in catalogue.numbers:
                continue
            if degrees or reward is None:
                support.append((item, math.nan if reward is None else reward))
            elif reward > 0:
                support.append((item, math.nan))
            else:
                refused.append(item)
        return User(kept.attributes, support), refused

    def _reward(self, reward: float | bool) -> float | None:
        """As it is kept: a rating, or None for a like without a degree."""
        scale = self._scale
        degrees = scale is None or scale.rated
        if isinstance(reward, bool):
            return None if reward else (scale.lowest if scale and scale.rated else 0.0)
        if not isinstance(reward, Real) or not math.isfinite(reward):
            raise UserError(
                f"reward={reward!r}"[:200],
                mend="a reward is a rating, or True for a like and False for none; where there is none, observe nothing",
            )
        number = float(reward)
        if not degrees:
            if number not in (0.0, 1.0):
                raise UserError(
                    f"reward={reward!r}", mend="the model was trained without ratings: pass 0 or 1"
                )
            return None if number else 0.0
        if scale is not None and not scale.lowest <= number <= scale.highest:
            raise UserError(
                f"reward={reward!r} is off the scale of the ratings the model was trained on",
                mend=f"pass {scale.lowest:g} to {scale.highest:g}, or True for a like and False for none",
            )
        return number
