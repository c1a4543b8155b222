"""What the server tells of the model it holds: how many items, which by their titles, which attributes of users."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from coldplug.plug import Plug


def n_items(plug: Plug) -> int:
    """How many items the model knows."""
    return len(plug._catalogue.item_ids)


def find(plug: Plug, words: str, most: int) -> list[tuple[str, str]]:
    """(id, title) of the first items that have every word in title or id, whatever their case."""
    wanted = words.casefold().split()
    catalogue = plug._catalogue

    def matching() -> Iterator[tuple[str, str]]:
        for ident, title in zip(catalogue.item_ids, catalogue.titles, strict=True):
            text = f"{title} {ident}".casefold()
            if all(word in text for word in wanted):
                yield ident, title

    return list(islice(matching(), most))


def attributes(plug: Plug) -> list[Mapping[str, Any]]:
    """The attributes of users that the model was trained on: name, kind, and values or knots; see `AttributeEncoder`.

    Of a model made of several, those of all of them, each name once.
    """
    told = plug.meta["learner"]
    parts = [told, *(member["state"] for member in told.get("members", ()))]
    found: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        for one in (part.get("attributes") or {}).get("attributes", ()):
            found.setdefault(one["name"], one)
    return list(found.values())
