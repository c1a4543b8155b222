"""The SQLite file beside the graph with its items and answers: what a killed run carries on from, and an update."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Container, Iterable, Iterator, MutableMapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from kgbuild.extract.llm.spending import CallRecord
from kgbuild.types import Item, Mention, Scalar
from kgbuild.write.iris import whole_text
from plugbase.errors import UserError

_FORMAT = 2
_MENTION = tuple(field.name for field in fields(Mention))
_TABLES = """
create table if not exists answers (key blob primary key, mentions text not null) without rowid;
create table if not exists calls (number integer primary key, record text not null);
create table if not exists memory (name text primary key, value text not null) without rowid;
create table if not exists items (
    id blob primary key, line integer not null unique, key blob not null, item text not null
) without rowid;
create table if not exists undo (
    id blob primary key, line integer, key blob, item text, changed integer not null
) without rowid;
"""
_NO_ITEMS = ("delete from items", "delete from undo", "delete from memory where name in ('graph', 'next')")
Change = Literal["added", "changed", "unchanged", "retracted"]


class WorkFile:
    """Items by id, and what the extractor answered for them, keyed by the item's content and the fingerprint.

    Answers outlive the run that wrote them, and so do the calls that were paid for and what was learnt about the
    server. Items are filled anew (`filling`) or changed (`changing`); changes can be taken back until the graph
    that holds them has its name. Ids are kept as UTF-8 bytes, whose order is the order of code points. One
    process at a time has the file.

    Raises:
        UserError: the file cannot be made, is no work file, or another run has it.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self._lines_before = 0

    def __enter__(self) -> WorkFile:
        self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
        try:
            # Exclusive from the first write to the end: two runs never write one graph.
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            (found,) = self._db.execute("pragma user_version").fetchone()
            if found == 1:
                self._db.execute("drop table if exists items")
            elif found not in (0, _FORMAT):
                self._db.execute("drop table if exists answers")
            self._db.executescript(f"begin exclusive; {_TABLES} pragma user_version = {_FORMAT}; commit")
        except sqlite3.OperationalError as error:
            self._db.close()
            if "locked" in str(error):
                raise UserError(
                    "another run is writing this graph",
                    file=str(self.path),
                    mend="wait for it, or name another -o",
                ) from error
            raise UserError(f"cannot be written: {error}", file=str(self.path)) from error
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise UserError(
                f"this is no work file: {error}", file=str(self.path), mend="remove it"
            ) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()
        if isinstance(error, sqlite3.OperationalError):
            raise UserError(
                f"cannot be written: {error}",
                file=str(self.path),
                mend="make room and run the same command: it carries on where it stopped",
            ) from error

    def remove(self) -> None:
        """Delete the file; to be called once it is closed."""
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)

    @contextmanager
    def trial(self) -> Iterator[None]:
        """A block after which the file is as it was before."""
        self._db.execute("begin")
        yield
        self._db.execute("rollback")

    @contextmanager
    def filling(self) -> Iterator[None]:
        """A block in which all items are added anew: one transaction, for speed."""
        self._db.execute("savepoint filling")
        for statement in _NO_ITEMS:
            self._db.execute(statement)
        if self.memory.pop("spent", False):
            self._db.execute("delete from answers")
        yield
        self._db.execute("release filling")

    def add_item(self, line: int, item: Item) -> int | None:
        """Keep an item; where its id is taken, keep nothing and return the line that has it."""
        record = _item_json(item)
        key = hashlib.sha256(f"{self.fingerprint}\n{record}".encode()).digest()
        values = (item.id.encode(), line, key, record)
        if self._db.execute("insert or ignore into items values (?, ?, ?, ?)", values).rowcount:
            return None
        return self.line_of(item)

    def line_of(self, item: Item) -> int:
        """The line of the input that has the id of this item."""
        (line,) = self._db.execute("select line from items where id = ?", (item.id.encode(),)).fetchone()
        return int(line) - self._lines_before

    @contextmanager
    def changing(self) -> Iterator[None]:
        """A block in which items are changed: one transaction, which `take_back` undoes.

        Lines are counted anew; the items of earlier runs get numbers below 1.
        """
        (last,) = self._db.execute("select max(line) from items").fetchone()
        self._lines_before = last or 0
        self._db.execute("begin")
        yield
        self._db.execute("commit")

    def change_item(self, line: int, item: Item) -> Change | int:
        """Keep an item in place of the one that has its id, if any; the line that did so before, if one did."""
        earlier = self._keep_for_undo(line, item.id)
        if earlier is not None:
            return earlier
        record = _item_json(item)
        key = hashlib.sha256(f"{self.fingerprint}\n{record}".encode()).digest()
        found = self._db.execute("select key from items where id = ?", (item.id.encode(),)).fetchone()
        if found == (key,):
            return "unchanged"
        values = (item.id.encode(), line + self._lines_before, key, record)
        self._db.execute("insert or replace into items values (?, ?, ?, ?)", values)
        return "changed" if found else "added"

    def retract_item(self, line: int, identifier: str) -> Change | int | None:
        """Take an item out; the line that changed it before, if one did; None where there is no such item."""
        query = "select 1 from items where id = ? union select 1 from undo where id = ?"
        if not self._db.execute(query, (identifier.encode(),) * 2).fetchone():
            return None
        earlier = self._keep_for_undo(line, identifier)
        if earlier is not None:
            return earlier
        self._db.execute("delete from items where id = ?", (identifier.encode(),))
        return "retracted"

    def _keep_for_undo(self, line: int, identifier: str) -> int | None:
        """Remember what the id stands for; the line that changed it before, if one did."""
        changed = self._db.execute("select changed from undo where id = ?", (identifier.encode(),)).fetchone()
        if changed:
            return int(changed[0])
        self._db.execute(
            "insert into undo select ids.id, line, key, item, ? from (select ? as id) as ids "
            "left join items using (id)",
            (line, identifier.encode()),
        )
        return None

    def promise(self, digest: str) -> None:
        """The graph of this digest holds the items as they are now, once it has its name."""
        # What has to be known after a power cut too, for the graph is renamed next.
        self._db.execute("pragma synchronous = full")
        self.memory["next"] = digest
        self._db.execute("pragma synchronous = normal")

    def settle(self) -> None:
        """The promised graph has its name: the items stand, and changes cannot be taken back."""
        self._db.execute("begin")
        self.memory["graph"] = self.memory.pop("next")
        self._db.execute("delete from undo")
        self._db.execute("commit")

    def take_back(self) -> None:
        """Undo what was changed since the graph was written."""
        self._db.execute("begin")
        self._db.execute("delete from items where id in (select id from undo)")
        self._db.execute("insert into items select id, line, key, item from undo where item is not null")
        self._db.execute("delete from undo")
        self.memory.pop("next", None)
        self._db.execute("commit")

    def count_items(self) -> int:
        """How many items the run has."""
        return int(self._db.execute("select count(*) from items").fetchone()[0])

    def items(self) -> Iterator[Item]:
        """All items, sorted by id."""
        with closing(self._db.execute("select item from items order by id")) as rows:
            for (record,) in rows:
                yield _item_of(record)

    def count_unanswered(self) -> int:
        """How many items have no answer yet."""
        query = "select count(*) from items where key not in (select key from answers)"
        return int(self._db.execute(query).fetchone()[0])

    def unanswered(self, batch: int) -> Iterator[list[Item]]:
        """Items that had no answer when they were come to, in batches, in the order of the input."""
        last = -1
        query = (
            "select line, item from items where line > ? and key not in (select key from answers) "
            "order by line limit ?"
        )
        while rows := self._db.execute(query, (last, batch)).fetchall():
            last = rows[-1][0]
            yield [_item_of(record) for _, record in rows]

    def answer(self, item: Item, mentions: Sequence[Mention]) -> None:
        """Keep what the extractor found in one item; on disk when this returns."""
        record = json.dumps([_mention_values(mention) for mention in mentions], ensure_ascii=False)
        self._db.execute(
            "insert or replace into answers select key, ? from items where id = ?",
            (whole_text(record), item.id.encode()),
        )

    def remaining(self, failed: Container[str]) -> Iterator[tuple[str, int]]:
        """(id, line) of the items that have no answer and did not fail, in the order of the input."""
        query = "select id, line from items where key not in (select key from answers) order by line"
        with closing(self._db.execute(query)) as rows:
            for identifier, line in rows:
                if identifier.decode() not in failed:
                    yield identifier.decode(), max(line - self._lines_before, 0)

    def calls(self) -> list[CallRecord]:
        """Every call that was made for this graph, in order."""
        rows = self._db.execute("select record from calls order by number")
        return [CallRecord.of_json(json.loads(record)) for (record,) in rows]

    def keep_call(self, record: CallRecord) -> None:
        """Keep a call; on disk when this returns."""
        self._db.execute("insert into calls (record) values (?)", (json.dumps(record.as_json()),))

    @property
    def memory(self) -> MutableMapping[str, Any]:
        """What runs on this graph leave to the next one, by name; values are JSON."""
        return _Memory(self._db)

    def answered(self) -> Iterator[tuple[Item, list[Mention]]]:
        """All items, sorted by id, each with what was found in it; nothing where it has no answer."""
        query = "select item, mentions from items left join answers using (key) order by id"
        with closing(self._db.execute(query)) as rows:
            for record, mentions in rows:
                yield _item_of(record), [_mention_of(values) for values in json.loads(mentions or "[]")]


