"""How much the teacher may read: a share of the items, or a number of tokens."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from plugbase.errors import UserError

_SHARE = re.compile(r"(\d+(?:\.\d+)?)\s*%\Z")
_TOKENS = re.compile(r"(\d+)(k|M)?\Z")


@dataclass(frozen=True, slots=True)
class TeachingBudget:
    """One of the two is set: `share` of the items, in (0, 1], or `tokens` in all."""

    share: float | None = None
    tokens: int | None = None

    @classmethod
    def read(cls, text: str) -> TeachingBudget:
        """A budget as it is written on the command line: "5%", "200000", "200k", "1M".

        Raises:
            UserError: it is neither.
        """
        text = text.strip()
        if (found := _SHARE.match(text)) and 0 < float(found[1]) <= 100:
            return cls(share=float(found[1]) / 100)
        if (found := _TOKENS.match(text)) and int(found[1]):
            return cls(tokens=int(found[1]) * {None: 1, "k": 1_000, "M": 1_000_000}[found[2]])
        mend = "a share of the items, 5%, or a number of tokens, 200000 or 200k"
        raise UserError(f"{text!r} is no budget", mend=mend)

    def items(self, n_items: int, tokens_an_item: float) -> int:
        """How many of the items that is, given what one takes; at least one."""
        if self.share is not None:
            return max(1, math.ceil(self.share * n_items))
        assert self.tokens is not None
        return max(1, min(n_items, int(self.tokens / max(1.0, tokens_an_item))))
