"""One circuit breaker for all calls of a run: when a server fails, everyone waits and one call looks again."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable


class ServerDownError(Exception):
    """The server failed at every look that was taken at it; the text says what came last."""


class Breaker:
    """Closed: calls pass. Open, after `threshold` failures in a row: they wait. Half open, after the wait: one
    passes as a probe; its success lets all pass, its failure doubles the wait. One event loop has it.

    Args:
        tell: is told in a sentence when it opens and closes.
        threshold: failures of any calls in a row, with no success in between.
        wait: seconds of the first wait, doubled up to `longest`, give or take a quarter.
        probes: probes that may fail in a row before the run ends.
    """

    def __init__(
        self,
        tell: Callable[[str], None],
        *,
        threshold: int = 5,
        wait: float = 5.0,
        longest: float = 60.0,
        probes: int = 6,
    ) -> None:
        self._tell, self._threshold, self._wait, self._longest = tell, threshold, wait, longest
        self._probes = probes
        self._failures = self._failed_probes = 0
        self._until = 0.0
        self._open = self._probing = False
        self._ended: str | None = None
        self._changed = asyncio.Condition()

    async def enter(self) -> bool:
        """Wait until a call may pass; whether it is the probe.

        Raises:
            ServerDownError: the last probe failed.
        """
        async with self._changed:
            while True:
                if self._ended is not None:
                    raise ServerDownError(self._ended)
                now = time.monotonic()
                if now >= self._until and not self._open:
                    return False
                if now >= self._until and not self._probing:
                    self._probing = True
                    return True
                try:
                    pause = None if now >= self._until else self._until - now
                    await asyncio.wait_for(self._changed.wait(), pause)
                except TimeoutError:
                    continue

    async def hold(self, seconds: float) -> None:
        """Let no call pass for so long: the server asked for it."""
        async with self._changed:
            self._until = max(self._until, time.monotonic() + seconds)

    async def succeeded(self) -> None:
        """Note that the server answered, in whatever way."""
        async with self._changed:
            self._failures = self._failed_probes = 0
            self._probing = False
            if self._open:
                self._open = False
                self._tell("the server answers again")
            self._changed.notify_all()

    async def gave_up(self, probe: bool) -> None:
        """Note that a call ended without an outcome: where it was the probe, another may take its place."""
        async with self._changed:
            self._probing = self._probing and not probe
            self._changed.notify_all()

    async def failed(self, why: str, probe: bool) -> None:
        """Note a failure that says nothing of the question: no connection, no answer in time, 429, 5xx."""
        async with self._changed:
            self._failures += 1
            if probe:
                self._probing = False
                self._failed_probes += 1
                if self._failed_probes == self._probes:
                    self._ended = why
                else:
                    self._pause(why)
            elif not self._open and self._failures >= self._threshold:
                self._open = True
                self._pause(why)
            self._changed.notify_all()

    def _pause(self, why: str) -> None:
        pause = min(self._longest, self._wait * 2.0**self._failed_probes) * random.uniform(0.75, 1.25)
        self._until = max(self._until, time.monotonic() + pause)
        self._tell(f"{self._failures} failures in a row ({why}): all calls wait for {pause:.1f} s")
