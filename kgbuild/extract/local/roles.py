"""Roles in parentheses behind a name ("Chris Van Allsburg (book)"): who wrote the source, and its kind."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgbuild.types import Item, Mention

PATTERN = "local:roles@1"
_CREDIT = re.compile(r"^(?P<name>[^()]{2,80}?)\s*\((?P<role>[^()]{2,80})\)\s*$")
_QUOTED = re.compile(r"[\"“](?P<title>[^\"“”]{2,60})[\"”]")
# What the work itself was made with, and versions of it: no source.
_OWN_PARTS = re.compile(
    r"\b(screen\s?play|teleplay|screenwriter|scenario|dialogue|adaptation|additional|"
    r"development|material|screen story"
    r"|treatment|continuity|script|narration|idea|concept|original story|story and|"
    r"cartoon story|english|segment)\b"
)
_KINDS = {
    "graphic novel": "graphic novel",
    "short stor": "short story",
    "comic strip": "comic strip",
    "comic": "comic book",
    "television": "television series",
    "tv ": "television series",
    "video game": "video game",
    "fairy tale": "fairy tale",
    "trading card": "trading cards",
    "characters": "characters",
    "character": "characters",
    "autobiography": "autobiography",
    "biography": "biography",
    "memoir": "memoir",
    "novella": "novella",
    "novel": "novel",
    "musical": "musical",
    "opera": "opera",
    "libretto": "opera",
    "play": "play",
    "poem": "poem",
    "article": "article",
    "manga": "manga",
    "book": "book",
    "stories": "short story",
}
_FROM_A_STORY = re.compile(r"^(based (up)?on|from|suggested by|inspired by)\b.*\bstory\b")


def source_kind(role: str) -> str | None:
    """The kind of source that a role names ("based on the novel by" -> "novel"); None where it names none."""
    text = _QUOTED.sub("", role).lower().replace("screen play", "screenplay").strip()
    if _FROM_A_STORY.search(text) and "original" not in text:
        return "short story" if "short" in text else "story"
    if _OWN_PARTS.search(text):
        return None
    return next((kind for cue, kind in _KINDS.items() if cue in text + " "), None)


def role_mentions(item: Item) -> Iterator[tuple[str, str, float]]:
    """(relation, value, confidence) for every attribute value that carries the role of a source."""
    for name in sorted(item.attributes):
        for value in item.attributes[name]:
            match = _CREDIT.match(value) if isinstance(value, str) else None
            kind = source_kind(match["role"]) if match else None
            if match is None or kind is None:
                continue
            yield "source_author", match["name"].strip(), 0.95
            title = _QUOTED.search(match["role"])
            yield "based_on", title["title"].strip() if title else kind, 0.95


def mentions_from_roles(item: Item, ranges: dict[str, str]) -> list[Mention]:
    """Mentions without a place in the text, each once; `ranges` maps the relations to their ranges."""
    found = dict.fromkeys(role_mentions(item))
    return [
        Mention(item.id, relation, value, confidence, PATTERN, range=ranges.get(relation, relation))
        for relation, value, confidence in found
        if relation in ranges
    ]
