"""Recommendations, explanations, new items, and the solver."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from c1_world import GENRES
from plug_world import COLD, QUOTE, fresh_plug, trained_world, write_new_items

import coldplug
from coldplug.plug import Plug
from coldplug.read import read_graph
from coldplug.types import ItemGraph
from plugbase.errors import UserError

CRIME = {"likes": "crime", "age": 30}
SUPPORT = [("i3", 5), ("i6", 5), ("i81", 4)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_world(tmp_path_factory)


@pytest.fixture(scope="module")
def plug(world: Path) -> Plug:
    return fresh_plug(world)


def test_recommendations_are_the_best_scores(plug: Plug) -> None:
    found = plug.recommend(CRIME, k=7, support=SUPPORT)
    met = {item for item, _ in SUPPORT}
    rest = [item for item in plug.item_ids if item not in met]
    scores = plug.score(CRIME, rest, SUPPORT)
    np.testing.assert_allclose([r.score for r in found], np.sort(scores)[::-1][:7], atol=1e-5)
    assert not met & {r.item_id for r in found}
    assert [r.title for r in found] == [f"Title {r.item_id[1:]}" for r in found]
    assert json.loads(json.dumps([r.as_json() for r in found]))[0]["item_id"] == found[0].item_id


def test_a_recommendation_s_reasons_speak_for_it(plug: Plug) -> None:
    for found in plug.recommend(CRIME, k=5, support=SUPPORT):
        assert len(found.reasons) <= 3
        assert all(reason.share > 0 for reason in found.reasons)
        assert [r.share for r in found.reasons] == sorted((r.share for r in found.reasons), reverse=True)
    assert any(r.kind == "attribute" for f in plug.recommend(CRIME, k=5) for r in f.reasons)


def test_what_is_excluded_is_not_shown(plug: Plug) -> None:
    first = [r.item_id for r in plug.recommend(CRIME, k=4)]
    barred: list[Any] = [first[:2], tuple(first[:2]), set(first[:2]), np.array(first[:2]), [*first[:2], "x"]]
    for exclude in barred:
        assert [r.item_id for r in plug.recommend(CRIME, k=2, exclude=exclude)] == first[2:]
    with pytest.raises(UserError, match="exclude is a str"):
        plug.recommend(CRIME, exclude="i0")


def test_candidates_bound_the_choice(plug: Plug) -> None:
    found = plug.recommend(CRIME, k=10, candidates=["i81", "i80", "i3", "i81"], support=SUPPORT)
    assert [r.item_id for r in found] == ["i80"]
    assert plug.recommend(CRIME, candidates=[]) == []
    assert plug.recommend(CRIME, candidates=["i3"], exclude=["i3"]) == []
    with pytest.raises(coldplug.UnknownItemError, match="x1"):
        plug.recommend(CRIME, candidates=["i1", "x1"])


def test_k_is_bounded(plug: Plug) -> None:
    assert len(plug.recommend(CRIME)) == 10
    assert len(plug.recommend(CRIME, k=1)) == 1
    assert len(plug.recommend(CRIME, k=10**6)) == 90
    wrong: list[Any] = [0, -1, 2.0, True, "3", None]
    for k in wrong:
        with pytest.raises(UserError, match="k="):
            plug.recommend(CRIME, k=k)


def test_ties_go_by_id(world: Path, tmp_path: Path) -> None:
    """Six new items with the same facts: the same score, in the order of their ids, wherever the cut falls."""
    plug = fresh_plug(world)
    one = write_new_items(tmp_path, text=False).read_text()
    twins = ("z2", "z10", "z1", "Z3", "z0", "é")
    for turn, ident in enumerate(twins):
        path = tmp_path / f"{turn}.ttl"
        path.write_text(one.replace('"n0"', f'"{ident}"').replace('"n1"', f'"other{turn}"'))
        plug.add_items(path)
    ranked = sorted(twins)
    assert np.ptp(plug.score(CRIME, twins)) < 1e-5  # but for the last bits
    for k in range(1, 7):
        assert [r.item_id for r in plug.recommend(CRIME, k=k, candidates=twins)] == ranked[:k]


@pytest.mark.parametrize("item", ["i0", "i44", "i81", "i86"])
@pytest.mark.parametrize(
    ("attributes", "support"), [({}, None), (CRIME, None), ({}, SUPPORT), (CRIME, SUPPORT)]
)
def test_the_shares_sum_to_the_score(
    plug: Plug, item: str, attributes: dict[str, object], support: Any
) -> None:
    found = plug.explain(attributes, item, support)
    assert sum(reason.share for reason in found.reasons) == pytest.approx(found.score, abs=1e-4)
    assert found.score == pytest.approx(float(plug.score(attributes, [item], support)[0]), abs=1e-5)
    assert found.prior == pytest.approx(float(plug.score(attributes, [item])[0]), abs=1e-5)
    kinds = [reason.kind for reason in found.reasons]
    assert kinds.count("base") == 1
    assert kinds.count("support") == len(support or ())
    assert ("attribute" in kinds) == bool(attributes)


def test_an_explanation_names_shared_facts_with_quotes_from_the_evidence(plug: Plug) -> None:
    found = plug.explain({}, "i0", ["i21", "i7"])  # i21: the same genre and theme; i7: the same theme
    reasons = {reason.label: reason for reason in found.reasons if reason.kind == "support"}
    assert {(f.relation, f.value) for f in reasons["Title 21"].facts} == {
        ("genre", "crime"),
        ("theme", "theme 0"),
    }
    assert {f.relation: f.quote for f in reasons["Title 21"].facts} == {"genre": "", "theme": QUOTE}
    assert {f.relation for f in reasons["Title 7"].facts} == {"theme"}
    assert all(fact.weight >= 0 for reason in reasons.values() for fact in reason.facts)
    assert json.loads(json.dumps(found.as_json()))["title"] == "Title 0"


def test_an_attribute_reason_is_named_as_the_user_gave_it(plug: Plug) -> None:
    shares = {r.label: r.share for r in plug.explain(CRIME, "i12").reasons}
    other = {r.label: r.share for r in plug.explain(CRIME, "i13").reasons}
    assert shares["likes=crime"] > other["likes=crime"]
    assert "age=30" in shares


def test_only_new_items_have_items_that_they_are_like(plug: Plug) -> None:
    assert plug.explain(CRIME, "i0").alike == []
    alike = plug.explain(CRIME, f"i{COLD[0]}").alike
    assert 1 <= len(alike) <= 3
    assert [a.likeness for a in alike] == sorted((a.likeness for a in alike), reverse=True)
    for other in alike:
        assert int(other.item_id[1:]) < COLD[0]
        assert other.facts
        assert other.likeness > 0


def test_explaining_takes_one_known_id(plug: Plug) -> None:
    with pytest.raises(coldplug.UnknownItemError, match="x9"):
        plug.explain(CRIME, "x9")
    with pytest.raises(UserError, match="item_id"):
        plug.explain(CRIME, ["i0"])  # type: ignore[arg-type]


def test_new_items_score_by_their_facts_and_old_ones_as_before(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    before = plug.score(CRIME, plug.item_ids, SUPPORT)
    graph = write_new_items(tmp_path)
    assert plug.add_items(graph) == 2
    assert plug.item_ids[-2:] == ["n0", "n1"]
    assert plug.add_items(graph) == 0
    assert plug.add_items(str(graph)) == 0
    assert len(plug.item_ids) == 92
    after = plug.score(CRIME, plug.item_ids, SUPPORT)
    np.testing.assert_allclose(after[:90], before, atol=1e-5)
    assert after[90] > after[91]
    assert plug.score({"likes": "fairy tale"}, ["n1"]) > plug.score({"likes": "fairy tale"}, ["n0"])
    found = plug.explain(CRIME, "n0", ["n1", "i3"])
    assert found.title == "New n0"
    assert found.alike
    assert sum(reason.share for reason in found.reasons) == pytest.approx(found.score, abs=1e-4)
    # i0 is told of as "space" here, and stays what it was
    facts = plug.explain(CRIME, "i3", ["i0"]).reasons
    assert next(r for r in facts if r.kind == "support").facts[0].value == "crime"


def test_an_added_item_scores_as_one_that_was_new_in_training(
    world: Path, plug: Plug, tmp_path: Path
) -> None:
    """The cold items of the training graph, added again under other ids, with the same facts and the same texts."""
    grown = fresh_plug(world)
    text = (world / "graph.ttl").read_text()
    kept = [
        line for line in text.splitlines(keepends=True) if f":i{COLD[1]}>" in line or ":item:" not in line
    ]
    (tmp_path / "graph.ttl").write_text("".join(kept).replace(f'"i{COLD[1]}"', '"again"'))
    evidence = (world / "graph.evidence.jsonl").read_text().splitlines(keepends=True)
    mine = [line.replace(f'"i{COLD[1]}"', '"again"') for line in evidence if f'"i{COLD[1]}"' in line]
    (tmp_path / "graph.evidence.jsonl").write_text("".join(mine))
    assert grown.add_items(tmp_path / "graph.ttl") == 1
    for attributes, support in ((CRIME, None), ({}, SUPPORT)):
        first, again = grown.score(attributes, [f"i{COLD[1]}", "again"], support)
        assert again == pytest.approx(first, abs=2e-4)
    assert any(a.facts for a in grown.explain(CRIME, "again").alike)


def test_items_without_text_and_from_another_base_can_be_added(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    graph = read_graph(write_new_items(tmp_path, text=False))
    assert isinstance(graph, ItemGraph)
    assert plug.add_items(graph) == 2
    assert plug.add_items(replace(graph, item_ids=["a", "b", "c"])) == 3
    assert np.isfinite(plug.score(CRIME, ["n0", "n1", "a", "b", "c"])).all()
    assert plug.score(CRIME, ["n0"]) > plug.score(CRIME, ["n1"])
    stranger = write_new_items(tmp_path / "stranger", text=False, base="https://example.org/")
    text = stranger.read_text().replace('"n0"', '"s0"').replace('"n1"', '"s1"')
    stranger.write_text(text)
    assert plug.add_items(stranger) == 2
    assert np.isfinite(plug.score(CRIME, ["s0", "s1"])).all()


def test_records_score_as_the_graph_that_says_the_same(world: Path, tmp_path: Path) -> None:
    by_graph, by_records = fresh_plug(world), fresh_plug(world)
    by_graph.add_items(write_new_items(tmp_path))
    records = [
        {"id": ident, "title": f"New {ident}", "description": f"A {genre} tale.", "genre": [genre.upper()]}
        for ident, genre in (("n0", GENRES[0]), ("n1", GENRES[1]))
    ]
    assert by_records.add_items(records) == 2
    expected = by_graph.score(CRIME, ["n0", "n1"], SUPPORT)
    np.testing.assert_allclose(by_records.score(CRIME, ["n0", "n1"], SUPPORT), expected, rtol=1e-5)
    assert expected[0] > expected[1]


def test_what_cannot_be_added_leaves_the_plug_as_it_was(world: Path, tmp_path: Path) -> None:
    plug = fresh_plug(world)
    before = plug.score(CRIME, plug.item_ids)
    graph = write_new_items(tmp_path)
    (tmp_path / "graph.evidence.jsonl").write_text("{not json\n")
    with pytest.raises(UserError, match=r"evidence\.jsonl:1"):
        plug.add_items(graph)
    with pytest.raises(UserError, match="no such file"):
        plug.add_items(tmp_path / "nowhere.ttl")
    with pytest.raises(UserError, match="items is a int"):
        plug.add_items(9)  # type: ignore[arg-type]
    for wrong, said in (
        ([{"title": "Nine"}], r"items\[0\] has id None"),
        ([{"id": "9", "title": "Nine"}, {"id": 9, "title": "Nine"}], r"items\[1\] has the id 9"),
        ([{"id": "9"}], "no title and no description"),
        (["9"], r"items\[0\] is a str"),
    ):
        with pytest.raises(UserError, match=said):
            plug.add_items(wrong)  # type: ignore[arg-type]
    assert len(plug.item_ids) == 90
    np.testing.assert_array_equal(plug.score(CRIME, plug.item_ids), before)


def test_a_graph_that_kgbuild_wrote_can_be_added(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kgbuild.pipeline import ExtractSettings, extract_graph
    from plugbase.console import Console

    monkeypatch.chdir(tmp_path)
    records = [
        {
            "id": "k0",
            "title": "The Ledger",
            "description": "A crime tale.",
            "attributes": {"genre": ["crime"]},
        },
        {
            "id": "k1",
            "title": "The Well",
            "description": "A fairy tale.",
            "attributes": {"genre": ["fairy tale"]},
        },
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    extract_graph(ExtractSettings("items.jsonl", tmp_path / "new.ttl", "none"), Console(quiet=True))
    plug = fresh_plug(world)
    assert plug.add_items(tmp_path / "new.ttl") == 2
    assert plug.score(CRIME, ["k0"]) > plug.score(CRIME, ["k1"])
    assert plug.recommend(CRIME, k=1, candidates=["k0", "k1"])[0].title == "The Ledger"


def test_the_solver_trains_and_gives_a_plug(world: Path, tmp_path: Path) -> None:
    solver = coldplug.ColdStartSolver(
        kg_path=world / "graph.ttl",
        interactions=world / "interactions.csv",
        users=world / "users.csv",
        seed=1,
    )
    plug = solver.train(epochs=1, batch_size=32, out=tmp_path / "kept")
    assert isinstance(plug, Plug)
    assert plug.meta["seed"] == 1
    assert plug.meta["learner"]["settings"]["batch"] == 32
    again = coldplug.load(tmp_path / "kept")
    np.testing.assert_allclose(again.score(CRIME, ["i0", "i81"]), plug.score(CRIME, ["i0", "i81"]), atol=1e-5)


def test_the_solver_refuses_what_it_cannot_do(world: Path) -> None:
    with pytest.raises(UserError, match=r"'itemknn'.*\n.*a baseline"):
        coldplug.ColdStartSolver(world / "graph.ttl", meta_method="itemknn")
    with pytest.raises(UserError, match="did you mean 'posterior'"):
        coldplug.ColdStartSolver(world / "graph.ttl", meta_method="posterio")
    with pytest.raises(UserError, match="cuda"):
        coldplug.ColdStartSolver(world / "graph.ttl", device="cuda")
    with pytest.raises(AttributeError, match="Solver"):
        coldplug.Solver  # noqa: B018
