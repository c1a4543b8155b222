"""How much each of several learners counts, by size of support and kind of item, and which of them help beyond noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from coldplug.evaluate.metrics import accuracy
from coldplug.learn.auto.carve import SIZES, Carve, Cell
from coldplug.types import FloatArray

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0)
"""Shares of the sum that a further learner may take."""
_SURE = 2.0
"""Standard errors that a gain must be above."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What one learner is worth alone, and what it adds to those before it.

    `ndcg` by the key of the cell; `gain` in NDCG@10, mean over the cells, with its standard error over the users.
    """

    ndcg: Mapping[str, float]
    gain: float
    error: float


@dataclass(frozen=True)
class Scaled:
    """One learner's scores in one cell: (n_rows, n_items) with mean 0 and a row's deviation 1 on the whole."""

    values: FloatArray
    mean: float
    deviation: float

    @classmethod
    def of(cls, scores: FloatArray) -> Scaled:
        """Scale by numbers that are the same for all users, so that a user it knows nothing of moves it little."""
        mean = float(scores.mean(dtype=np.float64))
        deviation = float(np.sqrt(scores.var(axis=1, dtype=np.float64).mean())) or 1.0
        return cls(np.asarray((scores - mean) / deviation, np.float32), mean, deviation)


@dataclass(frozen=True)
class Weighing:
    """Who was first, who is kept, in the order in which they were taken up, and the weights of those in each cell."""

    lead: str
    kept: list[str]
    judged: dict[str, Judged]
    weights: dict[str, dict[str, float]]
    """Cell key -> learner -> weight; the weights of a cell sum to one."""


class _Trial:
    """The cells with their users, to try weights on."""

    def __init__(self, carved: Carve, cells: Sequence[Cell]) -> None:
        self.cells, self.n_users = cells, len(carved.users)
        self.wanted = [carved.relevant(cell) for cell in cells]
        self.half = np.arange(self.n_users) % 2 == 0

    def ndcg(self, place: int, scores: FloatArray) -> Floats:
        """(n_users,) NDCG@10 in a cell, NaN for users that are not in it."""
        out = np.full(self.n_users, np.nan)
        out[self.cells[place].rows] = accuracy(scores, *self.wanted[place]).ndcg
        return out

    def curve(self, place: int, present: FloatArray, more: FloatArray) -> Floats:
        """(n_shares, n_users) NDCG@10 with each share of `more`."""
        return np.stack([self.ndcg(place, mixed(present, more, share)) for share in SHARES])

    def shares(self, curves: Sequence[Floats], users: NDArray[np.bool_]) -> list[int]:
        """The best share of each cell for these users, by its place in SHARES; the smallest of equals.

        The sizes of support next to it count half: so few users say little of one size alone, and weights that jump
        from size to size would be noise.
        """
        found = []
        for n, cell in enumerate(self.cells):
            near = [m for m in (n - 1, n + 1) if 0 <= m < len(curves) and self.cells[m].new == cell.new]
            rises = [(curves[m] - curves[m][0])[:, users & ~np.isnan(curves[m][0])] for m in [n, *near]]
            summed = sum((1.0 if m == 0 else 0.5) * rise.sum(1) for m, rise in enumerate(rises))
            found.append(int(np.argmax(summed)))
        return found

    def gain(self, curves: Sequence[Floats]) -> tuple[float, float]:
        """Gain and standard error, the shares for each half of the users chosen on the other half."""
        gained = np.full((len(curves), self.n_users), np.nan)
        for mine in (self.half, ~self.half):
            for n, share in enumerate(self.shares(curves, ~mine)):
                gained[n, mine] = (curves[n][share] - curves[n][0])[mine]
        per_user = np.nanmean(gained[:, ~np.isnan(gained).all(0)], axis=0)
        return float(per_user.mean()), float(per_user.std(ddof=1) / np.sqrt(len(per_user)))


def mixed(present: FloatArray, more: FloatArray, share: float) -> FloatArray:
    """The two in these shares."""
    return np.asarray((1 - share) * present + share * more, np.float32)


def weigh(
    carved: Carve,
    cells: Sequence[Cell],
    scores: Mapping[str, Sequence[Scaled]],
    note: Callable[[str], None] = lambda text: None,
) -> Weighing:
    """Begin with the first learner and take up those that improve on what is there, best first.

    A learner is taken up if its gain, on users other than those that its share was chosen on and averaged over all
    cells, is above two standard errors. It may take the whole of a cell, so the first need not stay.

    Args:
        carved: users and items set aside.
        cells: where the learners were asked.
        scores: learner -> its scores, one a cell; the first is the one that others must improve on.
        note: called before what takes a while.
    """
    trial = _Trial(carved, cells)
    alone = {name: [trial.ndcg(n, s.values) for n, s in enumerate(mine)] for name, mine in scores.items()}
    lead = next(iter(scores))
    present = [s.values for s in scores[lead]]
    weights = [{lead: 1.0} for _ in cells]
    kept, judged = [lead], {lead: _judged(cells, alone[lead], 0.0, 0.0)}
    left = [name for name in scores if name != lead]
    while left:
        note(f"what {', '.join(left)} add{'s' if len(left) == 1 else ''} to {', '.join(kept)}")
        curves = {
            name: [trial.curve(n, present[n], scores[name][n].values) for n in range(len(cells))]
            for name in left
        }
        gains = {name: trial.gain(found) for name, found in curves.items()}
        judged |= {name: _judged(cells, alone[name], *gains[name]) for name in left}
        best = max(left, key=lambda name: gains[name][0])
        if gains[best][0] <= _SURE * gains[best][1]:
            break
        for n, place in enumerate(trial.shares(curves[best], np.ones(trial.n_users, np.bool_))):
            share = SHARES[place]
            present[n] = mixed(present[n], scores[best][n].values, share)
            weights[n] = {name: weight * (1 - share) for name, weight in weights[n].items()} | {best: share}
        kept.append(best)
        left.remove(best)
    kept = [name for name in kept if any(cell[name] > 0 for cell in weights)]
    told = {
        cell.key: {name: round(mine[name], 4) for name in kept}
        for cell, mine in zip(cells, weights, strict=True)
    }
    return Weighing(lead, kept, judged, told)


def _judged(cells: Sequence[Cell], parts: Sequence[Floats], gain: float, error: float) -> Judged:
    ndcg = {cell.key: round(float(np.nanmean(part)), 4) for cell, part in zip(cells, parts, strict=True)}
    return Judged(ndcg, round(gain, 5), round(error, 5))


@dataclass(frozen=True)
class Mixture:
    """A sum of learners' scores in the units of the first: sum over m of slopes[m] * score + offset.

    `slopes` (n_learners, 2, n_sizes) and `offsets` (2, n_sizes): for known items, then for new ones, at each of SIZES.
    """

    slopes: Floats
    offsets: Floats

    @classmethod
    def alone(cls) -> Mixture:
        """One learner, as it is."""
        return cls(np.ones((1, 2, len(SIZES))), np.zeros((2, len(SIZES))))

    @classmethod
    def of(
        cls,
        weighing: Weighing,
        names: Sequence[str],
        cells: Sequence[Cell],
        scores: Mapping[str, Sequence[Scaled]],
    ) -> Mixture:
        """Weights and scales as slopes and offsets; a size that was not measured has those of the nearest one."""
        slopes = np.zeros((len(names), 2, len(SIZES)))
        offsets = np.zeros((2, len(SIZES)))
        for kind in (0, 1):
            measured = {cell.size: n for n, cell in enumerate(cells) if cell.new == bool(kind)}
            for place, size in enumerate(SIZES):
                if not measured:
                    slopes[0, kind, place] = 1.0
                    continue
                n = measured[min(measured, key=lambda other: (abs(np.log1p(other) - np.log1p(size)), other))]
                unit = scores[weighing.lead][n]
                offsets[kind, place] = unit.mean
                for m, name in enumerate(names):
                    mine = scores[name][n]
                    slope = weighing.weights[cells[n].key][name] * unit.deviation / mine.deviation
                    slopes[m, kind, place] = slope
                    offsets[kind, place] -= slope * mine.mean
        return cls(slopes, offsets)

    def at(self, sizes: Sequence[int]) -> tuple[Floats, Floats]:
        """Slopes (n_learners, 2, n) and offsets (2, n) at sizes of support, interpolated in log(1 + k)."""
        grid, asked = np.log1p(np.array(SIZES, np.float64)), np.log1p(np.array(sizes, np.float64))

        def interpolated(rows: Floats) -> Floats:
            flat = [np.interp(asked, grid, row) for row in rows.reshape(-1, len(SIZES))]
            return np.array(flat).reshape(*rows.shape[:-1], len(asked))

        return interpolated(self.slopes), interpolated(self.offsets)
