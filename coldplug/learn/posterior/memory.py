"""What a model keeps of the users it was trained on, so that it can be trained on without them and not forget them.

Elastic weight consolidation (Kirkpatrick et al., Overcoming catastrophic forgetting in neural networks, 2017, eq. 3): near
the weights w* that old users left, their loss is about w* plus a quadratic, 1/2 (w - w*)' P (w - w*), with P the Fisher
information. So the loss of new users plus that quadratic stands for the loss of all users together.

The closed-form half is linear, its loss a quadratic indeed, and P is the matrix that was solved with. Its leading
directions are kept exactly and the rest by their diagonal, which is exact too: P = directions directions' + diag(rest).
Were every direction kept, training on would be the same as training on all users at once.

For the trained half P is the diagonal of the Gauss-Newton matrix, summed over users. The gradient of a multinomial loss
of weight t by the logits has, over labels drawn from the model itself, the covariance t (diag p - p p'); so squared
gradients with such labels have the right mean, those with the true labels have not (Kunstner, Hennig and Balles,
Limitations of the empirical Fisher approximation, 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from coldplug.learn.posterior.episodes import (
    AnchorVectors,
    Draws,
    UserModel,
    barred,
    posterior_mean,
)
from coldplug.learn.posterior.profiles import Profiles
from coldplug.types import FloatArray, IntArray

DIRECTIONS = 32
"""Leading directions kept of each support size."""
_OVERSAMPLED = 32
_POWER_STEPS = 3
_LEAST_REST = 1e-3
"""Of a weight's own precision, that the rest keeps: the sum must stay a precision when rounded."""
_BATCH = 256


@dataclass(frozen=True)
class Fisher:
    """How much each trained weight was settled: arrays of the shapes of the weights, summed over users."""

    values: FloatArray
    keys: FloatArray
    bias: FloatArray
    prior: FloatArray
    noise: FloatArray
    observed: FloatArray

    def plus(self, other: Fisher) -> Fisher:
        """Both together."""
        return Fisher(*(mine + theirs for mine, theirs in zip(self.parts(), other.parts(), strict=True)))

    def parts(self) -> tuple[FloatArray, ...]:
        """The arrays in the order of the fields."""
        return self.values, self.keys, self.bias, self.prior, self.noise, self.observed

    def none(self) -> Fisher:
        """As if nobody had settled anything."""
        return Fisher(*map(np.zeros_like, self.parts()))


@dataclass(frozen=True)
class Precisions:
    """How much the closed-form weights of each support size were settled.

    `sizes` (n_sizes,) are the sizes that were solved for. P of a size is made up of `rest` (n_sizes, width) and
    `directions` (n_sizes, width, DIRECTIONS), with the attributes' weights first and the anchors' behind them; `penalty`
    (n_sizes, width) is the part of its diagonal that no user gave, the ridge.
    """

    sizes: IntArray
    rest: FloatArray
    directions: FloatArray
    penalty: FloatArray

    @classmethod
    def of(cls, solved: Sequence[Solved], width: int) -> Precisions:
        """From one size after another; size 0 has no anchors and is padded to the width."""
        most = max(one.directions.shape[1] for one in solved)
        rest, penalty = (np.zeros((len(solved), width), np.float32) for _ in range(2))
        directions = np.zeros((len(solved), width, most), np.float32)
        for place, one in enumerate(solved):
            rest[place, : len(one.rest)], penalty[place, : len(one.penalty)] = one.rest, one.penalty
            directions[place, : len(one.rest), : one.directions.shape[1]] = one.directions
        return cls(np.array([one.size for one in solved], np.int64), rest, directions, penalty)

    def none(self) -> Precisions:
        """As if nobody had settled anything: the ridge alone."""
        return replace(self, rest=self.penalty, directions=np.zeros_like(self.directions))


