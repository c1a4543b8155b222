"""The door of `auto`: candidates fitted without some users and items, weighed on them, and those kept fitted on all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from coldplug.errors import ModelFormatError
from coldplug.learn import State, TrainableLearner, trainable_class
from coldplug.learn.auto.carve import SIZES, Carve, Cell, carve, met
from coldplug.learn.auto.suit import named, suitable
from coldplug.learn.auto.weigh import Mixture, Scaled, Weighing, weigh
from coldplug.learn.settings import checked
from coldplug.types import FloatArray, IntArray, ItemGraph, Query, TrainingData
from plugbase.errors import UserError

_KNOWN = "auto.known"
_SHARED = ("steps", "batch", "dim")


class AutoSettings(BaseModel):
    """Which candidates are weighed, and what all of them are told that have such a setting."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    candidates: str = Field(
        "", description="methods, with commas between; those that suit the data where empty"
    )
    steps: int | None = Field(None, ge=1, description="training batches of every candidate")
    batch: int | None = Field(None, ge=1, description="users in a training batch of every candidate")
    dim: int | None = Field(None, ge=2, description="length of every candidate's vectors; even")

    def of(self, name: str) -> dict[str, Any]:
        """What one candidate is told."""
        fields = trainable_class(name).settings_class.model_fields
        given = self.model_dump()
        return {key: given[key] for key in _SHARED if given[key] is not None and key in fields}


