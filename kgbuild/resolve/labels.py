"""A label as resolution sees it: its words, its numbers, and the marks by which guards tell labels apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

from kgbuild.resolve.text import cased_tokens, normal_form, singular, tables, with_numbers

_SUFFIX_WORDS = frozenset({"jr", "sr", "junior", "senior", "ii", "iii", "iv"})
_ARTICLES = frozenset({"the", "a", "an"})
_TITLE_WORDS = 3
_LINKS = frozenset({"of", "the", "a", "an"})


class RangeKind(Enum):
    """What the values of a range are, as far as merging goes."""

    PERSON = "person"
    TITLE = "title"
    NAME = "name"
    PLACE = "place"
    PLAIN = "plain"


@cache
def guard_tables() -> dict[str, Any]:
    """guards.yaml, with its word lists turned into look-up tables."""
    import yaml

    loaded: dict[str, Any] = yaml.safe_load(
        Path(__file__).with_name("guards.yaml").read_text(encoding="utf-8")
    )
    marks = {}
    for name in ("qualifiers", "units"):
        marks.update({word: group[0] for group in loaded[name] for word in group})
    units = {word: group[0] for group in loaded["units"] for word in group}
    opposites: dict[str, list[tuple[int, str]]] = {}
    for number, group in enumerate(loaded["opposites"]):
        for entry in group:
            words = entry.split("/")
            for word in words:
                opposites.setdefault(word, []).append((number, words[0]))
    return {**loaded, "marks": marks, "unit_names": units, "opposites": opposites}


@cache
def _synonyms() -> tuple[dict[str, str], dict[str, str]]:
    """synonyms.yaml: phrase -> the first way to say it, for words in a label and for whole names of places."""
    import yaml

    loaded: dict[str, list[list[str]]] = yaml.safe_load(
        Path(__file__).with_name("synonyms.yaml").read_text(encoding="utf-8")
    )
    words, places = (
        {
            " ".join(_singulars(Label(phrase))): " ".join(_singulars(Label(group[0])))
            for group in loaded[name]
            for phrase in group
        }
        for name in ("words", "places")
    )
    return words, places


def _singulars(label: Label) -> list[str]:
    return [singular(word) for word in label.alike_key]


@cache
def range_kind(name: str) -> RangeKind:
    """The kind of a range, read from the words of its name: "person", "source_author", "series", "theme"."""
    words = {singular(word) for word in normal_form(name.replace("_", " ")).split(" ")}
    found = guard_tables()
    if words & {"kind", "type"}:
        return RangeKind.PLAIN
    for kind, table in (
        (RangeKind.PERSON, "person_ranges"),
        (RangeKind.TITLE, "title_ranges"),
        (RangeKind.NAME, "name_ranges"),
        (RangeKind.PLACE, "place_ranges"),
    ):
        if words & set(found[table]):
            return kind
    return RangeKind.PLAIN


@dataclass(frozen=True)
class Label:
    """One way of writing a value, within a range of the given kind."""

    text: str
    kind: RangeKind = RangeKind.PLAIN

    @cached_property
    def tokens(self) -> list[str]:
        """The words of the normal form; a person written "Lasseter, John" is turned round."""
        return normal_form(self._turned).split(" ")

    @cached_property
    def _turned(self) -> str:
        if self.kind is RangeKind.PERSON and self.text.count(",") == 1:
            family, given = self.text.split(",")
            words = normal_form(given).split(" ")
            if given.strip() and len(words) <= 3 and not _SUFFIX_WORDS & set(words):
                return f"{given.strip()} {family.strip()}"
        elif self.kind is not RangeKind.PERSON and self.text.count(",") == 1:
            rest, article = self.text.split(",")
            if article.strip().casefold() in _ARTICLES:
                return f"{article.strip()} {rest.strip()}"
        return self.text

    @cached_property
    def proper(self) -> bool:
        """Whether every word that can have a capital has one: the look of a name."""
        words = [
            word for word in cased_tokens(self.text) if word[:1].isalpha() and word.casefold() not in _LINKS
        ]
        return bool(words) and all(word[0].isupper() for word in words)

    @cached_property
    def has_capital(self) -> bool:
        return any(sign.isupper() for sign in self.text)

    @cached_property
    def counted(self) -> list[str]:
        """The words with usual abbreviations written out and numbers as digits."""
        tokens = self._written_out()
        cased = cased_tokens(self._turned)
        return _with_units(with_numbers(tokens, cased if len(cased) == len(tokens) else tokens))

    def _written_out(self) -> list[str]:
        before_number: dict[str, str] = tables()["before_number"]
        tokens = list(self.tokens)
        for at, token in enumerate(tokens):
            if token in before_number and at + 1 < len(tokens) and _is_count(tokens[at + 1]):
                tokens[at] = before_number[token]
        if self.kind in (RangeKind.PLAIN, RangeKind.PLACE):
            tokens = _with_phrases(tokens, tables()["phrases"]) or tokens
        return [tables()["spellings"].get(token, token) for token in tokens]

    @cached_property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that the label holds, sorted; ordinals as `#2`."""
        return tuple(sorted(word for word in self.counted if any(sign.isdigit() for sign in word)))

    @cached_property
    def marks(self) -> frozenset[str]:
        """Editions, variants and units, each under its first name in guards.yaml."""
        known: dict[str, str] = guard_tables()["marks"]
        words = self.counted
        pairs = [f"{first} {second}" for first, second in pairwise(words)]
        plain = [word if word in known else singular(word) for word in [*words, *pairs]]
        return frozenset(known[word] for word in plain if word in known)

    @cached_property
    def negations(self) -> int:
        """How often the label turns its meaning round."""
        known = guard_tables()
        prefixes = tuple(known["negating_prefixes"])
        count = 0
        for word in self.tokens:
            stripped = next((word[len(prefix) :] for prefix in prefixes if word.startswith(prefix)), "")
            count += (
                word in known["negations"] or len(stripped) >= 4 or (word.endswith("less") and len(word) > 6)
            )
        return count

    @cached_property
    def opposites(self) -> dict[int, frozenset[str]]:
        """For each list of opposites, the words of it that the label holds."""
        known: dict[str, list[tuple[int, str]]] = guard_tables()["opposites"]
        found: dict[int, set[str]] = {}
        for word in self.counted:
            for group, first in known.get(word, known.get(singular(word), ())):
                found.setdefault(group, set()).add(first)
        return {group: frozenset(words) for group, words in found.items()}

    @cached_property
    def word_counts(self) -> Counter[str]:
        """The words in the singular, without articles and "of"."""
        return Counter(singular(word) for word in self.counted if word not in _LINKS)

    @cached_property
    def alike_key(self) -> tuple[str, ...]:
        """Labels with one key are the same words: numbers, abbreviations, spelling and articles put aside.

        Short titles keep their article: "The Boys" and "Boys" are two films.
        """
        words = self.counted
        fewest = _TITLE_WORDS if self.kind is RangeKind.TITLE else 1
        if len(words) > fewest and words[0] in _ARTICLES and self.kind is not RangeKind.PERSON:
            words = words[1:]
        return tuple(words)

    @cached_property
    def plural_key(self) -> tuple[str, ...] | None:
        """The same in the singular, "rivalry of toys" as "toy rivalry"; None where the range holds names."""
        if self.kind in (RangeKind.PERSON, RangeKind.TITLE, RangeKind.NAME) or (
            self.kind is RangeKind.PLACE and self.proper
        ):
            return None
        return _turned_of(_singulars(self))

    @cached_property
    def meant_key(self) -> tuple[str, ...] | None:
        """The plural key with every phrase of synonyms.yaml put into its usual way; None where it holds none."""
        words, places = _synonyms()
        plain = _singulars(self)
        if self.kind is RangeKind.PLACE and (place := places.get(" ".join(plain))):
            return tuple(place.split(" "))
        if self.plural_key is None:
            return None
        meant = _with_phrases(plain, words)
        return None if meant is None else _turned_of(meant)


