"""One record of a table becomes one Item, with every check that an item has to pass."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal

from kgbuild.types import Item, Scalar
from plugbase.errors import did_you_mean

KEYS = ("id", "title", "description", "category", "attributes")
TEXT_COLUMNS = frozenset(KEYS)
_SHOWN = 200
_SURROGATE = re.compile("[\ud800-\udfff]")
_ISO_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
REPLACED = "half of a surrogate pair was replaced by U+FFFD"


class BadItem(Exception):
    """The record is no item: `reason` says why, `value` shows what was wrong."""

    def __init__(self, reason: str, value: object = "") -> None:
        self.reason = reason
        shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        self.value = _SURROGATE.sub("\ufffd", shown)[:_SHOWN]
        super().__init__(reason)


def item_of(record: Mapping[str, object]) -> tuple[Item, list[str]]:
    """The item that a record describes, and what was odd about the record though it did no harm.

    Top-level keys that are not an item's own become attributes. Attribute values that are text of the form
    YYYY-MM-DD become dates; true and false become text; empty text and nulls are left out.

    Raises:
        BadItem: no usable id, neither title nor description, or a value of a wrong type.
    """
    oddities = [hint for key in record if (hint := _near_miss(key, record))]
    text = {key: _text(key, record.get(key, ""), oddities) for key in ("title", "description", "category")}
    identifier = identifier_of(record)
    if not text["title"].strip() and not text["description"].strip():
        hints = "".join(f"; {hint}" for hint in oddities)
        raise BadItem(f"neither title nor description{hints}", identifier)
    named = _named_attributes(record.get("attributes", {}))
    others = [(key, value) for key, value in record.items() if key not in KEYS]
    attributes: dict[str, tuple[Scalar, ...]] = {}
    for key, value in [*named.items(), *others]:
        name = _SURROGATE.sub("\ufffd", key).strip()
        if not name:
            raise BadItem("an attribute has no name", value)
        values = [*attributes.get(name, ()), *_values(name, value, oddities)]
        if values:
            # 1, 1.0 and True are equal but are not the same value.
            attributes[name] = tuple({(type(each), each): each for each in values}.values())
    return Item(identifier, text["title"], text["description"], text["category"], attributes), oddities


def _near_miss(key: str, record: Mapping[str, object]) -> str | None:
    if key in KEYS:
        return None
    for known in KEYS:
        if known in record:
            continue
        spelt_alike = key.strip().lower() == known or (len(known) > 2 and _near(key, known))
        if spelt_alike:
            return f"key {key!r} was taken as an attribute; did you mean {known!r}?"
    return None


def _near(given: str, known: str) -> bool:
    """Whether the one is a likely slip of the pen for the other, not merely a related word."""
    close = abs(len(given) - len(known)) <= 2 and given[:1].lower() == known[:1]
    return close and did_you_mean(given.lower(), [known]) is not None


def identifier_of(record: Mapping[str, object]) -> str:
    """The id of a record.

    Raises:
        BadItem: it has none that can be used.
    """
    value = record.get("id")
    if value is None:
        raise BadItem("no id", dict(record))
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise BadItem("the id is neither text nor a whole number", value)
    if not isinstance(value, str):
        if not math.isfinite(value) or value != int(value):
            raise BadItem("the id is not a whole number", str(value))
        return str(int(value))
    if not value.strip():
        raise BadItem("the id is empty", value)
    if _SURROGATE.search(value):
        raise BadItem("the id holds half of a surrogate pair", value)
    return value


def _text(key: str, value: object, oddities: list[str]) -> str:
    if not isinstance(value, str):
        raise BadItem(f"the {key} is not text", value)
    whole, replaced = _SURROGATE.subn("\ufffd", value)
    if replaced:
        oddities.append(REPLACED)
    return whole


def _named_attributes(value: object) -> Mapping[str, object]:
    if isinstance(value, str):  # a CSV cell, or a parquet column that holds JSON
        try:
            value = json.loads(value) if value.strip() else {}
        except ValueError:
            raise BadItem("the attributes are not a JSON object", value) from None
    if isinstance(value, list) and all(isinstance(pair, tuple) and len(pair) == 2 for pair in value):
        value = dict(value)  # how pyarrow gives a map column
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise BadItem("the attributes are not an object", value)
    return value


def _values(name: str, value: object, oddities: list[str]) -> list[Scalar]:
    values = value if isinstance(value, list | tuple) else [value]
    scalars = (_scalar(name, each, oddities) for each in values if each is not None)
    return [scalar for scalar in scalars if scalar != ""]


def _scalar(name: str, value: object, oddities: list[str]) -> Scalar:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        value = int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise BadItem(f"attribute {name!r} is not a finite number", str(value))
    if isinstance(value, datetime):
        return value.date() if value.time() == time() else value.isoformat()
    if isinstance(value, str):
        text = _text(name, value.strip(), oddities)
        if _ISO_DATE.fullmatch(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                return text
        return text
    if isinstance(value, int | float | date):
        return value
    raise BadItem(f"attribute {name!r} is not text, a number, a date or a list of them", value)
