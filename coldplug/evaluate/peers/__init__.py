"""Recommenders by others, behind the same table: optional, each imported when it is asked for by name.

They are installed by `pip install 'coldplug[peers]'`. Each is given what its library can use, and its file says what that
is; a user without support is given popularity where the library has nothing to say of one, as the baselines do.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from coldplug.learn import METHODS, Learner, learner_class
from plugbase.errors import UserError, did_you_mean

PEERS: dict[str, str] = {
    "implicit-als": "coldplug.evaluate.peers.implicit_als:ImplicitALS",
    "lightfm": "coldplug.evaluate.peers.lightfm:LightFMPeer",
    "cornac-vaecf": "coldplug.evaluate.peers.cornac_vaecf:CornacVAECF",
}
"""Name -> "module:class"."""
LIBRARIES: dict[str, str] = {"implicit-als": "implicit", "lightfm": "lightfm-next", "cornac-vaecf": "cornac"}
"""Name -> what to install."""


def all_methods() -> Mapping[str, str]:
    """Everything that the table can have a row of."""
    return {**METHODS, **PEERS}


def method_class(name: str) -> type[Learner]:
    """The class behind the name of a method or of a peer.

    Raises:
        UserError: none of that name, with the nearest one, or a peer whose library is not installed.
    """
    if name not in PEERS:
        if name not in METHODS:
            known = all_methods()
            raise UserError(
                f"unknown method {name!r}",
                mend=did_you_mean(name, known) or "methods: " + ", ".join(known),
            )
        return learner_class(name)
    module, _, attribute = PEERS[name].partition(":")
    try:
        found: type[Learner] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise UserError(
            f"{name} needs {LIBRARIES[name]}, which cannot be imported: {error}",
            mend=f"pip install {LIBRARIES[name]}, or pip install 'coldplug[peers]' for all three peers",
        ) from error
    return found
