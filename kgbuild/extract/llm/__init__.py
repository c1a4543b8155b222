"""The extractor that asks a language model: what passes between its parts, and what can be plugged into it.

The way of an item: `questions` packs items into calls, `client` makes the calls (`ladder` knows which form of
answer the server takes, `breaker` waits out its failures), `answers` checks what came back against the items' own
texts, `spending` counts tokens and money, and `extractor` runs the whole.

Three things can be plugged in, all by an argument of OpenAIExtractor:

    shots      an object with `choose(items) -> [LabelledItem]`: worked examples for the items of one call
    group      a function `items -> groups`: the first of a group is asked, the others are given its answer
               wherever its quotes stand in their own texts too
    requests   `extractor.build_requests(items)` and `extractor.read_reply(question, completion)` are what the
               live run uses itself; another carrier of requests (the Batch API) uses the same two
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from kgbuild.types import Item

if TYPE_CHECKING:
    from kgbuild.extract import ExtractionResult
    from kgbuild.extract.llm.extractor import OpenAIExtractor

__all__ = [
    "GroupItems",
    "LabelledItem",
    "OpenAIExtractor",
    "Piece",
    "Question",
    "Reading",
    "Shots",
    "StatedFact",
]


@dataclass(frozen=True, slots=True)
class StatedFact:
    """One fact in a model's words; an empty `quote` says that the value itself stands in the text."""

    relation: str
    value: str
    quote: str = ""


@dataclass(frozen=True, slots=True)
class LabelledItem:
    """An item with the facts that its text states: a worked example."""

    item: Item
    facts: tuple[StatedFact, ...]


class Shots(Protocol):
    """Chooses worked examples for the items of one call; they stand in the call in place of the prompt's own."""

    fingerprint: str
    """Changes with whatever changes the choice: answers are kept under it."""

    def choose(self, items: Sequence[Item]) -> Sequence[LabelledItem]:
        """The examples for a call about these items, the last one nearest to the question; none leaves the
        prompt's own in place."""
        ...


GroupItems = Callable[[Sequence[Item]], Iterable[Sequence[Item]]]
"""Splits items into groups, each item in exactly one group; a group's first item is asked for all of it."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What a call asks about one item: all of its description, or a part where the whole was too long.

    `followers` are the items that get the same answer wherever its quotes stand in their own texts.
    """

    item: Item
    description: str
    followers: tuple[Item, ...] = ()

    @property
    def is_part(self) -> bool:
        """Whether other pieces of the same item are asked about elsewhere."""
        return self.description != self.item.description


@dataclass(frozen=True, slots=True)
class Question:
    """One call: the pieces it asks about, and an id of its own that nobody can guess.

    `marks` name the pieces within the call. They follow from `custom_id` alone, so that a reply can be read by
    another process than the one that asked, and an item's text cannot know the mark of another item.
    """

    pieces: tuple[Piece, ...]
    custom_id: str = field(default_factory=lambda: secrets.token_hex(12))
    tries: int = 0
    """How often the same pieces were asked together and got no usable answer."""
    depth: int = 0
    """How often the text of its only piece was halved."""

    @property
    def marks(self) -> tuple[str, ...]:
        """One short name a piece, all different."""
        marks: list[str] = []
        number = 0
        while len(marks) < len(self.pieces):
            digest = hashlib.sha256(f"{self.custom_id}/{number}".encode()).digest()
            mark = "".join(_SIGNS[byte % len(_SIGNS)] for byte in digest[:_MARK_LENGTH])
            number += 1
            if mark not in marks:
                marks.append(mark)
        return tuple(marks)

    @property
    def items(self) -> tuple[Item, ...]:
        """The items asked about, without followers."""
        return tuple(piece.item for piece in self.pieces)

    def as_json(self) -> dict[str, Any]:
        """The question by the ids of its items, to be kept on disk; `of_json` makes it whole again."""
        pieces = [
            {
                "item": piece.item.id,
                "followers": [follower.id for follower in piece.followers],
                **({"part": piece.description} if piece.is_part else {}),
            }
            for piece in self.pieces
        ]
        return {"custom_id": self.custom_id, "pieces": pieces}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any], items: Mapping[str, Item]) -> Question:
        """The question that `as_json` kept; `items` holds its items by id.

        Raises:
            KeyError: an item is not there any more.
        """
        pieces = tuple(
            Piece(
                items[piece["item"]],
                piece.get("part", items[piece["item"]].description),
                tuple(items[name] for name in piece["followers"]),
            )
            for piece in kept["pieces"]
        )
        return cls(pieces, kept["custom_id"])


_SIGNS = "abcdefghjkmnpqrstuvwxyz23456789"
_MARK_LENGTH = 3


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply came to: results for the items that are done, questions for what it left open."""

    results: list[ExtractionResult]
    again: list[Question] = field(default_factory=list)
    is_usable: bool | None = None
    """Whether the reply had the form asked for; None where it cannot be told (cut off, refused)."""


def __getattr__(name: str) -> Any:
    if name == "OpenAIExtractor":
        from kgbuild.extract.llm.extractor import OpenAIExtractor

        return OpenAIExtractor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
