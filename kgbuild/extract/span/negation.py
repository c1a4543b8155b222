"""Whether the words before a span take it back: "not waterproof" says nothing of what the item is."""

from __future__ import annotations

import re

_REACH = 60
"""Characters before the span that are looked at; a negation reaches no further than its own clause."""
_CLAUSE = re.compile(r"[.,;:!?()\n|]|\b(?:but|and|only|just)\b", re.IGNORECASE)
_NEGATION = re.compile(
    r"(?:\b(?:not|never|without|lack(?:s|ing)?|exclud(?:es|ing)|cannot|free (?:of|from)|instead of"
    r"|rather than|other than|unlike)|n['’]t)(?:[\s-]+[\w'’-]+){0,2}[\s-]*$"
    r"|\b(?:no|non)[\s-]+$",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(r"[\s-]free\b", re.IGNORECASE)


def negated(text: str, start: int, end: int) -> bool:
    """Whether text[start:end] is denied: by a negation before it in its clause, or by "-free" after it.

    "not only X" and "X and Y" after "without Z" are no negations of X; a span that holds the negation itself
    ("non-stick") is a value like any other.
    """
    if _TAKEN_BACK.match(text, end):
        return True
    before = text[max(0, start - _REACH) : start]
    breaks = list(_CLAUSE.finditer(before))
    return _NEGATION.search(before[breaks[-1].end() :] if breaks else before) is not None
