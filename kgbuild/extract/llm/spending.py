"""What calls cost: tokens as the server counts them, money by a table of prices, and the limits set for a run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kgbuild.extract.llm.prices import Price

STAGES = ("prompt", "cached prompt", "completion")
"""What tokens are priced by; "prompt" leaves out what the server had cached."""
_WIDTH = "{:>10}"


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call. `items` got their answer by it; `prompt` includes `cached`; `usd` goes by STAGES, None where
    the price is unknown. `guess` is what the prompt was taken for before the call, by which later guesses are
    corrected; it is 0 where the server reported nothing, and then the counts are themselves guesses."""

    model: str
    items: int
    prompt: int
    cached: int
    completion: int
    guess: int
    usd: tuple[float, float, float] | None

    def as_json(self) -> list[Any]:
        """The record as a list; `of_json` reads it."""
        usd = None if self.usd is None else list(self.usd)
        return [self.model, self.items, self.prompt, self.cached, self.completion, self.guess, usd]

    @classmethod
    def of_json(cls, kept: list[Any]) -> CallRecord:
        """The record that `as_json` made."""
        model, items, prompt, cached, completion, guess, usd = kept
        return cls(model, items, prompt, cached, completion, guess, None if usd is None else tuple(usd))


class Spending:
    """The sum of calls, by stage."""

    def __init__(self, records: Iterable[CallRecord] = ()) -> None:
        self.calls = self.items = self.unreported = self.unpriced = 0
        self.tokens_by_stage = [0, 0, 0]
        self.usd_by_stage = [0.0, 0.0, 0.0]
        self._guessed = self._reported = 0
        for record in records:
            self.add(record)

    def add(self, record: CallRecord) -> None:
        """Count one more call."""
        self.calls += 1
        self.items += record.items
        counts = (record.prompt - record.cached, record.cached, record.completion)
        for stage, count in enumerate(counts):
            self.tokens_by_stage[stage] += count
            if record.usd is not None:
                self.usd_by_stage[stage] += record.usd[stage]
        self.unpriced += record.usd is None
        if record.guess:
            self._guessed += record.guess
            self._reported += record.prompt
        else:
            self.unreported += 1

    @property
    def tokens(self) -> int:
        """All tokens."""
        return sum(self.tokens_by_stage)

    @property
    def prompt(self) -> int:
        """Tokens sent, those included that the server had cached."""
        return self.tokens_by_stage[0] + self.tokens_by_stage[1]

    @property
    def completion(self) -> int:
        """Tokens that came back."""
        return self.tokens_by_stage[2]

    @property
    def usd(self) -> float | None:
        """All money; None where a call's price is unknown."""
        return None if self.unpriced else math.fsum(self.usd_by_stage)

    @property
    def has_reports(self) -> bool:
        """Whether a server counted the tokens of any call."""
        return self.calls > self.unreported

    @property
    def correction(self) -> float:
        """What a guessed number of prompt tokens is multiplied by to come out as servers count."""
        return self._reported / self._guessed if self._guessed else 1.0

    @property
    def completion_an_item(self) -> float | None:
        """Tokens that come back for one item; None while nothing is known."""
        return self.tokens_by_stage[2] / self.items if self.items else None

    def as_json(self) -> dict[str, Any]:
        """The closing table for machines; a price that is not known is the text "unknown"."""
        known = not self.unpriced

        def a_thousand(value: float) -> float | None:
            return round(value * 1000 / self.items, 6) if self.items else None

        def row(tokens: int, usd: float) -> dict[str, Any]:
            return {
                "tokens": tokens,
                "usd": round(usd, 6) if known else "unknown",
                "usd_per_1000_items": a_thousand(usd) if known else "unknown",
            }

        stages = zip(STAGES, self.tokens_by_stage, self.usd_by_stage, strict=True)
        return {
            "calls": self.calls,
            "items": self.items,
            "calls_without_report": self.unreported,
            "stages": {name: row(tokens, usd) for name, tokens, usd in stages},
            "all": row(self.tokens, self.usd or 0.0),
        }


def spending_rows(spending: Mapping[str, Any]) -> list[tuple[str | int, ...]]:
    """The closing table for people, from what `Spending.as_json` gave."""
    head = ("", "tokens", _WIDTH.format("USD"), _WIDTH.format("USD per 1,000 items"))
    named = {**spending["stages"], "all": spending["all"]}
    rows = [
        (name, row["tokens"], _money(row["usd"]), _money(row["usd_per_1000_items"]))
        for name, row in named.items()
    ]
    return [head, *rows]


def _money(value: object) -> str:
    told = f"{value:.4f}" if isinstance(value, float | int) else "-" if value is None else str(value)
    return _WIDTH.format(told)


class Budget:
    """The limits of one run, against what was spent and what the calls under way may yet cost.

    Args:
        max_usd, max_tokens: None sets no limit. A limit in dollars needs a price.
    """

    def __init__(
        self, price: Price | None = None, *, max_usd: float | None = None, max_tokens: int | None = None
    ) -> None:
        assert max_usd is None or price is not None
        self.price, self.max_usd, self.max_tokens = price, max_usd, max_tokens
        self.spent = Spending()
        self._held_tokens, self._held_usd = 0, 0.0

    def worst_case(self, prompt: int, completion: int) -> tuple[int, float]:
        """Tokens and dollars of a call that uses all the room it has, with nothing cached."""
        usd = 0.0 if self.price is None else sum(self.price.of(prompt, 0, completion))
        return prompt + completion, usd

    def hold(self, cost: tuple[int, float]) -> str | None:
        """Set a cost aside for a call; where it does not fit, set nothing aside and say which limit it is."""
        tokens, usd = cost
        if self.max_tokens is not None and self.spent.tokens + self._held_tokens + tokens > self.max_tokens:
            return f"the next call could pass {self.max_tokens:,} tokens (spent: {self.spent.tokens:,})"
        spent = self.spent.usd or 0.0
        if self.max_usd is not None and spent + self._held_usd + usd > self.max_usd:
            return f"the next call could pass {self.max_usd:g} USD (spent: {spent:.4f})"
        self._held_tokens += tokens
        self._held_usd += usd
        return None

    def release(self, cost: tuple[int, float]) -> None:
        """Give back what was set aside, once the call is over and counted in `spent`."""
        self._held_tokens -= cost[0]
        self._held_usd = max(0.0, self._held_usd - cost[1])
