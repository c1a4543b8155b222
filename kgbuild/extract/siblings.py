"""The series that only several titles together show: "Die Hard" is the first of one because there is a "Die Hard 2".

A numbered title names its series by itself, and the extractor reads it. Three kinds of items say nothing of theirs:

* the first, whose whole title is the name that a numbered title carries: taken as it is;
* one that goes on from that name or from another item's whole title ("Alien: Resurrection", "Batman Returns");
* one whose title has the same head before a colon as another's ("Star Trek: Generations").

The last two are taken where the catalogue bears them out: the item shares a value that few items have, such as an author
or an actor, with another of the same name, and two such values where the name is a single word with no colon after it:
"Seven" and "Seven Years in Tibet" share an actor. Without such attributes only the first kind is found.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from kgbuild.types import Item, Mention

SOURCE = "titles:series@1"
RELATION = "series"
FIRST, FOLLOWING = 0.85, 0.8
"""Confidence in an item with the very name of a numbered series, and in one that the catalogue bears out."""
_HUB = 0.02
"""A value that more than this share of the items have bears out nothing,"""
_FEW = 10
"""unless they are no more than this."""
_ASIDE = re.compile(r"\s*\([^()]*\)")
_ARTICLE = re.compile(r"^(?:the|a|an|le|la|les|das|der|die|il|el) ")
_LAST_ARTICLE = re.compile(r",\s*(?:the|a|an|le|la|les|das|der|die|il|el)\s*$", re.IGNORECASE)
_LONGEST_NAME = 6
_LITTLE_WORDS = "a an and at de for from in la le no of on or the to with"
_NO_NAME_ENDS_SO = frozenset(_LITTLE_WORDS.split())

Answered = Callable[[], Iterable[tuple[Item, list[Mention]]]]
_Name = tuple[str, str]
"""Category and folded name: a series stays within one category."""


@dataclass(slots=True)
class _Family:
    """The items whose titles begin with one name, and the values that bear them out."""

    is_numbered: bool = False
    members: dict[str, tuple[bool, int, frozenset[tuple[str, str]]]] = field(default_factory=dict)
    """Item -> (whether the name is the whole title, where the name ends, its rarer catalogue values)."""


def sibling_mentions(answered: Answered) -> dict[str, Mention]:
    """Item id -> the series that its title shares with others, for items that no mention gives a series.

    Reads the items three times and keeps names and ids of those whose titles meet.

    Args:
        answered: starts the stream of all items, each with what was found in it.
    """
    names, values, total = _names(answered)
    common = {value for value, count in values.items() if count > max(_FEW, _HUB * total)}
    families = _families(answered, names, common)
    return {
        item.id: mention
        for item, mentions in answered()
        if not any(mention.relation == RELATION for mention in mentions)
        and (mention := _mention(item, families)) is not None
    }


def _names(answered: Answered) -> tuple[dict[_Name, bool], Counter[tuple[str, str]], int]:
    """Names that two titles may share -> whether a numbered title carries them; how many items have each value."""
    whole: set[_Name] = set()
    heads: Counter[_Name] = Counter()
    numbered: set[_Name] = set()
    begun: Counter[_Name] = Counter()
    values: Counter[tuple[str, str]] = Counter()
    total = 0
    for item, mentions in answered():
        total += 1
        values.update(_text_values(item))
        category = item.category.casefold()
        numbered.update((category, name) for name in _numbered(item, mentions))
        for name, _, is_whole, is_head in _beginnings(item.title):
            if is_whole:
                whole.add((category, name))
            elif is_head:
                heads[category, name] += 1
            begun[category, name] += 1
    shared = (
        name
        for name, count in begun.items()
        if name in numbered or (count > 1 and (name in whole or heads[name] > 1))
    )
    return {name: name in numbered for name in shared}, values, total


def _families(
    answered: Answered, names: Mapping[_Name, bool], common: set[tuple[str, str]]
) -> dict[_Name, _Family]:
    families: dict[_Name, _Family] = defaultdict(_Family)
    for item, mentions in answered():
        category = item.category.casefold()
        found = list(_beginnings(item.title))
        found += [(name, 0, False, False) for name in _numbered(item, mentions)]
        for name, end, is_whole, _ in found:
            key = category, name
            if key in names:
                rare = frozenset(value for value in _text_values(item) if value not in common)
                families[key].is_numbered = names[key]
                families[key].members.setdefault(item.id, (is_whole, end, rare))
    return families


def _mention(item: Item, families: Mapping[_Name, _Family]) -> Mention | None:
    """The item's series by the longest name that holds, or None."""
    category = item.category.casefold()
    for name, end, is_whole, is_head in sorted(_beginnings(item.title), key=lambda found: -len(found[0])):
        family = families.get((category, name))
        if family is None or len(family.members) < 2:
            continue
        rare = family.members[item.id][2]
        others = (other for identifier, (_, _, other) in family.members.items() if identifier != item.id)
        if family.is_numbered and is_whole:
            confidence = FIRST
        elif any(len(rare & other) >= (1 if is_whole or is_head or " " in name else 2) for other in others):
            confidence = FOLLOWING
        else:
            continue
        quote = item.title[:end]
        return Mention(item.id, RELATION, quote, confidence, SOURCE, "title", 0, end, quote, RELATION)
    return None


def _numbered(item: Item, mentions: Iterable[Mention]) -> Iterator[str]:
    """The names of series that were read out of the item's title."""
    for mention in mentions:
        if mention.relation == RELATION and mention.field == "title" and isinstance(mention.value, str):
            name = folded(mention.value)
            if name:
                yield name


def _beginnings(title: str) -> Iterator[tuple[str, int, bool, bool]]:
    """(folded name, where it ends in the title, is it the whole title, does a colon follow) of a title's beginnings."""
    bare = _LAST_ARTICLE.sub("", _ASIDE.sub("", title).rstrip())
    if not title.startswith(bare):
        return
    ends = [match.end() for match in re.finditer(r"[^\s:]+", bare)][:_LONGEST_NAME]
    for end in {*ends, len(bare)}:
        name = folded(bare[:end])
        left_open = end < len(bare) and (
            not bare[end - 1].isalnum() or name.rpartition(" ")[2] in _NO_NAME_ENDS_SO
        )
        if len(name) > 1 and not name.isdigit() and not left_open:
            yield name, end, end == len(bare), bare[end:].lstrip().startswith(":")


def _text_values(item: Item) -> Iterator[tuple[str, str]]:
    for name, values in item.attributes.items():
        for value in values:
            if isinstance(value, str):
                yield name, value


def folded(name: str) -> str:
    """The name as titles are compared: case, punctuation, a leading and a trailing article aside."""
    words = "".join(char if char.isalnum() else " " for char in _LAST_ARTICLE.sub("", name).casefold())
    return _ARTICLE.sub("", " ".join(words.split()) + " ", count=1).strip() if words.strip() else ""
