"""The same extraction by OpenAI's Batch API: half the price, hours of waiting, and a process that need not wait.

A run sends what is not answered and ends; the same command later collects what is ready. What was sent is written
down before it is sent, so that a run that is killed at any moment sends nothing twice and loses no reply.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import IO, Any, TypeVar

from kgbuild.extract import BudgetReachedError, ExtractionFailure, ExtractionResult
from kgbuild.extract.llm import Question
from kgbuild.extract.llm.extractor import OpenAIExtractor
from kgbuild.extract.llm.spending import Spending
from kgbuild.extract.llm.troubles import trouble_of
from kgbuild.types import Item
from plugbase.errors import UserError

MOST_REQUESTS, MOST_BYTES = 50_000, 190_000_000
"""Of one batch; OpenAI allows 50,000 requests and 200 MB."""
MOST_ROUNDS = 3
"""Batches that a request goes into until it fails by name: one that expired or failed may do better later."""
_ENDPOINT = "/v1/chat/completions"
_UNDER_WAY = ("validating", "in_progress", "finalizing", "cancelling")
_PASSING = (408, 409, 425, 429, 500, 502, 503, 504)
_BATCHES_LOOKED_THROUGH = 100

T = TypeVar("T")


class BatchPendingError(BudgetReachedError):
    """Batches are under way; what was ready has been given. The same command collects the rest later."""


@dataclass
class SentBatch:
    """A batch as it is kept between runs. Without a `file` it was not uploaded, without a `batch` not started."""

    questions: list[dict[str, Any]]
    """`Question.as_json`, with `texts`: a hash of what the items said; and `rounds`: batches so far."""
    file: str | None = None
    batch: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The batch for the work file's memory."""
        return {"questions": self.questions, "file": self.file, "batch": self.batch}


@dataclass
class _Collected:
    """Replies by custom_id, and reasons by custom_id where there is none: (reason, may do better later)."""

    replies: dict[str, dict[str, Any]] = field(default_factory=dict)
    reasons: dict[str, tuple[str, bool]] = field(default_factory=dict)


