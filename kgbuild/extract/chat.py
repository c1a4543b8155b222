"""A chat model behind an OpenAI-compatible endpoint, asked for JSON of a given form until it answers or
cannot."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from plugbase.errors import UserError

FORMATS = ("json_schema", "json_object", "text")
"""Ways to ask for the answer's form, strictest first; the first that the endpoint takes serves for the run.
"""
_REFUSALS = (400, 404, 415, 422, 500, 501)
_PASSING = (408, 409, 429, 500, 502, 503, 504, 529)
_LONGEST_WAIT = 120.0
_LONGEST_PAUSE = 30.0
_MOST_TIMEOUTS = 2
_UNKNOWN_MODEL = re.compile(
    r"model\b.{0,80}(not exist|not found|unknown)|(unknown|invalid|no such|not found).{0,20}\bmodel",
    re.IGNORECASE,
)

Answer = TypeVar("Answer", bound=BaseModel)
Messages = Callable[[str], list[dict[str, str]]]
"""Makes the messages, given the sentence that says in which form to answer."""


class NoAnswerError(Exception):
    """This question got no answer, others may; the text is the reason."""


class _RefusedError(Exception):
    """The endpoint would not take the request in this form; `status` is the HTTP status."""

    def __init__(self, status: int, reason: str) -> None:
        self.status = status
        super().__init__(reason)


class _MalformedError(Exception):
    """An answer came and is not what was asked for; the text says why."""


class _CutOffError(Exception):
    """The answer reached its greatest length."""


class ChatEndpoint:
    """Asks one model at one endpoint; threads may share it. The key is in no message of its errors.

    Args:
        model: the model's name at the endpoint.
        base_url: the endpoint; None is OpenAI's own.
        key: sent as the bearer token.
        timeout: seconds that one call may take.
        retries: how often a call is repeated after a 429, a 5xx or a broken connection.
        max_tokens: length of an answer; once four times as much where that cut it off.
        backoff: seconds before the first repetition; doubled each time, up to 30. A Retry-After comes first.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None,
        key: str,
        timeout: float,
        retries: int,
        max_tokens: int,
        backoff: float,
    ) -> None:
        from openai import OpenAI

        self.model, self.base_url, self._key = model, base_url, key
        self.timeout, self.retries, self.max_tokens, self.backoff = timeout, retries, max_tokens, backoff
        self._client: Any = OpenAI(api_key=key, base_url=base_url, timeout=timeout, max_retries=0)
        self._lock = threading.Lock()
        self._format = 0
        self._format_is_proven = False
        self._parameters: dict[str, Any] = {"temperature": 0, "length": "max_tokens"}

    def ask(self, messages: Messages, answer: type[Answer], stop: threading.Event) -> Answer:
        """The answer in the strictest form that the endpoint takes. `stop` ends the waiting between
        repetitions.

        Raises:
            NoAnswerError: this question cannot be answered.
            UserError: no question can: no connection, an unknown model, a refused key, no credit.
        """
        step = self._format
        while True:
            try:
                found = self._ask_in(FORMATS[step], messages, answer, stop)
            except _RefusedError as error:
                if self._format_is_proven and step >= self._format:
                    raise NoAnswerError(f"HTTP {error.status}: {error}") from error
                if step + 1 == len(FORMATS):
                    raise self._all_refused(error) from error
                step = max(step + 1, self._format)
                continue
            with self._lock:
                if not self._format_is_proven:
                    self._format, self._format_is_proven = step, True
            return found

    def without_key(self, text: str) -> str:
        """The text with the key blotted out."""
        return text.replace(self._key, "[key]")

    def _ask_in(self, form: str, messages: Messages, answer: type[Answer], stop: threading.Event) -> Answer:
        length, malformed = self.max_tokens, 0
        while True:
            completion = self._call(form, messages, answer, length, stop)
            try:
                return _read(completion, answer)
            except _CutOffError as error:
                if length > self.max_tokens:
                    raise NoAnswerError(f"the answer was cut off at {length} tokens") from error
                length *= 4
            except _MalformedError as error:
                malformed += 1
                if malformed == 2:
                    raise NoAnswerError(f"two answers were not the JSON asked for: {error}") from error

    def _call(
        self, form: str, messages: Messages, answer: type[BaseModel], length: int, stop: threading.Event
    ) -> Any:
        """One completion, repeated while the trouble may pass."""
        import openai

        tries = timeouts = 0
        while True:
            tries += 1
            after: float | None = None
            try:
                return self._client.chat.completions.create(**self._request(form, messages, answer, length))
            except openai.APITimeoutError as error:
                timeouts += 1
                if timeouts > min(_MOST_TIMEOUTS, self.retries):
                    raise NoAnswerError(f"no answer within {self.timeout:g} s, {timeouts} times") from error
            except openai.APIConnectionError as error:
                if tries > self.retries:
                    raise self._no_connection(error, tries) from error
            except openai.APIStatusError as error:
                if self._adapt(error):
                    tries -= 1
                    continue
                after = self._judge(error, form, tries)
            except (openai.APIError, json.JSONDecodeError) as error:
                if tries > self.retries:
                    raise NoAnswerError(f"the endpoint's answer cannot be read: {error}") from error
            pause = min(_LONGEST_PAUSE, self.backoff * 2.0 ** (tries - 1)) * random.uniform(0.75, 1.25)
            if stop.wait(pause if after is None else after):
                raise NoAnswerError("the run was stopped")

    def _request(self, form: str, messages: Messages, answer: type[BaseModel], length: int) -> dict[str, Any]:
        schema = answer.model_json_schema()
        said = "Answer with one JSON object and nothing else."
        with self._lock:
            parameters = dict(self._parameters)
        request: dict[str, Any] = {"model": self.model, parameters.pop("length"): length, **parameters}
        if form == "json_schema":
            strict = {"name": "answer", "strict": True, "schema": _closed(schema)}
            request["response_format"] = {"type": "json_schema", "json_schema": strict}
        else:
            said += f" It follows this JSON schema:\n{json.dumps(schema)}"
        if form == "json_object":
            request["response_format"] = {"type": "json_object"}
        return {**request, "messages": messages(said)}

    def _adapt(self, error: Any) -> bool:
        """Leave out or rename a parameter that the model does not take; whether the call can be repeated
        so."""
        if error.status_code != 400 or error.param not in ("max_tokens", "temperature"):
            return False
        with self._lock:
            if error.param == "temperature":
                return self._parameters.pop("temperature", None) is not None
            renamed = self._parameters["length"] == "max_tokens"
            self._parameters["length"] = "max_completion_tokens"
            return renamed

    def _judge(self, error: Any, form: str, tries: int) -> float | None:
        """Seconds that the endpoint asks to wait, None where it names none; raises where no wait helps."""
        status, said = error.status_code, self.without_key(_said(error))
        if status in (401, 403):
            mend = "set OPENAI_API_KEY to a key that the endpoint accepts"
            raise UserError(f"the endpoint refuses the key (HTTP {status})", mend=mend) from None
        if status in (400, 404) and (error.code == "model_not_found" or _UNKNOWN_MODEL.search(said)):
            mend = f"the endpoint says: {said}"
            raise UserError(f"the endpoint knows no model {self.model!r}", mend=mend) from None
        if error.code == "insufficient_quota" or status == 402:
            mend = "the same command carries on once there is credit"
            raise UserError("the endpoint's credit is used up", mend=mend) from None
        # A 500 may be how the endpoint refuses a form, or a mishap: it counts as a refusal the second time.
        refused = not self._format_is_proven and form != FORMATS[-1] and tries > 1
        if status in _REFUSALS and (status not in _PASSING or refused):
            raise _RefusedError(status, said) from None
        after = _retry_after(error)
        if after is not None and after > _LONGEST_WAIT:
            mend = "the same command carries on later"
            raise UserError(f"the endpoint asks to wait {after:.0f} s", mend=mend) from None
        if status not in _PASSING or tries > self.retries:
            raise NoAnswerError(f"HTTP {status}, {tries} tries: {said}") from None
        return after

    def _all_refused(self, error: _RefusedError) -> Exception:
        if error.status == 404:
            mend = f"check --base-url ({self.base_url or 'not given'}): it usually ends in /v1"
            return UserError("the endpoint has no chat completions there (HTTP 404)", mend=mend)
        return NoAnswerError(f"HTTP {error.status}: {error}")

    def _no_connection(self, error: Exception, tries: int) -> Exception:
        cause = self.without_key(str(error.__cause__ or error))
        if type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout", "UnsupportedProtocol"):
            place = self.base_url or "OpenAI's endpoint"
            mend = "check --base-url and the network; the same command carries on where it stopped"
            return UserError(f"{place} cannot be reached, {tries} tries: {cause}", mend=mend)
        return NoAnswerError(f"the connection broke, {tries} tries: {cause}")


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with `additionalProperties: false` on every object, as strict mode asks."""
    closed = {name: _closed(part) if isinstance(part, dict) else part for name, part in schema.items()}
    return {**closed, "additionalProperties": False} if schema.get("type") == "object" else closed


def _read(completion: Any, answer: type[Answer]) -> Answer:
    choices = getattr(completion, "choices", None)
    if not choices:
        raise _MalformedError("no choices")
    choice = choices[0]
    if choice.finish_reason == "length":
        raise _CutOffError
    if choice.finish_reason == "content_filter" or getattr(choice.message, "refusal", None):
        raise NoAnswerError("the model refused to answer")
    text = getattr(choice.message, "content", None) or ""
    start, end = text.find("{"), text.rfind("}")
    try:
        return answer.model_validate_json(text[start : end + 1] if start >= 0 else text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise _MalformedError(f"{place}: {first['msg']}" if place else first["msg"]) from error


def _said(error: Any) -> str:
    """What the endpoint says about an error, in one short line."""
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
