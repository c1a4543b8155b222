"""Users in Redis: several machines on one store; each change is one script, which the server runs without interruption."""

from __future__ import annotations

import json
from typing import Any

from coldplug.online.store import MOST, Fsync, Kept, Met
from plugbase.errors import UserError

_PREFIX = "coldplug:"
_LOG = 100_000
"""Observations that are remembered in order for `since`, of all users."""
_OBSERVE = """
local mark = redis.call('INCR', KEYS[4])
redis.call('ZADD', KEYS[1], mark, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
local old = redis.call('ZRANGE', KEYS[1], 0, -1 - tonumber(ARGV[3]))
for _, item in ipairs(old) do
    redis.call('ZREM', KEYS[1], item)
    redis.call('HDEL', KEYS[2], item)
end
redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[4], mark .. '-0', 'u', ARGV[5], 'i', ARGV[1], 'r', ARGV[2], 'at', ARGV[6])
return mark
"""
_READ = """
return {redis.call('ZRANGE', KEYS[1], 0, -1), redis.call('HGETALL', KEYS[2]), redis.call('GET', KEYS[3])}
"""


class RedisUsers:
    """A `UserStore` on a Redis server (not a cluster).

    How well it keeps is the server's affair: it should run with appendonly yes. fsync="always" refuses a server that does
    not run with appendfsync always, under which Redis answers after its disk has it.
    """

    def __init__(self, place: str, *, fsync: Fsync = "checkpoint", most: int = MOST) -> None:
        """Connect.

        Raises:
            UserError: redis-py is missing, the server does not answer, or cannot keep as asked.
        """
        try:
            import redis
        except ImportError as error:
            raise UserError("users in Redis need redis-py", mend="pip install redis") from error
        self._most = most
        self._client: Any = redis.Redis.from_url(place)
        try:
            self._client.ping()
            settings = {} if fsync != "always" else self._settings()
        except redis.RedisError as error:
            raise UserError(f"{place} does not answer: {error}", mend="start redis-server first") from error
        if fsync == "always" and settings != {"appendonly": "yes", "appendfsync": "always"}:
            raise UserError(
                f"{place} does not force each observation to disk",
                mend='start it with --appendonly yes --appendfsync always, or pass fsync="checkpoint"',
            )
        self._observe = self._client.register_script(_OBSERVE)
        self._read = self._client.register_script(_READ)

    @staticmethod
    def _keys(user_id: str) -> tuple[str, str, str]:
        return tuple(f"{_PREFIX}{kind}:{user_id}" for kind in ("met", "reward", "person"))  # type: ignore[return-value]

    def _settings(self) -> dict[str, str]:
        return {name: self._client.config_get(name).get(name) for name in ("appendonly", "appendfsync")}

    def observe(self, user_id: str, item_id: str, reward: float | None, at: float) -> None:
        """As `UserStore.observe`."""
        met, rewards, _ = self._keys(user_id)
        told = "" if reward is None else repr(reward)
        self._observe(
            keys=[met, rewards, f"{_PREFIX}log", f"{_PREFIX}mark"],
            args=[item_id, told, self._most, _LOG, user_id, repr(at)],
        )

    def describe(self, user_id: str, attributes: str) -> None:
        """As `UserStore.describe`."""
        self._client.set(self._keys(user_id)[2], attributes)

    def read(self, user_id: str) -> Kept:
        """As `UserStore.read`."""
        order, pairs, told = self._read(keys=list(self._keys(user_id)))
        rewards = dict(zip(pairs[::2], pairs[1::2], strict=True))
        met = [(item.decode(), float(rewards[item]) if rewards[item] else None) for item in order]
        return Kept(json.loads(told) if told else {}, met)

    def forget(self, user_id: str) -> None:
        """As `UserStore.forget`."""
        self._client.delete(*self._keys(user_id))
        start = "-"
        while found := self._client.xrange(f"{_PREFIX}log", start, "+", 1000):
            mine = [mark for mark, row in found if row[b"u"].decode() == user_id]
            if mine:
                self._client.xdel(f"{_PREFIX}log", *mine)
            start = f"({found[-1][0].decode()}"

    def since(self, mark: int, most: int) -> list[Met]:
        """As `UserStore.since`."""
        found = self._client.xrevrange(f"{_PREFIX}log", "+", f"({mark}-0" if mark else "-", most)
        return [
            Met(
                int(ident.split(b"-")[0]),
                row[b"u"].decode(),
                row[b"i"].decode(),
                float(row[b"r"]) if row[b"r"] else None,
                float(row[b"at"]),
            )
            for ident, row in reversed(found)
        ]

    def close(self) -> None:
        """As `UserStore.close`."""
        self._client.close()
