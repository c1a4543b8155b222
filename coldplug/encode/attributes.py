"""User attributes as rows of numbers, with columns decided from the data, so that any user has a row."""

from __future__ import annotations

import math
import re
import unicodedata
import warnings
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from coldplug.errors import ModelFormatError
from coldplug.types import Attributes, FloatArray
from plugbase.errors import UserError, did_you_mean

MOST_DISTINCT = 10
"""Numbers with at most so many distinct values have a knot at each of them."""
QUANTILES = 8
"""Knots of the numbers with more distinct values, at equal shares of the users."""
MOST_WARNINGS = 20
_FORMAT = 1
# A leading zero marks a code (a postcode, a phone number), whose order means nothing.
_NUMERIC = re.compile(r"[+-]?((0|[1-9]\d*)(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_Scalar = float | str


@dataclass(frozen=True)
class _Numbers:
    """Hat functions: column i is 1 at knot i, falls to 0 at its neighbours; clamped beyond the ends."""

    name: str
    knots: tuple[float, ...]

    @property
    def labels(self) -> list[str]:
        return [f"{self.name}@{_number_text(knot)}" for knot in self.knots]

    def weights(self, value: _Scalar) -> list[tuple[int, float]] | None:
        number = _number(value)
        if number is None:
            return None
        above = bisect_right(self.knots, number)
        if above == 0:
            return [(0, 1.0)]
        low = self.knots[above - 1]
        if above == len(self.knots) or number == low:
            return [(above - 1, 1.0)]
        high = self.knots[above]
        # Halves, because the gap between two knots may be more than a float can hold.
        gap = high - low
        share = (number - low) / gap if math.isfinite(gap) else (number / 2 - low / 2) / (high / 2 - low / 2)
        return [(above - 1, 1.0 - share), (above, share)]

    def state(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "number", "knots": list(self.knots)}


@dataclass(frozen=True)
class _Values:
    """One column a value that enough users hold; letter case does not count."""

    name: str
    values: tuple[str, ...]

    @property
    def labels(self) -> list[str]:
        return [f"{self.name}={value}" for value in self.values]

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {_folded(value): column for column, value in enumerate(self.values)}

    def weights(self, value: _Scalar) -> list[tuple[int, float]] | None:
        column = self._columns.get(_folded(_text(value)))
        return None if column is None else [(column, 1.0)]

    def state(self) -> dict[str, Any]:
        return {"name": self.name, "kind": "values", "values": list(self.values)}


@dataclass(frozen=True)
class AttributeEncoder:
    """Rows of attributes, one block of columns an attribute name, in the order of the names.

    * numbers: hat functions at knots, summing to 1; numeric texts are numbers where all training values are;
    * texts, truth values and lists of them: one column a value, 1 where the user has it.

    What is missing (None, NaN, blank, not given) is zero in its block; so is what was not met in training.
    """

    parts: tuple[_Numbers | _Values, ...]
    _seldom: frozenset[tuple[str, str]] = frozenset()
    """Values that too few users held: no reason to warn while the same users are encoded."""
    _warned: set[tuple[str, str]] = field(default_factory=set, compare=False, repr=False)

    @classmethod
    def fit(cls, attributes: Sequence[Attributes], *, min_count: int | None = None) -> AttributeEncoder:
        """Decide on the columns.

        Args:
            attributes: one mapping a user: name -> text, number, truth value, a list of these, or None.
            min_count: users that a value needs for a column; by default 0.5 % of the users, at least 5, but
                2 where there are fewer than 200 users.

        Raises:
            UserError: a value of another type; the attribute is named.
        """
        n_users = len(attributes)
        if min_count is None:
            min_count = 2 if n_users < 200 else max(5, math.ceil(0.005 * n_users))
        columns: dict[str, list[list[_Scalar]]] = {}
        listed: set[str] = set()
        for row, user in enumerate(attributes):
            for name, value in _entries(user, row):
                scalars = _scalars(name, value, row)
                columns.setdefault(name, [])
                if scalars:
                    columns[name].append(scalars)
                if not isinstance(value, str) and isinstance(value, Iterable):
                    listed.add(name)
        blocks: list[_Numbers | _Values] = []
        seldom: set[tuple[str, str]] = set()
        for name in sorted(columns):
            users = columns[name]
            flat = [scalar for scalars in users for scalar in scalars if scalar not in (math.inf, -math.inf)]
            if flat and name not in listed and all(_number(scalar) is not None for scalar in flat):
                blocks.append(_Numbers(name, _knots([n for n in map(_number, flat) if n is not None])))
                continue
            kept, rare = _kept_values(users, min_count)
            blocks.append(_Values(name, kept))
            seldom.update((name, value) for value in rare)
        return cls(tuple(blocks), frozenset(seldom))

    @cached_property
    def names(self) -> list[str]:
        """Labels of the columns, such as "gender=F" and "age@25"."""
        return [label for block in self.parts for label in block.labels]

    @cached_property
    def blocks(self) -> dict[str, slice]:
        """Attribute name -> its columns."""
        found, start = {}, 0
        for block in self.parts:
            found[block.name] = slice(start, start + len(block.labels))
            start += len(block.labels)
        return found

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.names)

    def transform(self, attributes: Sequence[Attributes]) -> FloatArray:
        """(n_users, width) rows; each unknown name or value is warned of once, 20 in all.

        Raises:
            UserError: a value that is no text, number, truth value nor a list of these; it is named.
        """
        out = np.zeros((len(attributes), self.width), np.float32)
        for row, user in enumerate(attributes):
            for name, value in _entries(user, row):
                scalars = _scalars(name, value, row)
                block = self._by_name.get(name)
                if block is None:
                    if scalars:
                        self._warn_of_name(name)
                    continue
                if isinstance(block, _Numbers) and len(scalars) > 1:
                    self._warn_of_value(name, ", ".join(map(_text, scalars)))
                    continue
                start = self.blocks[name].start
                for scalar in scalars:
                    weights = block.weights(scalar)
                    if weights is None:
                        self._warn_of_value(name, _text(scalar))
                        continue
                    for column, weight in weights:
                        out[row, start + column] = weight
        return out

    def describe(self, row: FloatArray) -> list[tuple[str, float]]:
        """The labels of the columns of one row (width,) that are not zero, with what stands there."""
        return [(self.names[column], float(row[column])) for column in np.flatnonzero(row)]

    def state(self) -> dict[str, Any]:
        """All there is to know, as what JSON can hold; see `from_state`."""
        return {"format": _FORMAT, "attributes": [block.state() for block in self.parts]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AttributeEncoder:
        """The encoder whose `state` it is.

        Raises:
            ModelFormatError: it is not the state of an encoder of this version.
        """
        try:
            if state["format"] != _FORMAT:
                raise ModelFormatError(
                    f"attribute encoder of format {state['format']!r}; this version reads {_FORMAT}",
                    mend="train the model again, or install the version that wrote it",
                )
            return cls(tuple(_block(entry) for entry in state["attributes"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"not the state of an attribute encoder: {error!r}") from error

    @cached_property
    def _by_name(self) -> dict[str, _Numbers | _Values]:
        return {block.name: block for block in self.parts}

    def _warn_of_name(self, name: str) -> None:
        hint = did_you_mean(name, self._by_name)
        known = f"; {hint}" if hint else ""
        self._warn((name, ""), f"attribute {name!r} was not there in training and counts as missing{known}")

    def _warn_of_value(self, name: str, text: str) -> None:
        if (name, _folded(text)) in self._seldom:
            return
        block = self._by_name[name]
        if isinstance(block, _Values) and not block.values:
            self._warn(
                (name, ""), f"no value of attribute {name!r} was common in training: it counts as missing"
            )
        elif isinstance(block, _Values):
            hint = did_you_mean(text, block.values) if len(text) < 100 else None
            said = f"{name}={text[:100]!r} was not met in training, or too seldom, and counts as missing"
            self._warn((name, text), said + (f"; {hint}" if hint else ""))
        else:
            self._warn((name, text), f"{name}={text[:100]!r} is no finite number and counts as missing")

    def _warn(self, key: tuple[str, str], message: str) -> None:
        if key not in self._warned and len(self._warned) < MOST_WARNINGS:
            self._warned.add(key)
            warnings.warn(message, stacklevel=5)


def _entries(user: Attributes, row: int) -> Iterable[tuple[str, object]]:
    if not isinstance(user, Mapping):
        raise UserError(
            f"attributes of user {row} are of type {type(user).__name__}",
            mend='give a mapping of names to values, such as {"age": 25, "occupation": "artist"}',
        )
    for name in user:
        if not isinstance(name, str):
            raise UserError(
                f"user {row} has an attribute named {name!r}", mend="names of attributes are texts"
            )
    return user.items()


def _scalars(name: str, value: object, row: int) -> list[_Scalar]:
    """The value as numbers and texts; empty where it is missing."""
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist()
    if isinstance(value, list | tuple | set | frozenset):
        return [scalar for member in value for scalar in _scalar(name, member, row)]
    return _scalar(name, value, row)


def _scalar(name: str, value: object, row: int) -> list[_Scalar]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value.strip()] if value.strip() else []
    if isinstance(value, bool | np.bool_):
        return [str(bool(value)).lower()]
    if isinstance(value, Real | Decimal):
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        except ValueError:  # a signalling NaN
            return []
        return [] if math.isnan(number) else [number]
    raise UserError(
        f"attribute {name!r} of user {row} is of type {type(value).__name__}: {str(value)[:60]!r}",
        mend="give a text, a number, true or false, or a list of these; None where it is not known",
    )


def _number(value: _Scalar) -> float | None:
    """The finite number that it is or says, None where it is or says none."""
    if isinstance(value, str):
        if not _NUMERIC.fullmatch(value):
            return None
        value = float(value)
    return value if math.isfinite(value) else None


def _number_text(number: float) -> str:
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def _text(value: _Scalar) -> str:
    return value if isinstance(value, str) else _number_text(value)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text.strip().casefold())


def _knots(numbers: Sequence[float]) -> tuple[float, ...]:
    distinct = np.unique(np.array(numbers))
    if len(distinct) > MOST_DISTINCT:
        shares = np.linspace(0, 1, QUANTILES)
        distinct = np.unique(np.quantile(np.array(numbers), shares, method="inverted_cdf"))
    return tuple(float(knot) for knot in distinct)


def _kept_values(users: Sequence[Sequence[_Scalar]], min_count: int) -> tuple[tuple[str, ...], set[str]]:
    """Values that enough users hold, in their commonest spelling, and the folded ones of too few."""
    holders: Counter[str] = Counter()
    spellings: dict[str, Counter[str]] = {}
    for scalars in users:
        texts = sorted({_text(scalar) for scalar in scalars})
        holders.update({_folded(text) for text in texts})
        for text in texts:
            spellings.setdefault(_folded(text), Counter())[text] += 1
    kept = sorted(value for value, count in holders.items() if count >= min_count)
    commonest = [min(spellings[value].items(), key=lambda pair: (-pair[1], pair[0]))[0] for value in kept]
    return tuple(commonest), set(holders) - set(kept)


def _block(entry: Mapping[str, Any]) -> _Numbers | _Values:
    if not isinstance(entry["name"], str):
        raise TypeError("a name is no text")
    if entry["kind"] == "number":
        knots = tuple(float(knot) for knot in entry["knots"])
        if not knots or not all(map(math.isfinite, knots)) or list(knots) != sorted(set(knots)):
            raise ValueError(f"knots of {entry['name']!r} do not rise")
        return _Numbers(entry["name"], knots)
    if entry["kind"] == "values":
        if not all(isinstance(value, str) for value in entry["values"]):
            raise TypeError(f"a value of {entry['name']!r} is no text")
        return _Values(entry["name"], tuple(entry["values"]))
    raise ValueError(f"kind {entry['kind']!r}")
