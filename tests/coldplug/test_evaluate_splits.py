"""Cuts of the users by time, and with everything right that was not told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import write_world
from click.testing import CliRunner

from coldplug.cli import main
from coldplug.evaluate import run_c1
from coldplug.evaluate.split import POOL, make_split
from coldplug.learn import METHODS
from coldplug.read import load_training_data
from coldplug.types import FloatArray, IntArray, Query, TrainingData
from plugbase.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small world, with timestamps: a user comes once an hour and rates once a minute."""
    folder = write_world(tmp_path_factory.mktemp("world"))
    rows = (folder / "interactions.csv").read_text().splitlines()
    stamped = [
        f"{row},{3600 * int(row.split(',')[0][1:]) + 60 * (at % 40)}" for at, row in enumerate(rows[1:])
    ]
    (folder / "interactions.csv").write_text("\n".join([rows[0] + ",timestamp", *stamped]) + "\n")
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> TrainingData:
    return load_training_data(folder / "graph.ttl")


def test_by_time_the_last_users_are_cold_and_the_future_is_not_trained_on(data: TrainingData) -> None:
    split = make_split(data, "", "time")
    rows, times = data.interactions, data.interactions.timestamps
    assert times is not None
    came = np.array([times[rows.users == user].min() for user in range(len(data.user_ids))])
    late = np.sort(came)[len(came) - len(came) // 5]
    assert (came[split.users] >= late).all()
    assert set(split.users.tolist()) <= set(np.flatnonzero(came >= late).tolist())
    trained = split.train.interactions
    assert trained.timestamps is not None
    assert trained.timestamps.max() < late
    assert (came[trained.users] < late).all()
    assert not set(trained.items.tolist()) & set(split.cold_items.tolist())


def test_by_time_what_is_told_came_before_what_is_asked(data: TrainingData) -> None:
    split = make_split(data, "", "time")
    rows, times = data.interactions, data.interactions.timestamps
    assert times is not None
    for user, pool, targets in zip(split.users, split.pools, split.targets, strict=True):
        mine = rows.users == user
        when = dict(zip(rows.items[mine].tolist(), times[mine].tolist(), strict=True))
        order = [when[item] for item in [*pool.tolist(), *targets.tolist()]]
        assert order == sorted(order)


def test_without_timestamps_there_is_no_cut_by_time(data: TrainingData) -> None:
    bare = replace(data, interactions=replace(data.interactions, timestamps=None))
    with pytest.raises(UserError, match="no timestamps"):
        make_split(bare, "", "time")


class Seen:
    """Keeps what it is asked, and scores items by their number."""

    name = "seen"
    asked: list[tuple[list[Query], IntArray]]

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Seen:
        cls.asked = []
        return cls()

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        self.asked.append((list(queries), items))
        return np.tile(np.asarray(items, np.float32), (len(queries), 1))


def test_all_but_k_everything_that_was_not_told_is_right(
    data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "seen", f"{__name__}:Seen")
    result = run_c1(data, ["seen"], [""], [], by="all-but-k")
    assert result["split_by"] == "all-but-k"
    split = make_split(data, "", "all-but-k")
    for row in range(len(split.users)):
        everything = [*split.pools[row].tolist(), *split.targets[row].tolist()]
        for k in (0, 1, 3, 5, POOL):
            told, _ = split.support(row, k, whole=False)
            assert [*told.tolist(), *split.wanted(row, k).tolist()] == everything
            assert split.hidden(row, k).tolist() == told.tolist()
        assert split.wanted(row, None).tolist() == everything[-1:]
        assert split.support(row, None, whole=False)[0].tolist() == everything[:-1]
    sizes = [[len(query.items) for query in queries] for queries, _ in Seen.asked]
    assert [max(one) for one in sizes[:5]] == [0, 1, 3, 5, 10]
    assert sizes[-1] == sorted(POOL + len(targets) - 1 for targets in split.targets)
    rows = {(row["scenario"], row["shots"]): row for row in result["results"]}
    assert ("user_cold", None) in rows
    # with one right item NDCG is 1 / log2(rank + 1), by hand for a score that is the item's number
    by_hand = []
    for row in range(len(split.users)):
        ranked = [i for i in split.warm_items[::-1] if i not in split.hidden(row, None)]
        at = ranked.index(split.wanted(row, None)[0])
        by_hand.append(1 / np.log2(at + 2) if at < 10 else 0.0)
    assert rows["user_cold", None]["ndcg"]["mean"] == pytest.approx(np.mean(by_hand))


def test_a_cut_does_not_take_the_cells_of_another(data: TrainingData, tmp_path: Path) -> None:
    told: list[str] = []
    for by in ("hash", "all-but-k", "hash"):
        run_c1(
            *(data, ["popularity"], [""], []),
            by=by,  # type: ignore[arg-type]
            work=tmp_path,
            progress=lambda done, total, cell: told.append(cell),
        )
    assert len(told) == 3, "one folder keeps one cut: another one takes its place"


def test_the_command_cuts_as_it_is_asked(folder: Path, tmp_path: Path) -> None:
    words = ["evaluate", str(folder), "--methods", "popularity,itemknn", "--salts", "1"]
    done = CliRunner().invoke(main, [*words, "--split-by", "all-but-k", "--work", str(tmp_path / "a")])
    assert done.exit_code == 0, done.output
    assert "one salt, split by all-but-k" in done.output
    assert "user k=all" in done.output
    assert "critical difference" in done.output
    asked = [*words, "--split-by", "time", "--seeds", "2", "--work", str(tmp_path / "b"), "--json", "-q"]
    found = json.loads(CliRunner().invoke(main, asked).stdout)
    assert found["split_by"] == "time"
    assert found["seeds"] == {"popularity": 1, "itemknn": 1}
