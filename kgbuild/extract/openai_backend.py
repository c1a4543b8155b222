"""The extractor that asks a language model behind any OpenAI-compatible endpoint, one item a call."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from kgbuild.extract import ExtractionFailure, ExtractionResult
from kgbuild.extract.quotes import find_quote
from kgbuild.types import FieldName, Item, Mention
from plugbase.errors import UserError
from prompts import load_prompt

if TYPE_CHECKING:
    from kgbuild.extract.chat import ChatEndpoint
    from kgbuild.schema import Schema

__all__ = ["OpenAIExtractor"]

VERSION = 1
PROMPT = "extract_facts@1"
CONFIDENCE_WORD_FOR_WORD = 0.9
CONFIDENCE_QUOTED = 0.8
"""A value that stands in its quote as it is, and one that the model put in its own words: not calibrated."""
_NO_KEY = "unused"
_LONGEST_VALUE = 120
_OPEN_RELATION = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+){0,5}\Z")


class StatedFact(BaseModel):
    """One fact as the model answers it."""

    relation: str
    value: str
    quote: str


class StatedFacts(BaseModel):
    """The whole answer for one item."""

    facts: list[StatedFact]


class OpenAIExtractor:
    """Asks a model for the facts that an item's text states; a fact whose quote is not in the text is
    dropped.

    Args:
        schema: the relations to ask for.
        model: the model's name at the endpoint.
        base_url: the endpoint; $OPENAI_BASE_URL, then OpenAI's own, by default.
        api_key: $OPENAI_API_KEY by default. An endpoint named by `base_url` may do without.
        concurrency: calls under way at once.
        timeout, retries, max_tokens, backoff: see ChatEndpoint; the graph may depend on `max_tokens` alone.

    Raises:
        UserError: there is no model, no key where one is needed, or the endpoint is no http address.
    """

    name = "openai"
    costly = True

    def __init__(
        self,
        *,
        schema: Schema,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        concurrency: int = 4,
        timeout: float = 120.0,
        retries: int = 5,
        max_tokens: int = 2000,
        backoff: float = 0.5,
    ) -> None:
        if not model:
            raise UserError("the openai backend needs the name of a model", mend="add --model NAME")
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        if base_url and not re.match(r"https?://[^/\s]", base_url):
            mend = "write it whole: http://127.0.0.1:8000/v1"
            raise UserError(f"the endpoint {base_url!r} is no http address", mend=mend)
        self._settings: dict[str, Any] = {
            "base_url": base_url,
            "key": _key(api_key, base_url),
            "timeout": timeout,
            "retries": retries,
            "max_tokens": max_tokens,
            "backoff": backoff,
        }
        self.schema, self.model, self.concurrency = schema, model, concurrency
        self.dropped: Counter[str] = Counter()
        """Facts that were not kept, by reason: "inferred" (the quote is not in the text), "relation",
        "value"."""
        self._prompt = load_prompt(PROMPT)
        self._source = f"openai:{model}/{self._prompt.name}"
        self._relations = "\n".join(
            f"- {name}: {spec.definition}" + (f" ({', '.join(spec.wordings)})" if spec.wordings else "")
            for name, spec in schema.relations.items()
        )
        self._known_relations = {
            wording.casefold()
            for spec in schema.relations.values()
            for wording in (spec.name, *spec.wordings)
        }
        said = [VERSION, model, base_url, self._prompt.sha256, self._relations, max_tokens]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        self.fingerprint = f"openai@{VERSION}:{self._prompt.name}:{digest[:12]}"
        self._lock = threading.Lock()
        self._endpoint: ChatEndpoint | None = None

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions, as the answers come; an item without a usable answer with the reason.

        Raises:
            UserError: the endpoint cannot be reached, or refuses the key or the model, so that no item would
                fare better. Answers that had come by then are given first.
        """
        todo: SimpleQueue[Item] = SimpleQueue()
        for item in items:
            todo.put(item)
        done: SimpleQueue[tuple[Item, list[Mention] | ExtractionFailure | Exception]] = SimpleQueue()
        stop = threading.Event()
        endpoint = self._connected()
        try:
            for _ in range(min(self.concurrency, len(items))):
                # Daemons: an interrupted run does not wait for the answers under way.
                threading.Thread(target=self._work, args=(endpoint, todo, done, stop), daemon=True).start()
            for _ in items:
                item, outcome = done.get()
                if isinstance(outcome, Exception):
                    stop.set()
                    yield from _answers_in(done)
                    raise outcome
                yield item, outcome
        finally:
            stop.set()

    def _connected(self) -> ChatEndpoint:
        if self._endpoint is None:
            from kgbuild.extract.chat import ChatEndpoint

            self._endpoint = ChatEndpoint(self.model, **self._settings)
        return self._endpoint

    def _work(
        self,
        endpoint: ChatEndpoint,
        todo: SimpleQueue[Item],
        done: SimpleQueue[tuple[Item, list[Mention] | ExtractionFailure | Exception]],
        stop: threading.Event,
    ) -> None:
        """One thread: take an item, ask, hand back what came of it, until none is left or the run stops."""
        while not stop.is_set():
            try:
                item = todo.get_nowait()
            except Empty:
                return
            try:
                done.put((item, self._answer(endpoint, item, stop)))
            except Exception as error:
                done.put((item, error))
                stop.set()

    def _answer(
        self, endpoint: ChatEndpoint, item: Item, stop: threading.Event
    ) -> list[Mention] | ExtractionFailure:
        from kgbuild.extract.chat import NoAnswerError

        def messages(answer_format: str) -> list[dict[str, str]]:
            return self._prompt.messages(
                relations=self._relations, answer_format=answer_format, item=as_data(item)
            )

        try:
            return self._mentions(item, endpoint.ask(messages, StatedFacts, stop))
        except NoAnswerError as error:
            return ExtractionFailure(endpoint.without_key(str(error)))

    def _mentions(self, item: Item, stated: StatedFacts) -> list[Mention]:
        """The facts whose quotes stand in the text, sorted by place, each once."""
        found: set[tuple[FieldName, int, int, str, str]] = set()
        dropped: Counter[str] = Counter()
        for fact in stated.facts:
            relation, value = fact.relation.strip(), " ".join(fact.value.split())
            if not 0 < len(value) <= _LONGEST_VALUE:
                dropped["value"] += 1
            elif relation.casefold() not in self._known_relations and not _OPEN_RELATION.match(relation):
                dropped["relation"] += 1
            elif (place := find_quote(item, fact.quote)) is None:
                dropped["inferred"] += 1
            else:
                found.add((*place, relation, value))
        with self._lock:
            self.dropped.update(dropped)
        return [self._mention(item, *stated_at) for stated_at in sorted(found)]

    def _mention(
        self, item: Item, field: FieldName, start: int, end: int, relation: str, value: str
    ) -> Mention:
        quote = getattr(item, field)[start:end]
        literal = value.casefold() in " ".join(quote.split()).casefold()
        confidence = CONFIDENCE_WORD_FOR_WORD if literal else CONFIDENCE_QUOTED
        return Mention(item.id, relation, value, confidence, self._source, field, start, end, quote)


def as_data(item: Item) -> str:
    """The item's text as JSON in which no `<` or `>` stands, so that the text cannot close its own
    delimiter."""
    texts = {"title": item.title, "category": item.category, "description": item.description}
    given = {name: text for name, text in texts.items() if text}
    whole = json.dumps(given, ensure_ascii=False).encode("utf-8", "replace").decode()
    return whole.replace("<", "\\u003c").replace(">", "\\u003e")


def _answers_in(
    done: SimpleQueue[tuple[Item, list[Mention] | ExtractionFailure | Exception]],
) -> Iterator[ExtractionResult]:
    """What has come already, failures aside: they may be those of the run's end."""
    while not done.empty():
        item, outcome = done.get()
        if isinstance(outcome, list):
            yield item, outcome


def _key(given: str | None, base_url: str | None) -> str:
    key = (given or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not key and base_url is None:
        mend = "export OPENAI_API_KEY=..., or name an endpoint of your own with --base-url"
        raise UserError("the openai backend has no key", mend=mend)
    if not all("!" <= sign <= "~" for sign in key):
        raise UserError("the key holds characters that no key has", mend="set OPENAI_API_KEY anew")
    return key or _NO_KEY
