"""Calls to a chat model at an OpenAI-compatible server, many at once: repeated while the trouble may pass."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from kgbuild.extract.llm.answers import CutOffError
from kgbuild.extract.llm.breaker import Breaker, ServerDownError
from kgbuild.extract.llm.ladder import Ladder
from kgbuild.extract.llm.troubles import NoAnswerError, Trouble, trouble_of
from plugbase.errors import UserError

LONGEST_REPLY = 8_000_000
"""Bytes; a server that sends more is cut off."""
_LONGEST_WAIT = 120.0
_LONGEST_PAUSE = 30.0
_MOST_TIMEOUTS = 2
_WAIT_FACTOR = 10.0
_SHORTEST_KEY = 8

MakeBody = Callable[[Ladder], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server sent, the form it was asked in, and how many calls before it were lost on the way (the
    server may have charged for them)."""

    completion: dict[str, Any]
    form: str
    lost: int


class Client:
    """Asks one model at one server. Calls run on an event loop in a thread of its own, so that a caller with a
    loop of its own (a notebook) may use it. The key is in no message of its errors.

    Args:
        model: the model's name at the server.
        base_url: the server; None is OpenAI's own.
        key: sent as the bearer token.
        ladder: which form of answer the server takes.
        timeout: seconds that one call may take.
        retries: how often a call is repeated after a 429, a 5xx or a broken connection.
        backoff: seconds before the first repetition; doubled each time, up to 30, give or take a quarter. A
            Retry-After comes first. The circuit breaker's first wait is ten times as long.
        tell: is told in a sentence when the circuit breaker opens or closes.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        key: str,
        ladder: Ladder,
        timeout: float,
        retries: int,
        backoff: float,
        tell: Callable[[str], None],
    ) -> None:
        self.model, self.base_url, self._key, self.ladder = model, base_url, key, ladder
        self.timeout, self.retries, self.backoff = timeout, retries, backoff
        self._breaker = Breaker(
            tell, wait=_WAIT_FACTOR * backoff, longest=2 * _WAIT_FACTOR * _LONGEST_PAUSE / 10
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kgbuild-llm", daemon=True)
        self._thread.start()
        self._openai: Any = None
        self._has_answered = False

    def submit(self, make_body: MakeBody) -> Future[Reply]:
        """Start a call; the body is made anew for every repetition, since the ladder may have moved.

        The future raises NoAnswerError where this question cannot be answered, CutOffError where it is too
        long for the model, UserError where no question can be answered.
        """
        return asyncio.run_coroutine_threadsafe(self._ask(make_body), self._loop)

    def close(self) -> None:
        """End the calls under way and the thread."""
        if self._loop.is_closed():
            return
        try:
            self._run(self._close()).result(timeout=5)
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(timeout=5)
            if not self._thread.is_alive():
                self._loop.close()

    def without_key(self, text: str) -> str:
        """The text with the key blotted out; a word such as "x", given where a server wants any key, is none."""
        return text.replace(self._key, "[key]") if len(self._key) >= _SHORTEST_KEY else text

    def _run(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def _close(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if self._openai is not None:
            await self._openai.close()

    def _connection(self) -> Any:
        if self._openai is None:
            from openai import AsyncOpenAI, DefaultAsyncHttpxClient

            async def bound(response: Any) -> None:
                response.stream = _bounded(response)

            self._openai = AsyncOpenAI(
                api_key=self._key,
                base_url=self.base_url,
                timeout=self.timeout,
                max_retries=0,
                # A reply that unpacks to more than it was cannot be bounded while it is read.
                default_headers={"Accept-Encoding": "identity"},
                http_client=DefaultAsyncHttpxClient(event_hooks={"response": [bound]}),
            )
        return self._openai

    async def _ask(self, make_body: MakeBody) -> Reply:
        tries = timeouts = lost = 0
        while True:
            tries += 1
            try:
                probe = await self._breaker.enter()
            except ServerDownError as error:
                raise self._down(str(error)) from error
            form = self.ladder.form
            try:
                completion = await self._call(make_body(self.ladder))
            except asyncio.CancelledError:
                await self._breaker.gave_up(probe)
                raise
            except Exception as error:
                trouble = trouble_of(error, self.timeout)
                trouble = Trouble(
                    trouble.kind, self.without_key(trouble.said), trouble.after, trouble.parameter
                )
            else:
                await self._breaker.succeeded()
                self._has_answered = True
                return Reply(completion, form, lost)
            lost += trouble.may_be_charged
            timeouts += trouble.kind == "timeout"
            if trouble.is_of_the_question:
                # The server is well, whatever it thinks of the request.
                await self._breaker.succeeded()
                if self._goes_on_otherwise(trouble, form):
                    tries -= 1
                    continue
                raise self._ending(trouble)
            if self._is_refusal(trouble, form, tries) and self.ladder.refused(form):
                await self._breaker.succeeded()
                tries = 0
                continue
            await self._breaker.failed(trouble.said, probe)
            last = tries > self.retries or timeouts > min(_MOST_TIMEOUTS, self.retries)
            if trouble.after is not None and trouble.after > _LONGEST_WAIT:
                mend = "the same command carries on later"
                raise UserError(f"the server asks to wait {trouble.after:.0f} s", mend=mend)
            if last:
                raise self._given_up(trouble, tries, lost)
            if trouble.after is not None:
                # Whoever else asks now would get the same answer, and make the wait longer.
                await self._breaker.hold(trouble.after)
            else:
                pause = min(_LONGEST_PAUSE, self.backoff * 2.0 ** (tries - 1)) * random.uniform(0.75, 1.25)
                await asyncio.sleep(pause)

    async def _call(self, body: dict[str, Any]) -> dict[str, Any]:
        request = {"model": self.model, **body}
        async with asyncio.timeout(self.timeout):
            # Raw, because the SDK takes any JSON for a completion: what came is looked at here.
            raw = await self._connection().chat.completions.with_raw_response.create(**request)
        completion = json.loads(raw.http_response.content)
        if not isinstance(completion, dict):
            raise json.JSONDecodeError("no JSON object", "", 0)
        return completion

    def _goes_on_otherwise(self, trouble: Trouble, form: str) -> bool:
        """Whether the same question can be asked at once in another way."""
        if trouble.kind == "parameter":
            return self.ladder.leave_out(trouble.parameter)
        if trouble.kind == "too long":
            return self.ladder.shortened()
        return trouble.kind == "refused" and self.ladder.refused(form)

    def _is_refusal(self, trouble: Trouble, form: str, tries: int) -> bool:
        """A 500 may be how a server refuses a form, or a mishap: it counts as a refusal the second time."""
        return trouble.kind == "internal" and not self.ladder.is_known and form != "text" and tries > 1

    def _ending(self, trouble: Trouble) -> Exception:
        if trouble.kind == "too long":
            return CutOffError(trouble.said)
        if trouble.kind == "no credit":
            mend = "the same command carries on once there is credit"
            return UserError("the server's credit is used up", mend=mend)
        if trouble.kind == "key":
            mend = "set OPENAI_API_KEY to a key that the server accepts"
            return UserError(f"the server refuses the key ({trouble.said})", mend=mend)
        if trouble.kind == "model":
            return UserError(
                f"the server knows no model {self.model!r}", mend=f"the server says: {trouble.said}"
            )
        if trouble.said.startswith("HTTP 404") and not self._has_answered:
            mend = f"check --base-url ({self.base_url or 'not given'}): it usually ends in /v1"
            return UserError("the server has no chat completions there (HTTP 404)", mend=mend)
        return NoAnswerError(trouble.said)

    def _given_up(self, trouble: Trouble, tries: int, lost: int) -> Exception:
        if trouble.kind == "unreachable" and not self._has_answered:
            place = self.base_url or "OpenAI's server"
            mend = "check --base-url and the network; the same command carries on where it stopped"
            return UserError(f"{place} cannot be reached, {tries} tries: {trouble.said}", mend=mend)
        return NoAnswerError(f"{tries} tries; the last: {trouble.said}", lost)

    def _down(self, why: str) -> UserError:
        mend = "what was answered is kept: the same command carries on where it stopped"
        if why.startswith("no answer within"):
            mend = f"give it longer with --timeout, or less to do at once; {mend}"
        return UserError(f"the server does not recover; the last: {why}", mend=mend)


def _bounded(response: Any) -> Any:
    """The response's stream, broken off where it grows past what an answer can be."""
    # The SDK's own HTTP library, whichever its version uses.
    httpx: Any = import_module(type(response).__module__.partition(".")[0])

    class Bounded(httpx.AsyncByteStream):
        def __init__(self, stream: Any) -> None:
            self._stream = stream

        async def __aiter__(self) -> Any:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise httpx.RemoteProtocolError("the reply is packed, though it was asked for unpacked")
            size = 0
            async for part in self._stream:
                size += len(part)
                if size > LONGEST_REPLY:
                    raise httpx.RemoteProtocolError(f"the reply is longer than {LONGEST_REPLY:,} bytes")
                yield part

        async def aclose(self) -> None:
            await self._stream.aclose()

    return Bounded(response.stream)
