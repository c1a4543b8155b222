"""LensKit (2025): its scorers as a host, and coldplug as components of a LensKit pipeline.

pipe = topn_builder()                                     # of lenskit.pipeline.common
pipe.replace_component("scorer", ImplicitMFScorer(), query=pipe.node("history-lookup"), items=pipe.node("candidates"))
filled = pipe.add_component("filled", ColdplugFallback, {"model": "model/"}, query=..., primary=pipe.node("scorer"))
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from lenskit.data import Dataset, ItemList, QueryInput, RecQuery
from lenskit.pipeline import Component
from lenskit.training import Trainable, TrainingOptions
from pydantic import BaseModel, NonNegativeFloat

from coldplug.hosts import Person, support_ids
from coldplug.hosts.blend import Weight
from coldplug.hosts.scale import plug_scores, stretch
from coldplug.plug import Plug, load
from coldplug.types import Attributes, FloatArray, IntArray


class LensKitHost:
    """A trained scorer of LensKit. Newcomers are scored by their support where the scorer can.

    Args:
        scorer: a component that takes a query and items, such as `pipeline.component("scorer")`.
        data: what it was trained on.
    """

    name = "lenskit"

    def __init__(self, scorer: Any, data: Dataset) -> None:
        self.scorer, self.data = scorer, data
        # LensKit keeps ids as it read them, numbers as numbers; a graph has texts.
        self._item = {str(item): item for item in data.items.ids().tolist()}
        self._user = {str(user): user for user in data.users.ids().tolist()}
        self._per_item, self._per_user = counts_of(data)

    def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) float32, as `Host.scores`."""
        out = np.full((len(people), len(item_ids)), np.nan, np.float32)
        here = np.flatnonzero(self.item_counts(item_ids) > 0)
        if not len(here):
            return out
        items = ItemList(item_ids=[self._item[item_ids[place]] for place in here.tolist()])
        for row, person in enumerate(people):
            history = self._history(person)
            if history is None or not len(history):
                continue
            query = RecQuery(user_id=self._user.get(person.user_id or ""), history_items=history)
            found = self.scorer(query=query, items=items).scores()
            if found is not None:
                out[row, here] = found
        return out

    def user_counts(self, people: Sequence[Person]) -> IntArray:
        """(n_people,) as `Host.user_counts`."""
        found = [self._history(person) for person in people]
        return np.array([0 if history is None else len(history) for history in found], np.int64)

    def item_counts(self, item_ids: Sequence[str]) -> IntArray:
        """(n_items,) as `Host.item_counts`."""
        return np.array([self._per_item.get(item, 0) for item in item_ids], np.int64)

    def _history(self, person: Person) -> ItemList | None:
        """What the training has of a user; of others what is told of them, as far as LensKit knows the items."""
        if self._per_user.get(person.user_id or "", 0):
            return self.data.user_row(self._user[person.user_id])  # type: ignore[index]
        told = [item for item in support_ids(person.support) if self._per_item.get(item, 0)]
        return ItemList(item_ids=[self._item[item] for item in told]) if told else None


class ColdplugConfig(BaseModel):
    """Which model, and where attributes of users are; both are files, so that a pipeline's configuration can be kept."""

    model: Path
    users: Path | None = None


class BlendConfig(ColdplugConfig):
    """With the four numbers of a learned `Weight`."""

    base: float
    user: NonNegativeFloat
    item: NonNegativeFloat
    new: float = 0.0


class ColdplugScorer(Component[ItemList]):
    """coldplug as the scorer of a pipeline, or as the backup of LensKit's own `FallbackScorer`."""

    config: ColdplugConfig

    def __call__(self, query: QueryInput, items: ItemList) -> ItemList:
        """The items with scores; NaN for those that the model does not know."""
        return ItemList(items, scores=_ours(self.config, RecQuery.create(query), items)[0])


