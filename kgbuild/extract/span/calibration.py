"""What held-out items say about a network's answers: how good, how sure, and when to say nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kgbuild.extract.span.labels import LabelledItem
from kgbuild.extract.span.reading import Choice, choices
from kgbuild.extract.span.spans import Span

_BINS = 10
_RESAMPLES = 200
_LEAST_SLOPE = 0.05
_CLOSE = 1e-8
_BIASES = tuple(round(-4 + 0.25 * step, 2) for step in range(33))


@dataclass(frozen=True, slots=True)
class Calibration:
    """probability = sigmoid(slope * logit + offset); `bias` is added to the score of absence."""

    bias: float = 0.0
    slope: float = 1.0
    offset: float = 0.0

    def probability(self, logit: float) -> float:
        """How often a value with these log-odds is right."""
        return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, self.slope * logit + self.offset))))


@dataclass(frozen=True, slots=True)
class Scores:
    """Counts of answers, as ExtractGPT counts them.

    Only relations with a label on the item are counted as right, wrong or missed; answers for other
    relations of an item whose labels are not complete are `unasked` (over-extraction).
    """

    right: int = 0
    wrong: int = 0
    missed: int = 0
    unasked: int = 0

    @property
    def precision(self) -> float:
        """right / (right + wrong)."""
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        """right / (right + missed)."""
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)

    @property
    def strict_f1(self) -> float:
        """F1 with every unasked answer counted as wrong."""
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.unasked + self.missed)

    def as_json(self) -> dict[str, float]:
        """Counts and measures, rounded to four digits."""
        measures = {
            name: round(getattr(self, name), 4) for name in ("precision", "recall", "f1", "strict_f1")
        }
        return {**measures, **asdict(self)}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a network makes of one labelled item: its spans, and a row of margins for each relation asked."""

    entry: LabelledItem
    spans: Sequence[Span]
    margins: dict[str, NDArray[np.float32]]

    def answers(self, several: bool, bias: float) -> dict[str, list[Choice]]:
        """For each relation asked, every choice, the likeliest first."""
        return {
            name: choices(self.spans, margins, several=several, bias=bias)
            for name, margins in self.margins.items()
        }


def facts_of(found: Sequence[Choice], several: bool) -> list[Choice]:
    """The choices that are facts: those that beat absence, or the first of them where there is one value."""
    facts = [choice for choice in found if choice.over > 0]
    return facts if several else facts[:1]


def score(readings: Sequence[Reading], several: bool, bias: float = 0.0) -> Scores:
    """Hold the answers to labelled items against the labels, by the exact text of values."""
    counts = np.array([_counts(reading, several, bias) for reading in readings]).reshape(-1, 4)
    return _scores(counts)


def _scores(counts: NDArray[np.int64]) -> Scores:
    right, wrong, missed, unasked = (int(count) for count in counts.sum(axis=0))
    return Scores(right, wrong, missed, unasked)


def _counts(reading: Reading, several: bool, bias: float) -> tuple[int, int, int, int]:
    """(right, wrong, missed, unasked) values of one item."""
    right = wrong = missed = unasked = 0
    for name, found in reading.answers(several, bias).items():
        said = {choice.span.text for choice in facts_of(found, several)}
        if name not in reading.entry.facts and not reading.entry.complete:
            unasked += len(said)
            continue
        met, false, lost = _compare(said, reading.entry, name)
        right, wrong, missed = right + met, wrong + false, missed + lost
    return right, wrong, missed, unasked


def _compare(said: set[str], entry: LabelledItem, name: str) -> tuple[int, int, int]:
    """(right, wrong, missed) values of one relation; other accepted wordings of a value are right as well."""
    values = entry.facts.get(name, ())
    met = {number for number, value in enumerate(values) if said & {value.text, *value.accept}}
    known = {text for value in values for text in (value.text, *value.accept)}
    return len(met), len(said - known), len(values) - len(met)