@dataclass(frozen=True)
class Solved:
    """One support size: `rest` and `penalty` (width,), `directions` (width, up to DIRECTIONS)."""

    size: int
    rest: FloatArray
    directions: FloatArray
    penalty: FloatArray

    @classmethod
    def of(cls, size: int, precision: FloatArray, penalty: FloatArray) -> Solved:
        """From what was solved with, (width, width)."""
        return cls(size, *compressed(precision), penalty)


def compressed(precision: FloatArray, rank: int = DIRECTIONS) -> tuple[FloatArray, FloatArray]:
    """(width,) rest and (width, rank) directions of a precision matrix, whose diagonal they have exactly.

    The leading directions are those of the matrix scaled to a diagonal of ones, by subspace iteration (Halko, Martinsson
    and Tropp 2011, algorithm 4.4).
    """
    diagonal = np.diag(precision).astype(np.float32)
    scale = np.sqrt(diagonal)
    rank = min(rank, len(scale))
    scaled = precision / scale
    scaled /= scale[:, None]
    rng = np.random.default_rng(0)
    sample = rng.standard_normal((len(scale), min(rank + _OVERSAMPLED, len(scale)))).astype(np.float32)
    for _ in range(_POWER_STEPS):
        sample, _ = np.linalg.qr(scaled @ sample)
    strengths, turned = np.linalg.eigh(sample.T @ (scaled @ sample))
    leading = sample @ (turned[:, ::-1][:, :rank] * np.sqrt(np.maximum(strengths[::-1][:rank], 0)))
    directions = np.ascontiguousarray(leading * scale[:, None], np.float32)
    rest = np.maximum(diagonal - (directions**2).sum(1), _LEAST_REST * diagonal)
    return rest.astype(np.float32), directions


def fisher_of(
    profiles: Profiles,
    attributes: FloatArray,
    model: UserModel,
    vectors: AnchorVectors,
    *,
    passes: int,
    seed: int,
) -> Fisher:
    """How much these users settle the weights, with random supports; the mean of some passes over them.

    Gradients are taken by each user's own copy of the weights they touch, so that squares are of single users. Those by
    values and bias are averaged over the labels exactly, the others over one label drawn for each user.
    """
    import torch

    torch.manual_seed(seed)
    draws = Draws(profiles, attributes, _BATCH, seed)
    arrays = (vectors.values, vectors.keys, vectors.bias, model.prior, model.noise, model.observed)
    values, keys, bias, prior, noise, observed = (torch.from_numpy(np.asarray(a)) for a in arrays)
    found = [torch.zeros_like(t) for t in (values, keys, bias, prior, noise, observed)]
    for _ in range(passes):
        for start in range(0, len(draws.usable), _BATCH):
            batch = draws.of(draws.usable[start : start + _BATCH])
            weight = batch.target.sum(1, keepdim=True)
            own = (
                batch.attributes @ prior,
                keys[batch.support] * batch.mask[..., None],
                noise.expand(len(weight), 2).clone(),
                observed.expand(len(weight), 2).clone(),
            )
            mean, support, noises, observations = (t.requires_grad_() for t in own)
            user = posterior_mean(mean, support, batch, noises, observations)
            with torch.no_grad():
                chances = torch.softmax(barred(user @ values.T + bias, batch), 1)
                settled = weight * chances * (1 - chances)
                label = torch.multinomial(chances, 1)[:, 0]
                by_user = weight.sqrt() * (chances @ values - values[label])
            by_own = torch.autograd.grad(user, (mean, support, noises, observations), by_user)
            by_mean, by_support, by_noise, by_observed = (gradient**2 for gradient in by_own)
            found[0] += settled.T @ user.detach() ** 2
            by_keys = (by_support * batch.mask[..., None]).reshape(-1, keys.shape[1])
            found[1].index_add_(0, batch.support.reshape(-1), by_keys)
            found[2] += settled.sum(0)
            found[3] += (batch.attributes**2).T @ by_mean
            found[4] += by_noise.sum(0)
            found[5] += by_observed.sum(0)
    return Fisher(*((t / passes).numpy() for t in found))