class ColdplugFallback(Component[ItemList], Trainable):
    """Fills in what the scorer before it could not score, on its scale; what it could score stays as it is, to the bit.

    An item without interactions counts as not scored, also where the scorer has an untrained vector for it. Scales are
    compared on the candidates that both score and the user has not met, so pass many.
    """

    config: ColdplugConfig

    def train(self, data: Dataset, options: TrainingOptions = TrainingOptions()) -> None:  # noqa: B008 - LensKit's own
        """Learn which items and users have interactions, and how many."""
        self.per_item, self.per_user = counts_of(data)

    def __call__(self, query: QueryInput, primary: ItemList) -> ItemList:
        """The same items with scores."""
        theirs = self._theirs(primary)
        if not np.isnan(theirs).any():
            return primary
        ours, common = _ours(self.config, RecQuery.create(query), primary)
        scale, offset = stretch(theirs[None], common[None])
        fitted = ours if np.isnan(scale[0, 0]) else ours * scale[0] + offset[0]
        return ItemList(primary, scores=np.where(np.isnan(theirs), fitted, theirs))

    def _theirs(self, primary: ItemList) -> FloatArray:
        """(n_items,) the scores that stand on interactions."""
        found = primary.scores()
        if found is None:
            return np.full(len(primary), np.nan, np.float32)
        return np.where(self._item_counts(primary) > 0, found, np.float32(np.nan))

    def _item_counts(self, items: ItemList) -> IntArray:
        return np.array([self.per_item.get(str(item), 0) for item in items.ids().tolist()], np.int64)


class ColdplugBlend(ColdplugFallback):
    """The scores of the scorer before it and ours in one; as `coldplug.hosts.blend.Blend`, on our scale."""

    config: BlendConfig

    def __call__(self, query: QueryInput, primary: ItemList) -> ItemList:
        """The same items with scores."""
        asked, theirs = RecQuery.create(query), self._theirs(primary)
        ours, common = _ours(self.config, asked, primary)
        scale, offset = stretch(common[None], theirs[None])
        theirs = theirs * scale[0] + offset[0]
        met = asked.query_items
        of_user = np.array([0 if met is None else len(met)])
        weight = Weight(self.config.base, self.config.user, self.config.item)
        per_item = self._item_counts(primary)
        share = weight.at(of_user, per_item)[0]
        ours = ours + self.config.new * (per_item == 0)
        blend = np.where(np.isnan(theirs), ours, ours + share * (theirs - ours))
        return ItemList(primary, scores=np.where(np.isnan(ours), theirs, blend).astype(np.float32))


def counts_of(data: Dataset) -> tuple[dict[str, int], dict[str, int]]:
    """Interactions of each item and of each user, by id as text; those without any may be left out."""
    made = data.interactions().matrix().scipy(layout="csr")
    items, users = np.bincount(made.indices, minlength=made.shape[1]), np.diff(made.indptr)
    return (
        dict(zip(map(str, data.items.ids().tolist()), items.tolist(), strict=True)),
        dict(zip(map(str, data.users.ids().tolist()), users.tolist(), strict=True)),
    )


def _ours(config: ColdplugConfig, query: RecQuery, items: ItemList) -> tuple[FloatArray, FloatArray]:
    """(n_items,) our scores, and the same with NaN for what the user has met."""
    met = query.query_items
    support: list[Any] = []
    if met is not None and len(met):
        clicked, ratings = [str(item) for item in met.ids().tolist()], met.field("rating")
        support = clicked if ratings is None else list(zip(clicked, ratings.tolist(), strict=True))
    told = {} if config.users is None else _attributes(config.users).get(str(query.user_id), {})
    ids = [str(item) for item in items.ids().tolist()]
    ours = plug_scores(_plug(config.model), [Person(None, told, support)], ids)[0]
    return ours, np.where(np.isin(ids, support_ids(support)), np.float32(np.nan), ours)


@lru_cache(maxsize=4)
def _plug(model: Path) -> Plug:
    """One model for all components of a process; it is no part of a component, which LensKit may pickle."""
    return load(model)


@lru_cache(maxsize=4)
def _attributes(users: Path) -> dict[str, Attributes]:
    from coldplug.read import read_users

    found = read_users(users)
    return dict(zip(found.ids, found.attributes, strict=True))