class BatchExtractor(OpenAIExtractor):
    """OpenAIExtractor by way of the Batch API; both keep their answers under the same fingerprint.

    The first question to a server that nothing is known of is asked at once: what is wrong with the key, the model
    or the form of the answer shows then, and not a day later. A reply that cannot be used is asked for again at
    once, as in a live run. A request that got no reply (expired, or the server's own error) goes into the next batch,
    three at the most, and then its items fail by name.
    """

    def estimate(self, items: Iterable[Item]) -> Spending:
        """As OpenAIExtractor.estimate, at the price of a batch."""
        expected = Spending()
        for question, body in self.build_requests(items):
            n_items = sum(1 + len(piece.followers) for piece in question.pieces)
            record = self._accounts.guess(n_items, body["messages"], question.pieces)
            if self.price is not None:
                usd = self.price.of(record.prompt, record.cached, record.completion, batch=True)
                record = replace(record, usd=usd)
            expected.add(record)
        return expected

    def extract(self, items: Iterable[Item]) -> Iterator[ExtractionResult]:
        """What the batches that are ready say, then send what is not answered.

        Raises:
            BatchPendingError: batches are under way.
            BudgetReachedError: what is left to ask could pass a limit.
            UserError: the server takes no batches, knows nothing of the one that was sent, or failed it.
        """
        waiting = {item.id: item for item in items}
        trouble: str | None = None
        again: list[dict[str, Any]] = []
        for sent in self._kept():
            if sent.batch is None:
                self._start(sent)
            if sent.batch is None:
                continue
            state = self._call(partial(_state_of, name=sent.batch))
            if state.status in _UNDER_WAY:
                continue
            if state.status == "failed":
                trouble = _errors_of(state)
            collected = self._download(state)
            for item, result in self._results(sent, collected, waiting, again):
                if waiting.pop(item.id, None) is not None:
                    yield item, result
            # Everything it said is in the work file by now: whoever took the results has stored them.
            self._forget(sent)
        if trouble is not None:
            mend = "the same command sends it again; what other batches said is kept"
            raise UserError(f"the server failed a batch: {trouble}", mend=mend)
        under_way = {name for sent in self._kept() for kept in sent.questions for name in _names(kept)}
        yield from self._send(again, [item for item in waiting.values() if item.id not in under_way])
        if open_ones := self._kept():
            n_requests = sum(len(sent.questions) for sent in open_ones)
            names = ", ".join(str(sent.batch) for sent in open_ones[:3])
            raise BatchPendingError(
                f"{n_requests:,} requests are with the server in {len(open_ones)} batches ({names})"
            )

    # -- sending -------------------------------------------------------------------------------------------------

    def _send(self, again: list[dict[str, Any]], items: list[Item]) -> Iterator[ExtractionResult]:
        """Send these questions once more and these items for the first time; results of what was asked live."""
        by_id = {item.id: item for item in items}
        repeated = [
            (question, kept["rounds"])
            for kept in again
            if (question := _question_of(kept, by_id)) is not None
        ]
        asked = {item.id for question, _ in repeated for item in _all_items(question)}
        fresh = self._questions(item for item in items if item.id not in asked)
        if not self._ladder.is_known:
            first = next(fresh, None)
            if first is not None:
                yield from self.ask([first])
        limit: str | None = None
        questions: list[dict[str, Any]] = []
        size = 0
        for question, rounds in (*repeated, *((question, 0) for question in fresh)):
            body = self._body(question, self._ladder)
            cost = self.budget.worst_case(
                self._accounts.guess_prompt(body["messages"]), self.answer_room(question)
            )
            limit = self.budget.hold(cost)
            if limit is not None:
                break
            kept = {**question.as_json(), "texts": _texts_hash(question), "rounds": rounds + 1}
            length = len(self._line(question))
            if questions and (len(questions) == MOST_REQUESTS or size + length > MOST_BYTES):
                self._begin(questions, by_id)
                questions, size = [], 0
            questions.append(kept)
            size += length
        if questions:
            self._begin(questions, by_id)
        if limit is not None and not self._kept():
            raise BudgetReachedError(limit)

    def _begin(self, questions: list[dict[str, Any]], items: Mapping[str, Item]) -> None:
        sent = SentBatch(questions)
        self._keep([*self._kept(), sent])
        self._start(sent, items)

    def _start(self, sent: SentBatch, items: Mapping[str, Item] | None = None) -> None:
        """Upload and start a batch, or find the one that a killed run had started."""
        if sent.file is None:
            if items is None:
                # A killed run had sent nothing: its items are asked about as if they never had been.
                self._forget(sent)
                return
            with tempfile.TemporaryFile() as body:
                for kept in sent.questions:
                    question = _question_of(kept, items)
                    assert question is not None
                    body.write(self._line(question))
                body.seek(0)
                upload = ("kgbuild.jsonl", body)
                sent.file = self._call(lambda client: client.files.create(file=upload, purpose="batch")).id
            self._keep_one(sent)
        started = None if items is not None else self._find(sent.file)
        if started is None:
            started = self._call(
                lambda client: client.batches.create(
                    input_file_id=sent.file, endpoint=_ENDPOINT, completion_window="24h"
                )
            )
        sent.batch = started.id
        self._keep_one(sent)

    def _find(self, file: str) -> Any:
        """The batch that was started on a file, if one was: a run can be killed between starting and noting it."""
        recent = self._call(lambda client: client.batches.list(limit=_BATCHES_LOOKED_THROUGH))
        return next((batch for batch in recent.data if batch.input_file_id == file), None)

    def _line(self, question: Question) -> bytes:
        body = {"model": self.model, **self._body(question, self._ladder)}
        request = {"custom_id": question.custom_id, "method": "POST", "url": _ENDPOINT, "body": body}
        return json.dumps(request).encode() + b"\n"

    # -- collecting ----------------------------------------------------------------------------------------------

    def _download(self, state: Any) -> _Collected:
        """The replies of a batch that is over, from its two files."""
        collected = _Collected()
        for name in (state.output_file_id, state.error_file_id):
            if name is None:
                continue
            with tempfile.TemporaryFile() as body:
                self._call(partial(_stream, name=name, body=body))
                body.seek(0)
                for line in body:
                    _take(line, collected)
        return collected

    def _results(
        self,
        sent: SentBatch,
        collected: _Collected,
        waiting: Mapping[str, Item],
        again: list[dict[str, Any]],
    ) -> Iterator[ExtractionResult]:
        """What the replies say; questions without one go to `again`, or fail by name after the last round."""
        open_ones: list[Question] = []
        for kept in sent.questions:
            question = _question_of(kept, waiting)
            if question is None:
                continue
            reply = collected.replies.get(kept["custom_id"])
            if reply is not None:
                reading = self.read_reply(question, reply, batch=True)
                open_ones += reading.again
                yield from reading.results
                continue
            reason, passing = collected.reasons.get(kept["custom_id"], ("the batch ended without it", True))
            if not passing:
                reading = self._reader.without_answer(question, reason)
                open_ones += reading.again
                yield from reading.results
            elif kept["rounds"] < MOST_ROUNDS:
                again.append(kept)
            else:
                failure = ExtractionFailure(f"no reply in {MOST_ROUNDS} batches; the last: {reason}")
                yield from ((item, failure) for item in _all_items(question))
        yield from self.ask(open_ones)

    # -- the server, and what is kept ----------------------------------------------------------------------------

    def _call(self, do: Callable[[Any], T]) -> T:
        """One call of the files or batches API; the SDK repeats what may pass."""
        from openai import OpenAI

        client = OpenAI(
            api_key=self._key, base_url=self.base_url, timeout=self._timeout, max_retries=self._retries
        )
        try:
            with client:
                return do(client)
        except UserError:
            raise
        except Exception as error:
            said = trouble_of(error, self._timeout).said.replace(self._key, "[key]")
            mend = "the same command carries on; without --batch it asks at once"
            raise UserError(f"the server's Batch API: {said}", mend=mend) from None

    @property
    def _name(self) -> str:
        return f"batches {self.fingerprint}"

    def _kept(self) -> list[SentBatch]:
        return [SentBatch(**kept) for kept in self._memory.get(self._name, [])]

    def _keep(self, batches: list[SentBatch]) -> None:
        self._memory[self._name] = [sent.as_json() for sent in batches]

    def _keep_one(self, sent: SentBatch) -> None:
        self._keep([*self._without(sent), sent])

    def _forget(self, sent: SentBatch) -> None:
        self._keep(self._without(sent))

    def _without(self, sent: SentBatch) -> list[SentBatch]:
        return [
            one for one in self._kept() if one.questions[0]["custom_id"] != sent.questions[0]["custom_id"]
        ]


