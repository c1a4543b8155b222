"""What went wrong with a call, in the few kinds that are dealt with differently."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal[
    "timeout",  # no answer in time
    "unreachable",  # no connection at all
    "broken",  # a connection that broke, or a body that is no JSON
    "busy",  # 429 and the like: the same call may pass later
    "internal",  # 500: a mishap, or a form of answer that the server chokes on
    "refused",  # the server will not take the request as it is
    "parameter",  # the same, and it names the parameter
    "too long",  # more than the model can read
    "key",
    "model",
    "no credit",
]
_OF_THE_QUESTION = ("refused", "parameter", "too long", "key", "model", "no credit")
_PASSING = (408, 409, 425, 429, 502, 503, 504, 529)
_LEFT_OUT = ("max_tokens", "temperature", "reasoning_effort")
_UNKNOWN_MODEL = re.compile(
    r"model\b.{0,80}(not exist|not found|unknown)|(unknown|invalid|no such|not found).{0,20}\bmodel",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.{0,20}(length|window|size)|maximum.{0,20}(context|length|tokens)|too (long|many tokens)",
    re.IGNORECASE,
)
_NO_CONNECTION = ("ConnectError", "ConnectTimeout", "UnsupportedProtocol")


class NoAnswerError(Exception):
    """This question got no answer, others may; the text is the reason. `lost` calls may be charged for."""

    def __init__(self, reason: str, lost: int = 0) -> None:
        self.lost = lost
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Trouble:
    """One failed call: its kind, what to say of it, seconds that the server asks to wait, the parameter that it
    does not take."""

    kind: Kind
    said: str
    after: float | None = None
    parameter: str | None = None

    @property
    def is_of_the_question(self) -> bool:
        """Whether the server is well and only this request is not."""
        return self.kind in _OF_THE_QUESTION

    @property
    def may_be_charged(self) -> bool:
        """Whether the server may have answered all the same."""
        return self.kind in ("timeout", "broken")


def trouble_of(error: Exception, timeout: float) -> Trouble:
    """The kind of an error that the SDK raised; any other is raised again."""
    import openai

    if isinstance(error, TimeoutError | openai.APITimeoutError):
        return Trouble("timeout", f"no answer within {timeout:g} s")
    if isinstance(error, openai.APIStatusError):
        return _of_status(error)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error
        if type(cause).__name__ in _NO_CONNECTION:
            return Trouble("unreachable", str(cause) or type(cause).__name__)
        return Trouble("broken", f"the connection broke: {cause}")
    if isinstance(error, openai.APIError | json.JSONDecodeError | UnicodeDecodeError):
        return Trouble("broken", "the reply is not JSON")
    if type(error).__module__.startswith("httpx"):
        return Trouble("broken", f"the connection broke: {error}")
    raise error


def _of_status(error: Any) -> Trouble:
    status, message = error.status_code, _message(error)
    said = f"HTTP {status}: {message}"
    if status in (401, 403):
        return Trouble("key", f"HTTP {status}")
    if error.code == "insufficient_quota" or status == 402:
        return Trouble("no credit", said)
    if status in (400, 404) and (error.code == "model_not_found" or _UNKNOWN_MODEL.search(message)):
        return Trouble("model", message)
    if status in (400, 413, 422) and (error.code == "context_length_exceeded" or _TOO_LONG.search(message)):
        return Trouble("too long", said)
    if status == 400 and error.param in _LEFT_OUT:
        return Trouble("parameter", said, parameter=error.param)
    if status == 429 or status in _PASSING:
        return Trouble("busy", said, after=_retry_after(error))
    if status >= 500:
        return Trouble("internal", said, after=_retry_after(error))
    return Trouble("refused", said)


def _message(error: Any) -> str:
    """What the server says about an error, in one short line."""
    body = error.body if isinstance(error.body, dict) else {}
    text = " ".join(str(body.get("message") or error.message).split())
    return text if len(text) <= 300 else f"{text[:300]}..."


def _retry_after(error: Any) -> float | None:
    """Seconds that the Retry-After header names, as a number or as an HTTP date (RFC 9110, 10.2.3)."""
    from datetime import UTC, datetime
    from email.utils import parsedate_to_datetime

    said = error.response.headers.get("retry-after", "")
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None
