"""MeLU's four states of MovieLens-1M (Lee et al. 2019), and the tasks that are cut from them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.evaluate.split import hashed
from coldplug.types import FloatArray, IntArray, Interactions, Query, TrainingData
from plugbase.errors import UserError

WARM = "warm"
STATES = ("user_cold", "item_cold", "user_and_item_cold")
"""The states that are measured."""
FEWEST, MOST = 13, 100
"""Ratings in a state that a user needs, and may have, to be measured there."""
QUERY = 10
"""Ratings at the end of a user's order that are to be predicted."""


@dataclass(frozen=True)
class Task:
    """One user in one state: the support is told, the query's ratings are to be predicted."""

    user: int
    support: IntArray
    ratings: FloatArray
    query: IntArray
    wanted: FloatArray


@dataclass(frozen=True)
class State:
    """Who rated what in one state: users as numbers of the data, and for each their items and ratings."""

    users: list[int]
    items: list[IntArray]
    ratings: list[FloatArray]


def read_states(folder: Path, data: TrainingData) -> dict[str, State]:
    """The warm state and the three cold ones, as MeLU's preparation writes them.

    Each state is two files: STATE_state.json maps a user to items, STATE_state_y.json to their ratings in that order.

    Args:
        folder: holds the eight files.
        data: whose users and items they are about.

    Raises:
        UserError: a file is missing or is not of that form; a user or an item is not in the data.
    """
    users = {ident: number for number, ident in enumerate(data.user_ids)}
    items = {ident: number for number, ident in enumerate(data.graph.item_ids)}
    return {name: _read_state(folder, name, users, items) for name in (WARM, *STATES)}


def _read_state(folder: Path, name: str, users: Mapping[str, int], items: Mapping[str, int]) -> State:
    at, rated = folder / f"{name}_state.json", folder / f"{name}_state_y.json"
    met, given = _read_mapping(at), _read_mapping(rated)
    found = State([], [], [])
    for user, ids in met.items():
        ratings = given.get(user)
        if not isinstance(ids, list) or not isinstance(ratings, list) or len(ids) != len(ratings):
            raise UserError(f"user {user!r} has not as many ratings as items", file=str(rated))
        unknown = [ident for ident in ids if str(ident) not in items]
        if user not in users or unknown:
            what = f"item {unknown[0]!r}" if unknown else f"user {user!r}"
            raise UserError(
                f"{what} is not in the data",
                file=str(at),
                mend="prepare the data set that the split was cut from",
            )
        if not all(isinstance(rating, int | float) and np.isfinite(rating) for rating in ratings):
            raise UserError(f"user {user!r} has a rating that is no number", file=str(rated))
        numbers = np.array([items[str(ident)] for ident in ids], np.int64)
        # the warm state as published has a few pairs twice; what is measured must not
        if name != WARM and len(np.unique(numbers)) < len(numbers):
            raise UserError(f"user {user!r} has an item twice", file=str(at))
        found.users.append(users[user])
        found.items.append(numbers)
        found.ratings.append(np.array(ratings, np.float32))
    return found


def _read_mapping(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            "no such file",
            file=str(path),
            mend="R1 needs MeLU's split: warm, user_cold, item_cold and user_and_item_cold, each as "
            "STATE_state.json and STATE_state_y.json",
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"not JSON: {error}", file=str(path)) from error
    if not isinstance(found, dict):
        raise UserError("expected a mapping of users to lists", file=str(path))
    return found


def warm_data(data: TrainingData, states: Mapping[str, State]) -> TrainingData:
    """All that a rater may learn from: the warm state's ratings, every user's attributes, the whole graph."""
    warm = states[WARM]
    users = np.repeat(np.array(warm.users, np.int64), [len(one) for one in warm.items])
    rows = Interactions(users, np.concatenate(warm.items), np.concatenate(warm.ratings))
    return TrainingData(data.graph, data.user_ids, data.user_attributes, rows, data.positive_at)


def make_tasks(data: TrainingData, state: State, seed: int) -> list[Task]:
    """One task a user with 13 to 100 ratings in the state, in an order by sha1 of ids whose last ten are the query."""
    tasks = []
    for user, items, ratings in zip(state.users, state.items, state.ratings, strict=True):
        if not FEWEST <= len(items) <= MOST:
            continue
        ident = data.user_ids[user]
        keys = [hashed(f"r1:{seed}:{ident}:{data.graph.item_ids[item]}") for item in items.tolist()]
        order = np.argsort(np.array(keys, np.uint64), kind="stable")
        told, asked = order[:-QUERY], order[-QUERY:]
        tasks.append(Task(user, items[told], ratings[told], items[asked], ratings[asked]))
    return tasks


def queries(
    data: TrainingData,
    tasks: Sequence[Task],
    history: Mapping[int, tuple[IntArray, FloatArray]] | None = None,
) -> list[Query]:
    """The tasks as a rater is asked them; with `history`, the support follows the user's own warm ratings."""
    found = []
    for task in tasks:
        items, ratings = task.support, task.ratings
        if history and task.user in history:
            before, given = history[task.user]
            items, ratings = np.concatenate([before, items]), np.concatenate([given, ratings])
        found.append(Query(data.user_attributes[task.user], items, ratings))
    return found
