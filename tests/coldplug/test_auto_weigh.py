"""Setting aside, and weighing: on made scores of which it is known what each is worth."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from learner_contract import COLD_ITEMS, planted

from coldplug.learn.auto.carve import SIZES, Carve, Cell, carve
from coldplug.learn.auto.weigh import Mixture, Scaled, Weighing, weigh
from coldplug.types import FloatArray

Made = Callable[[Carve, Cell, np.random.Generator], FloatArray]


@cache
def carved() -> Carve:
    found = carve(planted()[0], 3)
    assert found is not None
    return found


def weighed(**makers: Made) -> tuple[Weighing, list[Cell], dict[str, list[Scaled]]]:
    cells, scores = carved().cells(), {}
    for place, (name, make) in enumerate(makers.items()):
        rng = np.random.default_rng(place)
        scores[name] = [Scaled.of(make(carved(), cell, rng)) for cell in cells]
    return weigh(carved(), cells, scores), cells, scores


def signal(strength: float, only: Callable[[Cell], bool] = lambda cell: True) -> Made:
    """Scores that know what is liked, in noise of their own; noise alone where not `only`."""

    def make(split: Carve, cell: Cell, rng: np.random.Generator) -> FloatArray:
        liked = split.relevant(cell)[0]
        return np.asarray(strength * only(cell) * liked + rng.normal(size=liked.shape), np.float32)

    return make


def test_nothing_that_is_asked_was_trained_on() -> None:
    data, split = planted()[0], carved()
    rows = split.train.interactions
    assert not np.isin(rows.users, split.users).any()
    assert not np.isin(rows.items, split.new_items).any()
    assert not np.isin(split.known_items, split.new_items).any()
    assert not np.isin(COLD_ITEMS, split.known_items).any()
    liked = data.positives()
    for user, pool, known, new in zip(
        split.users, split.pools, split.known_targets, split.new_targets, strict=True
    ):
        mine = data.interactions.items[liked & (data.interactions.users == user)]
        assert len(pool) + len(known) + len(new) == len(mine)
        assert set(mine.tolist()) == {*pool.tolist(), *known.tolist(), *new.tolist()}
        assert len(known) - 1 <= len(pool) <= len(known)
    kept = len(data.interactions.items) - np.isin(data.interactions.users, split.users).sum()
    assert 0 < len(rows.items) < kept


def test_a_cell_asks_those_who_can_show_a_support_of_its_size() -> None:
    cells = {cell.key: cell for cell in carved().cells()}
    assert {"known@0", "new@0", "known@5", "new@5"} <= set(cells)
    for cell in cells.values():
        assert cell.size in SIZES
        assert all(len(carved().pools[row]) >= cell.size for row in cell.rows)
        liked, shown = carved().relevant(cell)
        assert liked.any(1).all()
        assert not (liked & shown).any()


def test_who_knows_something_else_is_kept_and_who_knows_nothing_is_not() -> None:
    found, _, _ = weighed(first=signal(1.5), other=signal(1.5), noise=signal(0))
    assert found.lead == "first"
    assert found.kept == ["first", "other"]
    assert found.judged["other"].gain > 2 * found.judged["other"].error > 0
    assert found.judged["noise"].gain <= 2 * found.judged["noise"].error
    for weights in found.weights.values():
        assert sum(weights.values()) == pytest.approx(1, abs=1e-3)
        assert 0 < weights["other"] < 1


def test_who_only_repeats_the_first_is_not_kept() -> None:
    same = signal(1.5)

    def repeated(split: Carve, cell: Cell, _rng: np.random.Generator) -> FloatArray:
        return 3 * same(split, cell, np.random.default_rng([0, cell.size, cell.new])) + 7

    def original(split: Carve, cell: Cell, _rng: np.random.Generator) -> FloatArray:
        return same(split, cell, np.random.default_rng([0, cell.size, cell.new]))

    found, cells, scores = weighed(first=original, again=repeated)
    assert found.kept == ["first"]
    assert found.judged["again"].ndcg == found.judged["first"].ndcg
    mixture = Mixture.of(found, found.kept, cells, scores)
    np.testing.assert_allclose(mixture.slopes, 1)
    np.testing.assert_allclose(mixture.offsets, 0, atol=1e-6)


def test_weights_go_by_kind_of_item() -> None:
    found, cells, scores = weighed(
        known=signal(2, lambda cell: not cell.new), new=signal(3, lambda cell: cell.new)
    )
    assert found.kept == ["known", "new"]
    for key, weights in found.weights.items():
        assert (weights["new"] > 0.5) == key.startswith("new@")
    mixture = Mixture.of(found, found.kept, cells, scores)
    slopes, offsets = mixture.at([0, 4, 5, 10_000])
    assert slopes.shape == (2, 2, 4)
    assert offsets.shape == (2, 4)
    assert (slopes[1, 1] > slopes[1, 0]).all()
    between = sorted([slopes[1, 1, 2], mixture.slopes[1, 1, SIZES.index(3)]])
    assert between[0] <= slopes[1, 1, 1] <= between[1]
    np.testing.assert_array_equal(slopes[:, :, 3], mixture.slopes[:, :, -1])


def test_a_mixture_is_the_sum_that_was_measured_in_the_units_of_the_first() -> None:
    found, cells, scores = weighed(first=signal(1.5), other=signal(1.5))
    mixture = Mixture.of(found, found.kept, cells, scores)
    for n, cell in enumerate(cells):
        slopes, offsets = mixture.at([cell.size])
        raw = {name: s[n].values * s[n].deviation + s[n].mean for name, s in scores.items()}
        summed = sum(raw[name] * slopes[m, int(cell.new), 0] for m, name in enumerate(found.kept))
        summed = summed + offsets[int(cell.new), 0]
        wanted = sum(found.weights[cell.key][name] * scores[name][n].values for name in found.kept)
        first = scores["first"][n]
        np.testing.assert_allclose(summed, wanted * first.deviation + first.mean, rtol=1e-3, atol=1e-3)
