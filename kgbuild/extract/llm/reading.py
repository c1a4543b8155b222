"""From a reply to results: what is answered, what is asked again and how, and what fails by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kgbuild.extract import ExtractionFailure, ExtractionResult
from kgbuild.extract.llm import Piece, Question, Reading, StatedFact
from kgbuild.extract.llm.answers import (
    Checker,
    CutOffError,
    MalformedError,
    RefusalError,
    content_of,
    read_answers,
)
from kgbuild.extract.llm.gathering import Gathering
from kgbuild.extract.llm.questions import halves
from kgbuild.types import Item

_MOST_TRIES = 2


class Reader:
    """Reads replies; keeps the parts of long items until they are all there.

    Args:
        checker: holds facts against texts.
    """

    def __init__(self, checker: Checker) -> None:
        self._checker = checker
        self._gathering = Gathering()
        self.dropped: Counter[str] = Counter()

    def read(self, question: Question, completion: Mapping[str, Any]) -> Reading:
        """Results for the items that the completion answers, and questions for what it leaves open."""
        try:
            found, unusable = read_answers(content_of(completion), question)
        except RefusalError as error:
            return self.without_answer(question, str(error))
        except CutOffError:
            return self.in_halves(question, "the answer does not end, even for a part of the text")
        except MalformedError as error:
            reason = f"two answers were not the JSON asked for: {error}"
            rest = self._again(question, question.pieces, reason)
            return Reading(rest.results, rest.again, is_usable=False)
        self.dropped.update(unusable)
        alone = _to_ask_alone(question, found)
        results: list[ExtractionResult] = []
        for number, facts in found.items():
            if number not in alone:
                others = [one for one in question.items if one is not question.pieces[number].item]
                results += self._answered(question.pieces[number], facts, others)
        passed_over = [piece for number, piece in enumerate(question.pieces) if number not in found]
        rest = (
            self._again(question, passed_over, "two answers passed it over") if passed_over else Reading([])
        )
        again = [Question((question.pieces[number],)) for number in alone]
        return Reading(results + rest.results, again + rest.again, is_usable=True)

    def without_answer(self, question: Question, reason: str) -> Reading:
        """What to do where the server has no answer: in company nobody knows which item is to blame."""
        return (
            self.in_halves(question, reason) if len(question.pieces) > 1 else self._failed(question, reason)
        )

    def in_halves(self, question: Question, reason: str) -> Reading:
        """The question in two; a failure for that reason where it cannot be parted."""
        parts = halves(question)
        if not parts:
            return self._failed(question, reason)
        if len(question.pieces) == 1:
            self._gathering.parted(question.pieces[0], len(parts))
        return Reading([], parts)

    def _again(self, question: Question, pieces: Sequence[Piece], reason: str) -> Reading:
        """The pieces that a reply left open: once more together, then each alone, then failed by name."""
        if question.tries + 1 < _MOST_TRIES:
            return Reading([], [Question(tuple(pieces), tries=question.tries + 1, depth=question.depth)])
        if len(question.pieces) > 1:
            return Reading([], [Question((piece,), tries=1) for piece in pieces])
        return self._failed(question, reason)

    def _answered(
        self, piece: Piece, facts: Iterable[StatedFact], neighbours: Sequence[Item]
    ) -> list[ExtractionResult]:
        """Results of the piece's item and its followers, once no other part of the item is open."""
        whole = self._gathering.answered(piece, facts)
        if whole is None:
            return []
        mentions, dropped = self._checker.mentions(piece.item, whole, neighbours)
        self.dropped.update(dropped)
        followers = [(one, self._checker.mentions(one, whole, neighbours)[0]) for one in piece.followers]
        return [(piece.item, mentions), *followers]

    def _failed(self, question: Question, reason: str) -> Reading:
        results: list[ExtractionResult] = []
        for piece in question.pieces:
            if self._gathering.failed(piece):
                failure = ExtractionFailure(reason)
                results += [(item, failure) for item in (piece.item, *piece.followers)]
        return Reading(results)


def _to_ask_alone(question: Question, found: Mapping[int, list[StatedFact]]) -> list[int]:
    """The pieces without facts that share the call: one text may have talked the model out of reading the others.

    Descriptions without a fact are rare, so each of them is asked about once more; titles without one are not, and are
    only where they are more than half of the call.
    """
    if len(question.pieces) == 1:
        return []
    empty = [number for number, facts in found.items() if not facts]
    if 2 * len(empty) > len(question.pieces):
        return empty
    return [number for number in empty if question.pieces[number].description]