def calibrate(readings: Sequence[Reading], several: bool) -> Calibration:
    """How likely absence has to be, and the scale on which confidences are frequencies.

    A bias will do if its mean of F1 and strict F1 is within a standard error of the best: what few held-out
    items prefer by chance does not carry over to others. Of those, the one with the best F1; where labels are
    complete the two F1s are one, and it is the smallest.
    """
    tables = {
        bias: np.array([_counts(reading, several, bias) for reading in readings]).reshape(-1, 4)
        for bias in _BIASES
    }
    best = max(_BIASES, key=lambda bias: (_goodness(tables[bias]), -abs(bias)))
    enough = _goodness(tables[best]) - _standard_error(tables[best])
    complete = all(reading.entry.complete for reading in readings)
    bias = min(
        (bias for bias in _BIASES if _goodness(tables[bias]) >= enough),
        key=lambda bias: (0.0 if complete else -_scores(tables[bias]).f1, abs(bias)),
    )
    logits, outcomes = confidences(readings, several, bias)
    if len(logits) < 20 or len(set(outcomes.tolist())) < 2:
        return Calibration(bias)
    slope, offset = _logistic(logits, outcomes)
    return Calibration(bias, round(slope, 4), round(offset, 4))


def _goodness(counts: NDArray[np.int64]) -> float:
    scores = _scores(counts)
    return (scores.f1 + scores.strict_f1) / 2


def _standard_error(counts: NDArray[np.int64]) -> float:
    """Spread of the goodness over bootstrap samples of the items."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(counts), (_RESAMPLES, len(counts)))
    return float(np.std([_goodness(counts[rows]) for rows in drawn]))


def confidences(
    readings: Sequence[Reading], several: bool, bias: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Log-odds of every fact for a labelled relation, and whether it is right (1 or 0)."""
    rows = [
        (choice.logit, float(_compare({choice.span.text}, reading.entry, name)[0] > 0))
        for reading in readings
        for name, found in reading.answers(several, bias).items()
        if name in reading.entry.facts or reading.entry.complete
        for choice in facts_of(found, several)
    ]
    table = np.array(rows, dtype=np.float64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _logistic(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of a logistic regression (Platt 1999), shrunk a little to (1, 0); more is never less sure."""
    ones = np.ones_like(x)
    slope, offset = _newton(np.stack([x, ones], axis=1), y, np.array([1.0, 0.0]), 0 * x)
    if slope < _LEAST_SLOPE:
        slope, (offset,) = _LEAST_SLOPE, _newton(ones[:, None], y, np.zeros(1), _LEAST_SLOPE * x)
    return float(slope), float(offset)


def _newton(
    design: NDArray[np.float64], y: NDArray[np.float64], prior: NDArray[np.float64], told: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights with sigmoid(design weights + told) likeliest for y, under a unit Gaussian about the prior.

    Newton's step is halved until it gains: a whole one may overshoot where the outcomes go against what is told, and
    never come back.
    """

    def loss(weights: NDArray[np.float64]) -> float:
        logits = design @ weights + told
        return float((np.logaddexp(0, logits) - y * logits).sum() + ((weights - prior) ** 2).sum() / 2)

    weights = prior
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ weights + told, -30, 30)))
        gradient = design.T @ (p - y) + (weights - prior)
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.eye(len(prior))
        step = np.linalg.solve(curvature, gradient)
        least = loss(weights)
        while loss(weights - step) > least and np.abs(step).max() >= _CLOSE:
            step = step / 2
        if np.abs(step).max() < _CLOSE:
            break
        weights = weights - step
    return weights


def expected_calibration_error(probabilities: NDArray[np.float64], outcomes: NDArray[np.float64]) -> float:
    """Mean distance of confidence from frequency over ten bins of equal width (Naeini et al. 2015)."""
    if not len(probabilities):
        return 0.0
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    gaps = (
        abs(float(probabilities[bins == at].mean() - outcomes[bins == at].mean())) * int((bins == at).sum())
        for at in range(_BINS)
        if (bins == at).any()
    )
    return sum(gaps) / len(probabilities)
