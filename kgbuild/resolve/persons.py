"""Names of persons: which spellings can be one person's, and which initials stand for which name."""

from __future__ import annotations

from collections.abc import Sequence

from rapidfuzz.distance import OSA

_SUFFIXES = frozenset({"jr", "sr", "junior", "senior", "ii", "iii", "iv"})


def bare_name(tokens: Sequence[str]) -> tuple[str, ...]:
    """The name without "Jr." and the like, which the guards compare on their own."""
    bare = tuple(token for token in tokens if token not in _SUFFIXES)
    return bare or tuple(tokens)


def is_one_name(tokens: Sequence[str]) -> bool:
    """Whether the words can be one person's given and family names."""
    return 2 <= len(tokens) <= 5 and "and" not in tokens and all(token.isalpha() for token in tokens)


def abbreviates(short: Sequence[str], full: Sequence[str]) -> bool:
    """Whether `short` is `full` with at least one given name cut down to its initial: "j lasseter", "john
    lasseter"."""
    if len(short) != len(full) or len(short) < 2 or short[-1] != full[-1] or len(full[-1]) < 2:
        return False
    cut = [len(a) == 1 < len(b) and b.startswith(a) for a, b in zip(short[:-1], full[:-1], strict=True)]
    same = [a == b for a, b in zip(short[:-1], full[:-1], strict=True)]
    return any(cut) and all(one or other for one, other in zip(cut, same, strict=True))


def could_be_meant(short: Sequence[str], full: Sequence[str]) -> bool:
    """Whether someone who writes `short` might mean `full`: same family name, same first initial."""
    return len(full) >= 2 and len(full[0]) > 1 and short[-1] == full[-1] and short[0][0] == full[0][0]


def same_word_misspelt(a: str, b: str) -> bool:
    """Whether two name parts differ by one doubled inner letter or by two inner letters changed about.

    Other single letters make another name too often (Anderson and Andersen, Daniel and Daniela).
    """
    if a[0] != b[0] or a[-1] != b[-1]:
        return False
    if len(a) == len(b):
        return len(a) >= 4 and OSA.distance(a, b) == 1 and sorted(a) == sorted(b)
    return (
        min(len(a), len(b)) >= 5
        and a[-2:] == b[-2:]
        and OSA.distance(a, b) == 1
        and squeezed(a) == squeezed(b)
    )


def squeezed(word: str) -> str:
    """The word with every run of one letter written once."""
    return "".join(sign for at, sign in enumerate(word) if at == 0 or word[at - 1] != sign)


def differ_as_persons(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two names are of different persons: some part is neither the same, nor misspelt, nor an
    initial of it.

    At most one part may be misspelt. Names with more or fewer parts differ: a middle name is often all that
    tells two people apart.
    """
    a, b = bare_name(a), bare_name(b)
    if "".join(a) == "".join(b):
        return False
    if len(a) != len(b):
        return True
    misspelt = 0
    for first, second in zip(a, b, strict=True):
        if first == second or (1 in (len(first), len(second)) and first[0] == second[0]):
            continue
        if misspelt or not same_word_misspelt(first, second):
            return True
        misspelt += 1
    return False