def _state_of(client: Any, name: str) -> Any:
    return client.batches.retrieve(name)


def _stream(client: Any, name: str, body: IO[bytes]) -> None:
    body.seek(0)
    body.truncate()
    with client.files.with_streaming_response.content(name) as content:
        for part in content.iter_bytes():
            body.write(part)


def _take(line: bytes, collected: _Collected) -> None:
    """One line of an output or error file; a line that cannot be read counts as one that is missing."""
    try:
        row = json.loads(line)
        name = str(row["custom_id"])
        response = row.get("response") or {}
        status, body = response.get("status_code"), response.get("body")
        error = row.get("error") or (body or {}).get("error") or {}
        if status == 200 and isinstance(body, dict) and not row.get("error"):
            collected.replies.setdefault(name, body)
        else:
            said = " ".join(str(error.get("message") or error.get("code") or "no reason given").split())[:300]
            told = f"HTTP {status}: {said}" if status else said
            collected.reasons.setdefault(name, (told, status is None or status in _PASSING))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return


def _errors_of(state: Any) -> str:
    errors = getattr(state.errors, "data", None) or []
    return "; ".join(f"{error.code}: {error.message}" for error in errors[:3]) or "it gives no reason"


def _question_of(kept: Mapping[str, Any], items: Mapping[str, Item]) -> Question | None:
    """The question that was kept; None where none of its items waits for an answer, or a text has changed since.

    An item that has its answer already (the run was killed while the reply was read) stands in as an empty one.
    """
    names = _names(kept)
    if not any(name in items for name in names):
        return None
    question = Question.of_json(kept, {name: items.get(name) or Item(name) for name in names})
    complete = all(name in items for name in names)
    return question if not complete or _texts_hash(question) == kept["texts"] else None


def _names(kept: Mapping[str, Any]) -> list[str]:
    return [name for piece in kept["pieces"] for name in (piece["item"], *piece["followers"])]


def _all_items(question: Question) -> list[Item]:
    return [item for piece in question.pieces for item in (piece.item, *piece.followers)]


def _texts_hash(question: Question) -> str:
    texts = [[item.title, item.category, item.description] for item in _all_items(question)]
    return hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:16]
