"""Reads users and interactions, finds them beside the graph, and puts all three into one id space."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.read.graph import read_graph
from coldplug.types import Attributes, Interactions, ItemGraph, TrainingData
from plugbase.errors import UserError, did_you_mean
from plugbase.tables import SUFFIXES, BadRecord, read_table

FilePath = str | PathLike[str]
POSITIVE_SHARE = 0.75
"""Where on the way from the lowest rating to the highest a positive begins: at 4 on a scale of 1 to 5."""
_SHOWN = 5
_log = logging.getLogger("coldplug")


@dataclass(frozen=True)
class Users:
    """Users in the order of the file: ids, and what is known of each."""

    ids: Sequence[str]
    attributes: Sequence[Attributes]


@dataclass(frozen=True)
class ReadInteractions:
    """Interactions in numbers, and what was left out on the way.

    `user_ids` begins with the ids that were given; users met only in the interactions follow in file order.
    """

    interactions: Interactions
    user_ids: Sequence[str]
    unknown_items: Mapping[str, int]
    """Item ids that the graph does not have -> rows left out for them."""
    repeated: int
    """Rows left out because a later row (by timestamp, else by place) has the same user and item."""


def find_beside(graph: FilePath) -> tuple[Path | None, Path | None]:
    """`users.*` and `interactions.*` beside the graph, as (users, interactions); None where there is none.

    Raises:
        UserError: two files of the same name with different endings lie there.
    """
    folder = Path(graph).parent
    found: list[Path | None] = []
    for stem in ("users", "interactions"):
        here = [folder / (stem + suffix) for suffix in SUFFIXES if (folder / (stem + suffix)).is_file()]
        if len(here) > 1:
            raise UserError(
                f"there are {', '.join(path.name for path in here)}",
                file=str(folder),
                mend=f"name the one to read with --{stem}",
            )
        found.append(here[0] if here else None)
    return found[0], found[1]


def read_users(path: FilePath) -> Users:
    """Read `user_id` and one column an attribute: text, number, or a list of texts (joined by `|` in csv).

    A column with numbers and words in it, such as zip codes, is text throughout. Empty cells are left out.

    Raises:
        UserError: no user_id, an id twice, a line that is no record; file and line are named.
    """
    name = str(path)
    rows: dict[str, dict[str, Any]] = {}
    texts: set[str] = set()
    for line, record in _records(name, ("user_id",)):
        ident = _ident(record, "user_id", name, line)
        if ident in rows:
            raise UserError(f"user {ident!r} comes twice", file=name, line=line, mend="leave one of the rows")
        attributes = {column: value for column, value in record.items() if column != "user_id"}
        for column, value in attributes.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UserError(f"{column} is {value}", file=name, line=line, mend="leave the cell empty")
            if isinstance(value, dict):
                raise UserError(
                    f"{column} is an object", file=name, line=line, mend="one column an attribute"
                )
            if isinstance(value, str | bool | list):
                texts.add(column)
        rows[ident] = attributes
    for attributes in rows.values():
        for column in attributes.keys() & texts:
            attributes[column] = _as_text(attributes[column])
    return Users(list(rows), list(rows.values()))


def read_interactions(
    path: FilePath, item_ids: Sequence[str], user_ids: Sequence[str] = ()
) -> ReadInteractions:
    """Read `user_id,item_id[,rating][,timestamp]`; of several rows of one user and item the latest counts.

    Args:
        item_ids: the graph's items; rows of others are counted in the result and left out.
        user_ids: users known already; others are added behind them.

    Raises:
        UserError: a missing id, a rating or timestamp that is no number; file, line and value are named.
    """
    name = str(path)
    items = {ident: number for number, ident in enumerate(item_ids)}
    users = {ident: number for number, ident in enumerate(user_ids)}
    unknown: dict[str, int] = {}
    rows: list[tuple[int, int, float, float]] = []
    for line, record in _records(name, ("user_id", "item_id")):
        user = _ident(record, "user_id", name, line)
        item = _ident(record, "item_id", name, line)
        rating = _number(record, "rating", name, line)
        time = _number(record, "timestamp", name, line)
        if item not in items:
            unknown[item] = unknown.get(item, 0) + 1
            continue
        rows.append((users.setdefault(user, len(users)), items[item], rating, time))
    table = np.array(rows, np.float64).reshape(-1, 4)
    latest = _latest(table, len(items))
    table = table[latest]
    timed = bool(len(table)) and not np.isnan(table[:, 3]).any()
    interactions = Interactions(
        users=table[:, 0].astype(np.int64),
        items=table[:, 1].astype(np.int64),
        ratings=table[:, 2].astype(np.float32),
        timestamps=table[:, 3].astype(np.int64) if timed else None,
    )
    return ReadInteractions(interactions, list(users), unknown, len(rows) - len(table))


def load_training_data(
    graph: ItemGraph | FilePath,
    users: FilePath | None = None,
    interactions: FilePath | None = None,
    positive_at: float | None = None,
    *,
    remarks: list[str] | None = None,
) -> TrainingData:
    """Everything a learner may see: graph, users, interactions.

    Args:
        graph: a graph, or the path of one; with a path, users and interactions are looked for beside it.
        positive_at: ratings at or above this are positives; by default three quarters of the way from the
            lowest rating to the highest (4 on a scale of 1 to 5).
        remarks: gets a line for everything that was left out; without it they are logged as warnings.

    Raises:
        UserError: no interactions are to be found, or one of the files is wrong.
    """
    if not isinstance(graph, ItemGraph):
        beside = find_beside(graph)
        users, interactions = users or beside[0], interactions or beside[1]
        if interactions is None:
            raise UserError(
                f"no interactions: looked for interactions{{{','.join(SUFFIXES)}}}",
                file=str(Path(graph).parent),
                mend="put the file there, or name it with --interactions",
            )
        graph = read_graph(graph)
    elif interactions is None:
        raise UserError("no interactions were given", mend="name the file with --interactions")
    known = read_users(users) if users is not None else Users([], [])
    found = read_interactions(interactions, graph.item_ids, known.ids)
    if not len(found.interactions.users):
        raise UserError(
            "none of its rows is about an item of the graph" if found.unknown_items else "holds no rows",
            file=str(interactions),
            mend="item_id must be the `id` the items had when the graph was extracted",
        )
    said = [] if remarks is None else remarks
    if found.unknown_items:
        rows, some = sum(found.unknown_items.values()), list(found.unknown_items)
        names = ", ".join(map(repr, some[:_SHOWN])) + (", ..." if len(some) > _SHOWN else "")
        said.append(f"{rows} interactions left out: their {len(some)} items are not in the graph ({names})")
    if found.repeated:
        said.append(f"{found.repeated} interactions left out: a later one has the same user and item")
    if len(found.user_ids) > len(known.ids) and users is not None:
        said.append(f"{len(found.user_ids) - len(known.ids)} users have interactions but no row in {users}")
    if remarks is None:
        for line in said:
            _log.warning(line)
    attributes = [*known.attributes, *({} for _ in range(len(found.user_ids) - len(known.ids)))]
    if positive_at is None:
        positive_at = _default_threshold(found.interactions.ratings)
    return TrainingData(graph, found.user_ids, attributes, found.interactions, positive_at)


def _default_threshold(ratings: np.ndarray[Any, Any]) -> float:
    given = ratings[~np.isnan(ratings)]
    if not len(given):
        return 0.0
    low, high = float(given.min()), float(given.max())
    return low + POSITIVE_SHARE * (high - low)


def _latest(table: np.ndarray[Any, Any], n_items: int) -> np.ndarray[Any, Any]:
    """Row numbers, in file order, of the latest row of each (user, item)."""
    place = np.arange(len(table))
    pair = table[:, 0] * max(1, n_items) + table[:, 1]
    order = np.lexsort((place, np.nan_to_num(table[:, 3], nan=-np.inf), pair))
    last = np.append(np.diff(pair[order]) != 0, True) if len(order) else np.empty(0, np.bool_)
    return np.sort(order[last])


def _records(name: str, required: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    first = True
    for line, record in read_table(name, text_columns=("user_id", "item_id")):
        if isinstance(record, BadRecord):
            raise UserError(record.reason, file=name, line=line)
        if first:
            first = False
            for column in required:
                if column not in record:
                    raise UserError(
                        f"no {column} (columns: {', '.join(record)})",
                        file=name,
                        line=line,
                        mend=did_you_mean(column, record),
                    )
        yield line, record


def _ident(record: Mapping[str, Any], column: str, name: str, line: int) -> str:
    value = record.get(column)
    if isinstance(value, str) and value:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    wrong = "is missing" if value in (None, "") else f"is {value!r}, which is neither text nor a whole number"
    raise UserError(f"{column} {wrong}", file=name, line=line)


def _number(record: Mapping[str, Any], column: str, name: str, line: int) -> float:
    value = record.get(column)
    if value is None:
        return math.nan
    if isinstance(value, str):  # csv leaves 1e5 and the like as text
        try:
            value = float(value)
        except ValueError:
            value = None
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise UserError(
            f"{column} is {record[column]!r}, which is not a number",
            file=name,
            line=line,
            mend=f"leave {column} empty where there is none",
        )
    return float(value)


def _as_text(value: object) -> object:
    if isinstance(value, list):
        return [str(part) for part in value]
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value
