"""A model that is replaced in one step while others ask it: whoever took it answers from it to the end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from coldplug.errors import ModelFormatError
from coldplug.online.store import UserStore
from coldplug.plug import Plug, load


class Swappable:
    """A model folder in memory. Take `plug` once a question; a swap changes what the next one gets.

    Items that were added stay: a model that is swapped in is told of those it does not know, before it is seen. Users
    stay in their store, which every model shares.
    """

    def __init__(
        self, folder: str | PathLike[str], users: str | PathLike[str] | UserStore | None = None
    ) -> None:
        """Load the model.

        Args:
            folder: a model folder.
            users: as for `coldplug.load`.

        Raises:
            ModelFormatError: the folder is no model, or was truncated or altered.
        """
        from coldplug.online.store import open_users

        self.folder = Path(folder)
        self._users = open_users(users) if isinstance(users, str | PathLike) else users
        self._seen = self._stamp()
        self.plug: Plug = load(self.folder, self._users)
        self._added: list[Mapping[str, Any]] = []
        self._changing = threading.Lock()

    def swap(self) -> Plug:
        """Read the folder anew and answer from that; after an error the model is as it was.

        Raises:
            ModelFormatError: as on loading.
        """
        with self._changing:
            seen = self._stamp()
            plug = load(self.folder, self._users)
            if self._added:
                plug.add_items(self._added)
            self.plug, self._seen = plug, seen
        return plug

    def changed(self) -> bool:
        """Whether the folder holds another model.json than the one that was loaded."""
        stamp = self._stamp()
        return stamp is not None and stamp != self._seen

    def add(self, records: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
        """Make items scorable, all of them or none; (how many were new, how many there are now).

        Raises:
            UserError: a record without a text, or an id twice.
        """
        with self._changing:
            known = set(self.plug.item_ids)
            fresh = [record for record in records if record["id"] not in known]
            added = self.plug.add_items(records)
            self._added += fresh
            return added, len(known) + added

    @contextlib.contextmanager
    def watched(
        self, every: float = 1.0, refused: Callable[[ModelFormatError], None] = lambda error: None
    ) -> Iterator[None]:
        """Swap whenever the folder changes, on a thread of its own, as long as the `with` lasts.

        Args:
            every: seconds between two looks.
            refused: called where the new folder is no whole model, perhaps because it is still being copied; the old model
                stays, and the folder is tried again at the next look.
        """
        stop = threading.Event()

        def look() -> None:
            while not stop.wait(every):
                if self.changed():
                    try:
                        self.swap()
                    except ModelFormatError as error:
                        refused(error)

        looking = threading.Thread(target=look, name="watching the model", daemon=True)
        looking.start()
        try:
            yield
        finally:
            stop.set()
            looking.join()

    def _stamp(self) -> tuple[int, int, int] | None:
        # A model is put in place whole and has a new inode; one copied over the old has a new time.
        try:
            told = (self.folder / "model.json").stat()
        except FileNotFoundError:
            return None
        return told.st_ino, told.st_mtime_ns, told.st_size
