"""What stands before the application: who may ask, how much, how many at once, for how long; ids, counts and the log."""

from __future__ import annotations

import asyncio
import hmac
import logging
import re
import secrets
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coldplug.serve.bodies import Problem
from coldplug.serve.metrics import Metrics

log = logging.getLogger("coldplug.serve")

OPEN = frozenset({"/", "/healthz"})
"""Answered without a token: the page holds no data, and whoever restarts servers needs to ask after their health."""
CHEAP = frozenset({"/", "/healthz", "/metrics", "/openapi.json"})
"""Not counted against the number of requests at once: a server that is busy can still be looked at."""
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LOOPBACK = re.compile(r"(localhost|127(\.\d{1,3}){3}|\[::1\])(:\d+)?", re.IGNORECASE)
_CLOSED = 499
"""What the log says of a client that went away before it was answered."""


@dataclass(frozen=True)
class Limits:
    """How much of a server one client can have.

    body: bytes of a request. in_flight: requests at once. seconds: until an answer, and until a body has come.
    adding_seconds: the same for new items, whose texts are read by a model that is loaded for the first of them.
    """

    body: int = 2**20
    in_flight: int = 128
    seconds: float = 10.0
    adding_seconds: float = 120.0


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.problem, self.headers = status, problem, headers
        super().__init__(problem.error)


def answer_of(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """A problem as JSON; ASCII, for a lone surrogate in a value has no other form."""
    body = problem.model_dump_json(exclude_none=True, ensure_ascii=True)
    return Response(body, status, dict(headers or {}), "application/json")


def methods_of(app: ASGIApp) -> dict[str, set[str]]:
    """Address -> the methods that it takes."""
    found: dict[str, set[str]] = {}
    for route in getattr(app, "routes", ()):
        found.setdefault(route.path, set()).update(route.methods)
    return found


class Guard:
    """An ASGI application around another; nothing it logs or counts holds a token, a body, an id or a text."""

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None, metrics: Metrics) -> None:
        self.app, self.limits, self.token, self.metrics = app, limits, token, metrics
        self.methods = methods_of(app)
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever becomes of it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        given = headers.get("x-request-id", "")
        ident = given if _ID.fullmatch(given) else secrets.token_hex(8)
        path = scope["path"] if scope["path"] in self.methods else "other"
        status = 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = [(b"x-request-id", ident.encode()), (b"x-content-type-options", b"nosniff")]
                message = {**message, "headers": [*message["headers"], *own]}
            await send(message)

        try:
            try:
                self._admit(scope["method"], path, headers)
                await self._pass(scope, receive, answer, path, headers)
            except Refused as refused:
                if not status:
                    await answer_of(refused.status, refused.problem, refused.headers)(scope, receive, answer)
            except Exception as error:
                # Frames and the kind of the error, not its message: that may quote what was asked.
                log.error("%s %s is a bug: %s", ident, path, _where(error))
                if not status:
                    await answer_of(500, BUG)(scope, receive, answer)
        finally:
            seconds = time.perf_counter() - began
            self.metrics.answered(path, status or _CLOSED, seconds)
            log.info("%s %s %s %d %.1f ms", ident, scope["method"], path, status or _CLOSED, 1000 * seconds)

    def _admit(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Raise Refused where the request is wrong before its body is looked at."""
        if self.token is None:
            host = headers.get("host", "")
            # A web page whose own name leads to 127.0.0.1 is a stranger in the user's browser.
            if not _LOOPBACK.fullmatch(host):
                mend = "ask for localhost, or start the server with $COLDPLUG_TOKEN set"
                raise Refused(
                    400, Problem(error="this host is not served", field="Host", value=host[:100], mend=mend)
                )
        elif path not in OPEN:
            scheme, _, shown = headers.get("authorization", "").partition(" ")
            right = hmac.compare_digest(shown.strip().encode("latin-1"), self.token.encode())
            if scheme.lower() != "bearer" or not right:
                mend = "send the header Authorization: Bearer and the token that the server was started with"
                problem = Problem(error="the token is missing or wrong", field="Authorization", mend=mend)
                raise Refused(401, problem, {"www-authenticate": "Bearer"})
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        takes_a_body = method == "POST" and "POST" in self.methods.get(path, ())
        if takes_a_body and kind != "application/json":
            problem = Problem(error="the body is not JSON", field="Content-Type", value=kind[:100])
            problem.mend = "send JSON with the header Content-Type: application/json"
            raise Refused(415, problem)
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:20]) > self.limits.body:
            raise self._too_large()

    async def _pass(
        self, scope: Scope, receive: Receive, send: Send, path: str, headers: Mapping[str, str]
    ) -> None:
        """Read the body and ask the application, within the time and the number of requests at once."""
        if path in CHEAP:
            await self.app(scope, receive, send)
            return
        if self._in_flight >= self.limits.in_flight:
            problem = Problem(error=f"{self._in_flight} requests are being answered already")
            problem.mend = "ask again in a second, or start the server with a larger --concurrency"
            raise Refused(429, problem, {"retry-after": "1"})
        self._in_flight += 1
        self.metrics.in_flight.set(self._in_flight)
        seconds = self.limits.adding_seconds if path == "/items" else self.limits.seconds
        try:
            body = await self._body(receive)
            if body is not None:
                try:
                    async with asyncio.timeout(seconds) as clock:
                        await self.app(scope, _replayed(body, receive), send)
                except TimeoutError:
                    if not clock.expired():
                        raise
                    problem = Problem(error=f"no answer within {seconds:g} seconds")
                    problem.mend = "ask for fewer items, or start the server with a larger --timeout"
                    raise Refused(504, problem) from None
        finally:
            self._in_flight -= 1
            self.metrics.in_flight.set(self._in_flight)

    async def _body(self, receive: Receive) -> bytes | None:
        """The whole body; None where the client went away."""
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return None
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > self.limits.body:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            problem = Problem(error=f"the body did not come within {self.limits.seconds:g} seconds")
            raise Refused(408, problem, {"connection": "close"}) from None

    def _too_large(self) -> Refused:
        problem = Problem(error=f"the body is larger than {self.limits.body:,} bytes", field="body")
        problem.mend = "ask for fewer items at a time"
        return Refused(413, problem, {"connection": "close"})


BUG = Problem(error="this is a bug in coldplug", mend="the server's log has it under the id in X-Request-ID")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What an application receives: the body that was read already, then whatever else comes."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _where(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
