"""Training on: new users move the weights as far as the old users' precision lets them; see `memory.py`.

The closed-form half solves once more, with the old precision and the old weights' share of the right-hand side added to
what the new users say. The trained half goes on with its episodes, of new users only, under the quadratic penalty. The
basis, the associations, the relevances and the blend stay. Vectors that are predicted from facts move along with those
they were predicted from. The new users join the neighbours, and where those become too many the oldest go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.extend import Extended, extended
from coldplug.learn.posterior.episodes import AnchorVectors, UserModel, train_user_model
from coldplug.learn.posterior.memory import Fisher, Precisions, Solved, fisher_of
from coldplug.learn.posterior.moments import Basis, Moments, expectations
from coldplug.learn.posterior.newcomers import Newcomers
from coldplug.learn.posterior.profiles import Profiles
from coldplug.learn.posterior.users import ItemVectors
from coldplug.types import FloatArray, IntArray, TrainingData
from plugbase.errors import UserError

if TYPE_CHECKING:
    import torch

    from coldplug.learn.posterior.learner import Posterior

PASSES = 30
"""Over the new users, of the trained half."""
_LEAST_STEPS = 40
_RATE = 0.8
"""Peak learning rate, as a share of the training's."""
_STRENGTH = 3.0
"""Of the trained half's penalty. With 1 the diagonal alone lets the weights go too far along what they share; this was best
for old and new users together, on users held out of both."""
_FISHER_PASSES = 4
_NEW_COLUMN = 20.0
"""Ridge of a column that the old users did not have, in users."""
_DRIFT_RIDGE = 0.01
"""Of the regression that predicted vectors follow, as a share of the mean square of what is regressed on."""


@dataclass(frozen=True)
class Learned:
    """What an update changes of a learner."""

    encoder: AttributeEncoder
    moments: Moments
    model: UserModel
    vectors: AnchorVectors
    precisions: Precisions
    fisher: Fisher


def update(learner: Posterior, data: TrainingData, *, seed: int, note: Callable[[str], None]) -> None:
    """Train on; the learner is changed once everything is done.

    Raises:
        UserError: none of the interactions is with an item that has a vector of its own.
    """
    items = learner.items
    anchors = np.flatnonzero(items.column >= 0)
    anchors = anchors[np.argsort(items.column[anchors])]
    profiles = Profiles.over(data, learner.scale, anchors)
    if not profiles.liked.nnz:
        raise UserError(
            "no new user likes an item that the model has learned from itself",
            mend="train again on all interactions: new items become known by a full training alone",
        )
    known = [data.user_attributes[user] for user in profiles.users]
    grown = extended(learner.encoder, known)
    attributes = grown.encoder.transform(known)
    before = widened(learner, grown, anchors)
    note("closed-form weights")
    moments, precisions = closed_form(before, profiles, attributes, items.rows[anchors])
    note("user and item vectors")
    model, vectors = trained(learner, before, profiles, attributes, seed)
    fisher = fisher_of(profiles, attributes, model, vectors, passes=_FISHER_PASSES, seed=seed)
    note("vectors of items without interactions enough")
    learner.items, learner.newcomers = followed(items, learner.newcomers, anchors, before.vectors, vectors)
    learner.encoder, learner.moments, learner.model = grown.encoder, moments, model
    learner.precisions, learner.fisher = precisions, before.fisher.plus(fisher)
    learner.neighbours = learner.neighbours.joined(profiles, model, vectors, items.likings[anchors])


def widened(learner: Posterior, grown: Extended, anchors: IntArray) -> Learned:
    """The learner's weights with the new columns of the attributes: as good as nothing is known of those."""
    model, moments, items, old = learner.model, learner.moments, learner.items, learner.precisions
    width = 1 + learner.encoder.width
    rest, directions, penalty = (
        np.concatenate([grown.rows(array[:, :width], grown.origin), array[:, width:]], axis=1)
        for array in (old.rest[:, :, None], old.directions, old.penalty[:, :, None])
    )
    new = np.concatenate([[False], grown.origin < 0])
    rest[:, np.flatnonzero(new)] = penalty[:, np.flatnonzero(new)] = _NEW_COLUMN
    return Learned(
        grown.encoder,
        replace(moments, prior=grown.rows(moments.prior, grown.start)),
        replace(model, prior=grown.rows(model.prior, grown.start)),
        AnchorVectors(items.values[anchors], items.keys[anchors], items.bias[anchors]),
        Precisions(old.sizes, rest[:, :, 0], directions, penalty[:, :, 0]),
        replace(learner.fisher, prior=grown.rows(learner.fisher.prior, grown.origin)),
    )


