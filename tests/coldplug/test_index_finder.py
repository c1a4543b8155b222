"""Finding among many: every library finds what scoring everything finds, with filters and with items that came later."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from coldplug.index import KINDS, finder, index_class
from coldplug.index.coarse import Coarse, made_users
from coldplug.index.finder import Finder
from coldplug.types import FloatArray, IntArray, Query
from plugbase.errors import UserError

N, D, LEARNED = 4_000, 64, 300
NEEDS = {
    "faiss": "faiss",
    "usearch": "usearch",
    "hnswlib": "hnswlib",
    "milvus": "milvus_lite",
    "exact": "numpy",
}
K = 20


class Made:
    """Items and users of a low-rank world, as vectors: users are the mean of what they met, and noise directions."""

    def __init__(self, count: int = N) -> None:
        rng = np.random.default_rng(7)
        strength = 0.9 ** np.arange(D)
        self.all = (rng.standard_normal((N, D)) * strength).astype(np.float32)
        self.all[:, 0] = 3 + self.all[:, 0] ** 2  # what everybody likes, and lengths that differ
        self.all[:LEARNED, 40:], self.all[LEARNED:, D - 1] = 0, 1
        self.count = count

    @property
    def width(self) -> int:
        return D

    def items(self, numbers: IntArray) -> FloatArray:
        return self.all[: self.count][numbers]

    def users(self, queries: list[Query]) -> FloatArray:  # type: ignore[override]
        out = np.zeros((len(queries), D), np.float32)
        for row, query in enumerate(queries):
            out[row, 0] = 0.5
            if len(query.items):
                out[row] += self.all[query.items].mean(0)
        return out

    def learned(self) -> NDArray[np.bool_]:
        return np.arange(self.count) < LEARNED


@cache
def asked() -> FloatArray:
    rng = np.random.default_rng(11)
    return Made().users([Query({}, rng.integers(0, N, k)) for k in rng.integers(0, 9, 24).tolist()])


def recall(found: Finder, allowed: NDArray[np.bool_] | None = None, count: int = N) -> float:
    """Of the K best by the whole vectors, the share that is among the candidates."""
    may = np.arange(count) if allowed is None else np.flatnonzero(allowed)
    hits = []
    for user in asked():
        best = may[np.argsort(-(Made().all[may] @ user), kind="stable")[:K]]
        candidates = found.candidates(user, K, allowed)
        assert len(np.unique(candidates)) == len(candidates)
        assert np.isin(candidates, may).all()
        hits.append(np.isin(best, candidates).mean())
    return float(np.mean(hits))


@cache
def built(kind: str) -> Finder:
    if find_spec(NEEDS[kind]) is None:
        pytest.skip(f"{NEEDS[kind]} is not installed")
    return Finder.build(Made(), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def test_it_finds_the_best_without_looking_at_everything(self, kind: str) -> None:
        found = built(kind)
        assert recall(found) >= 0.99
        assert found.recall >= 0.99
        assert max(len(found.candidates(user, K)) for user in asked()) <= 300 + K + 50

    @pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
    def test_filters_do_not_break_recall(self, kind: str, share: float) -> None:
        allowed = np.random.default_rng(3).random(N) < share
        assert recall(built(kind), allowed) >= 0.99

    def test_a_filter_that_lets_through_what_is_far_away(self, kind: str) -> None:
        """The half of the items that most users like least."""
        liked = Made().all @ asked().mean(0)
        assert recall(built(kind), liked < np.median(liked)) >= 0.99

    def test_it_is_read_back_as_it_was(self, kind: str, tmp_path: Path) -> None:
        found = built(kind)
        found.index.save(tmp_path)
        read = index_class(kind).load(tmp_path, found.short)
        read.effort = found.index.effort
        for user in asked()[:10]:
            query = found.coarse.user(user)
            np.testing.assert_array_equal(read.search(query, 50), found.index.search(query, 50))

    def test_few_rows(self, kind: str) -> None:
        rows = np.eye(5, dtype=np.float32)
        if find_spec(NEEDS[kind]) is None:
            pytest.skip(f"{NEEDS[kind]} is not installed")
        index = index_class(kind).build(rows)
        assert sorted(index.search(rows[3], 5).tolist()) == [0, 1, 2, 3, 4]
        assert index.search(rows[3], 1).tolist() == [3]


def test_items_that_come_later_are_found() -> None:
    before = Finder.build(Made(N - 500), "faiss")  # type: ignore[arg-type]
    grown = before.extended(Made(), 500)  # type: ignore[arg-type]
    assert (before.indexed, len(before.rows), len(grown.rows)) == (
        grown.indexed,
        N - 500 - LEARNED,
        N - LEARNED,
    )
    late = np.arange(N) >= N - 500
    assert recall(grown) >= 0.99
    assert recall(grown, late) == 1.0
    assert recall(grown, late & (np.arange(N) % 2 == 0)) == 1.0
    assert any((grown.candidates(user, K) >= N - 500).any() for user in asked())


def test_many_learned_items_go_into_the_index_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finder, "DIRECT", LEARNED - 1)
    found = Finder.build(Made(), "exact")  # type: ignore[arg-type]
    assert (len(found.direct), len(found.rows)) == (0, N)
    assert recall(found) >= 0.99


def test_a_bad_index_shows_in_the_recall_that_was_measured() -> None:
    found = built("faiss")
    users = made_users(Made(), 40, 5)  # type: ignore[arg-type]
    best = np.argsort(-(users @ Made().all[found.rows].T), axis=1)[:, :100]
    assert found.measured(users, best) >= 0.99
    turned = replace(found.coarse, user_map=found.coarse.user_map[:, ::-1])
    assert replace(found, coarse=turned).measured(users, best) < 0.9


def test_items_longer_than_all_that_were_sampled_are_found() -> None:
    rng = np.random.default_rng(3)
    items = rng.standard_normal((400, 12)).astype(np.float32)
    users = rng.standard_normal((50, 12)).astype(np.float32)
    sampled = Coarse.fit(items, users, 12)
    longer = np.concatenate([items, 3 * items[:20]])
    beyond = sampled.items(longer)
    room = sampled.around(short := beyond.copy())
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), room.radius, rtol=1e-5)
    lost = 0
    for user in users:
        best = set(np.argsort(-(longer @ user))[:10].tolist())
        near = np.argsort(((short - room.user(user)) ** 2).sum(1))[:10]
        assert set(near.tolist()) == best
        lost += len(best - set(np.argsort(((beyond - sampled.user(user)) ** 2).sum(1))[:10].tolist()))
    assert lost > 50, "without room for them the longest items are missed"


def test_the_short_space_keeps_the_order_of_scores() -> None:
    rng = np.random.default_rng(0)
    items = rng.standard_normal((500, 12)).astype(np.float32)
    users = rng.standard_normal((300, 12)).astype(np.float32)
    whole = Coarse.fit(items, users, 12)
    short = whole.items(items)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), whole.radius, rtol=1e-5)
    for user in users[:20]:
        exact = items @ user
        query = whole.user(user)
        np.testing.assert_array_equal(np.argsort(((short - query) ** 2).sum(1))[:50], np.argsort(-exact)[:50])
    # Directions that no user looks at cost nothing to leave out, however much the items differ there.
    users[:, :6], items[:, :6] = 0, 10 * items[:, :6]
    half = Coarse.fit(items, users, 6)
    error = half.items(items)[:, :-1] @ half.user_map.T @ users[0] - (items - half.mean) @ users[0]
    assert np.abs(error).max() < 0.05 * np.abs(items @ users[0]).max()


def test_what_cannot_be() -> None:
    with pytest.raises(UserError, match=r"unknown kind of index 'fais'\n.*'faiss'"):
        index_class("fais")
    with pytest.raises(UserError, match="no item that an index"):
        Finder.build(Made(LEARNED), "exact")  # type: ignore[arg-type]


@pytest.mark.skipif("COLDPLUG_MILVUS" not in os.environ, reason="$COLDPLUG_MILVUS names no Milvus server")
def test_a_milvus_server(tmp_path: Path) -> None:
    index = index_class("milvus").build(built("exact").short, place=os.environ["COLDPLUG_MILVUS"])
    index.save(tmp_path)
    query = built("exact").coarse.user(asked()[1])
    read = index_class("milvus").load(tmp_path, built("exact").short)
    assert np.isin(built("exact").index.search(query, 20), read.search(query, 60)).mean() >= 0.9
