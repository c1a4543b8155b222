"""What to ask a newcomer: the closed forms, the greedy list, the quiz that follows the answers, and the command."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from plug_world import PYTHON, environment, trained_world

import coldplug
from coldplug.explore import Quiz, evidence
from coldplug.explore.evidence import WAYS, familiarity, gain, questions, told
from coldplug.learn.posterior import Posterior
from coldplug.plug import Plug
from coldplug.types import Query
from plugbase.errors import UserError


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory) / "model"


@pytest.fixture(scope="module")
def plug(model: Path) -> Plug:
    return coldplug.plug.load(model)


@pytest.fixture(scope="module")
def learner(plug: Plug) -> Posterior:
    found = plug._learner
    assert isinstance(found, Posterior)
    return found


def test_the_gain_is_the_fall_of_the_entropy() -> None:
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 5))
    covariance, keys = root @ root.T, rng.standard_normal((3, 5))
    gains = gain(covariance, keys, 0.7)
    for key, found in zip(keys, gains, strict=True):
        after = told(covariance, key, 0.7)
        np.testing.assert_allclose(
            after, np.linalg.inv(np.linalg.inv(covariance) + np.outer(key, key) / 0.7), rtol=1e-8, atol=1e-10
        )
        fall = np.linalg.slogdet(covariance)[1] - np.linalg.slogdet(after)[1]
        assert found == pytest.approx(0.5 * fall)
        assert gain(after, key[None], 0.7)[0] < found, "the same question again tells less"


def test_the_covariance_after_answers_is_the_models(learner: Posterior) -> None:
    met = np.array([3, 40, 7])
    noise = float(np.exp(learner.model.noise[0] + learner.model.noise[1] * np.log1p(3)))
    covariance = np.eye(learner.items.keys.shape[1])
    for key in learner.items.keys[met].astype(np.float64):
        covariance = told(covariance, key, noise)
    np.testing.assert_allclose(covariance, learner.model.covariance(learner.items.keys[met]), atol=1e-5)


def test_the_first_question_is_the_best_and_the_next_minds_it(learner: Posterior) -> None:
    items = np.arange(60)
    found = questions(learner, Query(), items, 5)
    known, keys = familiarity(learner, Query(), items), learner.items.keys[items].astype(np.float64)
    noise = float(np.exp(learner.model.noise[0] + learner.model.noise[1] * np.log(2)))
    worth = known * gain(np.eye(keys.shape[1]), keys, noise)
    assert found[0][0] == worth.argmax()
    assert found[0][1:] == pytest.approx(
        (known[worth.argmax()], worth.max() / known[worth.argmax()], worth.max())
    )
    assert len({item for item, *_ in found}) == 5
    # An item whose key is that of the first question tells less by then, and another item comes second.
    first = found[0][0]
    twin = int(np.argsort(-worth)[1])
    kept = learner.items.keys[twin].copy()
    try:
        learner.items.keys[twin] = learner.items.keys[first]
        (_, _, one, _), (_, _, two, _) = questions(learner, Query(), np.array([first, twin]), 2)
        assert two < 0.999 * one
    finally:
        learner.items.keys[twin] = kept


def test_more_answers_leave_less_to_tell(learner: Posterior) -> None:
    items = np.arange(20, 60)
    met = np.arange(8)
    keys = learner.items.keys[items].astype(np.float64)
    before, after = (
        gain(learner.model.covariance(learner.items.keys[some]).astype(np.float64), keys, 1.0)
        for some in (met[:0], met)
    )
    assert (after <= before + 1e-9).all()
    assert after.sum() < 0.99 * before.sum()


def test_the_other_ways_are_what_they_say(plug: Plug, learner: Posterior) -> None:
    items = np.flatnonzero(learner.items.column >= 0)
    known = familiarity(learner, Query(), items)
    norms = np.linalg.norm(learner.items.keys[items].astype(np.float64), axis=1)
    by_gradient = [one.item_id for one in evidence(plug, 4, by="gradient")]
    ids = plug._catalogue.item_ids
    assert by_gradient == [ids[item] for item in items[np.argsort(-known * norms)[:4]]]
    listed = evidence(plug, 90, by="familiarity")
    assert [one.familiarity for one in listed] == sorted((one.familiarity for one in listed), reverse=True)
    # What most know is what the expected profile of nobody in particular holds most of.
    counts = {one.item_id: one.familiarity for one in listed}
    assert len(counts) == len(items)
    assert all(0 < value <= 1 for value in counts.values())


@pytest.mark.parametrize("by", WAYS)
def test_lists_are_of_known_items_and_end_with_them(plug: Plug, learner: Posterior, by: str) -> None:
    found = evidence(plug, 500, {"age": 25}, ["i3"], by=by)
    ids = [one.item_id for one in found]
    anchors = int((learner.items.column >= 0).sum())
    assert len(ids) == len(set(ids)) == anchors - 1
    assert "i3" not in ids
    assert evidence(plug, 3, candidates=["i85"], by=by)[0].item_id == "i85", (
        "a new item where it is asked for"
    )
    assert evidence(plug, 3, candidates=[], by=by) == []


def test_a_quiz_follows_the_answers(plug: Plug) -> None:
    def asked(rating: float | None) -> list[str]:
        quiz = Quiz(plug, {"age": 25})
        shown = []
        for _ in range(6):
            question = quiz.next()
            assert question is not None
            shown.append(question.item_id)
            quiz.answer(question.item_id, rating)
        assert len(set(shown)) == 6
        assert quiz.support == ([] if rating is None else [(item, rating) for item in shown])
        plug.recommend({"age": 25}, 3, quiz.support)
        return shown

    unseen, liked = asked(None), asked(5)
    assert unseen[0] == liked[0] == evidence(plug, 1, {"age": 25})[0].item_id
    assert unseen != liked
    short = Quiz(plug, candidates=["i1"])
    assert short.next() is not None
    assert short.next() is None
    short.answer("i1", 4)
    short.answer("i1", 2)
    assert short.support == [("i1", 2.0)]


def test_wrong_use_is_refused(plug: Plug) -> None:
    with pytest.raises(UserError, match=r"informations(.|\n)*information"):
        evidence(plug, by="informations")
    with pytest.raises(UserError, match="k="):
        evidence(plug, 0)
    with pytest.raises(coldplug.UnknownItemError):
        evidence(plug, candidates=["elsewhere"])
    with pytest.raises(UserError, match="not seen"):
        Quiz(plug).answer("i1", float("nan"))
    other = Plug.__new__(Plug)
    other._learner = type("Other", (), {"name": "maml"})()  # type: ignore[assignment]
    other._catalogue = plug._catalogue
    with pytest.raises(UserError, match=r"'maml'.*Gaussian"):
        evidence(other)


def test_the_command_prints_what_the_library_says(model: Path, plug: Plug) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [PYTHON, "-m", "coldplug", "evidence", str(model), *words]
        return subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=300, check=False
        )

    done = run("-k", "3", "--user", "age=25", "--support", "i3=5", "--json")
    assert done.returncode == 0, done.stderr
    wanted = [one.as_json() for one in evidence(plug, 3, {"age": "25"}, [("i3", 5.0)])]
    found = json.loads(done.stdout)["questions"]
    assert [one["item_id"] for one in found] == [one["item_id"] for one in wanted]
    assert found[0] == pytest.approx(wanted[0])
    done = run("-k", "2", "--by", "familiarity")
    assert done.stdout.splitlines()[0].split() == ["id", "title", "familiarity", "nats", "an", "answer"]
    assert len(done.stdout.splitlines()) == 3
    done = run("--candidates", "i1,elsewhere")
    assert done.returncode == 2
    assert "'elsewhere'" in done.stderr
