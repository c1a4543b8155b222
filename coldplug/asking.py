"""What callers pass, as what learners take: ids, users with attributes and support; wrong types are named."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from numbers import Real
from typing import Literal

import numpy as np

from coldplug.catalogue import Catalogue
from coldplug.errors import UnknownItemError
from coldplug.types import Attributes, IntArray, Query
from plugbase.errors import UserError

Support = Sequence[str | tuple[str, float]] | Mapping[str, float]
"""Items a user has met: ids, (id, rating) pairs, or id -> rating. An id alone is a like without a degree."""
Unknown = Literal["raise", "nan"]


def ids_of(given: Collection[str], name: str) -> list[str]:
    """Item ids as texts; `name` is the argument's, for the message.

    Raises:
        UserError: no list of ids.
    """
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Collection):
        raise UserError(
            f"{name} is a {type(given).__name__}: {given!r}"[:200], mend="pass a list of item ids"
        )
    if set(map(type, given)) <= {str}:
        return list(given)
    ids = [str(item) if isinstance(item, int | np.integer) else item for item in given]
    for item in ids:
        if not isinstance(item, str):
            raise UserError(
                f"{name} holds {item!r}, a {type(item).__name__}"[:200], mend="item ids are texts"
            )
    return ids


def numbers_among(given: Collection[str] | None, name: str, catalogue: Catalogue) -> set[int]:
    """Numbers of the items that are known; other ids are passed over."""
    ids = ids_of(() if given is None else given, name)
    return {catalogue.numbers[item] for item in ids if item in catalogue.numbers}


def query_of(
    attributes: Attributes, support: Support | None, catalogue: Catalogue, unknown: Unknown
) -> Query:
    """A user as learners take them.

    Raises:
        UnknownItemError: the support names items that the catalogue does not have, unless unknown="nan".
        UserError: an argument of the wrong type.
    """
    if not isinstance(attributes, Mapping):
        raise UserError(
            f"user_attrs is a {type(attributes).__name__}: {attributes!r}"[:200],
            mend='pass a dict, such as {"age": 25}, or {} where nothing is known',
        )
    if support is None:
        return Query(attributes)
    if isinstance(support, str | bytes) or not isinstance(support, Collection):
        raise UserError(
            f"support is a {type(support).__name__}: {support!r}"[:200],
            mend='pass item ids or (item id, rating) pairs, such as [("260", 5), "1196"]',
        )
    pairs = support.items() if isinstance(support, Mapping) else support
    ratings: dict[str, float] = {}
    for entry in pairs:
        item, rating = entry if isinstance(entry, tuple | list) and len(entry) == 2 else (entry, math.nan)
        (item,) = ids_of([item], "support")
        if rating is None:
            rating = math.nan
        if isinstance(rating, bool) or not isinstance(rating, Real) or math.isinf(rating):
            raise UserError(f"support rates {item!r} {rating!r}"[:200], mend="a rating is a finite number")
        ratings.pop(item, None)
        ratings[item] = float(rating)
    missing = [item for item in ratings if item not in catalogue.numbers]
    if missing and unknown == "raise":
        raise UnknownItemError(missing)
    if missing:
        warnings.warn(f"{len(missing)} unknown items left out of the support", stacklevel=4)
    kept = [item for item in ratings if item in catalogue.numbers]
    numbers: IntArray = np.array([catalogue.numbers[item] for item in kept], np.int64)
    return Query(attributes, numbers, np.array([ratings[item] for item in kept], np.float32))
