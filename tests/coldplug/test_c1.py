"""The C1 protocol: the cut, what a learner gets to see, resuming, controls, intervals, known figures."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from c1_world import write_world

from coldplug.datasets import prepare
from coldplug.evaluate import CONTROLS, accuracy, bootstrap, control, run_c1
from coldplug.evaluate.split import cold, hashed, make_split
from coldplug.learn import METHODS, learner_class
from coldplug.read import load_training_data, read_interactions, read_users
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData
from plugbase.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def data(folder: Path) -> TrainingData:
    return load_training_data(folder / "graph.ttl", positive_at=4)


class Spy:
    """A learner that keeps what it was given and scores by item number."""

    name = "spy"
    seen: ClassVar[list[TrainingData]] = []
    asked: ClassVar[list[tuple[list[Query], IntArray]]] = []

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Spy:
        cls.seen.append(data)
        return cls()

    def score(self, queries: list[Query], items: IntArray) -> FloatArray:
        self.asked.append((list(queries), items))
        return np.tile(-items.astype(np.float32), (len(queries), 1))


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> type[Spy]:
    monkeypatch.setitem(METHODS, "spy", f"{__name__}:Spy")
    Spy.seen.clear()
    Spy.asked.clear()
    return Spy


def test_the_hash_is_the_protocol_s() -> None:
    # the first twelve digits of FIPS 180-2's test vector
    assert hashed("abc") == 0xA9993E364706
    assert cold("item", ["1", "2"], "").tolist() == [hashed("item:1") % 5 == 0, hashed("item:2") % 5 == 0]
    assert cold("user", ["7"], "a:").tolist() == [hashed("a:user:7") % 5 == 0]


def test_the_learner_sees_warm_rows_only(data: TrainingData, spy: type[Spy]) -> None:
    run_c1(data, ["spy"], ["", "a:"], controls=[])
    for salt, seen in zip(["", "a:"], spy.seen, strict=True):
        cold_user, cold_item = cold("user", data.user_ids, salt), cold("item", data.graph.item_ids, salt)
        assert not cold_user[seen.interactions.users].any()
        assert not cold_item[seen.interactions.items].any()
        warm = ~cold_user[data.interactions.users] & ~cold_item[data.interactions.items]
        assert len(seen.interactions.users) == warm.sum()
        assert seen.graph is data.graph
        assert seen.user_attributes is data.user_attributes


def test_supports_and_candidates(data: TrainingData, spy: type[Spy]) -> None:
    run_c1(data, ["spy"], [""], controls=[])
    split = make_split(data, "")
    assert [len(items) for _, items in spy.asked] == [len(split.warm_items)] * 5 + [len(split.cold_items)] * 7
    for (queries, _), shots in zip(spy.asked, (0, 1, 3, 5, 10) * 2, strict=False):
        assert [len(q.items) for q in queries] == [shots] * len(split.users)
        assert all((q.ratings >= 4).all() for q in queries)
    everything, _ = spy.asked[11]
    assert [len(q.items) for q in everything] == sorted(10 + len(targets) for targets in split.targets)
    histories, _ = spy.asked[10]
    assert min(q.ratings.min() for q in histories) < 4
    rows = split.train.interactions
    told = [sorted(query.items.tolist()) for query in histories]
    assert sorted(told) == sorted(
        sorted(rows.items[rows.users == user].tolist()) for user in split.warm_users
    )


def test_targets_are_the_positives_behind_the_pool(data: TrainingData) -> None:
    split = make_split(data, "b:")
    rows = data.interactions
    for user, pool, targets in zip(split.users, split.pools, split.targets, strict=True):
        mine = (rows.users == user) & data.positives() & np.isin(rows.items, split.warm_items)
        ident = data.user_ids[user]
        ordered = sorted(rows.items[mine], key=lambda i: hashed(f"b:s:{ident}:{data.graph.item_ids[i]}"))
        assert ordered == [*pool, *targets]
        assert len(ordered) >= 15


def test_items_nobody_rated_are_no_candidates(data: TrainingData) -> None:
    rows = data.interactions
    keep = rows.items != 3
    less = replace(
        data,
        interactions=replace(
            rows, users=rows.users[keep], items=rows.items[keep], ratings=rows.ratings[keep]
        ),
    )
    split = make_split(less, "")
    assert 3 not in [*split.warm_items, *split.cold_items]
    assert split.train.graph.n_items == data.graph.n_items


def test_the_evaluator_agrees_with_a_direct_reckoning(data: TrainingData, spy: type[Spy]) -> None:
    result = run_c1(data, ["spy"], [""], controls=[])
    split = make_split(data, "")
    values = []
    for pool, targets in zip(split.pools, split.targets, strict=True):
        ranked = [i for i in split.warm_items if i not in pool][:10]
        gain = sum(1 / np.log2(rank + 2) for rank, item in enumerate(ranked) if item in targets)
        values.append(gain / sum(1 / np.log2(r + 2) for r in range(min(10, len(targets)))))
    row = next(r for r in result["results"] if (r["scenario"], r["shots"]) == ("user_cold", 5))
    assert row["ndcg"]["mean"] == pytest.approx(np.mean(values))
    assert row["queries"] == [len(values)]


def test_finished_cells_are_not_run_again(data: TrainingData, spy: type[Spy], tmp_path: Path) -> None:
    told: list[str] = []
    first = run_c1(data, ["spy", "popularity"], [""], controls=[], work=tmp_path)
    again = run_c1(
        data,
        ["spy", "popularity"],
        ["", "a:"],
        controls=[],
        work=tmp_path,
        progress=lambda a, b, c: told.append(c),
    )
    assert len(spy.seen) == 2
    assert len(told) == 2
    assert again["results"][0]["ndcg"]["by_salt"][0] == first["results"][0]["ndcg"]["by_salt"][0]
    run_c1(data, ["spy"], [""], controls=[], work=tmp_path, settings={"spy": {"x": 1}})
    run_c1(replace(data, positive_at=5.0), ["spy"], [""], controls=[], work=tmp_path)
    assert len(spy.seen) == 4


def test_a_torn_cell_file_is_run_again(data: TrainingData, spy: type[Spy], tmp_path: Path) -> None:
    run_c1(data, ["spy"], [""], controls=[], work=tmp_path)
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text()[:100])
    run_c1(data, ["spy"], [""], controls=[], work=tmp_path)
    assert len(spy.seen) == 2


def test_two_processes_find_what_one_finds(folder: Path) -> None:
    methods, salts = ["popularity", "itemknn"], ["", "a:"]
    one = run_c1(folder, methods, salts, controls=["no graph"], controlled="itemknn")
    two = run_c1(folder, methods, salts, controls=["no graph"], controlled="itemknn", jobs=2)
    assert one["results"] == two["results"]
    assert one["differences"] == two["differences"]


def test_a_learner_with_wrong_scores_is_named(
    data: TrainingData, spy: type[Spy], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        Spy, "score", lambda self, queries, items: np.full((len(queries), len(items)), np.nan)
    )
    with pytest.raises(ValueError, match=r"spy scored .* NaN"):
        run_c1(data, ["spy"], [""], controls=[])


def test_mistakes_are_told_apart(data: TrainingData, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown control 'whole grap'"):
        run_c1(data, ["popularity"], [""], ["whole grap"])
    with pytest.raises(UserError, match="unknown method"):
        run_c1(data, ["popularityy"], [""])
    with pytest.raises(UserError, match=r"no graph\.ttl"):
        run_c1(tmp_path, ["popularity"])
    with pytest.raises(UserError, match=r"nothing to measure at salt ''.*15 positives"):
        run_c1(replace(data, positive_at=6.0), ["popularity"], [""])


def triples(graph: ItemGraph) -> list[tuple[int, int, int]]:
    return list(zip(graph.heads.tolist(), graph.relations.tolist(), graph.tails.tolist(), strict=True))


def test_controls_take_away_what_they_say(data: TrainingData) -> None:
    graph = data.graph
    views = {name: control(name, graph) for name in CONTROLS}
    assert views["whole graph"] is graph
    extracted = int((~graph.stated).sum())
    sizes = {name: (len(v.heads), len(v.literal_items), any(v.descriptions)) for name, v in views.items()}
    assert sizes["no graph"] == (0, 0, False)
    assert not any(views["no graph"].titles)
    assert sizes["catalogue facts"] == (len(graph.heads) - extracted, 90, False)
    assert sizes["text"] == (0, 0, True)
    assert sizes["catalogue facts + text"] == (len(graph.heads) - extracted, 90, True)
    assert sizes["extracted facts"] == (extracted, 0, False)
    for name in ("whole, objects shuffled", "random graph, same degrees"):
        assert sizes[name] == (len(graph.heads), 90, True)
    with pytest.raises(UserError, match="did you mean 'whole graph'"):
        control("whole graphs", graph)


def test_shuffling_keeps_the_counts_and_loses_the_ties(data: TrainingData) -> None:
    graph, shuffled = data.graph, control("whole, objects shuffled", data.graph, 1)
    assert set(triples(shuffled)) != set(triples(graph))
    assert len(set(triples(shuffled))) == len(triples(graph))
    for side in (lambda g: g.heads, lambda g: g.tails):
        assert Counter(zip(side(shuffled).tolist(), shuffled.relations.tolist(), strict=True)) == Counter(
            zip(side(graph).tolist(), graph.relations.tolist(), strict=True)
        )
    again = control("whole, objects shuffled", data.graph, 1)
    assert triples(again) == triples(shuffled)
    assert triples(control("whole, objects shuffled", data.graph, 2)) != triples(shuffled)


def test_shuffling_the_extracted_leaves_the_catalogue_alone(data: TrainingData) -> None:
    graph, shuffled = data.graph, control("whole, extracted objects shuffled", data.graph, 1)
    kept = [t for t, stated in zip(triples(graph), graph.stated, strict=True) if stated]
    assert [t for t, stated in zip(triples(shuffled), shuffled.stated, strict=True) if stated] == kept
    assert set(triples(shuffled)) != set(triples(graph))
    np.testing.assert_array_equal(shuffled.literal_numbers, graph.literal_numbers)


def test_a_random_graph_keeps_degrees_only(data: TrainingData) -> None:
    graph, mixed = data.graph, control("random graph, same degrees", data.graph, 1)
    assert Counter(mixed.heads.tolist()) == Counter(graph.heads.tolist())
    assert Counter(zip(mixed.relations.tolist(), mixed.tails.tolist(), strict=True)) == Counter(
        zip(graph.relations.tolist(), graph.tails.tolist(), strict=True)
    )
    assert len(set(triples(mixed))) == len(triples(graph))
    directors = list(graph.relation_names).index("director")
    per_item = Counter(mixed.heads[mixed.relations == directors].tolist())
    assert max(per_item.values()) > 1


def test_controls_run_for_the_controlled_method_with_differences(data: TrainingData) -> None:
    methods = ["popularity", "ials-ridge-catalogue"]
    result = run_c1(data, methods, ["", "a:"], ["no graph"], controlled="ials-ridge-catalogue")
    rows = {(r["method"], r["control"]) for r in result["results"]}
    whole = {(m, "whole graph") for m in methods}
    assert rows == whole | {("ials-ridge-catalogue", "no graph")}
    gain = next(
        d
        for d in result["differences"]
        if d["scenario"] == "item_cold"
        and d["than"] == {"method": "ials-ridge-catalogue", "control": "no graph"}
    )
    assert gain["mean"] > 0.1
    assert all(one["low"] > 0 and one["low"] <= one["mean"] <= one["high"] for one in gain["by_salt"])


def test_a_method_does_not_differ_from_itself() -> None:
    drawn = bootstrap.draws("x", 40, 0)
    values = np.random.default_rng(0).random(40)
    same = bootstrap.over_users(values, drawn.users)
    assert bootstrap.interval(same, same) == (0.0, 0.0)
    low, high = bootstrap.interval(same, np.zeros_like(same))
    error = values.std() / np.sqrt(40)
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.02)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.02)


def test_drawing_items_agrees_with_repeating_their_columns() -> None:
    random = np.random.default_rng(1)
    scores = random.normal(size=(7, 30))
    relevant = [np.flatnonzero(random.random(30) < 0.3) for _ in range(7)]
    drawn = bootstrap.draws("y", 7, 30, replicates=5)
    found = bootstrap.over_users_and_items(bootstrap.kept_ranks(scores), relevant, drawn)
    for replicate in range(5):
        columns = np.repeat(np.arange(30), drawn.items[replicate])
        hits = np.stack([np.isin(columns, mine) for mine in relevant])
        # copies of an item tie, but they are all relevant or all not
        ndcg = accuracy(scores[:, columns], hits).ndcg
        weight = drawn.users[replicate] * ~np.isnan(ndcg)
        assert found[replicate] == pytest.approx((weight * np.nan_to_num(ndcg)).sum() / weight.sum())


@pytest.fixture(scope="module")
def movielens(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """MovieLens-1M without facts: the known figures need ids only."""
    out = tmp_path_factory.mktemp("ml-1m")
    prepare("movielens-1m", Path(os.environ["COLDPLUG_DATA"]) / "ml-1m", out)
    lines = (out / "items.jsonl").read_text(encoding="utf-8").splitlines()
    idents = sorted(line.split('"')[3] for line in lines)
    blank, none, no = [""] * len(idents), np.empty(0, np.int64), np.empty(0, np.float32)
    flags = np.empty(0, np.bool_)
    graph = ItemGraph(idents, blank, blank, [], [], [], none, none, none, no, flags, none, none, no, flags)
    users = read_users(out / "users.csv")
    found = read_interactions(out / "interactions.csv", idents, users.ids)
    return TrainingData(graph, found.user_ids, users.attributes, found.interactions, 4.0)


@pytest.mark.data
@pytest.mark.skipif("COLDPLUG_DATA" not in os.environ, reason="COLDPLUG_DATA names no data folder")
def test_the_known_figures_on_movielens_1m(movielens: TrainingData) -> None:
    split = make_split(movielens, "")
    sizes = [
        len(split.train.interactions.users),
        *map(len, (split.users, split.cold_items, split.warm_users)),
    ]
    assert sizes == [639_378, 1_031, 707, 4_818]
    result = run_c1(movielens, ["popularity", "itemknn"], [""], controls=[])
    found = {(r["method"], r["scenario"], r["shots"]): r["ndcg"]["mean"] for r in result["results"]}
    assert round(found["popularity", "user_cold", 0], 4) == 0.3878
    assert round(found["popularity", "both_cold", 0], 4) == 0.0312
    assert found["popularity", "user_cold", 10] == found["popularity", "user_cold", 0]
    assert round(found["itemknn", "user_cold", 10], 4) == 0.5288
    assert learner_class("itemknn").name == "itemknn"