def closed_form(
    before: Learned, profiles: Profiles, attributes: FloatArray, rows: FloatArray
) -> tuple[Moments, Precisions]:
    """The weights W of (P + E[z z']) W = P W_old + E[z y'], and the precision that is left, for each support size."""
    width, analysis = before.moments.prior.shape[1], before.moments.analysis
    keys, prior, solved = [], [], []
    for place, k in enumerate(before.precisions.sizes.tolist()):
        weights = np.concatenate([before.moments.prior[place], before.moments.keys[place]])
        gram, cross = expectations(profiles, attributes, analysis, k)
        n = len(gram)
        weights, rest = weights[:n], before.precisions.rest[place, :n]
        directions = before.precisions.directions[place, :n]
        cross += rest[:, None] * weights + directions @ (directions.T @ weights)
        gram += directions @ directions.T
        gram[np.diag_indices_from(gram)] += rest
        solved.append(Solved.of(k, gram, before.precisions.penalty[place, :n]))
        found = cho_solve(cho_factor(gram, overwrite_a=True, check_finite=False), cross, check_finite=False)
        prior.append(found[:width].astype(np.float32))
        keys.append(found[width:].astype(np.float32) if k else np.zeros_like(before.moments.keys[place]))
    basis = Basis(analysis, rows, before.moments.bridge.shape[1])
    return Moments.of(keys, prior, basis), Precisions.of(solved, width + len(rows))


def trained(
    learner: Posterior, before: Learned, profiles: Profiles, attributes: FloatArray, seed: int
) -> tuple[UserModel, AnchorVectors]:
    """The trained half after some passes over the new users, held by STRENGTH / 2 sum F (w - w_old)^2 over their number."""
    import torch

    settings, n_users = learner.settings, len(profiles.users)
    held = [torch.from_numpy(part) for part in before.fisher.parts()]
    old, vectors = before.model, before.vectors
    arrays = (vectors.values, vectors.keys, vectors.bias, old.prior, old.noise, old.observed)
    stars = [torch.from_numpy(np.array(array)) for array in arrays]

    def penalty(weights: Sequence[torch.Tensor]) -> torch.Tensor:
        parts = [(f * (w - star) ** 2).sum() for f, w, star in zip(held, weights, stars, strict=True)]
        return 0.5 * _STRENGTH * torch.stack(parts).sum() / n_users

    return train_user_model(
        profiles,
        attributes,
        dim=settings.dim,
        steps=max(_LEAST_STEPS, -(-PASSES * n_users // settings.batch)),
        batch=settings.batch,
        rate=_RATE * settings.rate,
        dropout=settings.dropout,
        seed=seed,
        start=(old, vectors),
        penalty=penalty,
    )


def followed(
    items: ItemVectors,
    newcomers: Newcomers,
    anchors: IntArray,
    before: AnchorVectors,
    after: AnchorVectors,
) -> tuple[ItemVectors, Newcomers]:
    """The anchors' new vectors; those of all other items, and of items still to come, moved as the anchors did.

    A prediction is linear in the anchors' vectors. So whatever linear map of these the update amounts to, the
    predictions follow it; what is particular to one anchor says nothing of others.
    """
    was, now = np.hstack([before.values, before.keys]), np.hstack([after.values, after.keys])
    turn, shift = drift(was, now)
    lift, rise = drift(before.bias[:, None], after.bias[:, None])
    rest = np.flatnonzero(items.column < 0)
    values, keys, bias = items.values.copy(), items.keys.copy(), items.bias.copy()
    moved = np.hstack([values[rest], keys[rest]]) @ turn + shift
    dim = values.shape[1]
    values[rest], keys[rest] = moved[:, :dim], moved[:, dim:]
    bias[rest] = bias[rest] * lift[0, 0] + rise[0]
    values[anchors], keys[anchors], bias[anchors] = after.values, after.keys, after.bias
    tastes, mean = newcomers.taste_weights.copy(), newcomers.taste_mean.copy()
    tastes[:, : 2 * dim], mean[: 2 * dim] = tastes[:, : 2 * dim] @ turn, mean[: 2 * dim] @ turn + shift
    counts, level = newcomers.popularity_weights.copy(), newcomers.popularity_mean.copy()
    counts[:, 0], level[0] = counts[:, 0] * lift[0, 0], level[0] * lift[0, 0] + rise[0]
    return replace(items, values=values, keys=keys, bias=bias), replace(
        newcomers,
        taste_weights=tastes,
        taste_mean=mean,
        popularity_weights=counts,
        popularity_mean=level,
    )


def drift(before: FloatArray, after: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The map x -> x turn + shift from rows (n, d) to what they became, (d, d) and (d,); a ridge towards no change."""
    mean, moved = before.mean(0), (after - before).mean(0)
    centred = before - mean
    gram = centred.T @ centred
    gram[np.diag_indices_from(gram)] += _DRIFT_RIDGE * max(float(np.trace(gram)) / len(gram), 1e-9)
    change = np.linalg.solve(gram, centred.T @ (after - before - moved))
    turn = np.eye(len(gram)) + change
    return turn.astype(np.float32), (moved - mean @ change).astype(np.float32)
