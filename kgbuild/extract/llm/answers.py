"""What a reply is worth: its JSON found and read, and every fact held against the text of its own item."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kgbuild.extract.llm import Question, StatedFact
from kgbuild.extract.llm.quotes import find_quote
from kgbuild.schema import Schema
from kgbuild.types import FieldName, Item, Mention

CONFIDENCE_WORD_FOR_WORD = 0.9
CONFIDENCE_QUOTED = 0.8
CONFIDENCE_INFERRED = 0.4
"""A value that stands in the text as it is, one that the model put in its own words beside a quote, and one
that the text does not bear out: not calibrated."""
INFERRED = "inferred"
_LONGEST_VALUE = 120
_MOST_FACTS = 200
_MOST_STARTS = 40
_SHARED_LETTERS = 4
_FIELDS = ("item", "title", "category", "description")
"""What the question itself calls its parts: weak models take them for relations."""
_OPEN_RELATION = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+){0,5}\Z")
_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_START = re.compile(r"[{\[]")


class MalformedError(Exception):
    """A reply came and is not what was asked for; the text says why."""


class CutOffError(Exception):
    """The reply, or the question, was longer than the model can do."""


class RefusalError(Exception):
    """The model would not answer."""


def content_of(completion: Mapping[str, Any]) -> str:
    """The text of a chat completion.

    Raises:
        MalformedError: there is none.
        CutOffError: it reached its greatest length.
        RefusalError: the model or a filter refused.
    """
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
        raise MalformedError("no choices")
    if _is_cut(choice):
        raise CutOffError("the answer was cut off")
    if choice.get("finish_reason") == "content_filter" or choice["message"].get("refusal"):
        raise RefusalError("the model refused to answer")
    content = choice["message"].get("content")
    if not isinstance(content, str) or not content.strip():
        raise MalformedError("it is empty")
    return content


def is_cut_off(completion: Mapping[str, Any]) -> bool:
    """Whether the reply reached its greatest length."""
    choices = completion.get("choices")
    return bool(isinstance(choices, list) and choices and _is_cut(choices[0]))


def _is_cut(choice: Any) -> bool:
    return isinstance(choice, dict) and choice.get("finish_reason") == "length"


def has_thoughts(completion: Mapping[str, Any]) -> bool:
    """Whether the model thought before it answered, by the server's count or by what it shows of it."""
    usage = completion.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    if isinstance(details, dict) and details.get("reasoning_tokens"):
        return True
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict):
        return False
    return bool(message.get("reasoning_content")) or "<think>" in str(message.get("content"))


def read_answers(content: str, question: Question) -> tuple[dict[int, list[StatedFact]], Counter[str]]:
    """The facts by the number of the piece that they are about, and what could not be used, by reason.

    A piece that the reply passes over, or answers in a wrong form, is not in the result. An answer for an item
    that was not asked about is counted as "invented", a fact of a wrong form as "form".

    Raises:
        MalformedError: there is no JSON of the form asked for in it.
    """
    number_of = {mark: number for number, mark in enumerate(question.marks)}
    found: dict[int, list[StatedFact]] = {}
    unusable: Counter[str] = Counter()
    answers = _answers(content, number_of)
    if len(question.pieces) == 1 and len(answers) == 1:
        # One question, one answer: whatever mark it bears, there is nothing else that it could be about.
        answers = [(question.marks[0], answers[0][1])]
    for mark, given in answers:
        number = number_of.get(mark)
        if number is None:
            unusable["invented"] += 1
            continue
        facts = [_fact(one) for one in given[:_MOST_FACTS]]
        usable = [fact for fact in facts if fact is not None]
        if facts and not usable:
            continue
        unusable["form"] += len(facts) - len(usable)
        unusable["too many"] += max(0, len(given) - _MOST_FACTS)
        found.setdefault(number, []).extend(usable)
    return found, +unusable


def _answers(content: str, marks: Mapping[str, int]) -> list[tuple[str, list[Any]]]:
    """(mark, facts as they came) from the first JSON in the text that holds answers."""
    why = "there is no JSON in it"
    for value in _json_values(content):
        answers = _answers_in(value, marks)
        if answers is not None:
            return answers
        why = "its JSON has no answers"
    raise MalformedError(why)


def _json_values(content: str) -> Iterator[Any]:
    """Every JSON value in the text that is not within another one, commas before a closing bracket forgiven."""
    text = content.rpartition("</think>")[2]
    decoder = json.JSONDecoder(strict=False)
    at = 0
    for _ in range(_MOST_STARTS):
        start = _START.search(text, at)
        if start is None:
            return
        for candidate in (text, _TRAILING_COMMA.sub("", text[start.start() :])):
            try:
                value, end = decoder.raw_decode(candidate, start.start() if candidate is text else 0)
            except (ValueError, RecursionError):
                continue
            yield value
            if candidate is not text:
                return
            at = end
            break
        else:
            at = start.end()


