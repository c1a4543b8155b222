"""Where a quote stands in an item's text, case, white space and the shape of quotation marks aside."""

from __future__ import annotations

from functools import lru_cache

from kgbuild.types import FieldName, Item

_SHAPES = str.maketrans("‘’‚‛“”„‟«»–—−\u00a0", '\'\'\'\'""""""--- ')
_EDGES = " \t\r\n\"'.,;:…"


def find_quote(item: Item, quote: str) -> tuple[FieldName, int, int] | None:
    """(field, start, end) of the quote's first place, the description before the title; None where it has
    none."""
    wanted = _folded(quote.strip(_EDGES))[0].strip()
    if not wanted:
        return None
    fields: tuple[FieldName, ...] = ("description", "title")
    for name in fields:
        text, places = _folded(getattr(item, name))
        at = _find_whole(text, wanted)
        if at is not None:
            return name, places[at], places[at + len(wanted) - 1] + 1
    return None


def _find_whole(text: str, wanted: str) -> int | None:
    """The first place where the quote does not begin or end inside a word."""
    at = text.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        inside_before = at > 0 and text[at - 1].isalnum() and wanted[0].isalnum()
        inside_after = end < len(text) and text[end].isalnum() and wanted[-1].isalnum()
        if not inside_before and not inside_after:
            return at
        at = text.find(wanted, at + 1)
    return None


@lru_cache(maxsize=256)  # a text is searched for one quote after the other
def _folded(text: str) -> tuple[str, list[int]]:
    """The text with case folded and every run of white space as one space, and where each character came
    from."""
    kept: list[str] = []
    places: list[int] = []
    for at, sign in enumerate(text.translate(_SHAPES)):
        for folded in " " if sign.isspace() else sign.casefold():
            if folded == " " and kept and kept[-1] == " ":
                continue
            kept.append(folded)
            places.append(at)
    return "".join(kept), places
