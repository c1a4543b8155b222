"""Whom benchmarks/hosts.py asks about which items: C1's three scenarios, warm users, and one list of warm and new items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate import bootstrap
from coldplug.evaluate.metrics import accuracy
from coldplug.evaluate.split import Split, grouped, hashed
from coldplug.hosts import Person
from coldplug.hosts.validation import kept, person_of, set_aside
from coldplug.types import FloatArray, IntArray, TrainingData

SHOTS = (0, 5, 10)
ONE_IN = 10
"""Likes of warm users, one in so many of which is measured and not trained on."""
WARM_USERS = 1000
"""Warm users that are asked, the first by the hash of their ids."""
PEOPLE_AT_ONCE = 500
Score = Callable[[Sequence[Person], Sequence[str]], FloatArray]
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class Scenario:
    """`relevant` and `barred` are item numbers, one list a person.

    `new_items` says that intervals are over users and items, as C1 has them; else they are over users. `new` are items
    whose share among the first ten is to be told.
    """

    name: str
    people: Sequence[Person]
    items: IntArray
    relevant: Sequence[IntArray]
    barred: Sequence[IntArray]
    new_items: bool = False
    new: IntArray | None = None


def taken_out(data: TrainingData) -> NDArray[np.bool_]:
    """(n_interactions,) the likes that are measured and not trained on, for those whom they belong to."""
    return set_aside(data, ONE_IN, "warm ") & data.positives()


def training(split: Split) -> TrainingData:
    """The training block without them."""
    return kept(split.train, ~taken_out(split.train))


def scenarios(data: TrainingData, split: Split) -> list[Scenario]:
    """All of them, cold users first.

    In `one_list` the tenth of the likes on warm items that was taken out is relevant and, by the same hash, a tenth of the
    likes on new items: as if both had been shown alike. So what a user met of the other new items is in their list no more
    than what they met of the warm ones; left in it, nine of ten likes on new items would count as mistakes.
    """
    return [*_of_new_users(data, split), *_of_warm_users(data, split)]


def _of_new_users(data: TrainingData, split: Split) -> list[Scenario]:
    found = []
    ids = data.graph.item_ids
    for k in SHOTS:
        people = []
        for row, user in enumerate(split.users.tolist()):
            items, ratings = split.support(row, k, whole=False)
            support = [(ids[i], r) for i, r in zip(items.tolist(), ratings.tolist(), strict=True)]
            people.append(Person(data.user_ids[user], data.user_attributes[user], support))
        none = [_NONE] * len(people)
        found += [
            Scenario(f"user_cold@{k}", people, split.warm_items, split.targets, list(split.pools)),
            Scenario(f"both_cold@{k}", people, split.cold_items, split.cold_positives, none, True),
        ]
    return found


def _of_warm_users(data: TrainingData, split: Split) -> list[Scenario]:
    train, n_users = training(split), len(data.user_ids)
    of_user = grouped(train.interactions.users, n_users)
    people = {user: person_of(train, user, rows) for user, rows in enumerate(of_user) if len(rows)}
    met = {user: train.interactions.items[of_user[user]] for user in people}
    rows = data.interactions
    out = np.flatnonzero(taken_out(data))
    liked = [rows.items[out[mine]] for mine in grouped(rows.users[out], n_users)]
    new = np.isin(np.arange(data.graph.n_items), split.cold_items)
    order = sorted(people, key=lambda user: hashed(f"asked:{data.user_ids[user]}"))
    warm = [user for user in order if (~new[liked[user]]).any()][:WARM_USERS]
    asked = [people[user] for user in warm]
    barred = [met[user] for user in warm]
    on_cold = grouped(np.where(new[rows.items] & ~taken_out(data), rows.users, n_users), n_users + 1)
    unseen = [np.concatenate([met[user], rows.items[on_cold[user]]]) for user in warm]
    every = np.sort(np.concatenate([split.warm_items, split.cold_items]))
    likes = dict(zip(split.warm_users.tolist(), split.warm_user_cold_positives, strict=True))
    on_new = [(people[user], likes[user]) for user in order if user in likes][:WARM_USERS]
    return [
        Scenario(
            *("item_cold", [person for person, _ in on_new], split.cold_items),
            *([mine for _, mine in on_new], [_NONE] * len(on_new), True),
        ),
        Scenario("warm", asked, split.warm_items, [liked[user][~new[liked[user]]] for user in warm], barred),
        Scenario("one_list", asked, every, [liked[user] for user in warm], unseen, new=split.cold_items),
    ]


def figures(score: Score, one: Scenario, data: TrainingData, *, intervals: bool = True) -> dict[str, Any]:
    """Mean NDCG@10 and, for intervals, the bootstrap's replicates of it."""
    column = np.full(data.graph.n_items, -1, np.int64)
    column[one.items] = np.arange(len(one.items))
    ids = [data.graph.item_ids[item] for item in one.items.tolist()]
    relevant = [column[items] for items in one.relevant]
    per_user, ranked, first = [], [], []
    for start in range(0, len(one.people), PEOPLE_AT_ONCE):
        rows = range(start, min(start + PEOPLE_AT_ONCE, len(one.people)))
        scores = score([one.people[row] for row in rows], ids)
        wanted, barred = np.zeros(scores.shape, np.bool_), np.zeros(scores.shape, np.bool_)
        for place, row in enumerate(rows):
            wanted[place, relevant[row]] = True
            there = column[one.barred[row]]
            barred[place, there[there >= 0]] = True
        per_user.append(accuracy(scores, wanted, barred).ndcg)
        if one.new is not None:
            first.append(bootstrap.kept_ranks(np.where(barred, -np.inf, scores), 10))
        if one.new_items and intervals:
            ranked.append(bootstrap.kept_ranks(scores))
    values = np.concatenate(per_user)
    found: dict[str, Any] = {"ndcg": round(float(np.nanmean(values)), 5)}
    if one.new is not None:
        found["new_in_ten"] = round(float(np.isin(np.concatenate(first), column[one.new]).mean()), 5)
    if intervals:
        name = one.name.partition("@")[0]
        drawn = bootstrap.draws(name, len(values), len(ids) if one.new_items else 0)
        found["replicates"] = (
            bootstrap.over_users_and_items(np.concatenate(ranked), relevant, drawn)
            if one.new_items
            else bootstrap.over_users(values, drawn.users)
        )
    return found
