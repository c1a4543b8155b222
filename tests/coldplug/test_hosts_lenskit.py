"""LensKit: its scorers as hosts, and coldplug as components of a real LensKit pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from host_contract import NEW_ITEMS, HostContract, World, world  # noqa: F401 - a fixture

from coldplug.hosts import Host, host_class

pytest.importorskip("lenskit", reason="lenskit is not installed")


def dataset(world: World, **more: Any) -> Any:  # noqa: F811
    """The likes as LensKit reads them."""
    import pandas as pd
    from lenskit.data import from_interactions_df

    users, items = world.likes.nonzero()
    ids = {"user_id": [world.user_ids[u] for u in users], "item_id": [world.item_ids[i] for i in items]}
    return from_interactions_df(pd.DataFrame(ids), **more)


class TestItemKNN(HostContract):
    library = "lenskit"
    takes_newcomers = True

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from lenskit.knn import ItemKNNScorer

        data = dataset(world)
        scorer = ItemKNNScorer(feedback="implicit")
        scorer.train(data)
        return host_class("lenskit")(scorer, data), (scorer, data)

    def own(self, world: World, made: Any, user: str, item: str) -> float:  # noqa: F811
        from lenskit.data import ItemList, RecQuery

        scorer, data = made
        query = RecQuery(user_id=user, history_items=data.user_row(user))
        return float(scorer(query=query, items=ItemList(item_ids=[item])).scores()[0])


class TestImplicitMF(TestItemKNN):
    """A factorisation, which solves for the user's vector."""

    def fitted(self, world: World) -> tuple[Host, Any]:  # noqa: F811
        from lenskit.als import ImplicitMFScorer
        from lenskit.training import TrainingOptions

        data = dataset(world)
        scorer = ImplicitMFScorer(embedding_size=8, epochs=5)
        scorer.train(data, TrainingOptions(rng=3))
        return host_class("lenskit")(scorer, data), (scorer, data)


def pipeline(world: World, kind: str, **config: Any) -> Any:  # noqa: F811
    """A top-n pipeline of LensKit's with ImplicitMF, trained, and a component of ours put behind its scorer."""
    from lenskit.als import ImplicitMFScorer
    from lenskit.pipeline import topn_pipeline
    from lenskit.training import TrainingOptions

    from coldplug.hosts import lenskit

    changed = topn_pipeline(ImplicitMFScorer(embedding_size=8, epochs=5)).modify()
    files = {"model": world.folder / "model", "users": world.folder / "users.csv"}
    query, scorer = changed.node("history-lookup"), changed.node("scorer")
    ours = changed.add_component(
        *("coldplug", getattr(lenskit, kind), files | config), query=query, primary=scorer
    )
    changed.connect("ranker", items=ours)
    made = changed.build()
    made.train(dataset(world, items=sorted(world.item_ids)), TrainingOptions(rng=3))
    return made


def ours(world: World, user: str, items: list[str]) -> Any:  # noqa: F811
    told = world.data.user_attributes[world.user_ids.index(user)]
    return world.plug.score(told, items, world.person(user).support)


def test_a_fallback_in_a_pipeline_keeps_what_was_scored_and_ranks_new_items(world: World) -> None:  # noqa: F811
    pipe = pipeline(world, "ColdplugFallback")
    before, after = pipe.run(("scorer", "coldplug"), query="u7")
    ids = after.ids().tolist()
    new = np.array([item in NEW_ITEMS for item in ids])
    assert new.sum() == len(NEW_ITEMS)
    np.testing.assert_array_equal(after.scores()[~new], before.scores()[~new])
    filled, own = after.scores()[new], ours(world, "u7", [item for item in ids if item in NEW_ITEMS])
    assert np.argsort(filled).tolist() == np.argsort(own).tolist()
    assert abs(filled.mean() - before.scores()[~new].mean()) < 4 * before.scores()[~new].std()
    shown = pipe.run("recommender", query="u7", n=20).ids().tolist()
    assert shown == [ids[place] for place in np.argsort(-after.scores(), kind="stable")[:20]]


def test_a_pipeline_answers_a_user_it_never_met_by_attributes_and_clicks(world: World) -> None:  # noqa: F811
    from lenskit.data import ItemList, RecQuery

    pipe = pipeline(world, "ColdplugFallback")
    found = pipe.run("coldplug", query="nobody")
    expected = world.plug.score({}, found.ids().tolist())
    np.testing.assert_allclose(found.scores(), expected, rtol=1e-5)
    clicked = RecQuery(history_items=ItemList(item_ids=["i2", "i5"]))
    assert {"i2", "i5"}.isdisjoint(pipe.run("recommender", query=clicked, n=30).ids().tolist())


def test_coldplug_is_the_backup_of_lenskit_s_own_fallback(world: World) -> None:  # noqa: F811
    from lenskit.basic import FallbackScorer
    from lenskit.data import ItemList
    from lenskit.pipeline import topn_pipeline

    from coldplug.hosts.lenskit import ColdplugConfig, ColdplugScorer

    files = {"model": world.folder / "model", "users": world.folder / "users.csv"}
    pipe = topn_pipeline(ColdplugScorer(ColdplugConfig(**files)))
    pipe.train(dataset(world))
    items = ItemList(item_ids=["i3", NEW_ITEMS[0], "no such item"])
    found = pipe.run("scorer", query="u7", items=items)
    np.testing.assert_allclose(found.scores()[:2], ours(world, "u7", ["i3", NEW_ITEMS[0]]), rtol=1e-4)
    assert np.isnan(found.scores()[2])
    primary = ItemList(items, scores=np.array([0.5, np.nan, np.nan], np.float32))

    class Later:
        def get(self) -> Any:
            return found

    merged = FallbackScorer()(primary, Later()).scores()
    assert merged[0] == np.float32(0.5)
    assert merged[1] == found.scores()[1]


def test_a_blend_in_a_pipeline_is_between_the_two(world: World) -> None:  # noqa: F811
    before, host = pipeline(world, "ColdplugBlend", base=12.0, user=0.0, item=0.0).run(
        ("scorer", "coldplug"), query="u7"
    )
    ids = host.ids().tolist()
    new = np.array([item in NEW_ITEMS for item in ids])
    assert np.corrcoef(host.scores()[~new], before.scores()[~new])[0, 1] > 0.9999
    np.testing.assert_allclose(host.scores()[new], ours(world, "u7", np.array(ids)[new].tolist()), rtol=1e-4)
    none = pipeline(world, "ColdplugBlend", base=-12.0, user=0.0, item=0.0).run("coldplug", query="u7")
    np.testing.assert_allclose(none.scores(), ours(world, "u7", ids), atol=1e-3)


def test_a_pipeline_with_it_is_kept_as_its_configuration(world: World) -> None:  # noqa: F811
    from lenskit.pipeline import Pipeline

    pipe = pipeline(world, "ColdplugBlend", base=0.5, user=0.2, item=0.1)
    again = Pipeline.from_config(pipe.config)
    assert again.component("coldplug").config == pipe.component("coldplug").config
