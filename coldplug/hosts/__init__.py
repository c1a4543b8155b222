"""What a recommender of another library must tell coldplug, and which libraries there are: names -> adapters.

    from coldplug.hosts import Person, host_class
    host = host_class("implicit")(als, user_ids, item_ids, user_items)
    Fallback(host, coldplug.load("model/")).score(Person("u17"), item_ids)

An adapter is one file. It trains nothing and changes nothing in its library: it asks the library for its scores, and says
where the library has none.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from coldplug.asking import Support
from coldplug.types import Attributes, FloatArray, IntArray
from plugbase.errors import UserError, did_you_mean

HOSTS: dict[str, str] = {
    "lenskit": "coldplug.hosts.lenskit:LensKitHost",
    "implicit": "coldplug.hosts.implicit:ImplicitHost",
    "lightfm": "coldplug.hosts.lightfm:LightFMHost",
    "cornac": "coldplug.hosts.cornac:CornacHost",
    "sklearn": "coldplug.hosts.sklearn:SklearnHost",
}
"""Name -> "module:class"."""
LIBRARIES: dict[str, str] = {
    "lenskit": "lenskit",
    "implicit": "implicit",
    "lightfm": "lightfm-next",
    "cornac": "cornac",
    "sklearn": "scikit-learn",
}
"""Name -> what to install."""


@dataclass(frozen=True)
class Person:
    """Whom to score for: known to the host by `user_id`, to coldplug by what is told of them.

    `support` is all they have met, as for `Plug.score`, the interactions that the host was trained on included.
    """

    user_id: str | None = None
    attributes: Attributes = field(default_factory=dict)
    support: Support | None = None


@runtime_checkable
class Host(Protocol):
    """A trained recommender of another library."""

    name: str

    def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) float32, the library's own scores; NaN where it has nothing to say.

        That is: it was not trained on the item, or not on the user, unless it can take in a newcomer by their support.
        """

    def user_counts(self, people: Sequence[Person]) -> IntArray:
        """(n_people,) interactions behind the library's idea of the user; 0 where it has none."""

    def item_counts(self, item_ids: Sequence[str]) -> IntArray:
        """(n_items,) interactions of the item that the library was trained on; 0 where there were none."""


def host_class(name: str) -> type[Any]:
    """The adapter of a library.

    Raises:
        UserError: none of that name, with the nearest one, or the library is not installed.
    """
    if name not in HOSTS:
        raise UserError(
            f"unknown host {name!r}", mend=did_you_mean(name, HOSTS) or "hosts: " + ", ".join(HOSTS)
        )
    module, _, attribute = HOSTS[name].partition(":")
    try:
        found: type[Any] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise UserError(
            f"the host {name} needs {LIBRARIES[name]}, which cannot be imported: {error}",
            mend=f"pip install {LIBRARIES[name]}",
        ) from error
    return found


def places(ids: Sequence[str], numbers: Mapping[str, int]) -> IntArray:
    """(n,) the number of each id; -1 where it has none."""
    return np.array([numbers.get(ident, -1) for ident in ids], np.int64)


def support_ids(support: Support | None) -> list[str]:
    """The ids of a support, without ratings, each once."""
    entries = () if support is None else support
    return list(dict.fromkeys(str(e[0]) if isinstance(e, tuple | list) else str(e) for e in entries))
