"""What a blend is learned on: pairs, whole users and whole items held out of what the host is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate.split import grouped, hashed
from coldplug.hosts import Person
from coldplug.types import IntArray, Interactions, TrainingData
from plugbase.errors import UserError

NEWCOMERS = (1, 2, 3, 5, 10, 20)
"""Likes that a held-out user is met with; each has one of these sizes, or half of all they have."""


@dataclass(frozen=True)
class HeldOut:
    """A person as the recommender meets them, and the items that they turned out to like.

    `met` are items that they met besides, of which the recommender knows nothing: they are in no list. Left in it, those
    that the person likes would count as mistakes.
    """

    person: Person
    liked: Sequence[str]
    met: Sequence[str] = ()


def hold_out(data: TrainingData, *, one_in: int = 10, salt: str = "") -> tuple[TrainingData, list[HeldOut]]:
    """Set aside one interaction, one user and one item in so many, by sha1 of their ids.

    Args:
        data: all that may be trained on.
        one_in: from 2 up; the larger, the less is taken away from the training.
        salt: another one takes others.

    Returns:
        The data without what was set aside, to train a host and a model on, and the people to fit a `Blend` with: those who
        stay, with their likes among what was set aside, and those set aside, who come with a few likes.

    Raises:
        UserError: nothing is left to train on, or nothing was held out.
    """
    rows, positive = data.interactions, data.positives()
    users, items = data.user_ids, data.graph.item_ids
    new_user = np.array([hashed(f"{salt}new user:{user}") % one_in == 0 for user in users], np.bool_)
    new_item = np.array([hashed(f"{salt}new item:{item}") % one_in == 0 for item in items], np.bool_)
    aside = set_aside(data, one_in, salt)
    trained = ~new_user[rows.users] & ~new_item[rows.items] & ~aside
    held = []
    for user, mine in enumerate(grouped(rows.users, len(users))):
        likes = mine[positive[mine]]
        if new_user[user]:
            order = np.argsort(
                [hashed(f"{salt}{users[user]}:{items[i]}") for i in rows.items[likes].tolist()]
            )
            likes = likes[order] if len(likes) else likes
            old = likes[~new_item[rows.items[likes]]]
            told = old[: min(NEWCOMERS[user % len(NEWCOMERS)], len(old) // 2)]
            person, wanted = person_of(data, user, told, known=False), likes[~np.isin(likes, told)]
            unseen = mine[:0]
        else:
            met = mine[trained[mine]]
            person, wanted = person_of(data, user, met, known=len(met) > 0), likes[aside[likes]]
            unseen = mine[~trained[mine] & ~aside[mine]]
        if len(wanted):
            liked, besides = (
                [items[item] for item in rows.items[some].tolist()] for some in (wanted, unseen)
            )
            held.append(HeldOut(person, liked, besides))
    if not held or not trained.any():
        raise UserError(
            f"one in {one_in} held out leaves {int(trained.sum())} interactions and {len(held)} people to learn a blend on",
            mend="use the fallback, which learns nothing",
        )
    return kept(data, trained), held


def set_aside(data: TrainingData, one_in: int, salt: str = "") -> NDArray[np.bool_]:
    """(n_interactions,) True for one pair of user and item in so many."""
    users, items, rows = data.user_ids, data.graph.item_ids, data.interactions
    pairs = zip(rows.users.tolist(), rows.items.tolist(), strict=True)
    return np.array(
        [hashed(f"{salt}pair:{users[user]}:{items[item]}") % one_in == 0 for user, item in pairs], np.bool_
    )


def kept(data: TrainingData, chosen: NDArray[np.bool_]) -> TrainingData:
    """The data with the chosen interactions alone."""
    rows = data.interactions
    times = None if rows.timestamps is None else rows.timestamps[chosen]
    fewer = Interactions(rows.users[chosen], rows.items[chosen], rows.ratings[chosen], times)
    return replace(data, interactions=fewer)


def person_of(data: TrainingData, user: int, met: IntArray, *, known: bool = True) -> Person:
    """A user by number, told by some of their rows; `known` gives their id, which a host may know."""
    ids = [data.graph.item_ids[item] for item in data.interactions.items[met].tolist()]
    support = list(zip(ids, data.interactions.ratings[met].tolist(), strict=True))
    return Person(data.user_ids[user] if known else None, data.user_attributes[user], support)
