"""The rating protocol: its metrics by hand, its tasks, what a rater is told, and the command."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from rating_world import COLD_ITEMS, COLD_USERS, write_rating_world

from coldplug.cli import main
from coldplug.evaluate.metrics import graded_ndcg
from coldplug.evaluate.r1 import HISTORY, OURS, SUPPORT, run_r1, task_metrics
from coldplug.evaluate.r1_split import STATES, make_tasks, queries, read_states, warm_data
from coldplug.evaluate.r1_table import r1_text
from coldplug.evaluate.split import hashed
from coldplug.learn.ratings import RATERS
from coldplug.read import load_training_data
from coldplug.types import FloatArray, IntArray, Query, TrainingData
from plugbase.errors import UserError

FAST = {OURS: {"rank": 2, "sweeps": 8, "kernel_steps": 10}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_rating_world(tmp_path_factory.mktemp("ratings"))


@pytest.fixture(scope="module")
def data(folder: Path) -> TrainingData:
    return load_training_data(folder / "graph.ttl")


@pytest.fixture(scope="module")
def result(data: TrainingData, folder: Path) -> dict[str, Any]:
    return run_r1(data, folder / "melu-split", seeds=(0, 1), settings=FAST)


def row_of(result: dict[str, Any], rater: str, state: str, told: str = SUPPORT) -> dict[str, Any]:
    [found] = [r for r in result["results"] if (r["rater"], r["state"], r["told"]) == (rater, state, told)]
    return dict(found)


def test_ndcg_has_the_true_rating_as_its_gain() -> None:
    scores, gains = np.array([[0.1, 0.9, 0.5]]), np.array([[5.0, 2.0, 4.0]])
    reached = 2 + 4 / np.log2(3)
    ideal = 5 + 4 / np.log2(3)
    assert graded_ndcg(scores, gains, 2)[0] == pytest.approx(reached / ideal)
    assert graded_ndcg(scores, gains, 1)[0] == pytest.approx(2 / 5)
    # beyond the last item there is nothing to add
    whole = graded_ndcg(scores, gains, 9)[0]
    assert whole == pytest.approx((reached + 5 / 2) / (ideal + 2 / 2))


def test_tied_predictions_expect_their_mean_gain() -> None:
    gains = np.array([[5.0, 1.0, 3.0, 3.0]])
    constant = graded_ndcg(np.zeros((1, 4)), gains, 2)[0]
    assert constant == pytest.approx(3 * (1 + 1 / np.log2(3)) / (5 + 3 / np.log2(3)))
    # the tie of ranks 2 and 3 reaches beyond the cut-off: 1 and 3 are as likely to be second
    tied = graded_ndcg(np.array([[9.0, 4.0, 4.0, 0.0]]), gains, 2)[0]
    assert tied == pytest.approx((5 + 2 / np.log2(3)) / (5 + 3 / np.log2(3)))


def test_ndcg_of_nothing_is_not_a_number_and_shapes_are_checked() -> None:
    assert np.isnan(graded_ndcg(np.ones((1, 2)), np.zeros((1, 2)), 1)[0])
    with pytest.raises(ValueError, match="gains"):
        graded_ndcg(np.ones((1, 2)), np.ones((1, 3)), 1)


def test_errors_are_of_each_task_and_rounding_is_told_apart() -> None:
    predicted, wanted = np.array([[3.4, 4.0], [5.6, 1.0]]), np.array([[3.0, 2.0], [5.0, 1.0]])
    found = task_metrics(predicted, wanted)
    np.testing.assert_allclose(found["mae"], [(0.4 + 2) / 2, 0.3])
    np.testing.assert_allclose(found["rmse"], [np.sqrt((0.16 + 4) / 2), np.sqrt(0.18)])
    np.testing.assert_allclose(found["mae_rounded"], [1.0, 0.0])
    np.testing.assert_allclose(found["rmse_rounded"], [np.sqrt(2), 0.0])


def test_tasks_are_the_protocol_s(data: TrainingData, folder: Path) -> None:
    states = read_states(folder / "melu-split", data)
    tasks = make_tasks(data, states["user_cold"], seed=1)
    given = json.loads((folder / "melu-split" / "user_cold_state.json").read_text())
    rated = json.loads((folder / "melu-split" / "user_cold_state_y.json").read_text())
    assert len(tasks) == len(COLD_USERS)
    for task in tasks:
        user = data.user_ids[task.user]
        order = sorted(given[user], key=lambda item: hashed(f"r1:1:{user}:{item}"))
        ids = data.graph.item_ids
        assert [ids[item] for item in task.query] == order[-10:]
        assert [ids[item] for item in task.support] == order[:-10]
        stars = dict(zip(given[user], rated[user], strict=True))
        assert task.wanted.tolist() == [stars[item] for item in order[-10:]]
    other = make_tasks(data, states["user_cold"], seed=2)
    assert any(set(a.query) != set(b.query) for a, b in zip(tasks, other, strict=True))


def test_users_with_too_few_or_too_many_ratings_are_left_out(data: TrainingData, folder: Path) -> None:
    states = read_states(folder / "melu-split", data)
    state = states["item_cold"]
    for place, count in ((0, 12), (1, 13)):
        state.items[place], state.ratings[place] = state.items[place][:count], state.ratings[place][:count]
    users = {task.user for task in make_tasks(data, state, 0)}
    assert state.users[0] not in users
    assert state.users[1] in users


class Spy:
    """Keeps what it is fitted on and asked."""

    name = "spy"
    seen: TrainingData
    asked: list[list[Query]]

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Spy:
        cls.seen, cls.asked = data, []
        return cls()

    def predict_ratings(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        self.asked.append(list(queries))
        return np.tile(np.asarray(items, np.float32), (len(queries), 1))


def test_a_rater_sees_the_warm_state_and_never_a_query(
    data: TrainingData, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RATERS, "spy", f"{__name__}:Spy")
    found = run_r1(data, folder / "melu-split", ["spy"], seeds=(4,))
    states = read_states(folder / "melu-split", data)
    rows = Spy.seen.interactions
    cold_items = {data.graph.item_ids.index(f"i{item}") for item in COLD_ITEMS}
    cold_users = {data.user_ids.index(f"u{user}") for user in COLD_USERS}
    assert not cold_items & set(rows.items.tolist())
    assert not cold_users & set(rows.users.tolist())
    assert len(rows.users) == 80 * 45
    assert len(Spy.asked) == 4, "three states, and item_cold once more with the warm ratings"
    for state, queries_asked in zip(STATES, Spy.asked, strict=False):
        for task, query in zip(make_tasks(data, states[state], 4), queries_asked, strict=True):
            assert query.items.tolist() == task.support.tolist()
            assert not set(query.items.tolist()) & set(task.query.tolist())
    told = dict(zip(states["warm"].users, states["warm"].items, strict=True))
    for task, query in zip(make_tasks(data, states["item_cold"], 4), Spy.asked[3], strict=True):
        assert query.items.tolist() == [*told[task.user].tolist(), *task.support.tolist()]
    # the score is the item's number, so each prediction stands beside its own item
    expected = np.mean(
        [np.abs(task.query - task.wanted).mean() for task in make_tasks(data, states["user_cold"], 4)]
    )
    assert row_of(found, "spy", "user_cold")["mae"]["mean"] == pytest.approx(expected)


def test_the_support_mean_is_what_it_says(data: TrainingData, folder: Path, result: dict[str, Any]) -> None:
    tasks = make_tasks(data, read_states(folder / "melu-split", data)["item_cold"], 0)
    errors = [np.abs(task.wanted - task.ratings.mean()).mean() for task in tasks]
    found = row_of(result, "support-mean", "item_cold")
    assert found["mae"]["by_seed"][0] == pytest.approx(np.mean(errors), abs=1e-6)
    assert found["tasks"] == len(tasks)
    assert found["mae"]["sd"] == pytest.approx(np.std(found["mae"]["by_seed"], ddof=1))


@pytest.mark.parametrize("state", STATES)
def test_the_posterior_beats_every_baseline_where_taste_and_quality_are_planted(
    result: dict[str, Any], state: str
) -> None:
    ours = row_of(result, OURS, state)
    for rater in ("support-mean", "support-median", "damped-bias", "als-fold-in"):
        assert ours["rmse"]["mean"] < row_of(result, rater, state)["rmse"]["mean"] - 0.02, rater
    less = [r for r in result["differences"] if (r["state"], r["than"]) == (state, "support-mean")]
    assert {r["metric"] for r in less} == {"mae", "rmse", "ndcg5"}
    for row in less:
        assert row["low"] < row["mean"] < row["high"]


def test_a_user_whose_warm_ratings_are_known_is_predicted_better(result: dict[str, Any]) -> None:
    told = row_of(result, OURS, "item_cold", HISTORY)
    assert told["rmse"]["mean"] < row_of(result, OURS, "item_cold")["rmse"]["mean"]


def test_learners_are_trained_for_ratings_and_finished_fits_are_kept(
    data: TrainingData, folder: Path, tmp_path: Path
) -> None:
    asked = [data, folder / "melu-split", ["proto", "mf", "support-mean"], (0,)]
    told: list[str] = []
    short: dict[str, dict[str, Any]] = {"proto": {"steps": 150}}

    def measured() -> dict[str, Any]:
        return run_r1(
            *asked,  # type: ignore[arg-type]
            settings=short,
            work=tmp_path,
            progress=lambda done, total, what: told.append(what),
        )

    first = measured()
    assert told == ["proto, seed 0", "mf, seed 0", "support-mean, seed 0"]
    assert measured()["results"] == first["results"]
    assert len(told) == 3
    mean = row_of(first, "support-mean", "user_cold")
    assert row_of(first, "proto", "user_cold")["ndcg5"]["mean"] > mean["ndcg5"]["mean"]
    # logits of the loss of clicks would be nowhere near
    assert row_of(first, "proto", "user_cold")["rmse"]["mean"] < 1.5 * mean["rmse"]["mean"]
    assert mean["mse"]["mean"] > mean["rmse"]["mean"] ** 2
    assert {row["metric"] for row in first["ranks"]} == {"mae", "rmse", "ndcg5"}
    assert all(row["fit_cpu_seconds"] >= 0 and row["rater"] in asked[2] for row in first["costs"])  # type: ignore[operator]
    short["proto"] = {"steps": 10}
    assert row_of(measured(), "proto", "user_cold")["rmse"] != row_of(first, "proto", "user_cold")["rmse"]
    assert len(told) == 4


def test_an_older_result_is_still_told(result: dict[str, Any]) -> None:
    older = {key: value for key, value in result.items() if key != "ranks"}
    older["results"] = [{k: v for k, v in row.items() if k != "mse"} for row in result["results"]]
    names = ("rater", "seed", "fit_seconds", "predict_seconds")
    older["costs"] = [{name: row[name] for name in names} for row in result["costs"]]
    text = r1_text(older)
    assert "MSE" not in text.replace("RMSE", "")
    assert "Average rank" not in text
    assert "Average rank" in r1_text(result)


def test_tables_hold_every_rater_and_state(result: dict[str, Any]) -> None:
    json.dumps(result, allow_nan=False)
    for style in ("plain", "markdown"):
        text = r1_text(result, style)  # type: ignore[arg-type]
        for word in (*RATERS, *STATES, "nDCG@5", "MAE if rounded"):
            assert word in text


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda split: (split / "warm_state_y.json").unlink(), "no such file"),
        (lambda split: (split / "warm_state.json").write_text("[]"), "mapping"),
        (lambda split: (split / "item_cold_state.json").write_text('{"u1": ["nowhere"]}'), "as many"),
        (lambda split: (split / "user_cold_state.json").write_text("{"), "not JSON"),
    ],
)
def test_a_split_that_is_not_one_is_refused(
    data: TrainingData, tmp_path: Path, break_it: Any, message: str
) -> None:
    split = write_rating_world(tmp_path / "world") / "melu-split"
    break_it(split)
    with pytest.raises(UserError, match=message):
        read_states(split, data)


def test_an_item_that_is_not_in_the_data_is_named(data: TrainingData, tmp_path: Path) -> None:
    split = write_rating_world(tmp_path / "world") / "melu-split"
    for name, value in (("state", '{"u1": ["nowhere"]}'), ("state_y", '{"u1": [3]}')):
        (split / f"item_cold_{name}.json").write_text(value)
    with pytest.raises(UserError, match="nowhere"):
        read_states(split, data)
    with pytest.raises(UserError, match="support-mean"):
        run_r1(data, split, ["suport-mean"])


def test_queries_keep_the_attributes(data: TrainingData, folder: Path) -> None:
    states = read_states(folder / "melu-split", data)
    tasks = make_tasks(data, states["user_cold"], 0)
    assert queries(data, tasks)[0].attributes == data.user_attributes[tasks[0].user]
    assert warm_data(data, states).user_ids == data.user_ids


def test_the_command_prints_the_tables_and_json(folder: Path) -> None:
    words = ["evaluate", "--protocol", "r1", str(folder), "--methods", "support-mean,damped-bias"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    assert "user_and_item_cold: 30 users, mean over 3 seeds (sd)" in done.output
    found = json.loads(CliRunner().invoke(main, [*words, "--json", "--quiet"]).stdout)
    assert found["protocol"] == "r1"
    assert found["seeds"] == [0, 1, 2]
    wrong = CliRunner().invoke(main, [*words, "-o", str(folder / "page.html")])
    assert wrong.exit_code == 2
    missing = CliRunner().invoke(main, [*words, "--split", str(folder / "nowhere")])
    assert missing.exit_code == 2
