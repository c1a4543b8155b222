"""An offline stage for policies: users who came later meet a policy that chooses among what they are known to have rated.

Ratings in a data set were not logged by a random policy, so the replay of Li et al. 2011 cannot be had from them as they
are. Instead a session is semi-simulated: of a user whom the training did not see, the candidates are the items that they
rated at any time, and the reward of an item is whether they liked it. A policy chooses one a round, learns the rating, and
goes on with what is left. What a user never rated is never offered, so every reward is a true one; but the candidates are
items that somebody chose to rate, and are liked more often than a catalogue is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from coldplug.explore.policies import Policy, belief_of, draw
from coldplug.learn import Learner
from coldplug.types import Attributes, FloatArray, IntArray, Query, TrainingData


@dataclass(frozen=True)
class Session:
    """A user, what can be shown to them, their ratings of it, and whether they liked it."""

    attributes: Attributes
    items: IntArray
    ratings: FloatArray
    liked: NDArray[np.bool_]


@dataclass
class Log:
    """One entry a round that was played, in the order of play.

    `rewards` and `propensities` of what was shown. Of the policy that was judged beside it, if any: `chances`, the chance
    that it would have shown the same, and `truth`, the mean reward that it would have earned there, which only a simulator
    knows. For a model of the reward: `standing`, the score of what was shown, in deviations from the mean of what was left,
    and `hoped`, the mean of that over what the judged policy would show.
    """

    rewards: list[float] = field(default_factory=list)
    propensities: list[float] = field(default_factory=list)
    chances: list[float] = field(default_factory=list)
    truth: list[float] = field(default_factory=list)
    standing: list[float] = field(default_factory=list)
    hoped: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Played:
    """`rewards` and `regrets` (n_sessions, rounds); a regret is 1 where something liked was left, not shown."""

    rewards: NDArray[np.float64]
    regrets: NDArray[np.float64]
    log: Log


def sessions_of(data: TrainingData, users: IntArray, rounds: int) -> list[Session]:
    """The sessions of these users, in the order given; those with fewer than two items more than rounds are left out."""
    rows, positive = data.interactions, data.positives()
    found = []
    for user in users.tolist():
        mine = np.flatnonzero(rows.users == user)
        if len(mine) >= rounds + 2:
            items, ratings = rows.items[mine], rows.ratings[mine]
            found.append(Session(data.user_attributes[user], items, ratings, positive[mine]))
    return found


def play(
    learner: Learner,
    sessions: Sequence[Session],
    policy: Policy,
    rounds: int,
    *,
    seed: int = 0,
    judged: Policy | None = None,
) -> Played:
    """Let a policy choose in every session, the model's posterior moving with each answer.

    Args:
        rounds: choices a session.
        seed: of every draw.
        judged: another policy, whose chances are logged in each place that the first one comes to.
    """
    rng, other = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    rewards = np.zeros((len(sessions), rounds))
    regrets = np.zeros((len(sessions), rounds))
    log = Log()
    for row, session in enumerate(sessions):
        left, shown = np.arange(len(session.items)), np.empty(0, np.int64)
        for turn in range(rounds):
            query = Query(session.attributes, session.items[shown], session.ratings[shown])
            belief = belief_of(learner, query, session.items[left])
            places, chances = draw(policy, belief, 1, rng)
            place, liked = int(places[0]), session.liked[left].astype(np.float64)
            rewards[row, turn] = liked[place]
            regrets[row, turn] = liked.max() - liked[place]
            log.rewards.append(float(liked[place]))
            log.propensities.append(float(chances[0]))
            if judged is not None:
                would = judged.chances(belief, other)
                above = (belief.mean - belief.mean.mean()) / max(float(belief.mean.std()), 1e-6)
                log.chances.append(float(would[place]))
                log.truth.append(float(would @ liked))
                log.standing.append(float(above[place]))
                log.hoped.append(float(would @ above))
            shown, left = np.append(shown, left[place]), np.delete(left, place)
    return Played(rewards, regrets, log)
