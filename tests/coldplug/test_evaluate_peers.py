"""Peers: behind the same contract where their library is installed, a plain word where it is not."""

from __future__ import annotations

import importlib.util
import sys

import numpy as np
import pytest
from learner_contract import ALL_ITEMS, COLD_ITEMS, WARM_ITEMS, planted

from coldplug.evaluate import run_c1
from coldplug.evaluate.peers import LIBRARIES, PEERS, all_methods, method_class
from coldplug.learn import METHODS, Learner
from coldplug.types import Query
from plugbase.errors import UserError

MODULES = {"implicit-als": "implicit", "lightfm": "lightfm", "cornac-vaecf": "cornac"}


@pytest.fixture(params=sorted(PEERS))
def fitted(request: pytest.FixtureRequest) -> tuple[str, Learner]:
    """A peer that was fitted on the planted world."""
    name = request.param
    if importlib.util.find_spec(MODULES[name]) is None:
        pytest.skip(f"{LIBRARIES[name]} is not installed")
    return name, method_class(name).fit(planted()[0], seed=1)


def test_a_peer_scores_every_query_and_item(fitted: tuple[str, Learner]) -> None:
    name, learner = fitted
    rated = np.full(3, 5, np.float32)
    queries = [Query(), Query({"likes": "crime"}, np.array([0, 3, 6]), rated)]
    scores = learner.score(queries, ALL_ITEMS)
    assert scores.shape == (2, len(ALL_ITEMS))
    assert np.isfinite(scores).all()
    known = scores[1][WARM_ITEMS]
    assert known[WARM_ITEMS % 3 == 0].mean() > known[WARM_ITEMS % 3 != 0].mean()
    again = method_class(name).fit(planted()[0], seed=1).score(queries, ALL_ITEMS)
    np.testing.assert_allclose(again, scores, atol=1e-5)


def test_a_peer_of_ids_alone_does_not_tell_cold_items_apart(fitted: tuple[str, Learner]) -> None:
    name, learner = fitted
    support = Query({}, np.array([0, 3, 6]), np.full(3, 5, np.float32))
    told = len(np.unique(learner.score([support], COLD_ITEMS)[0]))
    assert told == 1 if name != "lightfm" else told > 1


def test_names_of_peers_do_not_hide_a_method() -> None:
    assert not set(PEERS) & set(METHODS)
    assert set(PEERS) == set(LIBRARIES)
    assert set(all_methods()) == set(PEERS) | set(METHODS)
    with pytest.raises(UserError, match="did you mean 'lightfm'"):
        method_class("lightfn")


@pytest.mark.parametrize("name", sorted(PEERS))
def test_a_peer_that_is_not_installed_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    for loaded in list(sys.modules):
        if loaded.startswith(("coldplug.evaluate.peers.", f"{MODULES[name]}.")):
            monkeypatch.delitem(sys.modules, loaded)
    with pytest.raises(UserError, match=LIBRARIES[name]):
        run_c1(planted()[0], [name], [""], [])
