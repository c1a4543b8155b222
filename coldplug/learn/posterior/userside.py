"""What is learned of users before any item feature is looked at: basis, moments, vectors, and a held-out copy."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from coldplug.encode.attributes import AttributeEncoder
from coldplug.learn.posterior.association import associations
from coldplug.learn.posterior.episodes import AnchorVectors, UserModel, train_user_model
from coldplug.learn.posterior.memory import Fisher, Precisions, Solved, fisher_of
from coldplug.learn.posterior.moments import Basis, Moments, Remember, hits, solve
from coldplug.learn.posterior.neighbours import Neighbours
from coldplug.learn.posterior.profiles import Profiles, RatingScale
from coldplug.learn.posterior.settings import PosteriorSettings
from coldplug.types import FloatArray, IntArray, TrainingData
from plugbase.errors import UserError

RIDGES = (0.1, 0.3, 0.8, 2.0)
_ATTRIBUTE_RIDGE = 20.0
_HELD_OUT = 0.2
_CHOSEN_AT = 5
"""Support size at which the ridge is chosen."""
_FISHER_PASSES = 4


@dataclass(frozen=True)
class UserSide:
    """What `fit_users` learned.

    `basis` and its `strengths` (rank,), singular values; `moments`, `model` and `links` (n_anchors, LINKS) from all
    users; `held_*` from those that are not in `held_out`, the rows of `profiles` that choices are validated on.
    `precisions` and `fisher` say how much all users settled the weights of `moments` and of `model` and `vectors`.
    """

    scale: RatingScale
    encoder: AttributeEncoder
    profiles: Profiles
    attributes: FloatArray
    basis: Basis
    strengths: FloatArray
    ridge: float
    moments: Moments
    model: UserModel
    vectors: AnchorVectors
    links: FloatArray
    neighbours: Neighbours
    precisions: Precisions
    fisher: Fisher
    held_out: IntArray
    held_moments: Moments
    held_model: UserModel
    held_vectors: AnchorVectors
    held_links: FloatArray
    held_neighbours: Neighbours


_last: tuple[weakref.ref[object], tuple[object, ...], UserSide] | None = None


def fit_users(
    data: TrainingData, settings: PosteriorSettings, seed: int, note: Callable[[str], None]
) -> UserSide:
    """Learn from profiles and attributes.

    The last result is kept: fitting again on the same interactions with another graph, as the controls do, or with other
    settings of the item side, does not repeat what no graph can change.
    """
    global _last
    key = (id(data.user_attributes), data.positive_at, data.graph.n_items, settings.user_side(), seed)
    if _last is not None and _last[0]() is data.interactions and _last[1] == key:
        return _last[2]
    found = _fit(data, settings, seed, note)
    _last = (weakref.ref(data.interactions), key, found)
    return found


def _fit(data: TrainingData, settings: PosteriorSettings, seed: int, note: Callable[[str], None]) -> UserSide:
    scale = RatingScale.of(data)
    profiles = Profiles.of(data, scale, least=settings.least_positives, most=settings.most_anchors)
    if profiles.shape[1] < 2:
        raise UserError(
            f"only {profiles.shape[1]} items have {settings.least_positives} positives or more",
            mend="train on more interactions, or lower the rating that counts as a positive (--positive-at)",
        )
    encoder = AttributeEncoder.fit(data.user_attributes)
    attributes = encoder.transform([data.user_attributes[u] for u in profiles.users])
    note("basis of profiles")
    basis = Basis.of(profiles, settings.rank, seed)
    strengths = np.linalg.norm(profiles.grades @ basis.plain, axis=0).astype(np.float32)
    rng = np.random.default_rng(seed)
    steps = settings.training_steps(profiles.shape[0])
    order = rng.permutation(profiles.shape[0])
    held_out = np.sort(order[: max(1, round(_HELD_OUT * len(order)))])
    kept = np.setdiff1d(np.arange(len(order)), held_out)

    def moments(rows: IntArray, ridge: float, remember: Remember | None = None) -> Moments:
        return Moments.fit(
            profiles.rows(rows),
            attributes[rows],
            basis,
            ridge=ridge,
            attribute_ridge=_ATTRIBUTE_RIDGE,
            remember=remember,
        )

    def model(rows: IntArray) -> tuple[UserModel, AnchorVectors]:
        return train_user_model(
            profiles.rows(rows),
            attributes[rows],
            dim=settings.dim,
            steps=steps,
            batch=settings.batch,
            rate=settings.rate,
            dropout=settings.dropout,
            seed=seed,
        )

    note("closed-form weights, on four fifths of the users")
    part, rest = profiles.rows(kept), profiles.rows(held_out)

    def precision(ridge: float) -> float:
        weights = solve(part, attributes[kept], basis.analysis, _CHOSEN_AT, ridge, _ATTRIBUTE_RIDGE)
        return hits(rest, attributes[held_out], basis.rows, weights, _CHOSEN_AT, seed)

    ridge = max(RIDGES, key=precision)
    note(f"user and item vectors, on four fifths of the users (ridge {ridge:g})")
    held_moments, held_model = moments(kept, ridge), model(kept)
    note("closed-form weights and vectors, on all users")
    everyone = np.arange(len(order))
    solved: list[Solved] = []
    all_moments = moments(everyone, ridge, lambda *told: solved.append(Solved.of(*told)))
    all_model, vectors = model(everyone)
    precisions = Precisions.of(solved, all_moments.prior.shape[1] + profiles.shape[1])
    near = Neighbours.of(profiles, all_model, vectors, basis.plain, seed)
    fisher = fisher_of(profiles, attributes, all_model, vectors, passes=_FISHER_PASSES, seed=seed)
    return UserSide(
        scale,
        encoder,
        profiles,
        attributes,
        basis,
        strengths,
        ridge,
        all_moments,
        all_model,
        vectors,
        associations(profiles),
        near,
        precisions,
        fisher,
        held_out,
        held_moments,
        *held_model,
        associations(part),
        Neighbours.of(part, *held_model, basis.plain, seed),
    )