def _answers_in(value: Any, marks: Mapping[str, int]) -> list[tuple[str, list[Any]]] | None:
    """The answers in one of the forms that models give them; None where it is no answer."""
    if isinstance(value, dict):
        if isinstance(value.get("answers"), list):
            value = value["answers"]
        elif isinstance(value.get("facts"), list):
            value = [value]
        elif value and value.keys() <= marks.keys():
            value = [{"item": mark, "facts": facts} for mark, facts in value.items()]
    if not isinstance(value, list):
        return None
    answers = [
        (str(one.get("item", "")).strip(), one["facts"])
        for one in value
        if isinstance(one, dict) and isinstance(one.get("facts"), list)
    ]
    # [] says of no item that it states nothing: it is no answer.
    return answers or None


def _fact(given: Any) -> StatedFact | None:
    if isinstance(given, dict):
        given = [given.get("relation"), given.get("value"), given.get("quote") or ""]
    if not isinstance(given, list) or len(given) not in (2, 3):
        return None
    texts = [str(part) if isinstance(part, int | float) else part for part in given]
    return StatedFact(*texts) if all(isinstance(text, str) for text in texts) else None


class Checker:
    """Holds stated facts against the text of their item.

    Args:
        schema: relations that are known; others pass as proposed where they are short lower_snake_case names.
        source: the evidence's `source`.
        keep_inferred: keep what the text does not bear out, marked in its source and with a low confidence.
    """

    def __init__(self, schema: Schema, source: str, *, keep_inferred: bool = False) -> None:
        self._source, self._keep_inferred = source, keep_inferred
        self._known = {
            wording.casefold()
            for spec in schema.relations.values()
            for wording in (spec.name, *spec.wordings)
        }

    def mentions(
        self, item: Item, stated: Iterable[StatedFact], neighbours: Sequence[Item] = ()
    ) -> tuple[list[Mention], Counter[str]]:
        """The facts that the item's text bears out, sorted by place, each once; and the others, by reason.

        Reasons: "value" (empty or a sentence), "relation" (no name of one), "inferred" (neither the value nor
        the quote stands in the text), "stray" (worded by the model, though a neighbour in the call has the
        very words and the quote has nothing of them).
        """
        found: dict[tuple[str, int, int, str, str], Mention] = {}
        dropped: Counter[str] = Counter()
        for fact in stated:
            relation, value = fact.relation.strip(), " ".join(fact.value.split())
            if not 0 < len(value) <= _LONGEST_VALUE:
                dropped["value"] += 1
            elif not self._is_relation(relation):
                dropped["relation"] += 1
            elif mention := self._placed(item, relation, value, fact.quote):
                if mention.confidence == CONFIDENCE_QUOTED and _is_stray(mention, neighbours):
                    dropped["stray"] += 1
                else:
                    found.setdefault(_place(mention), mention)
            else:
                dropped[INFERRED] += 1
                if self._keep_inferred:
                    guess = Mention(
                        item.id, relation, value, CONFIDENCE_INFERRED, f"{self._source}+{INFERRED}"
                    )
                    found.setdefault(_place(guess), guess)
        return [found[place] for place in sorted(found)], dropped

    def _is_relation(self, name: str) -> bool:
        return name.casefold() in self._known or bool(_OPEN_RELATION.match(name) and name not in _FIELDS)

    def _placed(self, item: Item, relation: str, value: str, quote: str) -> Mention | None:
        """The fact where the value stands in its quote, else anywhere in the text, else where the quote does."""
        around, own = find_quote(item, quote) if quote else None, find_quote(item, value)
        place = around if around and (own is None or _holds(item, around, value)) else own
        if place is None:
            return None
        field, start, end = place
        words = getattr(item, field)[start:end]
        confidence = (
            CONFIDENCE_QUOTED if own is None and not _holds(item, place, value) else CONFIDENCE_WORD_FOR_WORD
        )
        return Mention(item.id, relation, value, confidence, self._source, field, start, end, words)


def _holds(item: Item, place: tuple[FieldName, int, int], value: str) -> bool:
    """Whether the words at this place hold the value."""
    field, start, end = place
    return value.casefold() in " ".join(getattr(item, field)[start:end].split()).casefold()


def _place(mention: Mention) -> tuple[str, int, int, str, str]:
    start, end = (-1, -1) if mention.start is None or mention.end is None else (mention.start, mention.end)
    return mention.field or "", start, end, mention.relation, str(mention.value)


def _is_stray(mention: Mention, neighbours: Sequence[Item]) -> bool:
    value = str(mention.value)
    if not any(find_quote(neighbour, value) for neighbour in neighbours):
        return False
    return not (_beginnings(value) & _beginnings(mention.quote or ""))


def _beginnings(text: str) -> set[str]:
    """How its words begin: "foldable" and "folds" begin alike."""
    return {word[:_SHARED_LETTERS] for word in re.findall(r"\w+", text.casefold())}
