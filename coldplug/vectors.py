"""Users and items as vectors whose inner product is the score: for a host that has two towers, and for an index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from coldplug.learn import TrainableLearner
from coldplug.types import FloatArray, IntArray, Query
from plugbase.errors import UserError

if TYPE_CHECKING:
    from coldplug.learn.meta.learner import MetaLearner
    from coldplug.learn.posterior.learner import Posterior

_PROBED = 1024
"""Users put to a network at once."""


class Vectors(Protocol):
    """A learner seen as two towers: score(user, item) = users(user) . items(item), with nothing to add."""

    @property
    def width(self) -> int:
        """Length of every vector."""

    def items(self, numbers: IntArray) -> FloatArray:
        """(n, width) float32, of items by their number."""

    def users(self, queries: Sequence[Query]) -> FloatArray:
        """(n_queries, width) float32."""

    def learned(self) -> NDArray[np.bool_]:
        """(n_items,) True where the item was learned from what people did with it, False where it is new."""


def vectors_of(learner: TrainableLearner) -> Vectors:
    """The two towers of a learner that has them.

    Raises:
        UserError: its score is no inner product of a user's vector with an item's.
    """
    from coldplug.learn.posterior.learner import Posterior

    if isinstance(learner, Posterior):
        return PosteriorVectors(learner)
    # Networks come with torch, which a process that scores by the posterior alone does not need.
    from coldplug.learn.meta.learner import MetaLearner
    from coldplug.learn.meta.network import VectorNetwork
    from coldplug.learn.meta.twotower import TwoTowerNetwork

    if isinstance(learner, MetaLearner) and isinstance(learner.network, VectorNetwork | TwoTowerNetwork):
        return NetworkVectors(learner)
    raise UserError(
        f"the scores of method {learner.name!r} are no inner products, so that there are no vectors to hand out",
        mend="train one that has them: posterior, twotower, mf, dropoutnet, proto, mecos, zeroshot",
    )


class PosteriorVectors:
    """The posterior's score of an item j, as `users.py` there has it, in two blocks, one for each kind of items:

        an anchor   [r_j, e_j, z_j, b_j, 1, 0 ...]       user   [w1 m + w7 n + w4 l + w5 l32,  w2 u,  w6 a,  w3, w8,
        a new item  [0 ..., r_j, q_j, e_j, z_j, b_j, 1]          w1'm + w7'n,  w4'l + w5'l32,  w2'u,  w6'a,  w3', w8']

    An anchor's likings q are the first of its rows r, so that their parts are one. The two kinds of items have weights w
    and w' of their own, whose ratios change with the size of the support, so that the blocks cannot share their columns.
    """

    def __init__(self, learner: Posterior) -> None:
        self.learner = learner

    @property
    def width(self) -> int:
        """Both blocks: 1,540 by default."""
        return 2 * self._new + self.learner.items.likings.shape[1]

    def items(self, numbers: IntArray) -> FloatArray:
        """(n, width) float32, of items by their number."""
        items = self.learner.items
        new = items.column[numbers] < 0
        out = np.zeros((len(numbers), self.width), np.float32)
        for rows, parts in (
            (~new, (items.rows, items.values, items.links)),
            (new, (items.rows, items.likings, items.values, items.links)),
        ):
            chosen, place = numbers[rows], 0 if parts[1] is items.values else self._new
            for part in parts:
                out[rows, place : place + part.shape[1]] = part[chosen]
                place += part.shape[1]
            out[rows, place] = items.bias[chosen]
            out[rows, place + 1] = 1.0
        return out

    def users(self, queries: Sequence[Query]) -> FloatArray:
        """(n_queries, width) float32."""
        learner = self.learner
        encoded = learner.encoder.transform([query.attributes for query in queries])
        out = np.empty((len(queries), self.width), np.float32)
        for row, query in enumerate(queries):
            user = learner.adapt(query, encoded[row]).total()
            anchor, new = learner.blend.at(user.support_size)
            expected, likes, own = user.expected[0], user.likes[0], user.user[0]
            linked = user.linked[0]
            near = user.near[0]
            known, told = anchor[0] * expected, new[0] * expected
            known[: len(near)] += anchor[6] * near
            told[: len(near)] += new[6] * near
            known[: len(likes)] += _liked(anchor, likes)
            parts = [known, anchor[1] * own, anchor[5] * linked, anchor[[2, 7]]]
            parts += [told, _liked(new, likes), new[1] * own, new[5] * linked, new[[2, 7]]]
            np.concatenate(parts, out=out[row])
        return out

    def learned(self) -> NDArray[np.bool_]:
        """(n_items,) the anchors."""
        return np.asarray(self.learner.items.column >= 0)

    @property
    def _new(self) -> int:
        """Where the block of new items begins."""
        items = self.learner.items
        return items.rows.shape[1] + items.values.shape[1] + items.links.shape[1] + 2


class NetworkVectors:
    """Vectors of a network whose score is linear in the item: items [value, bias, 1], users what it makes of those.

    What the network gives for an item of value 0 and bias 0 is the user's last entry, and what it gives more for each unit
    vector is the user's own. So every method of that kind is read in the same way, whatever makes its users.
    """

    def __init__(self, learner: MetaLearner) -> None:
        from coldplug.learn.meta.twotower import TwoTowerNetwork

        self.learner = learner
        self._cosine = isinstance(learner.network, TwoTowerNetwork)

    @property
    def width(self) -> int:
        """The method's dimension, and two more: bias and constant."""
        return int(self.learner.settings.dim) + 2

    def items(self, numbers: IntArray) -> FloatArray:
        """(n, width) float32; those of a cosine at length 1."""
        import torch

        with torch.inference_mode():
            found = self.learner.network.encode(self.learner.inputs(numbers))
            values = torch.nn.functional.normalize(found.values, dim=1) if self._cosine else found.values
            ones = torch.ones(len(numbers), 1)
            return np.asarray(torch.cat([values, found.bias[:, None], ones], 1).numpy(), np.float32)

    def users(self, queries: Sequence[Query]) -> FloatArray:
        """(n_queries, width) float32."""
        import torch

        from coldplug.learn.meta.network import Items
        from coldplug.learn.meta.tasks import padded
        from coldplug.learn.threads import one_thread

        learner, dim = self.learner, self.width - 2
        encoded = learner.encoder.transform([query.attributes for query in queries])
        met = np.unique(np.concatenate([np.zeros(1, np.int64), *(query.items for query in queries)]))
        position = np.zeros(len(learner.column), np.int64)
        position[met] = np.arange(len(met))
        unit, probes = torch.eye(dim + 1, dim), torch.arange(len(met), len(met) + dim + 1)
        out = np.empty((len(queries), self.width), np.float32)
        with torch.inference_mode(), one_thread():
            found = learner.network.encode(learner.inputs(met))
            blank = torch.zeros(dim + 1, found.keys.shape[1])
            told = Items(
                torch.cat([found.values, unit]),
                torch.cat([found.keys, blank]),
                torch.cat([found.bias, blank[:, 0]]),
                torch.cat([found.key_bias, blank[:, 0]]),
            )
            for start in range(0, len(queries), _PROBED):
                rows = slice(start, start + _PROBED)
                tasks = padded(list(queries[rows]), encoded[rows], learner.ratings, position)
                scores = learner.network(tasks, told, probes).double().numpy()
                out[rows, :dim], out[rows, dim + 1] = scores[:, :dim] - scores[:, dim:], scores[:, dim]
        out[:, dim] = 1.0
        if learner.settings.loss == "ratings":
            out *= np.float32(learner.ratings.deviation)
            out[:, dim + 1] += np.float32(learner.ratings.mean)
        return out

    def learned(self) -> NDArray[np.bool_]:
        """(n_items,) those with a vector of their own beside what their content says."""
        return np.asarray(self.learner.column >= 0)


def _liked(weights: FloatArray, likes: FloatArray) -> FloatArray:
    """(rank,) the likes, fine and coarse, as one vector."""
    from coldplug.learn.posterior.blend import COARSE

    found = weights[3] * likes
    found[:COARSE] += weights[4] * likes[:COARSE]
    return np.asarray(found, np.float32)