class _Memory(MutableMapping[str, Any]):
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __getitem__(self, name: str) -> Any:
        row = self._db.execute("select value from memory where name = ?", (name,)).fetchone()
        if row is None:
            raise KeyError(name)
        return json.loads(row[0])

    def __setitem__(self, name: str, value: Any) -> None:
        self._db.execute("insert or replace into memory values (?, ?)", (name, json.dumps(value)))

    def __delitem__(self, name: str) -> None:
        if not self._db.execute("delete from memory where name = ?", (name,)).rowcount:
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter([name for (name,) in self._db.execute("select name from memory order by name")])

    def __len__(self) -> int:
        return int(self._db.execute("select count(*) from memory").fetchone()[0])


def _to_json(value: Scalar) -> object:
    return {"date": value.isoformat()} if isinstance(value, date) else value


def _from_json(value: object) -> Scalar:
    if isinstance(value, dict):
        return date.fromisoformat(value["date"])
    assert isinstance(value, str | int | float)
    return value


def _item_json(item: Item) -> str:
    attributes = {
        name: [_to_json(value) for value in values] for name, values in sorted(item.attributes.items())
    }
    values = [item.id, item.title, item.description, item.category, attributes]
    return json.dumps(values, ensure_ascii=False)


def _item_of(record: str) -> Item:
    identifier, title, description, category, named = json.loads(record)
    attributes = {name: tuple(map(_from_json, values)) for name, values in named.items()}
    return Item(identifier, title, description, category, attributes)


def _mention_values(mention: Mention) -> list[object]:
    values = [getattr(mention, name) for name in _MENTION]
    values[2] = _to_json(mention.value)
    return values


def _mention_of(values: Iterable[object]) -> Mention:
    item, relation, value, *others = values
    return Mention(item, relation, _from_json(value), *others)  # type: ignore[arg-type]
