"""What the guard of a server makes of applications that fail, hang or are left alone: no trace, no text, and in time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from serve_world import needs_server

pytestmark = needs_server
SECRET = "words that nobody but the asker should see"


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError(SECRET)


async def hangs(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.Event().wait()


async def has_a_timeout_of_its_own(scope: Any, receive: Any, send: Any) -> None:
    raise TimeoutError(SECRET)


async def echoes(scope: Any, receive: Any, send: Any) -> None:
    message = await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": message["body"]})


def asked(application: Callable[..., Awaitable[None]], **request: Any) -> tuple[httpx.Response, str]:
    """The answer, and all that was counted."""
    from coldplug.serve.guard import Guard, Limits
    from coldplug.serve.metrics import Metrics

    metrics = Metrics()
    guard = Guard(application, Limits(body=1000, seconds=0.2), None, metrics)

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(guard)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post("/score", **request)

    return asyncio.run(ask()), metrics.text().decode()


@pytest.mark.parametrize(
    ("application", "status"), [(fails, 500), (has_a_timeout_of_its_own, 500), (hangs, 504)]
)
def test_what_goes_wrong_inside_is_not_told_outside(
    application: Any, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "coldplug.serve")
    answer, counted = asked(application, json={"user": {"likes": SECRET}})
    assert answer.status_code == status
    assert answer.json()["error"]
    ident = answer.headers["x-request-id"]
    assert f'coldplug_requests_total{{path="other",status="{status}"}} 1.0' in counted
    assert "coldplug_requests_in_flight 0.0" in counted
    assert any(ident in record.getMessage() for record in caplog.records)
    assert ("test_serve_guard.py" in caplog.text.replace("/", " ")) is (status == 500)
    for told in (answer.text, counted, *(record.getMessage() for record in caplog.records)):
        assert SECRET not in told


def test_a_body_arrives_as_it_was_sent() -> None:
    parts = [b"one ", b"two ", b"three"]

    async def in_parts() -> Any:
        for part in parts:
            yield part

    answer, _ = asked(echoes, content=in_parts())
    assert answer.content == b"one two three"


def test_a_body_in_parts_is_measured_as_it_comes() -> None:
    async def without_end() -> Any:
        while True:
            yield b" " * 100

    answer, _ = asked(echoes, content=without_end())
    assert answer.status_code == 413