def _is_count(token: str) -> bool:
    return (
        token[0].isdigit() or token in tables()["number_words"] or with_numbers([token], [token]) != [token]
    )


def _with_units(words: list[str]) -> list[str]:
    """The words with each unit after a number under its first name in guards.yaml: "8 gigabytes" as "8 gb".

    "in" is an inch only at the end of a label.
    """
    known: dict[str, str] = guard_tables()["unit_names"]
    out = list(words)
    for at in range(1, len(words)):
        word = words[at] if words[at] in known else singular(words[at])
        if word in known and words[at - 1][0].isdigit() and (word != "in" or at + 1 == len(words)):
            out[at] = known[word]
    return out


def _turned_of(words: list[str]) -> tuple[str, ...]:
    """ "rivalry of toy" as "toy rivalry"."""
    if words.count("of") == 1:
        at = words.index("of")
        tail = [word for word in words[at + 1 :] if word not in _ARTICLES]
        if at and tail and not any(word in _ARTICLES for word in words[:at]):
            words = [*tail, *words[:at]]
    return tuple(words)


def _with_phrases(tokens: list[str], phrases: Mapping[str, str]) -> list[str] | None:
    """The words with the longest phrases replaced, from the left; None where there is none to replace."""
    out: list[str] = []
    at, found = 0, False
    while at < len(tokens):
        for length in (4, 3, 2, 1):
            phrase = phrases.get(" ".join(tokens[at : at + length])) if at + length <= len(tokens) else None
            if phrase:
                out.extend(phrase.split(" "))
                at, found = at + length, True
                break
        else:
            out.append(tokens[at])
            at += 1
    return out if found else None
