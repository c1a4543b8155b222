"""The host's scores and ours in one, with a weight that follows how much the host has seen, learned on held-out likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from coldplug.hosts import Host, Person, support_ids
from coldplug.hosts.scale import Reference, plug_scores, stretch
from coldplug.hosts.validation import HeldOut
from coldplug.learn.ndcg import ideal_gains, list_ndcg
from coldplug.plug import Plug
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError

STEPS = (0.0, -0.5, 0.5, -1.0, 1.0, -1.5, -2.0, -3.0)
"""Steps from the likeliest height of new items that are tried, in that order where they are as good."""
PEOPLE = 1000
"""Held-out people that a weight is learned from, at most; five numbers need no more."""


@dataclass(frozen=True)
class Weight:
    """The host's share of a score: sigmoid(base + user log(1 + n_user) + item log(1 + n_item)); user and item from 0 up.

    `new` is added to our scores of the items that the host does not know, so that they stand where they belong in one list
    with the others. Plain numbers: `dataclasses.asdict` and `Weight(**...)` keep it in a file.
    """

    base: float
    user: float
    item: float
    new: float = 0.0

    def at(self, user_counts: IntArray, item_counts: IntArray) -> FloatArray:
        """(n_people, n_items) in (0, 1), from the interactions of each."""
        height = self.base + self.user * np.log1p(user_counts)[:, None] + self.item * np.log1p(item_counts)
        return np.asarray(1.0 / (1.0 + np.exp(-height)), np.float32)


class Blend:
    """ours + w (theirs - ours), theirs on our scale; ours alone where the host has no score.

    Args:
        host: a trained recommender.
        plug: a model trained on the same interactions.
        weight: see `Blend.learn`.
    """

    def __init__(self, host: Host, plug: Plug, weight: Weight) -> None:
        self.host, self.plug, self.weight = host, plug, weight
        self._reference = Reference(host, plug)

    @classmethod
    def learn(cls, host: Host, plug: Plug, held_out: Sequence[HeldOut], *, seed: int = 0) -> Self:
        """Find the weight under which the held-out likes are likeliest, among all items that a person had not met.

        The likelihood is multinomial: softmax of t times the blend, with t found beside the weight. It is of all items,
        where a list shows few: so the height of new items is tried on either side, by NDCG@10. Afterwards the weight serves
        a host and a model that were trained on everything: `Blend(host, plug, learned.weight)`.

        Args:
            host, plug: trained without `held_out`, see `validation.hold_out`.
            held_out: people and what they turned out to like.
            seed: of the draw of people, where there are more than are needed.

        Raises:
            UserError: the host has no score for any of the people.
        """
        from scipy.optimize import minimize

        if len(held_out) > PEOPLE:
            drawn = np.random.default_rng(seed).choice(len(held_out), PEOPLE, replace=False)
            held_out = [held_out[row] for row in np.sort(drawn).tolist()]
        people = [one.person for one in held_out]
        liked = {item for one in held_out for item in one.liked}
        every = np.array(plug.item_ids)
        items = every[(host.item_counts(every.tolist()) > 0) | np.isin(every, list(liked))].tolist()
        column = {item: place for place, item in enumerate(items)}
        made = cls(host, plug, Weight(0.0, 0.0, 0.0))
        ours, apart = made._parts(people, items)
        if not (apart != 0).any():
            raise UserError(
                "the host has no score for any of the held-out people, so there is no weight to learn",
                mend="use the fallback, or hold out some of the interactions of people it knows",
            )
        wanted = np.zeros(ours.shape, np.float32)
        barred = np.isnan(ours)
        for row, one in enumerate(held_out):
            out = [*support_ids(one.person.support), *one.met]
            barred[row, [column[i] for i in out if i in column]] = True
            wanted[row, [column[i] for i in one.liked if i in column]] = 1.0
        ours[barred], wanted[barred], apart[barred] = -1e4, 0.0, 0.0
        wanted /= np.maximum(wanted.sum(1, keepdims=True), 1.0)
        per_user, per_item = host.user_counts(people), host.item_counts(items)
        by_user, by_item, new = np.log1p(per_user), np.log1p(per_item), (per_item == 0).astype(np.float32)

        def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
            share = Weight(*x[:3]).at(per_user, per_item)
            t, blend = np.float32(np.exp(x[4])), ours + share * apart + np.float32(x[3]) * new
            height = t * blend
            height -= height.max(1, keepdims=True)
            chance = np.exp(height)
            total = chance.sum(1, keepdims=True)
            told = -float((wanted * (height - np.log(total))).sum())
            slope = chance / total * wanted.sum(1, keepdims=True) - wanted
            by_share = t * slope * apart * share * (1 - share)
            rows = by_share.sum(1)
            found = [rows.sum(), rows @ by_user, by_share.sum(0) @ by_item]
            found += [t * (slope.sum(0) @ new), t * (slope * blend).sum()]
            return told / len(people), np.array(found, np.float64) / len(people)

        best = minimize(
            *(loss, [0.0, 0.1, 0.1, 0.0, 0.0]),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-12, 12), (0, 6), (0, 6), (-6, 6), (-4, 4)],
        )
        base, user, item, height = best.x[:4]
        blend = ours + Weight(base, user, item).at(per_user, per_item) * apart
        relevant, ideal = wanted > 0, ideal_gains(wanted > 0)
        ndcg = [
            np.nanmean(list_ndcg(blend + np.float32(height + step) * new, relevant, ~barred, ideal))
            for step in (STEPS if new.any() else STEPS[:1])
        ]
        height += STEPS[int(np.argmax(ndcg))]
        made.weight = Weight(*(round(float(number), 4) for number in (base, user, item, height)))
        return made

    def score(self, person: Person, item_ids: Sequence[str]) -> FloatArray:
        """(n_items,) float32, as `score_batch`."""
        return np.asarray(self.score_batch([person], item_ids)[0])

    def score_batch(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) float32 on our scale, comparable for one person; NaN where neither knows the item."""
        ours, apart = self._parts(people, item_ids)
        per_item = self.host.item_counts(item_ids)
        share = self.weight.at(self.host.user_counts(people), per_item)
        return np.asarray(ours + share * apart + self.weight.new * (per_item == 0), np.float32)

    def _parts(self, people: Sequence[Person], item_ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """(n_people, n_items) ours, and theirs on our scale less ours, 0 where they have none.

        Items that the model does not know are the host's alone.
        """
        ours = plug_scores(self.plug, people, item_ids)
        scale, offset = stretch(*reversed(self._reference.scores(self.host, self.plug, people)))
        theirs = self.host.scores(people, item_ids) * scale + offset
        ours = np.where(np.isnan(ours), theirs, ours)
        return ours, np.where(np.isnan(theirs), np.float32(0), theirs - ours)
