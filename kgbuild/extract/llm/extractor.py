"""The extractor itself: questions out, replies in, every item answered or rejected by name, within the budget."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from kgbuild.extract import BudgetReachedError, ExtractionResult
from kgbuild.extract.llm import GroupItems, Question, Reading, Shots
from kgbuild.extract.llm.accounts import Accounts
from kgbuild.extract.llm.answers import Checker, CutOffError, has_thoughts, is_cut_off
from kgbuild.extract.llm.ladder import Ladder
from kgbuild.extract.llm.prices import load_prices, price_of
from kgbuild.extract.llm.questions import ANSWER_SCHEMA, Messages, pack
from kgbuild.extract.llm.reading import Reader
from kgbuild.extract.llm.spending import Budget, CallRecord, Spending
from kgbuild.extract.llm.tokens import guess_tokens
from kgbuild.types import Item
from plugbase.errors import UserError
from prompts import load_prompt

if TYPE_CHECKING:
    from kgbuild.extract.llm.client import Client, Reply
    from kgbuild.schema import Schema

__all__ = ["OpenAIExtractor"]

VERSION = 2
PROMPT = "extract_facts@2"
_NO_KEY = "unused"
_ROOM_A_CALL, _ROOM_AN_ITEM, _ROOM_A_TEXT_TOKEN = 200, 150, 2


class OpenAIExtractor:
    """Asks a model for the facts that items' texts state, several items a call.

    Args:
        schema: the relations to ask for.
        model: the model's name at the server.
        base_url: the server; $OPENAI_BASE_URL, then OpenAI's own, by default.
        api_key: $OPENAI_API_KEY by default. A server named by `base_url` may do without.
        concurrency: calls under way at once.
        items_per_call: None shares a call by the length of the texts.
        shots: chooses worked examples for a call; None keeps the prompt's own.
        group: brings near-duplicates together, of which the first is asked.
        reasoning_effort: how much a model that thinks is to think, such as "minimal"; None leaves it to the server.
        keep_inferred: keep facts that the text does not bear out, marked as such.
        max_usd, max_tokens: the run ends before the call that could pass them. They count this run alone.
        prices: a file that goes on top of the prices that kgbuild brings along.
        answer_tokens: the greatest length of one reply; what needs more is asked in parts.
        timeout, retries, backoff: see Client.
        tell: is told of waits in a sentence; the log by default.

    Raises:
        UserError: there is no model, no key where one is needed, the server is no http address, or there is a
            limit in dollars and no price.
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
        items_per_call: int | None = None,
        shots: Shots | None = None,
        group: GroupItems | None = None,
        reasoning_effort: str | None = None,
        keep_inferred: bool = False,
        max_usd: float | None = None,
        max_tokens: int | None = None,
        prices: str | Path | None = None,
        answer_tokens: int = 4_000,
        timeout: float = 120.0,
        retries: int = 5,
        backoff: float = 0.5,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        if not model:
            raise UserError("the openai backend needs the name of a model", mend="add --model NAME")
        base_url = base_url or os.environ.get("OPENAI_BASE_URL") or None
        if base_url and not re.match(r"https?://[^/\s]", base_url):
            mend = "write it whole: http://127.0.0.1:8000/v1"
            raise UserError(f"the server {base_url!r} is no http address", mend=mend)
        if base_url and "@" in base_url.split("://")[1].partition("/")[0]:
            # The address is told in messages and kept in the work file.
            raise UserError("the server's address holds a password", mend="leave it out; set OPENAI_API_KEY")
        self._key = _key(api_key, base_url)
        self.schema, self.model, self.base_url, self.concurrency = schema, model, base_url, concurrency
        self.items_per_call, self.group, self.answer_tokens = items_per_call, group, answer_tokens
        self._timeout, self._retries, self._backoff = timeout, retries, backoff
        self.tell = tell or logging.getLogger("kgbuild").warning
        self.price = price_of(model, load_prices(prices))
        if max_usd is not None and self.price is None:
            mend = (
                f"write 'models: {{{model}: {{prompt: 0.25, completion: 2}}}}' into a file and add --prices"
            )
            raise UserError(f"the price of {model!r} is unknown, so --max-usd cannot be kept", mend=mend)
        self.budget = Budget(self.price, max_usd=max_usd, max_tokens=max_tokens)
        self._accounts = Accounts(model, self.price, self.budget)
        prompt = load_prompt(PROMPT)
        self._messages = Messages(prompt, schema, shots)
        checker = Checker(schema, f"openai:{model}/{prompt.name}", keep_inferred=keep_inferred)
        self._reader = Reader(checker)
        said = [VERSION, model, base_url, prompt.sha256, self._messages.relations]
        said += [shots.fingerprint] if shots else []
        said += ["inferred"] if keep_inferred else []
        said += [f"effort {reasoning_effort}"] if reasoning_effort else []
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()
        # Neither what shares a call nor how long a reply may be is in it: nobody is to pay twice for a setting.
        self.fingerprint = f"openai@{VERSION}:{prompt.name}:{digest[:12]}"
        self._memory: MutableMapping[str, Any] = {}
        self._effort = reasoning_effort
        self._ladder = Ladder(ANSWER_SCHEMA, effort=reasoning_effort)
        self._client: Client | None = None

    @property
    def dropped(self) -> Counter[str]:
        """What replies held and was not kept, by reason: see Checker.mentions and read_answers."""
        return self._reader.dropped

    @property
    def spent(self) -> Spending:
        """What this run's calls came to."""
        return self.budget.spent

    def attach(
        self,
        *,
        tell: Callable[[str], None],
        earlier: Iterable[CallRecord],
        keep_call: Callable[[CallRecord], None],
        memory: MutableMapping[str, Any],
    ) -> None:
        """Connect the extractor with a run's work file: `earlier` calls, where to keep new ones, and a memory
        for what was learnt about the server."""
        self.tell, self._memory = tell, memory
        self._accounts.attach((call for call in earlier if call.model == self.model), keep_call)
        self.close()
        self._ladder = Ladder(ANSWER_SCHEMA, effort=self._effort, remembered=memory.get(self._server))

    def estimate(self, items: Iterable[Item]) -> Spending:
        """What asking about these items would come to, without a call: nothing is taken to be cached."""
        expected = Spending()
        for question, body in self.build_requests(items):
            n_items = sum(1 + len(piece.followers) for piece in question.pieces)
            expected.add(self._accounts.guess(n_items, body["messages"], question.pieces))
        return expected

    def extract(self, items: Iterable[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions, as the answers come; an item without a usable answer with the reason.

        A call's place is given to the next call only when its results were taken: whoever stores them as they
        come loses, when killed, what is under way and no more.

        Raises:
            BudgetReachedError: the next call could pass a limit. Everything asked until then was given.
            UserError: no item would fare better: no connection, a refused key, an unknown model. Answers that
                had come by then are given first.
        """
        return self.ask(self._questions(items))

    def build_requests(self, items: Iterable[Item]) -> Iterator[tuple[Question, dict[str, Any]]]:
        """Questions that between them ask about each item once, with the body of a chat completion for each
        (`{"model": ..., "messages": ..., ...}`); `question.custom_id` names the request.

        To send them another way, keep `question.as_json()` with what was sent. When a reply has come, in this
        process or a later one, hand it to `read_reply`, and what it leaves open to `ask`.
        """
        for question in self._questions(items):
            yield question, {"model": self.model, **self._body(question, self._ladder)}

    def read_reply(
        self, question: Question, completion: Mapping[str, Any], *, batch: bool = False
    ) -> Reading:
        """What a chat completion (as JSON) says to the question: results, and questions for what it leaves open.

        Its tokens are counted, at the batch price where `batch` is set. Facts are held against their own item's
        text. What the reply passes over is asked again, alone after the second time, and then fails by name; a
        reply that was cut off is asked for in halves.
        """
        gets_room = has_thoughts(completion) and not self._ladder.thinks
        self._ladder.thinks = self._ladder.thinks or gets_room
        if gets_room and is_cut_off(completion):
            reading = Reading([], [question])
        else:
            reading = self._reader.read(question, completion)
        messages = self._messages.of(question, self._ladder.answer_format)
        usage = completion.get("usage")
        self._accounts.count(len(reading.results), messages, question.pieces, usage, batch=batch)
        return reading

    def ask(self, questions: Iterable[Question]) -> Iterator[ExtractionResult]:
        """Results of the questions, and of those that their replies give rise to; see `extract`."""
        feed = iter(questions)
        todo: deque[Question] = deque()
        under_way: dict[Future[Reply], tuple[Question, tuple[int, float]]] = {}
        done: SimpleQueue[Future[Reply]] = SimpleQueue()
        limit: str | None = None
        try:
            while True:
                # One call finds out what the server takes; the others then need not.
                places = self.concurrency if self._ladder.is_known else 1
                while len(under_way) < places:
                    question = todo.popleft() if todo else next(feed, None)
                    if question is None:
                        break
                    messages = self._messages.of(question, self._ladder.answer_format)
                    room = self.answer_room(question)
                    cost = self.budget.worst_case(self._accounts.guess_prompt(messages), room)
                    limit = self.budget.hold(cost)
                    if limit is not None:
                        todo.appendleft(question)
                        break
                    future = self._submit(question)
                    under_way[future] = question, cost
                    future.add_done_callback(done.put)
                if not under_way:
                    break
                future = done.get()
                question, cost = under_way.pop(future)
                reading = self._outcome(question, future)
                self.budget.release(cost)
                todo.extendleft(reversed(reading.again))
                yield from reading.results
            if limit is not None:
                raise BudgetReachedError(limit)
        except UserError:
            yield from self._last_results(under_way, done)
            raise
        finally:
            for future in under_way:
                future.cancel()

    def answer_room(self, question: Question) -> int:
        """Tokens that the answer may have: several times what its texts give, so that a model which repeats itself
        is stopped soon; all there is where the model thinks first."""
        if self._ladder.thinks:
            return self.answer_tokens
        text = sum(
            guess_tokens(piece.item.title) + guess_tokens(piece.description) for piece in question.pieces
        )
        return min(
            self.answer_tokens,
            _ROOM_A_CALL + _ROOM_AN_ITEM * len(question.pieces) + _ROOM_A_TEXT_TOKEN * text,
        )

    def close(self) -> None:
        """End the connections; the extractor can be used again."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _questions(self, items: Iterable[Item]) -> Iterator[Question]:
        return pack(items, items_per_call=self.items_per_call, group=self.group)

    def _outcome(self, question: Question, future: Future[Reply]) -> Reading:
        from kgbuild.extract.llm.troubles import NoAnswerError

        try:
            reply = future.result()
        except CutOffError as error:
            return self._reader.in_halves(question, str(error))
        except NoAnswerError as error:
            self._count_lost(question, error.lost)
            return self._reader.without_answer(question, str(error))
        self._count_lost(question, reply.lost)
        reading = self.read_reply(question, reply.completion)
        if reading.is_usable is not None:
            self._ladder.answered(reply.form, reading.is_usable)
        found = self._ladder.as_json()
        if self._ladder.proven and self._memory.get(self._server) != found:
            self._memory[self._server] = found
        return reading

    def _count_lost(self, question: Question, lost: int) -> None:
        for _ in range(lost):
            self._accounts.lost(self._messages.of(question, self._ladder.answer_format))

    def _last_results(
        self,
        under_way: dict[Future[Reply], tuple[Question, tuple[int, float]]],
        done: SimpleQueue[Future[Reply]],
    ) -> Iterator[ExtractionResult]:
        """What has come already when the run ends, failures aside: they may be those of the run's end."""
        while not done.empty():
            future = done.get()
            question, _ = under_way.pop(future)
            if not future.cancelled() and future.exception() is None:
                for item, result in self._outcome(question, future).results:
                    if isinstance(result, list):
                        yield item, result

    def _body(self, question: Question, ladder: Ladder) -> dict[str, Any]:
        messages = self._messages.of(question, ladder.answer_format)
        return {"messages": messages, **ladder.parameters(self.answer_room(question))}

    def _submit(self, question: Question) -> Future[Reply]:
        if self._client is None:
            from kgbuild.extract.llm.client import Client

            self._client = Client(
                self.model,
                base_url=self.base_url,
                key=self._key,
                ladder=self._ladder,
                timeout=self._timeout,
                retries=self._retries,
                backoff=self._backoff,
                tell=lambda text: self.tell(text),
            )
        return self._client.submit(lambda ladder: self._body(question, ladder))

    @property
    def _server(self) -> str:
        return f"server {self.base_url or 'openai'} {self.model}"


def _key(given: str | None, base_url: str | None) -> str:
    key = (given or os.environ.get("OPENAI_API_KEY") or "").strip()
    if not key and base_url is None:
        mend = "export OPENAI_API_KEY=..., or name a server of your own with --base-url"
        raise UserError("the openai backend has no key", mend=mend)
    if not all("!" <= sign <= "~" for sign in key):
        raise UserError("the key holds characters that no key has", mend="set OPENAI_API_KEY anew")
    return key or _NO_KEY
