"""Policies: from what is believed of some items to the chance of each to be shown, and a registry of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from coldplug.types import FloatArray, IntArray, Query
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from coldplug.learn import Learner

Chances = NDArray[np.float64]


@dataclass(frozen=True)
class Belief:
    """What a model believes of some items for one user: scores that are jointly Gaussian.

    `mean` (n,) scores; `spread` (n, d), by which their covariance is spread spread'; None where the model's method tells no
    variance.
    """

    mean: FloatArray
    spread: FloatArray | None = None

    def among(self, chosen: IntArray) -> Belief:
        """The same of some of the items."""
        return Belief(self.mean[chosen], None if self.spread is None else self.spread[chosen])

    def deviation(self) -> FloatArray:
        """(n,) standard deviations of the scores.

        Raises:
            UserError: the model's method tells no variance.
        """
        return np.asarray(np.linalg.norm(self._spread(), axis=1), np.float32)

    def draws(self, count: int, rng: np.random.Generator) -> FloatArray:
        """(count, n) scores under users drawn from the posterior, one a row.

        Raises:
            UserError: the model's method tells no variance.
        """
        spread = self._spread()
        noise = rng.standard_normal((count, spread.shape[1]), np.float32)
        return np.asarray(self.mean + noise @ spread.T, np.float32)

    def _spread(self) -> FloatArray:
        if self.spread is None:
            raise UserError(
                "the model's method does not say how sure it is of its scores",
                mend="use the policy epsilon-greedy, or train with --method posterior",
            )
        return self.spread


def belief_of(learner: Learner, query: Query, items: IntArray) -> Belief:
    """What a learner believes of items for one user.

    The variance is that of the Gaussian user vector (`Posterior.variance`), weighed as it is weighed in the score of a
    known and of a new item. The error in a new item's own vectors is not in it.
    """
    from coldplug.learn.posterior.learner import Posterior

    mean = learner.score([query], items)[0]
    if not isinstance(learner, Posterior):
        return Belief(mean)
    vectors = learner.items
    known, new = learner.blend.at(len(query.items))
    weight = np.where(vectors.column[items] < 0, new[1], known[1])
    root = np.linalg.cholesky(learner.model.covariance(vectors.keys[query.items]))
    return Belief(mean, np.asarray(weight[:, None] * vectors.values[items] @ root, np.float32))


class Policy(Protocol):
    """A way to choose: the chance of each item to be the next one shown."""

    @property
    def name(self) -> str:
        """What a log calls it."""

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """(n,) chances that sum to 1; those that the item is then drawn with, so that they are exact for the log.

        Raises:
            UserError: the policy needs a variance that the model's method does not tell.
        """


@dataclass(frozen=True)
class Uniform:
    """Every item alike: the log that says most about every other policy."""

    name: str = "random"

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """1/n each."""
        return np.full(len(belief.mean), 1 / len(belief.mean))


@dataclass(frozen=True)
class EpsilonGreedy:
    """The best item, or with the chance epsilon any item (Sutton and Barto, Reinforcement Learning, 2018, section 2.2)."""

    epsilon: float = 0.1
    name: str = "epsilon-greedy"

    def __post_init__(self) -> None:
        _check("epsilon", self.epsilon, 0 <= self.epsilon <= 1, "a number from 0 to 1")

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """epsilon/n each, and 1 - epsilon more for the best; the first of equals."""
        return _floored(_only(belief.mean), self.epsilon)


@dataclass(frozen=True)
class Greedy:
    """The best item, always: what `recommend` does."""

    name: str = "greedy"

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """1 for the best, the first of equals."""
        return _only(belief.mean)


@dataclass(frozen=True)
class UCB:
    """The item whose upper confidence bound is highest: mean + alpha deviation (Li et al. 2010, LinUCB, algorithm 1)."""

    alpha: float = 1.0
    name: str = "ucb"

    def __post_init__(self) -> None:
        _check("alpha", self.alpha, 0 <= self.alpha < np.inf, "a number from 0 up")

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """1 for the highest bound. Deterministic, so that its log says nothing about what it never shows."""
        return _only(belief.mean + np.float32(self.alpha) * belief.deviation())


@dataclass(frozen=True)
class Thompson:
    """The item that is best for a user drawn from the posterior (Chapelle and Li 2011, algorithm 1).

    The chance that an item is best has no closed form. So a panel of `draws` users is drawn, and the item shown is the best
    of one member of the panel; with the chance `floor` it is any item. Given the panel the chances are exact, and estimates
    from the log are as unbiased with them as with the limit p of a panel without end, of which they are an estimate with
    standard error sqrt(p (1 - p) / draws). The floor lets every item have a chance above 0.
    """

    draws: int = 256
    floor: float = 0.01
    name: str = "thompson"

    def __post_init__(self) -> None:
        _check(
            "draws", self.draws, isinstance(self.draws, int) and self.draws >= 1, "a whole number from 1 up"
        )
        _check("floor", self.floor, 0 <= self.floor <= 1, "a number from 0 to 1")

    def chances(self, belief: Belief, rng: np.random.Generator) -> Chances:
        """The panel's votes, and the floor."""
        best = belief.draws(self.draws, rng).argmax(1)
        return _floored(np.bincount(best, minlength=len(belief.mean)) / self.draws, self.floor)


POLICIES: dict[str, Callable[..., Policy]] = {
    "random": Uniform,
    "greedy": Greedy,
    "epsilon-greedy": EpsilonGreedy,
    "ucb": UCB,
    "thompson": Thompson,
}


def policy_of(policy: str | Policy) -> Policy:
    """The policy of that name with its own settings; a policy is passed through.

    Raises:
        UserError: no policy of that name, with the nearest one.
    """
    if not isinstance(policy, str):
        return policy
    if policy not in POLICIES:
        raise UserError(
            f"unknown policy {policy!r}",
            mend=did_you_mean(policy, POLICIES) or "policies: " + ", ".join(POLICIES),
        )
    return POLICIES[policy]()


def draw(policy: Policy, belief: Belief, k: int, rng: np.random.Generator) -> tuple[IntArray, Chances]:
    """A list of items, drawn place by place from those that are left.

    Returns:
        (k,) places in the belief, no item twice, fewer where there are fewer items; and (k,) the chance of each to be drawn
        for its place, given those before it. The chance of the whole list is their product.
    """
    left = np.arange(len(belief.mean))
    shown: list[int] = []
    chances: list[float] = []
    for _ in range(min(k, len(left))):
        found = policy.chances(belief.among(left), rng)
        at = int(rng.choice(len(left), p=found))
        shown.append(int(left[at]))
        chances.append(float(found[at]))
        left = np.delete(left, at)
    return np.array(shown, np.int64), np.array(chances)


def _only(values: FloatArray) -> Chances:
    chances = np.zeros(len(values))
    chances[int(np.argmax(values))] = 1.0
    return chances


def _floored(chances: Chances, floor: float) -> Chances:
    return (1 - floor) * chances + floor / len(chances)


def _check(name: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise UserError(f"{name}={value!r}", mend=f"{name} must be {wanted}")
