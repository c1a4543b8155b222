"""The model that is being served: replaced in one step, and added to, while others ask it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from coldplug.plug import Plug, load


class Held:
    """A model folder in memory. Whoever takes `plug` once answers from that model to the end.

    Items that were added stay: a model that is swapped in is told of those it does not know, before it is seen.
    """

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Raises:
            ModelFormatError: the folder is no model, or was truncated or altered.
        """
        self.folder = folder
        self.plug = load(folder)
        self._added: list[Mapping[str, Any]] = []
        self._changing = threading.Lock()

    def swap(self) -> Plug:
        """Read the folder anew and serve that; after an error the model is as it was.

        Raises:
            ModelFormatError: as on loading.
        """
        with self._changing:
            plug = load(self.folder)
            if self._added:
                plug.add_items(self._added)
            self.plug = plug
        return plug

    def add(self, records: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Make items scorable, all of them or none; (how many were new, how many there are now).

        Raises:
            UserError: a record without a text, or an id twice.
        """
        with self._changing:
            known = self.plug._catalogue.numbers
            fresh = [record for record in records if record["id"] not in known]
            added = self.plug.add_items(records)
            self._added += fresh
            return added, n_items(self.plug)


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
