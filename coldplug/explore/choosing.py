"""Choosing what to show one user by a policy, with the propensities that a log needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from coldplug.asking import Support, ids_of, query_of
from coldplug.explore.policies import Policy, belief_of, draw, policy_of
from coldplug.types import Attributes
from plugbase.errors import UserError

if TYPE_CHECKING:
    from coldplug.plug import Plug


@dataclass(frozen=True)
class Choice:
    """What was shown, first place first, and what to log with it.

    `propensities[i]` is the chance that the policy had for `item_ids[i]` at its place, given the items before it.
    """

    item_ids: list[str]
    propensities: list[float]
    policy: str

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def choose(
    plug: Plug,
    user_attrs: Attributes,
    support: Support | None = None,
    candidates: Sequence[str] | None = None,
    *,
    policy: str | Policy = "thompson",
    k: int = 1,
    seed: int | np.random.Generator | None = None,
) -> Choice:
    """Choose k items for one user, now and then one that is not the best, to learn from the answer.

    Args:
        user_attrs: as for `Plug.score`.
        support: what the user has met, as for `Plug.score`; never chosen again.
        candidates: ids to choose from; all items where None. An id named twice counts once.
        policy: a name of `POLICIES`, or a policy with settings of its own, such as `EpsilonGreedy(0.05)`.
        k: how many; fewer come back where there are fewer candidates.
        seed: the same seed makes the same choice; pass one Generator to go on from call to call.

    Raises:
        UnknownItemError: ids that are of no item.
        UserError: an argument of the wrong type, an unknown policy, or one that needs a variance where there is none.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UserError(f"k={k!r}", mend="k must be a whole number from 1 up")
    chosen, catalogue = policy_of(policy), plug._catalogue
    query = query_of(user_attrs, support, catalogue, "raise")
    if candidates is None:
        numbers = np.arange(len(catalogue.item_ids))
    else:
        numbers = catalogue.find(list(dict.fromkeys(ids_of(candidates, "candidates"))))
    numbers = numbers[~np.isin(numbers, query.items)]
    if not len(numbers):
        return Choice([], [], chosen.name)
    places, chances = draw(chosen, belief_of(plug._learner, query, numbers), k, np.random.default_rng(seed))
    ids = [catalogue.item_ids[item] for item in numbers[places].tolist()]
    return Choice(ids, chances.tolist(), chosen.name)
