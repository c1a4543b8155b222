"""Explanations of random users: parts that sum to the score and to its way from the prior; paths are in the graph."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from c1_world import GENRES
from hypothesis import given, settings
from hypothesis import strategies as st
from plug_world import QUOTE, fresh_plug, trained_world

from coldplug.plug import Plug
from coldplug.read import read_graph

ITEMS = [f"i{number}" for number in range(90)]
USERS = st.fixed_dictionaries(
    {},
    optional={
        "likes": st.sampled_from([*GENRES, "never met"]),
        "age": st.floats(-10, 150, allow_nan=False),
        "shoe size": st.just(44),
    },
)
RATINGS = st.sampled_from([1.0, 2.5, 4.0, 5.0, float("nan")])
SUPPORTS = st.dictionaries(st.sampled_from(ITEMS), RATINGS, max_size=12)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture(scope="module")
def plug(world: Path) -> Plug:
    return fresh_plug(world)


@pytest.fixture(scope="module")
def facts(world: Path) -> set[tuple[str, str, str]]:
    """(item id, relation, value IRI), read out of the graph anew."""
    graph = read_graph(world / "graph.ttl")
    rows = zip(graph.heads.tolist(), graph.relations.tolist(), graph.tails.tolist(), strict=True)
    return {(graph.item_ids[h], graph.relation_names[r], graph.value_iris[t]) for h, r, t in rows}


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=150, deadline=None, derandomize=True)
@given(user=USERS, met=SUPPORTS, item=st.sampled_from(ITEMS))
def test_the_reasons_sum_to_the_score_and_to_its_way_from_the_prior(
    plug: Plug, user: dict[str, Any], met: dict[str, float], item: str
) -> None:
    found = plug.explain(user, item, list(met.items()))
    score = float(plug.score(user, [item], list(met.items()))[0])
    prior = float(plug.score(user, [item])[0])
    shares = dict.fromkeys(("base", "attribute", "support"), 0.0)
    for reason in found.reasons:
        shares[reason.kind] += reason.share
    assert sum(shares.values()) == pytest.approx(score, abs=2e-4)
    # From somebody of whom nothing is known, and from the same user before they met anything.
    assert shares["attribute"] + shares["support"] == pytest.approx(score - shares["base"], abs=2e-4)
    assert shares["support"] + found.reweighed == pytest.approx(score - prior, abs=2e-4)
    assert (found.score, found.prior) == pytest.approx((score, prior), abs=1e-5)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(met=SUPPORTS, item=st.sampled_from(ITEMS))
def test_a_path_leads_from_the_user_over_a_shared_value_to_the_item(
    plug: Plug, facts: set[tuple[str, str, str]], met: dict[str, float], item: str
) -> None:
    titles = {}
    for reason in plug.explain({}, item, list(met.items())).reasons:
        if not reason.path:
            assert reason.facts == []
            continue
        user, liked, value, end = reason.path
        assert [step.kind for step in reason.path] == ["user", "item", "value", "item"]
        assert (liked.by, value.by) == ("met", end.by)
        assert {(liked.id, value.by, value.id), (end.id, value.by, value.id)} <= facts
        assert (value.by, value.label) == (reason.facts[0].relation, reason.facts[0].value)
        assert (user.id, end.id, liked.label) == ("", item, reason.label)
        titles[liked.id] = liked.label
    shared = {liked for liked in met if sharing(facts, liked) & sharing(facts, item)}
    assert set(titles) == shared


def test_support_items_alone_have_a_path_and_json_keeps_it(plug: Plug) -> None:
    found = plug.explain({"likes": "crime"}, "i0", ["i21", "i1"])  # i1: neither genre, theme nor director
    told = {reason.label: reason.path for reason in found.reasons}
    assert [label for label, path in told.items() if path] == ["Title 21"]
    written = json.loads(json.dumps(found.as_json()))["reasons"]
    path = next(reason["path"] for reason in written if reason["path"])
    assert path[0] == {"kind": "user", "id": "", "label": "the user", "by": ""}
    assert path[-1] == {"kind": "item", "id": "i0", "label": "Title 0", "by": path[2]["by"]}


@pytest.mark.parametrize(
    ("age", "told"), [(27, "27"), (27.0, "27"), (27.5, "27.5"), ("27", "27"), (30, "30")]
)
def test_a_number_is_one_reason_as_the_user_gave_it(plug: Plug, age: object, told: str) -> None:
    columns = plug._learner.encoder.transform([{"age": age}])[0]  # type: ignore[attr-defined]
    labels = [r.label for r in plug.explain({"age": age, "likes": "crime"}, "i12").reasons]
    assert sorted(labels) == [f"age={told}", "appeal to everyone", "likes=crime"]
    assert (columns != 0).sum() == 2 or age == 30, "between two knots there are two columns"


def test_a_recommendation_s_reasons_have_paths_too(plug: Plug) -> None:
    reasons = [reason for found in plug.recommend({}, 5, ["i0", "i3"]) for reason in found.reasons]
    assert any(reason.path for reason in reasons)
    assert all(bool(reason.path) == bool(reason.facts) for reason in reasons)


def test_the_text_tells_the_path_once_with_its_quote(plug: Plug) -> None:
    from coldplug.cli.score import explanation_text

    text = explanation_text(plug.explain({}, "i0", ["i7"]))  # the same theme, and nothing else
    assert f'the user > Title 7 > theme theme 0 > Title 0, from "{QUOTE}"' in text
    assert "both: theme theme 0" not in text
    assert "before anything was met" in text
    assert "before anything was met" not in explanation_text(plug.explain({}, "i0"))


def sharing(facts: set[tuple[str, str, str]], item: str) -> set[tuple[str, str]]:
    return {(relation, value) for head, relation, value in facts if head == item}
