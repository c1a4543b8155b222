"""Users in a SQLite file: no server, several processes, and a write-ahead log that a killed process leaves whole."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from coldplug.online.store import MOST, Fsync, Kept, Met
from plugbase.errors import UserError

_APPLICATION, _VERSION = 0x636F6C64, 1
"""How a file says that it is a user store, and of which shape."""
_WAIT_S = 10.0
"""For another process that writes."""
_SHAPE = """
CREATE TABLE IF NOT EXISTS met (
    mark INTEGER PRIMARY KEY AUTOINCREMENT, user TEXT NOT NULL, item TEXT NOT NULL, reward REAL, at REAL NOT NULL,
    UNIQUE (user, item));
CREATE INDEX IF NOT EXISTS met_of_user ON met (user, mark);
CREATE TABLE IF NOT EXISTS person (user TEXT PRIMARY KEY, attributes TEXT NOT NULL) WITHOUT ROWID;
"""
_TRIM = """
DELETE FROM met WHERE user = ?1
    AND mark <= (SELECT mark FROM met WHERE user = ?1 ORDER BY mark DESC LIMIT 1 OFFSET ?2)
"""


class SQLiteUsers:
    """A `UserStore` in one file, in WAL mode.

    Each observation is one transaction. With fsync="checkpoint" (synchronous=NORMAL) the system has it when `observe`
    returns; with "always" (synchronous=FULL) the disk has it.
    """

    def __init__(self, path: str | PathLike[str], *, fsync: Fsync = "checkpoint", most: int = MOST) -> None:
        """Open the file, or make it.

        Raises:
            UserError: it cannot be opened, or is something else.
        """
        self.path, self._most = Path(path), most
        self._lock = threading.Lock()
        if not self.path.parent.is_dir():
            raise UserError(f"no folder {self.path.parent}", file=str(path), mend="make it first")
        try:
            self._connection = sqlite3.connect(
                self.path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False
            )
            self._prepare(fsync)
        except sqlite3.Error as error:
            raise UserError(f"no user store: {error}", file=str(path), mend="name another file") from error

    def _prepare(self, fsync: Fsync) -> None:
        ask = self._connection.execute
        with self._writing():
            kind, version = (
                ask(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
            )
            empty = ask("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if (kind, version) != (_APPLICATION, _VERSION):
                if not empty:
                    raise sqlite3.DatabaseError("it holds other tables, or those of another version")
                for statement in _SHAPE.split(";"):
                    ask(statement)
                ask(f"PRAGMA application_id = {_APPLICATION}")
                ask(f"PRAGMA user_version = {_VERSION}")
        ask("PRAGMA journal_mode = WAL")
        ask(f"PRAGMA synchronous = {'FULL' if fsync == 'always' else 'NORMAL'}")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        # IMMEDIATE: whoever reads and then writes holds the place from the start, and no update is lost.
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def observe(self, user_id: str, item_id: str, reward: float | None, at: float) -> None:
        """As `UserStore.observe`."""
        with self._writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO met (user, item, reward, at) VALUES (?, ?, ?, ?)",
                (user_id, item_id, reward, at),
            )
            self._connection.execute(_TRIM, (user_id, self._most))

    def describe(self, user_id: str, attributes: str) -> None:
        """As `UserStore.describe`."""
        with self._writing():
            self._connection.execute("INSERT OR REPLACE INTO person VALUES (?, ?)", (user_id, attributes))

    def read(self, user_id: str) -> Kept:
        """As `UserStore.read`."""
        with self._lock:
            ask = self._connection.execute
            met = ask("SELECT item, reward FROM met WHERE user = ? ORDER BY mark", (user_id,)).fetchall()
            told = ask("SELECT attributes FROM person WHERE user = ?", (user_id,)).fetchone()
        return Kept(json.loads(told[0]) if told else {}, met)

    def forget(self, user_id: str) -> None:
        """As `UserStore.forget`."""
        with self._writing():
            self._connection.execute("DELETE FROM met WHERE user = ?", (user_id,))
            self._connection.execute("DELETE FROM person WHERE user = ?", (user_id,))

    def since(self, mark: int, most: int) -> list[Met]:
        """As `UserStore.since`."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT mark, user, item, reward, at FROM met WHERE mark > ? ORDER BY mark DESC LIMIT ?",
                (mark, most),
            ).fetchall()
        return [Met(*row) for row in reversed(rows)]

    def close(self) -> None:
        """As `UserStore.close`."""
        with self._lock:
            self._connection.close()
