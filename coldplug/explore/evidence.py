"""What to ask a newcomer: the items whose rating tells most about a user, weighed by the chance that they know them.

An answer is an observation r = key . u + noise of the Gaussian user vector u (see `learn/posterior/episodes.py`). It takes
the covariance C to C - C k k'C / (s + k'Ck), with k the item's key and s the noise's variance, so what it tells is

    0.5 log det C_before - 0.5 log det C_after = 0.5 log(1 + k'Ck / s)   nats

(Lindley 1956; MacKay 1992, eq. 3.3). It does not depend on the answer, only on there being one. Who does not know the item
gives none. So a question is worth the chance of an answer times what an answer tells, and the next best question is chosen
with the ones before it answered in that proportion.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from coldplug.asking import Support, ids_of, query_of
from coldplug.explore.policies import Chances
from coldplug.types import Attributes, IntArray, Query
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from coldplug.learn import Learner
    from coldplug.learn.posterior.learner import Posterior
    from coldplug.plug import Plug

_LEAST = 1e-4
"""Familiarity of an item that the expected profile holds nothing of, or less than nothing."""


@dataclass(frozen=True)
class Question:
    """An item to ask about. `familiarity` in (0, 1]: the expected grade of the item in the profile of such a user, which
    stands for the chance that they know it; `gain`: what an answer tells, in nats, the questions before it being asked;
    `worth`: what the list is ordered by.
    """

    item_id: str
    title: str
    familiarity: float
    gain: float
    worth: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


def evidence(
    plug: Plug,
    k: int = 10,
    user_attrs: Attributes | None = None,
    support: Support | None = None,
    *,
    by: str = "information",
    candidates: Sequence[str] | None = None,
) -> list[Question]:
    """The k items to show a newcomer, in the order to show them.

    Args:
        k: how many; fewer come back where there are fewer candidates.
        user_attrs: what is known of them, as for `Plug.score`.
        support: what they have met already, as for `Plug.score`; not asked about again.
        by: one of `WAYS`. "information": familiarity times expected information gain, greedily; "gradient": familiarity
            times the norm of the gradient of a unit error, both over their largest (MeLU's evidence candidates, Lee et al.
            2019, section 3.3); "familiarity": what most know.
        candidates: ids to choose from; all items that the model learned from people where None.

    Raises:
        UnknownItemError: ids that are of no item.
        UserError: an unknown way, or a model of another method than `posterior`.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise UserError(f"k={k!r}", mend="k must be a whole number from 1 up")
    learner, query, items = _asked(plug, user_attrs, support, candidates)
    catalogue = plug._catalogue
    return [
        Question(catalogue.item_ids[item], catalogue.titles[item], known, gain, worth)
        for item, known, gain, worth in questions(learner, query, items, k, by)
    ]


class Quiz:
    """A quiz whose next question depends on the answers so far: `next`, `answer`, `next`, ...

    `support` is what `Plug.recommend` takes once it is over.
    """

    def __init__(
        self, plug: Plug, user_attrs: Attributes | None = None, *, candidates: Sequence[str] | None = None
    ) -> None:
        """Arguments and errors as for `evidence`."""
        self._plug, self._attributes = plug, {} if user_attrs is None else dict(user_attrs)
        self._learner, _, self._items = _asked(plug, user_attrs, None, candidates)
        self._shown: list[int] = []
        self.support: list[tuple[str, float]] = []

    def next(self) -> Question | None:
        """The best question now; None where no item is left. It is not asked again, whether answered or not."""
        catalogue = self._plug._catalogue
        query = query_of(self._attributes, self.support, catalogue, "raise")
        left = self._items[~np.isin(self._items, self._shown)]
        found = questions(self._learner, query, left, 1)
        if not found:
            return None
        item, known, gain, worth = found[0]
        self._shown.append(item)
        return Question(catalogue.item_ids[item], catalogue.titles[item], known, gain, worth)

    def answer(self, item_id: str, rating: float | None) -> None:
        """What they said of an item; None where they do not know it. A second answer takes the place of the first.

        Raises:
            UnknownItemError: the id is of no item.
            UserError: the rating is no finite number.
        """
        item = int(self._plug._catalogue.find(ids_of([item_id], "item_id"))[0])
        if rating is not None and (isinstance(rating, bool) or not math.isfinite(rating)):
            raise UserError(f"a rating of {rating!r}", mend="pass a number, or None for 'not seen'")
        self._shown.append(item)
        self.support = [pair for pair in self.support if pair[0] != item_id]
        if rating is not None:
            self.support.append((item_id, float(rating)))


