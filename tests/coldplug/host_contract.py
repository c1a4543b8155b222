"""What every adapter of a host must do: the small trained world as a matrix, and the tests that its test class inherits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plug_world import COLD, fresh_plug, trained_world
from scipy import sparse

from coldplug.hosts import Host, Person
from coldplug.hosts.blend import Blend, Weight
from coldplug.hosts.fallback import Fallback
from coldplug.plug import Plug
from coldplug.read import load_training_data
from coldplug.types import TrainingData

NEW_ITEMS = [f"i{number}" for number in COLD]
OLD_ITEMS = [f"i{number}" for number in range(COLD[0])]
NEWCOMER = Person(None, {"likes": "space", "age": 30}, ["i2", "i5", "i8", "i14", "i20"])
STRANGER = Person("nobody", {"likes": "space", "age": 30})


@dataclass(frozen=True)
class World:
    """Training data as a library takes them, likes alone, beside a model trained on the same."""

    folder: Path
    data: TrainingData
    plug: Plug
    user_ids: list[str]
    item_ids: list[str]
    likes: sparse.csr_matrix

    def person(self, user: str) -> Person:
        """A user of the training with all that they liked."""
        row = self.likes[self.user_ids.index(user)]
        return Person(user, {}, [self.item_ids[column] for column in row.indices])


@cache
def _read(folder: Path) -> World:
    data = load_training_data(folder / "graph.ttl")
    rows, liked = data.interactions, data.positives()
    pairs = (rows.users[liked].astype(np.int32), rows.items[liked].astype(np.int32))
    shape = (len(data.user_ids), data.graph.n_items)
    likes = sparse.csr_matrix((np.ones(liked.sum(), np.float32), pairs), shape=shape)
    likes.sort_indices()
    return World(folder, data, fresh_plug(folder), list(data.user_ids), list(data.graph.item_ids), likes)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The world, read once."""
    return _read(trained_world(tmp_path_factory))


_made: dict[type, tuple[Host, Any]] = {}