class Auto:
    """Learners that are summed, each with a weight by the size of the support and by whether an item is new.

    Scores are in the units of the first candidate. `report` says of each candidate what it was worth and what became
    of it.
    """

    name = "auto"
    settings_class: ClassVar[type[AutoSettings]] = AutoSettings

    def __init__(
        self,
        settings: AutoSettings,
        members: Mapping[str, TrainableLearner],
        mixture: Mixture,
        known: NDArray[np.bool_],
        report: Sequence[Mapping[str, Any]],
    ) -> None:
        self.settings, self.members, self.mixture = settings, dict(members), mixture
        self.known, self.report = known, list(report)

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        note: Callable[[str], None] = lambda text: None,
        **settings: Any,
    ) -> Self:
        """Weigh the candidates on users and items set aside, then fit those that help on everything.

        Args:
            data: all that may be seen.
            seed: of every random draw; the same seed on the same data gives the same model.
            note: called with the name of each stage as it begins, and with what became of each candidate.
            settings: fields of AutoSettings.

        Raises:
            UserError: a setting that does not exist or cannot be, or too little to learn from.
        """
        chosen = checked(AutoSettings, settings)
        names, reasons = (named(chosen.candidates), {}) if chosen.candidates else suitable(data)
        for name in names:
            checked(trainable_class(name).settings_class, chosen.of(name))
        carved = carve(data, seed) if len(names) > 1 else None
        cells = carved.cells() if carved is not None else []
        report: list[dict[str, Any]] = [_row(name, why) for name, why in reasons.items()]
        if carved is None or not cells:
            why = "too few users to weigh it" if len(names) > 1 else ""
            report = [_row(names[0], "the only one", kept=True), *(_row(n, why) for n in names[1:]), *report]
            kept, mixture = names[:1], Mixture.alone()
        else:
            scores, failed = _fitted(carved, cells, names, chosen, seed, note)
            weighing = weigh(carved, cells, scores, note)
            kept, mixture = weighing.kept, Mixture.of(weighing, weighing.kept, cells, scores)
            weighed = [_weighed_row(name, weighing) for name in scores]
            report = [*weighed, *(_row(name, why) for name, why in failed.items()), *report]
            note(f"weighed on {len(carved.users)} users and {len(carved.new_items)} items set aside:")
        for row in report:
            note(told(row))
        members = {}
        for name in kept:
            note(f"{name}, on everything")
            members[name] = trainable_class(name).fit(data, seed=seed, note=note, **chosen.of(name))
        return cls(chosen, members, mixture, met(data), report)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items) float32 in the units of the first candidate, of old and of new items."""
        kind = np.where(self.known[items], 0, 1)
        slopes, offsets = self.mixture.at([len(query.items) for query in queries])
        out = offsets[kind].T.copy()
        for member, slope in zip(self.members.values(), slopes, strict=True):
            if slope.any() or not slope.size:
                out += member.score(queries, items) * slope[kind].T
        return out.astype(np.float32)

    def add_items(self, graph: ItemGraph) -> None:
        """Append items described by a graph of their own; each learner scores them in its way, nothing is retrained."""
        for member in self.members.values():
            member.add_items(graph)
        self.known = np.concatenate([self.known, np.zeros(graph.n_items, np.bool_)])

    def to_state(self) -> State:
        """JSON-able settings, arrays, and lists of texts; those of a learner under its name."""
        arrays: dict[str, NDArray[Any]] = {_KNOWN: self.known}
        texts: dict[str, list[str]] = {}
        parts = {}
        for name, member in self.members.items():
            parts[name], own, own_texts = member.to_state()
            arrays |= {f"{name}.{key}": array for key, array in own.items()}
            texts |= {f"{name}.{key}": lines for key, lines in own_texts.items()}
        described = {
            "settings": self.settings.model_dump(),
            "anchors": max(part["anchors"] for part in parts.values()),
            "members": [{"method": name, "state": part} for name, part in parts.items()],
            "sizes": list(SIZES),
            "slopes": self.mixture.slopes.tolist(),
            "offsets": self.mixture.offsets.tolist(),
            "candidates": self.report,
        }
        return described, arrays, texts

    @classmethod
    def from_state(
        cls, meta: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]
    ) -> Self:
        """The learner that `to_state` took apart.

        Raises:
            ModelFormatError: something is missing or of the wrong kind.
        """
        try:
            settings = AutoSettings(**meta["settings"])
            mixture = Mixture(np.array(meta["slopes"], np.float64), np.array(meta["offsets"], np.float64))
            known = np.array(arrays[_KNOWN], np.bool_)
            members = {}
            for part in meta["members"]:
                name = part["method"]
                if name == cls.name:
                    raise ValueError("it holds itself")
                own, own_texts = _under(name, arrays), _under(name, texts)
                members[name] = trainable_class(name).from_state(part["state"], own, own_texts)
            shape = (len(members), 2, len(SIZES))
            if not members or mixture.slopes.shape != shape or mixture.offsets.shape != shape[1:]:
                raise ValueError(f"weights of shape {mixture.slopes.shape}")
            if list(meta["sizes"]) != list(SIZES) or known.ndim != 1:
                raise ValueError(f"sizes {meta['sizes']}")
            return cls(settings, members, mixture, known, meta["candidates"])
        except ModelFormatError:
            raise
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, UserError) as error:
            raise ModelFormatError(
                f"not the state of a {cls.name} model: {error!r}", mend="train it again"
            ) from error


def told(row: Mapping[str, Any]) -> str:
    """What became of a candidate, in one line."""
    state = "kept" if row["kept"] else "left out"
    return f"  {row['method']}: {state}" + (f", {row['why']}" if row["why"] else "")


def _fitted(
    carved: Carve,
    cells: Sequence[Cell],
    names: Sequence[str],
    settings: AutoSettings,
    seed: int,
    note: Callable[[str], None],
) -> tuple[dict[str, list[Scaled]], dict[str, str]]:
    """The candidates' scores in every cell, and why others could not be fitted."""
    scores: dict[str, list[Scaled]] = {}
    failed: dict[str, str] = {}
    for name in names:
        note(f"{name}, without those set aside")
        try:
            learner = trainable_class(name).fit(carved.train, seed=seed, **settings.of(name))
        except UserError as error:
            failed[name] = error.message
            continue
        scores[name] = [Scaled.of(carved.scores(learner, cell)) for cell in cells]
    if not scores:
        raise UserError(
            f"no candidate could be fitted: {'; '.join(f'{n}: {why}' for n, why in failed.items())}",
            mend="train on more interactions, or lower the rating that counts as a positive (--positive-at)",
        )
    return scores, failed


def _row(name: str, why: str, *, kept: bool = False) -> dict[str, Any]:
    return {"method": name, "kept": kept, "why": why}


def _weighed_row(name: str, weighing: Weighing) -> dict[str, Any]:
    """What model.json says of a candidate that was weighed."""
    found, kept = weighing.judged[name], name in weighing.kept
    mean = float(np.mean(list(found.ndcg.values())))
    noise = "which is within noise" if found.gain > 0 else "which is no gain"
    why = f"NDCG@10 {mean:.3f} alone"
    if name != weighing.lead:
        why += f"; it adds {found.gain:+.4f} ± {found.error:.4f} to those before it" + (
            "" if kept else f", {noise}"
        )
    elif not kept:
        why += "; the others do without it"
    return _row(name, why, kept=kept) | {
        "ndcg": dict(found.ndcg),
        "gain": found.gain,
        "error": found.error,
        "weights": {key: weights[name] for key, weights in weighing.weights.items()} if kept else {},
    }


def _under(name: str, parts: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{name}."
    return {key[len(prefix) :]: part for key, part in parts.items() if key.startswith(prefix)}
