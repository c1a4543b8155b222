"""Items into calls: which items share one, what its messages say, and what is asked instead of a call that was
too long."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from kgbuild.extract.llm import GroupItems, LabelledItem, Piece, Question, Shots, StatedFact
from kgbuild.extract.llm.tokens import guess_tokens
from kgbuild.schema import Schema
from kgbuild.types import Item
from prompts import Prompt

MOST_ITEMS_A_CALL = 12
TEXT_TOKENS_A_CALL = 900
"""What items share a call by, unless their number is set: as many as fit, one at least."""
WINDOW = 5_000
"""Items that are looked at together for near-duplicates."""
_MOST_HALVINGS = 4
_CHOICES_KEPT = 256
_SHORTEST_PART = 80
_ENDS = (re.compile(r"(?<=[.!?])\s+"), re.compile(r"(?<=[,;:])\s+"), re.compile(r"\s+"))

ANSWER_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "answers": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "item": {"type": "string"},
                    "facts": {
                        "type": "array",
                        "items": {"type": "array", "items": {"type": "string"}},
                    },
                },
                "required": ["item", "facts"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["answers"],
    "additionalProperties": False,
}


def pack(
    items: Iterable[Item], *, items_per_call: int | None = None, group: GroupItems | None = None
) -> Iterator[Question]:
    """Questions that between them ask about each item once, in the order of the items; items are read as the
    questions are taken.

    Args:
        items: may be endless where nothing is grouped.
        items_per_call: None packs by length.
        group: brings near-duplicates together, within a window of 5,000 items.
    """
    shared: list[Piece] = []
    filled = 0
    most = items_per_call or MOST_ITEMS_A_CALL
    for piece in _pieces(items, group):
        size = guess_tokens(item_line(piece, "xxx"))
        too_long = items_per_call is None and filled + size > TEXT_TOKENS_A_CALL
        if shared and (len(shared) == most or too_long):
            yield Question(tuple(shared))
            shared, filled = [], 0
        shared.append(piece)
        filled += size
    if shared:
        yield Question(tuple(shared))


def _pieces(items: Iterable[Item], group: GroupItems | None) -> Iterator[Piece]:
    if group is None:
        yield from (Piece(item, item.description) for item in items)
        return
    stream = iter(items)
    while window := list(islice(stream, WINDOW)):
        groups = [tuple(one) for one in group(window)]
        if sorted(item.id for one in groups for item in one) != sorted(item.id for item in window):
            # An item that is in no group would have no answer and no reason.
            raise ValueError("groups of near-duplicates do not hold each item once")
        for first, *others in groups:
            yield Piece(first, first.description, tuple(others))


def halves(question: Question) -> list[Question]:
    """What to ask in place of a question whose answer was too long: the pieces in two calls, or the text of the
    only piece in two parts. Nothing where the text cannot be parted further."""
    pieces = question.pieces
    if len(pieces) > 1:
        middle = (len(pieces) + 1) // 2
        return [Question(part) for part in (pieces[:middle], pieces[middle:])]
    (piece,) = pieces
    at = None if question.depth == _MOST_HALVINGS else _middle(piece.description)
    if at is None:
        return []
    parts = (piece.description[:at].strip(), piece.description[at:].strip())
    return [Question((Piece(piece.item, part, piece.followers),), depth=question.depth + 1) for part in parts]


def _middle(text: str) -> int | None:
    """The end of a sentence nearest the middle, else of a clause, else of a word."""
    for end in _ENDS:
        places = [found.end() for found in end.finditer(text)]
        places = [at for at in places if _SHORTEST_PART / 2 <= at <= len(text) - _SHORTEST_PART / 2]
        if places:
            return min(places, key=lambda at: abs(at - len(text) / 2))
    return None


class Messages:
    """Writes the messages of a call: what is the same in every call comes first, so that servers can cache it.

    Args:
        prompt: has the slots relations, answer_format and items.
        schema: the relations to ask for.
        shots: chooses worked examples; None keeps the prompt's own.
    """

    def __init__(self, prompt: Prompt, schema: Schema, shots: Shots | None = None) -> None:
        self._prompt, self._shots = prompt, shots
        self._chosen: OrderedDict[str, list[dict[str, str]]] = OrderedDict()
        self.relations = "\n".join(f"- {name}: {spec.definition}" for name, spec in schema.relations.items())

    def of(self, question: Question, answer_format: str = "") -> list[dict[str, str]]:
        """The messages that ask the question; `answer_format` is added to the system's."""
        lines = [item_line(piece, mark) for piece, mark in zip(question.pieces, question.marks, strict=True)]
        messages = self._prompt.messages(
            relations=self.relations, answer_format=answer_format, items="\n".join(lines)
        )
        examples = self._examples(question)
        return [messages[0], *examples, messages[-1]] if examples else messages

    def _examples(self, question: Question) -> list[dict[str, str]]:
        """Chosen once a question, however often its messages are written."""
        if self._shots is None:
            return []
        chosen = self._chosen.get(question.custom_id)
        if chosen is None:
            chosen = self._chosen[question.custom_id] = _example(self._shots.choose(question.items))
            if len(self._chosen) > _CHOICES_KEPT:
                self._chosen.popitem(last=False)
        return chosen


def _example(examples: Sequence[LabelledItem]) -> list[dict[str, str]]:
    """The examples as one call and its answer, in the form of every other call."""
    if not examples:
        return []
    # Marks that are the same in every call, so that the same examples are the same text.
    marks = Question(tuple(Piece(one.item, one.item.description) for one in examples), "examples").marks
    lines = [
        item_line(Piece(one.item, one.item.description), mark)
        for one, mark in zip(examples, marks, strict=True)
    ]
    items = "\n".join(lines)
    answers = [
        {"item": mark, "facts": [_short(fact) for fact in one.facts]}
        for one, mark in zip(examples, marks, strict=True)
    ]
    return [
        {"role": "user", "content": f"<items>\n{items}\n</items>"},
        {"role": "assistant", "content": _json({"answers": answers})},
    ]


def _short(fact: StatedFact) -> list[str]:
    return [fact.relation, fact.value, *([fact.quote] if fact.quote else [])]


def item_line(piece: Piece, mark: str) -> str:
    """The piece as one line of JSON in which no `<` or `>` stands, so that a text cannot close its own
    delimiter."""
    item = piece.item
    texts = {"title": item.title, "category": item.category, "description": piece.description}
    line = _json({"item": mark, **{name: text for name, text in texts.items() if text}})
    return line.replace("<", "\\u003c").replace(">", "\\u003e")


def _json(value: object) -> str:
    whole = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return whole.encode("utf-8", "replace").decode()
