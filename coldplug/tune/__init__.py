"""Settings of a method searched on users and items set aside from the training data: what `coldplug tune` does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from coldplug.learn import TrainableLearner, trainable_class
from coldplug.tune.ranges import searched, tried
from coldplug.tune.study import (
    best_of,
    first_number,
    importance,
    line,
    opened,
    refuse_another,
    revive,
    through,
)
from plugbase.errors import UserError

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from coldplug.learn.auto.carve import Carve
    from coldplug.types import TrainingData

CARVES = 3
"""Ways in which users and items are set aside; a trial is the mean over them, and may be given up after each."""
_SEED_OF_CARVES = 7919


@dataclass(frozen=True)
class TuneSummary:
    """What a search found.

    `default` and `best` are mean NDCG@10 over sizes of support, known and new items, and the carves of the search;
    `checked` has both on a carve that chose nothing, None where the defaults are the best. `settings` are those of the
    best. `importance` sums to one, and is empty where too few trials are whole.
    """

    method: str
    study: Path
    trials: int
    given_up: int
    failed: int
    default: float
    best: float
    settings: dict[str, float | int]
    checked: tuple[float, float] | None
    importance: dict[str, float]
    out_of_time: bool
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self) | {"study": str(self.study)}

    @property
    def helps(self) -> bool:
        """Whether what was found is better where nothing was chosen."""
        return self.checked is not None and self.checked[1] > self.checked[0]


class _OutOfTime(Exception):
    """The time is up; the trial that is begun is carried on with by the next run."""


def _in_time(until: float | None) -> None:
    if until is not None and time.monotonic() >= until:
        raise _OutOfTime


def tune(
    data: TrainingData,
    method: str,
    study_path: Path,
    *,
    trials: int,
    timeout: float | None = None,
    fixed: Mapping[str, Any] | None = None,
    seed: int = 0,
    note: Callable[[str], None] = lambda text: None,
    progress: Callable[[int], None] = lambda done: None,
) -> TuneSummary | None:
    """Search settings; a study that is there is gone on with.

    The first trial is the method as it comes; then the tree-structured Parzen estimator proposes (Bergstra et al. 2011),
    and a trial below the median of the others after the same carves is given up.

    Args:
        data: the training block; users and items are set aside from it, nothing else is read.
        method: one of TRAINABLE but "auto".
        study_path: SQLite file; made where it is not there.
        trials: how many there shall be in the study in all.
        timeout: seconds after which no further carve is begun.
        fixed: settings that are not searched.
        seed: of every random draw.
        note: called with a line for people now and then.
        progress: called with the number of trials that are through.

    Returns:
        None where time was up before the first trial was through.

    Raises:
        UserError: a method or setting that does not exist, too little data to set anything aside, a file that is no
            study or a study of something else, or optuna is not installed.
    """
    from coldplug.evaluate.kept import fingerprint
    from coldplug.learn.settings import checked

    began = time.monotonic()
    kind = trainable_class(method)
    ranges = searched(method, fixed or {})
    defaults = checked(kind.settings_class, fixed or {}).model_dump()
    held = {name: defaults[name] for name in fixed or {}}
    until = None if timeout is None else began + timeout
    carves = Carves(data, kind, held, seed)
    identity = {
        "method": method,
        "data": fingerprint(data),
        "fixed": json.loads(json.dumps(held)),
        "seed": seed,
    }
    with opened(study_path, seed) as study:
        refuse_another(study, identity)
        revive(study)
        if not study.get_trials(deepcopy=False):
            study.enqueue_trial({name: defaults[name] for name in ranges})
        progress(len(through(study)))
        try:
            while len(through(study)) < trials:
                _in_time(until)
                trial = study.ask()
                chosen = {name: where.suggest(trial, name) for name, where in ranges.items()}
                _run(study, trial, carves, chosen, until)
                done = through(study)
                note(line(done[-1]))
                progress(len(done))
        except _OutOfTime:
            pass
        done, best = through(study), best_of(study)
        first = next((one for one in done if one.number == first_number(study)), None)
        if first is None or first.value is None or best is None or best.value is None:
            return None
        settings, both = held, None
        if best.number != first.number:
            note("the best and the defaults, on users and items set aside anew")
            both = _check(study, best, carves, tried(ranges, best.params))
            settings = held | tried(ranges, best.params)
        return TuneSummary(
            method,
            study_path,
            len(done),
            sum(one.state.name == "PRUNED" for one in done),
            sum(one.state.name == "FAIL" for one in done),
            round(first.value, 5),
            round(best.value, 5),
            settings,
            both,
            importance(study, list(ranges)),
            len(done) < trials,
            round(time.monotonic() - began, 1),
        )


class Carves:
    """Users and items set aside in several ways, each made when it is asked for."""

    def __init__(
        self, data: TrainingData, kind: type[TrainableLearner], held: Mapping[str, Any], seed: int
    ) -> None:
        self.data, self.kind, self.held, self.seed = data, kind, held, seed
        self._made: dict[int, Carve] = {}

    def carve(self, number: int) -> Carve:
        """The number-th way.

        Raises:
            UserError: there are too few users with enough positives.
        """
        from coldplug.learn.auto.carve import carve

        if number not in self._made:
            found = carve(self.data, self.seed + _SEED_OF_CARVES * (number + 1))
            if found is None or not found.cells():
                raise UserError(
                    "too few users to set any aside: it takes 100 with six likes or more",
                    mend="tune on more interactions, or lower the rating that counts as a like (--positive-at)",
                )
            self._made[number] = found
        return self._made[number]

    def worth(self, number: int, settings: Mapping[str, Any]) -> float:
        """Mean NDCG@10 over the cells of a carve, of the method fitted without what was set aside."""
        carved = self.carve(number)
        learner = self.kind.fit(carved.train, seed=self.seed, **{**self.held, **settings})
        return float(np.mean([np.nanmean(carved.ndcg(learner, cell)) for cell in carved.cells()]))


def _run(
    study: Study, trial: Trial, carves: Carves, settings: Mapping[str, Any], until: float | None
) -> None:
    """One trial, carve by carve; what a stopped run had of it already is taken from there."""
    from optuna.trial import TrialState

    kept: dict[str, float] = dict(trial.user_attrs.get("carves", {}))
    for number in range(CARVES):
        if str(number) not in kept:
            _in_time(until)
            try:
                kept[str(number)] = carves.worth(number, settings)
            except (UserError, ArithmeticError, ValueError, RuntimeError) as error:
                if trial.number == first_number(study):
                    raise
                trial.set_user_attr("why", str(error))
                study.tell(trial, state=TrialState.FAIL)
                return
            trial.set_user_attr("carves", kept)
        mean = float(np.mean([kept[str(n)] for n in range(number + 1)]))
        trial.report(mean, number)
        if number < CARVES - 1 and trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return
    study.tell(trial, mean)


def _check(
    study: Study, best: FrozenTrial, carves: Carves, settings: Mapping[str, Any]
) -> tuple[float, float]:
    """The defaults and the best where nothing was chosen; remembered, since it takes two fits."""
    told = study.user_attrs.get("checked", {})
    if told.get("trial") != best.number:
        default = told["default"] if told else carves.worth(CARVES, {})
        told = {"trial": best.number, "default": default, "best": carves.worth(CARVES, settings)}
        study.set_user_attr("checked", told)
    return round(told["default"], 5), round(told["best"], 5)
