"""The books of a run: what each call is guessed to cost, what it did cost, and where that is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from kgbuild.extract.llm import Piece
from kgbuild.extract.llm.prices import Price
from kgbuild.extract.llm.spending import Budget, CallRecord, Spending
from kgbuild.extract.llm.tokens import guess_message_tokens, guess_tokens

_ANSWER_TOKENS_AN_ITEM = 20
_ANSWER_TOKENS_A_TEXT_TOKEN = 0.5
"""What an answer is taken for while none has been counted."""

ChatMessages = Sequence[Mapping[str, str]]


class Accounts:
    """Counts the calls of one run to one model.

    Args:
        model, price: the price is None where it is unknown.
        budget: the run's limits; its `spent` is this run's sum.
    """

    def __init__(self, model: str, price: Price | None, budget: Budget) -> None:
        self._model, self._price, self._budget = model, price, budget
        self._earlier = Spending()
        self._keep: Callable[[CallRecord], None] = lambda record: None

    def attach(self, earlier: Iterable[CallRecord], keep: Callable[[CallRecord], None]) -> None:
        """Learn from earlier calls, and hand new ones to `keep`."""
        self._earlier, self._keep = Spending(earlier), keep

    def guess_prompt(self, messages: ChatMessages) -> int:
        """Tokens of a prompt, corrected by what the server reported so far."""
        known = self._budget.spent if self._budget.spent.has_reports else self._earlier
        return round(guess_message_tokens(messages) * known.correction)

    def guess_answer(self, pieces: Iterable[Piece]) -> int:
        """Tokens of an answer about these pieces."""
        for known in (self._budget.spent, self._earlier):
            if known.completion_an_item is not None:
                return round(known.completion_an_item * len(list(pieces)))
        return sum(map(_first_guess, pieces))

    def guess(self, n_items: int, messages: ChatMessages, pieces: Sequence[Piece]) -> CallRecord:
        """A call that was not made, or that the server did not report on; nothing is taken to be cached."""
        counts = (self.guess_prompt(messages), 0, self.guess_answer(pieces))
        return self._record(n_items, counts, guess=0)

    def lost(self, messages: ChatMessages) -> None:
        """Count a call that no answer came of: the server may charge for what it was sent."""
        self._add(self._record(0, (self.guess_prompt(messages), 0, 0), guess=0))

    def count(
        self,
        n_items: int,
        messages: ChatMessages,
        pieces: Sequence[Piece],
        usage: object,
        *,
        batch: bool = False,
    ) -> None:
        """Count a call by the `usage` of its completion, or by a guess where that says nothing."""
        counts = _counts(usage)
        if counts is None:
            guessed = (self.guess_prompt(messages), 0, self.guess_answer(pieces))
            self._add(self._record(n_items, guessed, guess=0, batch=batch))
        else:
            guess = guess_message_tokens(messages)
            self._add(self._record(n_items, counts, guess=guess, batch=batch))

    def _record(
        self, n_items: int, counts: tuple[int, int, int], *, guess: int, batch: bool = False
    ) -> CallRecord:
        usd = None if self._price is None else self._price.of(*counts, batch=batch)
        return CallRecord(self._model, n_items, *counts, guess, usd)

    def _add(self, record: CallRecord) -> None:
        self._budget.spent.add(record)
        self._keep(record)


def _first_guess(piece: Piece) -> int:
    text = guess_tokens(piece.item.title) + guess_tokens(piece.description)
    return round(_ANSWER_TOKENS_AN_ITEM + _ANSWER_TOKENS_A_TEXT_TOKEN * text)


def _counts(usage: object) -> tuple[int, int, int] | None:
    """(prompt, of it cached, completion) as the server counted them; None where it did not."""
    if not isinstance(usage, dict):
        return None
    prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    if not isinstance(prompt, int) or not isinstance(completion, int) or prompt <= 0 or completion < 0:
        return None
    return prompt, min(prompt, max(0, cached)) if isinstance(cached, int) else 0, completion
