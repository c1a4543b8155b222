"""Which learners are tried on which data: a short list, and a reason for each that is left out."""

from __future__ import annotations

import numpy as np

from coldplug.learn import trainable_class
from coldplug.types import Attributes, TrainingData
from plugbase.errors import UserError

CANDIDATES: tuple[str, ...] = ("posterior", "proto", "metakg", "mf", "zeroshot")
"""Tried where nothing else is asked for. The first is the default learner, which suits any data."""

FEW_USERS = 100
"""Users with fewer fellows than this teach no network what a support says."""


def suitable(data: TrainingData) -> tuple[list[str], dict[str, str]]:
    """The candidates that suit the data, in order, and the others with the reason.

    A network needs many users to learn from, `metakg` facts of items, `zeroshot` attributes of users. What needs
    nothing special stays.
    """
    n_users = len(np.unique(data.interactions.users[data.positives()]))
    few = f"{n_users} users with a like are too few to train a network on; it takes {FEW_USERS}"
    reasons: dict[str, str] = {}
    for name in ("proto", "metakg", "zeroshot"):
        if n_users < FEW_USERS:
            reasons[name] = few
    if not len(data.graph.heads):
        reasons.setdefault("metakg", "the graph has no facts")
    users = np.unique(data.interactions.users).tolist()
    if not any(_known(data.user_attributes[user]) for user in users):
        reasons.setdefault("zeroshot", "no user has attributes")
    return [name for name in CANDIDATES if name not in reasons], reasons


def named(text: str) -> list[str]:
    """Candidates from a list such as "posterior,mf".

    Raises:
        UserError: one is no method that makes a model, or is named twice.
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    for place, name in enumerate(names):
        if name == "auto":
            raise UserError("setting candidates: auto cannot weigh itself", mend="name other methods")
        trainable_class(name)
        if name in names[:place]:
            raise UserError(f"setting candidates names {name!r} twice", mend="name each method once")
    return names


def _known(attributes: Attributes) -> bool:
    return any(value is not None and value != "" and value != [] for value in attributes.values())
