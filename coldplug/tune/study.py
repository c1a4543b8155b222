"""The study in its file: opened for one process, checked, carried on with, and read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plugbase.errors import UserError

if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial

STARTUP = 5
"""Trials before the estimator proposes and the median gives up."""
_FEW_FOR_IMPORTANCE = 4


@contextmanager
def opened(path: Path, seed: int) -> Iterator[Study]:
    """The study in a file, for this process alone."""
    try:
        import optuna
        from sqlalchemy.engine import URL
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise UserError("coldplug tune needs optuna", mend="pip install 'coldplug[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not path.parent.is_dir():
        raise UserError("no such folder", file=str(path.parent), mend="make it, or name another with --study")
    no_study = UserError("not a study", file=str(path), mend="name another file with --study")
    if path.is_file() and path.stat().st_size and path.read_bytes()[:15] != b"SQLite format 3":
        raise no_study
    with path.open("ab") as held:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    "another run works on this study",
                    file=str(path),
                    mend="wait for it, or name another file",
                ) from error
        try:
            storage = optuna.storages.RDBStorage(
                URL.create("sqlite", database=str(path.resolve())).render_as_string()
            )
            study = optuna.create_study(
                storage=storage, study_name="coldplug", direction="maximize", load_if_exists=True
            )
        except (SQLAlchemyError, RuntimeError, ValueError) as error:
            raise no_study from error
        # A sampler starts anew with each run: with the same seed it would draw again what it drew before.
        study.sampler = optuna.samplers.TPESampler(
            seed=seed + len(study.get_trials(deepcopy=False)), n_startup_trials=STARTUP
        )
        study.pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP)
        yield study
        storage.engine.dispose()


def refuse_another(study: Study, identity: Mapping[str, Any]) -> None:
    """Refuse a study of something else."""
    had = study.user_attrs.get("identity")
    if had is None:
        study.set_user_attr("identity", dict(identity))
        return
    other = [name for name in identity if had.get(name) != identity[name]]
    if other:
        told = ", ".join(f"{name} was {had.get(name)!r}, is {identity[name]!r}" for name in other)
        raise UserError(f"the study is of something else: {told}", mend="name another file with --study")


def revive(study: Study) -> None:
    """Trials that an interrupted run left behind are tried again, with what was known of them already."""
    from optuna.trial import TrialState

    for one in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        study.tell(one.number, state=TrialState.FAIL)
        study.enqueue_trial(one.params, user_attrs={"carves": one.user_attrs.get("carves", {})})


def through(study: Study) -> list[FrozenTrial]:
    """Trials that need not be run again: whole, given up, or with settings that cannot be."""
    return [
        one for one in study.get_trials(deepcopy=False) if one.state.is_finished() and not interrupted(one)
    ]


def interrupted(one: FrozenTrial) -> bool:
    """Whether a stopped run left the trial behind."""
    return one.state.name == "FAIL" and "why" not in one.user_attrs


def best_of(study: Study) -> FrozenTrial | None:
    """The best whole trial, the earliest of equals."""
    whole = [one for one in study.get_trials(deepcopy=False) if one.state.name == "COMPLETE"]
    return max(whole, key=lambda one: (one.value, -one.number), default=None)


def first_number(study: Study) -> int:
    """The number of the trial with the method's own settings: the first that nothing interrupted."""
    return next(one.number for one in study.get_trials(deepcopy=False) if not interrupted(one))


def importance(study: Study, names: list[str]) -> dict[str, float]:
    """Setting -> how much it tells good trials from others (PED-ANOVA, Watanabe et al. 2023); empty of few trials."""
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
    from optuna.trial import TrialState

    if len(study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])) < _FEW_FOR_IMPORTANCE:
        return {}
    found = get_param_importances(study, evaluator=PedAnovaImportanceEvaluator(), params=names)
    return {name: round(float(share), 4) for name, share in found.items()}


def line(one: FrozenTrial) -> str:
    """What became of a trial, in one line."""
    said = {"COMPLETE": "", "PRUNED": " (given up)", "FAIL": f" failed: {one.user_attrs.get('why')}"}[
        one.state.name
    ]
    value = "" if one.value is None else f" {one.value:.4f}"
    last = one.intermediate_values
    value = value or (f" {last[max(last)]:.4f}" if last else "")
    return f"trial {one.number}:{value}{said}"
