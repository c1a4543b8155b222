"""What every learner must do: a planted world in memory, and the tests that a learner's own test class inherits."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from coldplug.evaluate.metrics import accuracy
from coldplug.learn import Learner, learner_class
from coldplug.types import FloatArray, IntArray, Interactions, ItemGraph, Query, TrainingData
from plugbase.errors import UserError

TASTES = ("crime", "fairy", "space")
N_ITEMS, N_COLD_ITEMS, N_USERS, N_COLD_USERS = 90, 12, 160, 45
COLD_ITEMS = np.arange(N_ITEMS - N_COLD_ITEMS, N_ITEMS)
WARM_ITEMS = np.arange(N_ITEMS - N_COLD_ITEMS)
ALL_ITEMS = np.arange(N_ITEMS)


def planted_graph() -> ItemGraph:
    """Items whose genre is their number modulo 3, with a director and a theme that mean nothing; no text."""
    values = [f"v:genre:{taste}" for taste in TASTES]
    values += [f"v:director:{n}" for n in range(11)] + [f"v:theme:{n}" for n in range(7)]
    order = sorted(range(len(values)), key=values.__getitem__)
    place = {old: new for new, old in enumerate(order)}
    facts = sorted(
        (item, relation, place[tail])
        for item in range(N_ITEMS)
        for relation, tail in ((0, 3 + item % 11), (1, item % 3), (2, 14 + item % 7))
    )
    heads, relations, tails = np.array(facts, np.int64).T
    return ItemGraph(
        item_ids=[f"i{item:02d}" for item in range(N_ITEMS)],
        titles=[""] * N_ITEMS,
        descriptions=[""] * N_ITEMS,
        relation_names=["director", "genre", "theme"],
        value_iris=[values[old] for old in order],
        value_labels=[values[old].rpartition(":")[2] for old in order],
        heads=np.ascontiguousarray(heads),
        relations=np.ascontiguousarray(relations),
        tails=np.ascontiguousarray(tails),
        weights=np.ones(len(facts), np.float32),
        stated=np.ones(len(facts), np.bool_),
        literal_items=np.arange(N_ITEMS),
        literal_relations=np.zeros(N_ITEMS, np.int64),
        literal_numbers=np.asarray(1980 + np.arange(N_ITEMS) % 30, np.float32),
        literal_stated=np.ones(N_ITEMS, np.bool_),
    )


@cache
def planted() -> tuple[TrainingData, list[list[int]]]:
    """Training data without the cold users' rows and the cold items' rows, and what each cold user liked.

    Users with `likes` = a taste meet and like mostly the items of that genre; among them popular items are met more.
    """
    rng = np.random.default_rng(11)
    appeal = 1.0 / (1.0 + ALL_ITEMS / 40)
    users, items, ratings, liked = [], [], [], []
    attributes = []
    for user in range(N_USERS + N_COLD_USERS):
        taste = user % 3
        attributes.append({"likes": TASTES[taste], "age": float(20 + user % 40)})
        weight = np.where(taste == ALL_ITEMS % 3, 8.0, 1.0) * appeal
        weight[COLD_ITEMS] *= 2
        met = rng.choice(N_ITEMS, 30, replace=False, p=weight / weight.sum())
        rated = np.where(met % 3 == taste, 5, rng.integers(1, 5, len(met)))
        if user >= N_USERS:
            liked.append(met[rated >= 4].tolist())
            continue
        for item, rating in zip(met.tolist(), rated.tolist(), strict=True):
            if item < COLD_ITEMS[0]:
                users.append(user)
                items.append(item)
                ratings.append(rating)
    rows = Interactions(np.array(users), np.array(items), np.array(ratings, np.float32))
    ids = [f"u{user:03d}" for user in range(N_USERS)]
    return TrainingData(planted_graph(), ids, attributes[:N_USERS], rows, 4.0), liked


def cold_user(number: int, k: int = 0, *, known: bool = True, seed: int = 0) -> Query:
    """The number-th cold user with k of their liked warm items as support; `known` gives their attributes."""
    liked = [item for item in planted()[1][number] if item < COLD_ITEMS[0]]
    chosen = np.random.default_rng([seed, number]).choice(liked, k, replace=False)
    user = N_USERS + number
    attributes = {"likes": TASTES[user % 3], "age": float(20 + user % 40)} if known else {}
    return Query(attributes, chosen.astype(np.int64), np.full(k, 5.0, np.float32))


def ndcg(learner: Learner, items: IntArray, k: int, *, known: bool = True) -> float:
    """Mean NDCG@10 of the cold users on some of the items, the support left out."""
    liked = planted()[1]
    queries = [cold_user(n, k, known=known) for n in range(N_COLD_USERS)]
    relevant = np.array([np.isin(items, mine) for mine in liked])
    support = np.array([np.isin(items, query.items) for query in queries])
    found = accuracy(learner.score(queries, items), relevant, support)
    return float(np.nanmean(found.ndcg))


def copied(data: TrainingData) -> TrainingData:
    """Equal data in new arrays, so that nothing remembered of the old ones is found again."""
    rows = data.interactions
    again = Interactions(rows.users.copy(), rows.items.copy(), rows.ratings.copy())
    return replace(data, interactions=again, user_attributes=[dict(user) for user in data.user_attributes])


@cache
def _fitted(name: str, seed: int, settings: tuple[tuple[str, Any], ...]) -> Learner:
    import torch

    torch.set_num_threads(1)  # so small a world is slower on two, by far where the second core is taken
    return learner_class(name).fit(copied(planted()[0]), seed=seed, **dict(settings))


class LearnerContract:
    """Inherit, name the method, and say what the method does not do."""

    name: str
    settings: dict[str, Any] = {}  # noqa: RUF012 - replaced, never changed, by the classes that inherit
    reads_attributes = True
    reads_support = True
    reads_graph = True
    reads_dislikes = False
    checks_settings = False
    order_matters = False

    def fit(self, *, seed: int = 3, data: TrainingData | None = None, **settings: Any) -> Learner:
        """The method fitted on the planted world, once a seed, or anew on other data or with other settings."""
        if data is None and not settings:
            return _fitted(self.name, seed, tuple(sorted(self.settings.items())))
        return learner_class(self.name).fit(
            planted()[0] if data is None else data, seed=seed, **(self.settings | settings)
        )

    def reload(self, learner: Learner, folder: Path) -> Learner | None:
        """The learner written to a folder and read back; None where the method cannot be kept."""
        return None

    def asked(self) -> list[Query]:
        """Queries of many kinds."""
        return [
            Query(),
            cold_user(0),
            cold_user(1, 1),
            cold_user(2, 5),
            cold_user(3, 5, known=False),
            Query({"likes": None, "age": 200.0}),
            Query({}, np.array([0, 3]), np.array([np.nan, 1.0], np.float32)),
            Query({}, np.array([80, 81, 5]), np.array([5.0, 4.0, np.nan], np.float32)),
            Query({}, np.arange(40), np.full(40, 5, np.float32)),
        ]

    def test_it_learns_what_attributes_say_of_users_never_seen(self) -> None:
        if not self.reads_attributes:
            pytest.skip("reads no attributes")
        popularity = _fitted("popularity", 0, ())
        assert ndcg(self.fit(), WARM_ITEMS, 0) > ndcg(popularity, WARM_ITEMS, 0) + 0.15

    def test_it_learns_what_a_support_says_of_users_never_seen(self) -> None:
        if not self.reads_support:
            pytest.skip("reads no support")
        popularity = _fitted("popularity", 0, ())
        with_five = ndcg(self.fit(), WARM_ITEMS, 5, known=False)
        assert with_five > ndcg(popularity, WARM_ITEMS, 5, known=False) + 0.1
        assert with_five > ndcg(self.fit(), WARM_ITEMS, 0, known=False) + 0.1

    def test_it_ranks_items_never_seen_by_their_facts(self) -> None:
        if not (self.reads_graph and self.reads_support):
            pytest.skip("scores no new items")
        popularity = _fitted("popularity", 0, ())  # ties all of them, so this is chance
        assert ndcg(self.fit(), COLD_ITEMS, 5, known=False) > ndcg(popularity, COLD_ITEMS, 5) + 0.1
        if self.reads_attributes:
            assert ndcg(self.fit(), COLD_ITEMS, 0) > ndcg(popularity, COLD_ITEMS, 0) + 0.1

    def test_its_scores_are_finite_float32_of_the_right_shape(self) -> None:
        learner, asked = self.fit(), self.asked()
        for items in (ALL_ITEMS, COLD_ITEMS, np.array([7])):
            scores = learner.score(asked, items)
            assert scores.shape == (len(asked), len(items))
            assert scores.dtype == np.float32
            assert np.isfinite(scores).all()

    def test_nothing_asked_gives_nothing(self) -> None:
        learner, asked = self.fit(), self.asked()
        assert learner.score(asked, ALL_ITEMS[:0]).shape == (len(asked), 0)
        assert learner.score([], ALL_ITEMS).shape == (0, N_ITEMS)

    def test_a_score_does_not_depend_on_what_else_is_asked(self) -> None:
        learner, asked = self.fit(), self.asked()
        whole = learner.score(asked, ALL_ITEMS)
        some = np.array([88, 2, 7, 2, 79])
        for row, query in enumerate(asked):
            near(learner.score([query], some)[0], whole[row, some])
            near(learner.score([query], some[:1])[0], whole[row, some[:1]])

    def test_the_order_of_the_support_does_not_matter(self) -> None:
        if self.order_matters:
            pytest.skip("reads the order of the support")
        query = cold_user(4, 6)
        ratings = np.array([5, 4, np.nan, 5, 1, 4], np.float32)
        turned = Query(query.attributes, query.items[::-1], ratings[::-1])
        rated = Query(query.attributes, query.items, ratings)
        learner = self.fit()
        near(learner.score([turned], ALL_ITEMS), learner.score([rated], ALL_ITEMS))

    def test_a_dislike_speaks_less_for_an_item_than_a_like(self) -> None:
        if not self.reads_dislikes:
            pytest.skip("does not tell a dislike from an item not met")
        met = np.array([0, 3, 6])
        liked, disliked = (Query({}, met, np.full(3, rating, np.float32)) for rating in (5, 1))
        scores = self.fit().score([liked, disliked], WARM_ITEMS[9:])
        same = WARM_ITEMS[9:] % 3 == 0
        gap = scores[:, same].mean(1) - scores[:, ~same].mean(1)
        assert gap[0] > gap[1] + 0.1

    def test_the_same_seed_gives_the_same_scores_and_leaves_the_data_as_they_were(self) -> None:
        data, before = copied(planted()[0]), copied(planted()[0])
        again = self.fit(data=data)
        for part in ("users", "items", "ratings"):
            np.testing.assert_array_equal(
                getattr(data.interactions, part), getattr(before.interactions, part)
            )
        assert data.user_attributes == before.user_attributes
        np.testing.assert_array_equal(
            again.score(self.asked(), ALL_ITEMS), self.fit().score(self.asked(), ALL_ITEMS)
        )

    def test_another_seed_gives_much_the_same(self) -> None:
        other = self.fit(seed=4)
        for items, k in ((WARM_ITEMS, 0), (WARM_ITEMS, 5), (COLD_ITEMS, 5)):
            assert abs(ndcg(self.fit(), items, k) - ndcg(other, items, k)) < 0.06

    def test_it_is_the_same_when_read_back(self, tmp_path: Path) -> None:
        learner = self.fit()
        again = self.reload(learner, tmp_path / "model")
        if again is None:
            pytest.skip("is not kept")
        # the arrays may lie otherwise in memory, and then float32 sums round otherwise
        scores = learner.score(self.asked(), ALL_ITEMS)
        np.testing.assert_allclose(again.score(self.asked(), ALL_ITEMS), scores, rtol=1e-5, atol=5e-6)

    def test_wrong_input_is_refused(self) -> None:
        learner = self.fit()
        with pytest.raises(IndexError):
            learner.score([Query()], np.array([0, N_ITEMS]))
        if self.checks_settings:
            with pytest.raises(UserError, match="stepps"):
                self.fit(stepps=3)
            with pytest.raises(UserError, match="list"):
                learner.score([Query(["age"])], ALL_ITEMS)  # type: ignore[arg-type]

    def test_too_little_to_learn_from_is_said_or_borne(self) -> None:
        rows = Interactions(np.array([0]), np.array([0]), np.array([5], np.float32))
        try:
            learner = self.fit(data=replace(planted()[0], interactions=rows))
        except UserError as error:
            assert error.mend  # noqa: PT017 - either is right, but an error must say what to do
            return
        assert np.isfinite(learner.score(self.asked(), ALL_ITEMS)).all()


def near(found: FloatArray, wanted: FloatArray) -> None:
    """Equal but for the order of float32 additions."""
    np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-4)
