"""Phrases of relations: their words, the verb whose agent they name, and which way they run."""

from __future__ import annotations

import re
from collections.abc import Sequence

from kgbuild.resolve.labels import guard_tables
from kgbuild.resolve.text import normal_form, singular

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMPTY_WORDS = (
    "it",
    "that",
    "which",
    "who",
    "is",
    "was",
    "are",
    "were",
    "be",
    "been",
    "being",
    "the",
    "a",
    "an",
)
_HAVING = ("has", "have", "had")
_CIRCUMSTANCE = frozenset(
    {"in", "at", "on", "inside", "within", "with", "about", "as", "during", "under", "for", "from", "of"}
)
"""After a participle they lead to a circumstance of the item: "located in" runs as "location" does."""
_PLACES = frozenset({"in", "at", "on", "inside", "within"})
_IRREGULAR_PARTICIPLES = frozenset(
    {
        "born",
        "made",
        "built",
        "set",
        "held",
        "found",
        "shot",
        "known",
        "written",
        "drawn",
        "sold",
        "taught",
        "worn",
        "won",
    }
)
_PREPOSITIONS = frozenset(
    {
        "of",
        "by",
        "to",
        "for",
        "from",
        "in",
        "on",
        "at",
        "into",
        "with",
        "about",
        "after",
        "before",
        "against",
        "as",
        "under",
        "over",
        "during",
        "through",
        "via",
    }
)


def relation_phrase(wording: str) -> tuple[str, ...]:
    """The words of a relation without case, underscores, "is", "was", "the"; "has director" is "director"."""
    words = normal_form(_CAMEL.sub(" ", wording).replace("_", " ")).split(" ")
    while len(words) > 1 and words[0] in _EMPTY_WORDS:
        words = words[1:]
    if len(words) > 1 and words[0] in _HAVING and words[1] not in _PREPOSITIONS:
        words = words[1:]
        while len(words) > 1 and words[0] in _EMPTY_WORDS:
            words = words[1:]
    return tuple(words)


def direction(phrase: Sequence[str]) -> str:
    """Which way a wording runs: its last word where that is a preposition, else nothing.

    "part of" runs against "part", "influenced by" against "influences", "sequel to" against "sequel".
    """
    return phrase[-1] if phrase[-1] in _PREPOSITIONS and len(phrase) > 1 else ""


def agent_verb(phrase: Sequence[str]) -> tuple[str, ...] | None:
    """The verb of "composed by" or of "composer": both point from the work to who did it. None for other
    wordings."""
    if len(phrase) >= 2 and phrase[-1] == "by" and phrase[-2].endswith("ed") and len(phrase[-2]) > 4:
        return (*phrase[:-2], _stem(phrase[-2][:-2]))
    noun = singular(phrase[-1])
    if noun.endswith(("er", "or")) and len(noun) > 5 and not direction(phrase):
        return (*phrase[:-1], _stem(noun[:-2]))
    return None


def _stem(verb: str) -> str:
    return verb[:-1] if len(verb) > 3 and verb[-1] == verb[-2] else verb.removesuffix("e")


def same_agent(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether both name who did one thing to the item: "composed by", "composer"."""
    verb = agent_verb(a)
    return verb is not None and verb == agent_verb(b)


def opposed(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether two wordings may be a relation and its inverse, or run different ways."""
    if (not same_agent(a, b) and _run_apart(a, b)) or listed_as_inverse(a, b):
        return True
    return any(_verb_against_noun(x, y) or _verb_against_noun(y, x) for x in a for y in b)


def listed_as_inverse(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether a pair of words such as parent and child, or birth and death, tells them apart."""
    words_a, words_b = ({form for word in words for form in (word, singular(word))} for words in (a, b))
    groups = guard_tables()["inverse_words"]
    return any(words_a.intersection(group) != words_b.intersection(group) for group in groups)


def _verb_against_noun(verb: str, noun: str) -> bool:
    """ "composes" runs against "composer", "influences" against "influence"; "locations" is "location"."""
    if not verb.endswith("s") or verb.endswith("ss") or noun == verb or len(verb) < 5:
        return False
    if noun in (verb[:-1], singular(verb)):
        return verb in guard_tables()["relation_verbs"]
    return noun.startswith(verb[:-1])


def share_a_stem(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether some word of one and some word of the other are forms of one word: "part of", "parts"."""
    stems_a, stems_b = ({_bare_stem(word) for word in words if word not in _PREPOSITIONS} for words in (a, b))
    return not stems_a.isdisjoint(stems_b)


def _bare_stem(word: str) -> str:
    word = singular(word)
    for ending in (
        "ations",
        "ation",
        "ings",
        "ions",
        "ing",
        "ion",
        "ers",
        "ors",
        "ed",
        "er",
        "or",
        "es",
        "s",
        "e",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return _stem(word.removesuffix(ending))
    return _stem(word)


def without_preposition(phrase: Sequence[str]) -> tuple[str, ...]:
    """ "founder of" as "founder": what is said, whichever way it runs."""
    return tuple(phrase[:-1]) if direction(phrase) else tuple(phrase)


def _run_apart(a: Sequence[str], b: Sequence[str]) -> bool:
    """Whether the prepositions at the ends of two wordings tell that they run different ways.

    A participle and its circumstance ("located in") runs as a noun does ("location"), unless the other
    wording is that verb itself ("contained in", "contains").
    """
    end_a, end_b = direction(a), direction(b)
    if end_a == end_b or (end_a in _PLACES and end_b in _PLACES):
        return False
    if end_a and end_b:
        return True
    led, bare = (a, b) if end_a else (b, a)
    verb = led[-2]
    if led[-1] not in _CIRCUMSTANCE or not (verb.endswith("ed") or verb in _IRREGULAR_PARTICIPLES):
        return True
    base = verb.removesuffix("ed")
    return any(word in {base + ending for ending in ("", "e", "s", "es", "ing")} for word in bare)
