"""Guards: what keeps two labels apart however near their letters or meanings are. "X Pro" is not "X"."""

from __future__ import annotations

from kgbuild.resolve.labels import Label, RangeKind, guard_tables
from kgbuild.resolve.persons import differ_as_persons
from kgbuild.resolve.text import singular


def conflict(a: Label, b: Label) -> str | None:
    """The name of the first guard that keeps the two labels apart, None where none does. Symmetric.

    Every automatic merge passes through here; only the user's own file can overrule it.
    """
    if a.numbers != b.numbers:
        return "numbers"
    if a.marks != b.marks:
        return "editions and units"
    if a.negations != b.negations:
        return "negation"
    if any(words != b.opposites.get(group, words) for group, words in a.opposites.items()):
        return "opposites"
    if _differ_by_affix(a, b):
        return "prefix or suffix"
    if a.kind is RangeKind.PERSON and differ_as_persons(a.tokens, b.tokens):
        return "person names"
    return None


def turned_round(a: Label, b: Label) -> bool:
    """Whether one label negates what the other says; also asked of labels that differ in spacing only."""
    return a.negations != b.negations


def narrower(a: Label, b: Label) -> bool:
    """Whether one label says all that the other says and something more: "small town" and "small desert
    town"."""
    return a.word_counts != b.word_counts and (
        a.word_counts <= b.word_counts or b.word_counts <= a.word_counts
    )


def _differ_by_affix(a: Label, b: Label) -> bool:
    only_a, only_b = set(a.tokens) - set(b.tokens), set(b.tokens) - set(a.tokens)
    if not only_a or not only_b or max(len(only_a), len(only_b)) > 4:
        return False
    known = guard_tables()
    for first in only_a:
        for second in only_b:
            short, long = sorted((singular(first), singular(second)), key=len)
            if len(short) < 3 or short == long:
                continue
            if any(long == prefix + short for prefix in known["prefixes"]):
                return True
            if any(long == short + suffix for suffix in known["suffixes"]):
                return True
            if short.endswith("y") and long in (f"{short[:-1]}ier", f"{short[:-1]}iest"):
                return True
    return False
