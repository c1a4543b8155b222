"""Calling the plug: scores, batches, wrong and odd arguments, the module-level call, threads."""

from __future__ import annotations

import json
import math
import subprocess
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plug_world import COLD, PYTHON, environment, fresh_plug, trained_world, write_new_items

import coldplug
from coldplug.plug import Plug
from plugbase.errors import UserError

CRIME = {"likes": "crime", "age": 30}
CRIME_SUPPORT = [("i3", 5), ("i6", 5), ("i9", 4)]
SOME = ["i0", "i1", "i2", "i81", "i80"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture(scope="module")
def plug(world: Path) -> Plug:
    return fresh_plug(world)


def test_one_float32_a_item_in_the_order_asked(plug: Plug) -> None:
    scores = plug.score(CRIME, SOME)
    assert scores.shape == (5,)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    np.testing.assert_allclose(plug.score(CRIME, SOME[::-1]), scores[::-1], atol=1e-5)
    np.testing.assert_allclose(plug.score(CRIME, ["i0", "i81", "i0"]), scores[[0, 3, 0]], atol=1e-5)


def test_attributes_and_support_both_say_what_a_user_likes(plug: Plug) -> None:
    known = [f"i{n}" for n in range(12, 72)]
    cold = [f"i{n}" for n in COLD]
    for ids in (known, cold):
        crime = np.array([int(item[1:]) % 3 == 0 for item in ids])
        for attributes, support in ((CRIME, None), ({}, CRIME_SUPPORT)):
            gain = plug.score(attributes, ids, support) - plug.score({}, ids)
            assert gain[crime].mean() > gain[~crime].mean() + 0.1


def test_no_items_and_no_users(plug: Plug) -> None:
    assert plug.score(CRIME, []).shape == (0,)
    assert plug.score(CRIME, (), CRIME_SUPPORT).dtype == np.float32
    assert plug.score_batch([], SOME).shape == (0, 5)
    assert plug.score_batch([(CRIME, None)], []).shape == (1, 0)


def test_nothing_known_of_the_user_serves(plug: Plug) -> None:
    bare = plug.score({}, SOME)
    np.testing.assert_array_equal(plug.score({}, SOME, []), bare)
    np.testing.assert_array_equal(plug.score({}, SOME, {}), bare)
    np.testing.assert_array_equal(plug.score({"likes": None, "age": math.nan}, SOME), bare)


def test_a_batch_is_each_user_alone(plug: Plug) -> None:
    users: list[Any] = [(CRIME, None), ({}, CRIME_SUPPORT), [{"age": 51}, ["i1", "i85"]]]
    batch = plug.score_batch(users, SOME)
    assert batch.shape == (3, 5)
    for row, (attributes, support) in zip(batch, users, strict=True):
        np.testing.assert_allclose(row, plug.score(attributes, SOME, support), atol=1e-5)


def test_unknown_items_are_named_up_to_ten(plug: Plug) -> None:
    missing = [f"x{n}" for n in range(12)]
    with pytest.raises(coldplug.UnknownItemError) as caught:
        plug.score(CRIME, ["i0", *missing])
    assert caught.value.item_ids == missing
    message = str(caught.value)
    assert "'x0'" in message
    assert "'x9'" in message
    assert "x10" not in message
    assert "2 more" in message
    assert isinstance(caught.value, KeyError)
    assert isinstance(caught.value, UserError)
    for support in (["i0", "x1"], [("x1", 5)], {"x1": 3}):
        with pytest.raises(coldplug.UnknownItemError, match="x1"):
            plug.score(CRIME, SOME, support)


def test_unknown_items_score_nan_where_asked_for(plug: Plug) -> None:
    scores = plug.score(CRIME, ["x1", "i0", "x2"], unknown="nan")
    assert np.isnan(scores).tolist() == [True, False, True]
    np.testing.assert_allclose(scores[1], plug.score(CRIME, ["i0"])[0], atol=1e-6)
    assert np.isnan(plug.score(CRIME, ["x1"], unknown="nan")).all()
    with pytest.warns(UserWarning, match="1 unknown item"):
        left_out = plug.score({}, SOME, [("i3", 5), ("x1", 5)], unknown="nan")
    np.testing.assert_array_equal(left_out, plug.score({}, SOME, [("i3", 5)]))
    with pytest.raises(UserError, match="zero"):
        plug.score(CRIME, SOME, unknown="zero")  # type: ignore[arg-type]


def test_an_unknown_attribute_is_warned_of_once_and_counts_as_missing(world: Path) -> None:
    plug = fresh_plug(world)
    with pytest.warns(UserWarning, match="likess.*did you mean 'likes'"):
        scores = plug.score({"likess": "crime"}, SOME)
    with pytest.warns(UserWarning, match="crimes.*did you mean 'crime'"):
        other = plug.score({"likes": "crimes"}, SOME)
    np.testing.assert_array_equal(scores, plug.score({}, SOME))
    np.testing.assert_array_equal(other, plug.score({}, SOME))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plug.score({"likess": "crime", "likes": "crimes"}, SOME)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("age=25", SOME), "user_attrs is a str"),
        ((None, SOME), "user_attrs is a NoneType"),
        (({"age": {"years": 3}}, SOME), "age"),
        ((CRIME, "i0"), "item_ids is a str"),
        ((CRIME, None), "item_ids is a NoneType"),
        ((CRIME, {"i0": 1}), "item_ids is a dict"),
        ((CRIME, iter(SOME)), "item_ids is a list_iterator"),
        ((CRIME, ["i0", 1.5]), "1.5, a float"),
        ((CRIME, ["i0", None]), "a NoneType"),
        ((CRIME, SOME, "i0"), "support is a str"),
        ((CRIME, SOME, 7), "support is a int"),
        ((CRIME, SOME, [("i0", "five")]), "'five'"),
        ((CRIME, SOME, [("i0", True)]), "True"),
        ((CRIME, SOME, [("i0", math.inf)]), "inf"),
        ((CRIME, SOME, [("i0", 5, 2)]), "a tuple"),
        ((CRIME, SOME, [{"i0": 5}]), "a dict"),
    ],
)
def test_wrong_types_are_named(plug: Plug, arguments: tuple[Any, ...], said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        plug.score(*arguments)
    assert caught.value.mend


@pytest.mark.parametrize("users", [[CRIME], ["ab"], [(CRIME,)], [(CRIME, None, 3)], [None]])
def test_users_of_a_batch_are_pairs(plug: Plug, users: list[Any]) -> None:
    with pytest.raises(UserError, match="users holds"):
        plug.score_batch(users, SOME)


def test_a_rating_that_is_not_there_is_a_like_without_a_degree(plug: Plug) -> None:
    wanted = plug.score({}, SOME, ["i3", "i6"])
    spellings: list[Any] = [
        [("i3", math.nan), ("i6", None)],
        {"i3": math.nan, "i6": None},
        ["i3", ("i6", float("nan"))],
        ("i3", "i6"),
        np.array(["i3", "i6"]),
    ]
    for support in spellings:
        np.testing.assert_array_equal(plug.score({}, SOME, support), wanted)


def test_support_as_pairs_lists_and_mapping_is_the_same(plug: Plug) -> None:
    wanted = plug.score(CRIME, SOME, CRIME_SUPPORT)
    spellings: list[Any] = [
        dict(CRIME_SUPPORT),
        [list(pair) for pair in CRIME_SUPPORT],
        [(item, np.float32(rating)) for item, rating in CRIME_SUPPORT],
    ]
    for support in spellings:
        np.testing.assert_array_equal(plug.score(CRIME, SOME, support), wanted)
    np.testing.assert_allclose(plug.score(CRIME, SOME, CRIME_SUPPORT[::-1]), wanted, atol=1e-4)


def test_of_an_item_named_twice_the_last_counts(plug: Plug) -> None:
    twice = plug.score({}, SOME, [("i3", 1), ("i6", 5), ("i3", 5)])
    np.testing.assert_array_equal(twice, plug.score({}, SOME, [("i6", 5), ("i3", 5)]))
    assert not np.allclose(twice, plug.score({}, SOME, [("i6", 5), ("i3", 1)]), atol=1e-3)


def test_a_low_rating_speaks_against(plug: Plug) -> None:
    """Scores of two calls have no common zero: what counts is how the genre stands against the others."""
    ids = [f"i{n}" for n in range(12, 60)]
    crime = np.arange(12, 60) % 3 == 0
    liked, disliked = (plug.score({}, ids, [("i3", r), ("i6", r), ("i9", r)]) for r in (5, 2))
    assert liked[crime].mean() - liked[~crime].mean() > disliked[crime].mean() - disliked[~crime].mean() + 0.1


def test_new_items_serve_as_support(plug: Plug) -> None:
    ids = [f"i{n}" for n in range(12, 72)]
    gain = plug.score({}, ids, ["i81", "i84", "i87"]) - plug.score({}, ids)
    crime = np.arange(12, 72) % 3 == 0
    assert gain[crime].mean() > gain[~crime].mean()


def test_ids_may_be_ints(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    text = write_new_items(tmp_path, text=False).read_text().replace('"n0"', '"700"').replace('"n1"', '"701"')
    (tmp_path / "graph.ttl").write_text(text)
    assert plug.add_items(tmp_path / "graph.ttl") == 2
    np.testing.assert_array_equal(
        plug.score({}, [700, np.int64(701)], [(700, 5)]),  # type: ignore[list-item]
        plug.score({}, ["700", "701"], [("700", 5)]),
    )


def test_the_caller_s_arguments_are_left_alone(plug: Plug) -> None:
    attributes, ids, support = dict(CRIME), list(SOME), dict(CRIME_SUPPORT)
    plug.score(attributes, ids, support)
    plug.recommend(attributes, 3, support, exclude=ids)
    assert (attributes, ids, support) == (CRIME, SOME, dict(CRIME_SUPPORT))


def test_the_module_level_call_uses_the_model_loaded_last(world: Path) -> None:
    plug = coldplug.load(world / "model")
    np.testing.assert_array_equal(
        coldplug.score(CRIME, SOME, CRIME_SUPPORT), plug.score(CRIME, SOME, CRIME_SUPPORT)
    )
    assert np.isnan(coldplug.score(CRIME, ["x"], unknown="nan")).all()


MODULE_LEVEL = """
import json, sys, coldplug
try:
    print(json.dumps(coldplug.score({"likes": "crime", "age": 30}, ["i0", "i81"]).tolist()))
except coldplug.errors.UserError as error:
    print(json.dumps(str(error)))
print(json.dumps(sorted({"torch", "spacy", "transformers", "kgbuild"} & set(sys.modules))))
"""


def module_level(cwd: Path, **more: str) -> list[Any]:
    done = subprocess.run(
        [PYTHON, "-c", MODULE_LEVEL],
        env=environment(**more),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_process_finds_its_model_in_the_environment_and_loads_it_without_torch(
    world: Path, plug: Plug, tmp_path: Path
) -> None:
    scores, imported = module_level(tmp_path, COLDPLUG_MODEL=str(world / "model"))
    np.testing.assert_allclose(scores, plug.score(CRIME, ["i0", "i81"]), atol=1e-5)
    assert imported == []


def test_without_a_model_the_call_says_what_to_do(tmp_path: Path) -> None:
    said, _ = module_level(tmp_path)
    assert "no model is loaded" in said
    assert "COLDPLUG_MODEL" in said
    said, _ = module_level(tmp_path, COLDPLUG_MODEL=str(tmp_path))
    assert "holds no model.json" in said


def test_threads_score_while_items_are_added(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    wanted = plug.score(CRIME, SOME, CRIME_SUPPORT)
    graphs = []
    for turn in range(6):
        text = write_new_items(tmp_path / str(turn), text=False).read_text()
        path = tmp_path / str(turn) / "graph.ttl"
        path.write_text(text.replace('"n', f'"t{turn}-'))
        graphs.append(path)
    failures: list[BaseException] = []
    calls = [0] * 8
    stop = threading.Event()

    def ask(number: int) -> None:
        try:
            while not stop.is_set() or not calls[number]:
                np.testing.assert_allclose(plug.score(CRIME, SOME, CRIME_SUPPORT), wanted, atol=1e-5)
                known = plug.item_ids
                assert np.isfinite(plug.score({}, known[-4:], known[-2:])).all()
                calls[number] += 1
        except BaseException as error:
            failures.append(error)

    def add(paths: list[Path]) -> None:
        try:
            for path in paths:
                plug.add_items(path)
        except BaseException as error:
            failures.append(error)

    askers = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    adders = [threading.Thread(target=add, args=(graphs[half::2],)) for half in range(2)]
    for thread in [*askers, *adders]:
        thread.start()
    for thread in adders:
        thread.join()
    stop.set()
    for thread in askers:
        thread.join()
    assert not failures, failures[0]
    assert min(calls) > 0
    assert len(plug.item_ids) == 90 + 12
    crime = [f"t{turn}-0" for turn in range(6)]
    fairy = [f"t{turn}-1" for turn in range(6)]
    np.testing.assert_allclose(plug.score(CRIME, crime), plug.score(CRIME, crime[:1]).repeat(6), atol=1e-5)
    assert plug.score(CRIME, crime).min() > plug.score(CRIME, fairy).max()
