"""Where the settings of the methods are searched: a range for each name that means something in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coldplug.learn import trainable_class
from plugbase.errors import UserError

if TYPE_CHECKING:
    from optuna import Trial


@dataclass(frozen=True)
class Range:
    """Where a setting is searched: from low to high, evenly or by factors, in whole numbers or any; or one of `choices`."""

    low: float = 0.0
    high: float = 0.0
    factors: bool = False
    whole: bool = False
    choices: tuple[int, ...] = ()

    def suggest(self, trial: Trial, name: str) -> float | int:
        """A value to try; fractions have four digits, so that a printed setting is the one that was tried."""
        if self.choices:
            return int(trial.suggest_categorical(name, self.choices))
        if self.whole:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.factors)
        return float(f"{trial.suggest_float(name, self.low, self.high, log=self.factors):.4g}")


RANGES: dict[str, Range] = {
    "rate": Range(0.0005, 0.03, factors=True),
    "inner_rate": Range(0.01, 10.0, factors=True),
    "steps": Range(100, 1600, factors=True, whole=True),
    "dim": Range(choices=(16, 32, 64, 128)),
    "hidden": Range(16, 256, factors=True, whole=True),
    "rank": Range(32, 512, factors=True, whole=True),
    "dropout": Range(0.0, 0.6),
    "id_dropout": Range(0.0, 0.8),
    "decay": Range(0.1, 30.0, factors=True),
    "clip": Range(0.5, 20.0, factors=True),
    "inner_clip": Range(0.2, 30.0, factors=True),
    "inner_steps": Range(1, 4, whole=True),
    "candidates": Range(256, 4096, factors=True, whole=True),
    "in_batch": Range(128, 4096, factors=True, whole=True),
    "hard": Range(16, 1024, factors=True, whole=True),
    "kernel_steps": Range(5, 100, factors=True, whole=True),
    "heads": Range(choices=(1, 2, 4, 8)),
    "matching_steps": Range(1, 4, whole=True),
    "imitate": Range(0.0, 1.0),
    "sweeps": Range(3, 20, factors=True, whole=True),
    "alpha": Range(1.0, 100.0, factors=True),
    "ridge": Range(0.001, 1.0, factors=True),
    "noise": Range(0.1, 10.0, factors=True),
    "content_ridge": Range(3.0, 300.0, factors=True),
    "attribute_ridge": Range(3.0, 300.0, factors=True),
}
"""Setting -> where it is searched. `candidates`, `in_batch` and `hard` are numbers of negatives."""

_NOT_USED: dict[str, tuple[str, ...]] = {
    "mf": ("rate", "steps", "dropout", "id_dropout", "decay", "clip", "candidates"),
}
"""Settings that a method has and does not use."""


def searched(method: str, fixed: Mapping[str, Any]) -> dict[str, Range]:
    """The settings of a method that are searched: all that RANGES knows, but for those that are fixed, and those that the
    method works out from the data.

    Raises:
        UserError: no such method, or it has nothing to search.
    """
    if method == "auto":
        raise UserError("auto has no settings to search", mend="tune one of the methods that it weighs")
    left_out = {*_NOT_USED.get(method, ()), *fixed}
    fields = trainable_class(method).settings_class.model_fields
    found = {
        name: where
        for name, where in RANGES.items()
        if name in fields and fields[name].default is not None and name not in left_out
    }
    if not found:
        raise UserError("every setting is fixed; nothing is left to search", mend="fix fewer with --set")
    return found


def tried(ranges: Mapping[str, Range], params: Mapping[str, Any]) -> dict[str, float | int]:
    """A trial's parameters as the settings that were tried."""
    return {
        name: params[name] if where.whole or where.choices else float(f"{params[name]:.4g}")
        for name, where in ranges.items()
    }