Asked = tuple[int, float, float, float]
"""Item number, familiarity, gain, worth."""


def questions(
    learner: Posterior, query: Query, items: IntArray, k: int, by: str = "information"
) -> list[Asked]:
    """The k best questions to a user of whom the query is known already; see `evidence`.

    Raises:
        UserError: an unknown way.
    """
    if by not in WAYS:
        raise UserError(f"unknown way {by!r}", mend=did_you_mean(by, WAYS) or "ways: " + ", ".join(WAYS))
    if not len(items):
        return []
    known = familiarity(learner, query, items)
    keys = learner.items.keys[items].astype(np.float64)
    covariance = learner.model.covariance(learner.items.keys[query.items]).astype(np.float64)
    answered, left = float(len(query.items)), np.ones(len(items), np.bool_)
    found: list[Asked] = []
    for _ in range(min(k, len(items))):
        noise = float(np.exp(learner.model.noise[0] + learner.model.noise[1] * np.log1p(answered + 1)))
        gains = gain(covariance, keys, noise)
        worth = np.where(left, WAYS[by](known, gains, keys), -np.inf)
        best = int(worth.argmax())
        left[best] = False
        found.append((int(items[best]), float(known[best]), float(gains[best]), float(worth[best])))
        covariance = told(covariance, keys[best], noise / known[best])
        answered += known[best]
    return found


def familiarity(learner: Posterior, query: Query, items: IntArray) -> Chances:
    """(n,) in (0, 1]: the expected grade of each item in the profile of such a user, in place of a chance to know it."""
    expected = learner.adapt(query).total().expected[0]
    return np.clip((learner.items.rows[items] @ expected).astype(np.float64), _LEAST, 1.0)


def gain(covariance: NDArray[np.float64], keys: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """(n,) nats that an answer about each item tells of the user vector: 0.5 log(1 + k'Ck / noise)."""
    return np.asarray(0.5 * np.log1p(np.einsum("id,de,ie->i", keys, covariance, keys, optimize=True) / noise))


def told(covariance: NDArray[np.float64], key: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """(dim, dim) the covariance after one answer (Sherman and Morrison 1950)."""
    reach = covariance @ key
    return np.asarray(covariance - np.outer(reach, reach) / (noise + key @ reach))


def _information(known: Chances, gains: Chances, keys: NDArray[np.float64]) -> Chances:
    return known * gains


def _gradient(known: Chances, gains: Chances, keys: NDArray[np.float64]) -> Chances:
    # The loss (r - key . u)^2 / 2 of a unit error has the gradient -key in u, which is the same for every user.
    norms = np.linalg.norm(keys, axis=1)
    return np.asarray(known / known.max() * norms / norms.max())


def _familiarity(known: Chances, gains: Chances, keys: NDArray[np.float64]) -> Chances:
    return known


WAYS: dict[str, Callable[[Chances, Chances, NDArray[np.float64]], Chances]] = {
    "information": _information,
    "gradient": _gradient,
    "familiarity": _familiarity,
}
"""Name -> what a question is worth, from familiarity (n,), gain (n,) and keys (n, dim)."""


def _asked(
    plug: Plug, user_attrs: Attributes | None, support: Support | None, candidates: Sequence[str] | None
) -> tuple[Posterior, Query, IntArray]:
    learner, catalogue = _gaussian(plug._learner), plug._catalogue
    query = query_of({} if user_attrs is None else user_attrs, support, catalogue, "raise")
    if candidates is None:
        items = np.flatnonzero(learner.items.column >= 0)
    else:
        items = catalogue.find(list(dict.fromkeys(ids_of(candidates, "candidates"))))
    return learner, query, items[~np.isin(items, query.items)]


def _gaussian(learner: Learner) -> Posterior:
    from coldplug.learn.posterior.learner import Posterior

    if not isinstance(learner, Posterior):
        raise UserError(
            f"a model of method {learner.name!r} has no Gaussian user vector that a question could tell of",
            mend="train one that has: coldplug train --method posterior",
        )
    return learner
