"""What another policy would have earned, estimated from a log that tells how likely each thing shown was to be shown.

A log has one row an event: the propensity of what was shown and the reward it earned. Another policy is described by the
chance that it would have shown the same in the same place. All estimates want every item that the other policy may show to
have had a propensity above 0; nothing in a log tells of the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from plugbase.errors import UserError

_Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """The mean reward an event, and its standard error."""

    value: float
    standard_error: float


def ips(rewards: ArrayLike, propensities: ArrayLike, chances: ArrayLike) -> Estimate:
    """Inverse propensity scoring: the mean of r pi / p (Horvitz and Thompson 1952). Unbiased; wild where p is small.

    Args:
        rewards: (n,) r, what each event earned.
        propensities: (n,) p, the chance that the logging policy had for what it showed.
        chances: (n,) pi, the chance that the other policy has for it.

    Raises:
        UserError: arrays that do not match, or a propensity that is not above 0 and at most 1.
    """
    earned, weight = _weighed(rewards, propensities, chances)
    return _mean(weight * earned)


def snips(rewards: ArrayLike, propensities: ArrayLike, chances: ArrayLike) -> Estimate:
    """Self-normalised: the sum of r pi / p over the sum of pi / p (Swaminathan and Joachims 2015). Slightly biased, calmer.

    The standard error is that of the linearised ratio (delta method). Arguments and errors as for `ips`.
    """
    earned, weight = _weighed(rewards, propensities, chances)
    total = float(weight.sum())
    if total == 0:
        return Estimate(float("nan"), float("nan"))
    value = float(weight @ earned) / total
    spread = float(np.sqrt(((weight * (earned - value)) ** 2).sum())) / total
    return Estimate(value, spread)


def doubly_robust(
    rewards: ArrayLike,
    propensities: ArrayLike,
    chances: ArrayLike,
    predicted: ArrayLike,
    expected: ArrayLike,
) -> Estimate:
    """A model of the reward, mended by IPS where it errs (Dudik, Langford and Li 2011, eq. 1).

    Unbiased where the propensities are right, whatever the model; the better the model, the smaller the error.

    Args:
        rewards, propensities, chances: as for `ips`.
        predicted: (n,) what the model expects of what was shown.
        expected: (n,) what the model expects of the other policy: the sum over all items of chance times prediction.

    Raises:
        UserError: as for `ips`.
    """
    earned, weight = _weighed(rewards, propensities, chances)
    guess, baseline = _same_length(predicted, earned), _same_length(expected, earned)
    return _mean(baseline + weight * (earned - guess))


def matched(rewards: ArrayLike, same: ArrayLike) -> Estimate:
    """The replay of Li et al. 2011: the mean reward of the events where the log and the other policy agree.

    Unbiased where the log chose uniformly, among as many items each time.

    Args:
        rewards: (n,) what each event earned.
        same: (n,) True where the other policy chose what the log showed.
    """
    earned = np.asarray(rewards, np.float64)
    agreed = earned[np.asarray(same, np.bool_)]
    return _mean(agreed)


def _mean(values: _Floats) -> Estimate:
    if len(values) < 2:
        return Estimate(float(values[0]) if len(values) else float("nan"), float("nan"))
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _weighed(rewards: ArrayLike, propensities: ArrayLike, chances: ArrayLike) -> tuple[_Floats, _Floats]:
    earned = np.asarray(rewards, np.float64)
    logged, other = _same_length(propensities, earned), _same_length(chances, earned)
    if not ((logged > 0) & (logged <= 1)).all():
        worst = logged[~((logged > 0) & (logged <= 1))][0]
        raise UserError(
            f"a propensity of {worst:g}", mend="what was shown had a chance above 0 and at most 1; log that"
        )
    return earned, other / logged


def _same_length(given: ArrayLike, as_these: _Floats) -> _Floats:
    values = np.asarray(given, np.float64)
    if values.shape != as_these.shape or values.ndim != 1:
        raise UserError(
            f"arrays of shapes {values.shape} and {as_these.shape}", mend="pass one number an event in each"
        )
    return values