class HostContract:
    """Inherit, name the library's module, fit it, and say what it says by itself."""

    library: str
    takes_newcomers = False

    def fitted(self, world: World) -> tuple[Host, Any]:
        """The adapter, and what `own` needs of the library; fitted once."""
        raise NotImplementedError

    def own(self, world: World, made: Any, user: str, item: str) -> float:
        """The score that the library gives through its own interface."""
        raise NotImplementedError

    @pytest.fixture
    def made(self, world: World) -> tuple[Host, Any]:
        """Fitted once for all tests of a class."""
        pytest.importorskip(self.library, reason=f"{self.library} is not installed")
        if type(self) not in _made:
            _made[type(self)] = self.fitted(world)
        return _made[type(self)]

    @pytest.fixture
    def host(self, made: tuple[Host, Any]) -> Host:
        return made[0]

    def test_it_is_a_host(self, host: Host) -> None:
        assert isinstance(host, Host)

    def test_its_scores_are_the_library_s_own(self, world: World, made: tuple[Host, Any]) -> None:
        items = ["i40", "i3", "i17"]
        found = made[0].scores([world.person("u7"), world.person("u0")], items)
        assert found.dtype == np.float32
        own = [[self.own(world, made[1], user, item) for item in items] for user in ("u7", "u0")]
        np.testing.assert_allclose(found, own, rtol=1e-4, atol=1e-5)

    def test_it_says_nothing_of_items_and_users_that_it_never_met(self, world: World, host: Host) -> None:
        asked = ["i3", *NEW_ITEMS, "no such item", "i4"]
        found = host.scores([world.person("u7"), STRANGER], asked)
        assert np.isfinite(found[0, [0, -1]]).all()
        assert np.isnan(found[0, 1:-1]).all()
        assert np.isnan(found[1]).all()
        assert host.scores([], asked).shape == (0, len(asked))
        assert host.scores([STRANGER], []).shape == (1, 0)

    def test_a_newcomer_is_scored_by_their_support_where_the_library_can(
        self, world: World, host: Host
    ) -> None:
        found = host.scores([NEWCOMER], OLD_ITEMS)
        if not self.takes_newcomers:
            assert np.isnan(found).all()
            assert host.user_counts([NEWCOMER]).tolist() == [0]
            return
        assert host.user_counts([NEWCOMER]).tolist() == [5]
        assert np.isfinite(found).any()
        other = host.scores([Person(None, {}, ["i0", "i3", "i6", "i12", "i18"])], OLD_ITEMS)
        space = np.arange(len(OLD_ITEMS)) % 3 == 2
        ahead = np.nan_to_num(found, nan=0.0)[0] - np.nan_to_num(other, nan=0.0)[0]
        assert ahead[space].mean() > ahead[~space].mean()

    def test_it_counts_interactions(self, world: World, host: Host) -> None:
        per_user, per_item = np.diff(world.likes.indptr), np.asarray(world.likes.sum(0))[0]
        counted = host.user_counts([world.person("u7"), STRANGER])
        assert counted.tolist() == [per_user[world.user_ids.index("u7")], 0]
        found = host.item_counts(["i3", NEW_ITEMS[0], "no such item"])
        assert found.tolist() == [per_item[world.item_ids.index("i3")], 0, 0]

    def test_the_fallback_leaves_what_the_host_says_to_the_bit(self, world: World, host: Host) -> None:
        people = [world.person("u7"), STRANGER, world.person("u31")]
        theirs = host.scores(people, world.item_ids)
        found = Fallback(host, world.plug).score_batch(people, world.item_ids)
        said = ~np.isnan(theirs)
        assert said.any()
        assert (~said).any()
        np.testing.assert_array_equal(found[said].view(np.uint32), theirs[said].view(np.uint32))
        assert np.isfinite(found).all()

    def test_the_fallback_answers_for_a_stranger_as_the_model_does(self, world: World, host: Host) -> None:
        found = Fallback(host, world.plug).score(STRANGER, world.item_ids)
        np.testing.assert_array_equal(found, world.plug.score(STRANGER.attributes, world.item_ids))

    def test_new_items_keep_our_order_and_take_the_host_s_scale(self, world: World, host: Host) -> None:
        person = world.person("u7")
        found = Fallback(host, world.plug).score(person, NEW_ITEMS)
        ours = world.plug.score(person.attributes, NEW_ITEMS, person.support)
        assert np.argsort(found).tolist() == np.argsort(ours).tolist()
        theirs = host.scores([person], world.item_ids)[0]
        spread = float(np.nanstd(theirs))
        assert np.abs(found - np.nanmean(theirs)).max() < 6 * spread

    def test_a_score_does_not_depend_on_what_else_is_asked(self, world: World, host: Host) -> None:
        person = world.person("u7")
        for wrapped in (Fallback(host, world.plug), Blend(host, world.plug, Weight(0.1, 0.2, 0.1))):
            whole = wrapped.score(person, world.item_ids)
            some = [world.item_ids.index(item) for item in ("i85", "i3")]
            np.testing.assert_allclose(
                wrapped.score(person, ["i85", "i3"]), whole[some], rtol=1e-4, atol=1e-5
            )

    def test_a_blend_runs_from_ours_to_theirs(self, world: World, host: Host) -> None:
        person, warm = world.person("u7"), OLD_ITEMS
        ours = world.plug.score({}, warm, person.support)
        theirs = host.scores([person], warm)[0]
        none = Blend(host, world.plug, Weight(-12.0, 0.0, 0.0)).score(person, warm)
        np.testing.assert_allclose(none, ours, atol=1e-3)
        every = Blend(host, world.plug, Weight(12.0, 0.0, 0.0)).score(person, warm)
        said = ~np.isnan(theirs)
        assert np.corrcoef(every[said], theirs[said])[0, 1] > 0.9999
        new = Blend(host, world.plug, Weight(12.0, 0.0, 0.0)).score(person, NEW_ITEMS)
        np.testing.assert_allclose(new, world.plug.score({}, NEW_ITEMS, person.support), rtol=1e-5)
