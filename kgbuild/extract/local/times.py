"""When a story happens: decades, centuries, years, wars and eras."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgbuild.extract.local.reading import Candidate, Reading, compared, has_article, negated

_TENS = "twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties"
_DECADE = re.compile(
    r"\b(?:(?:early|mid|late)[- ])?(?:the )?"
    r"((?:1[5-9]|20)\d0['’]?s|(?:19)?['’]?(?:20|30|40|50|60|70|80|90)s)\b"
    rf"|\b((?:nineteen[- ]|eighteen[- ])?(?:{_TENS}))\b",
    re.I,
)
_ORDINAL_WORDS = (
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third "
    "twenty-fourth twenty-fifth"
)
_ORDINALS = {word: number for number, word in enumerate(_ORDINAL_WORDS.split(), 1)}
_NTH = "|".join(sorted(_ORDINALS, key=len, reverse=True)).replace("-", "[- ]")
_CENTURY = re.compile(rf"\b((?:\d{{1,2}}(?:st|nd|rd|th)|{_NTH})[- ]century)\b", re.I)
_MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
_YEAR = re.compile(
    r"\b(?:in|of|during|since|year|from|by|late|early|summer|winter|spring|autumn|fall|"
    rf"{_MONTHS})\s(?:of\s)?((?:1[0-9]|20|21|22)\d\d)\b(?!\s?(?:mm|cm|ml|mAh|kg|W\b))"
    r"|(?:^|[.;,]\s)((?:1[5-9]|20)\d\d)(?=[.,:;])",
    re.I,
)
_ERA = re.compile(r"\b([A-Z][a-z]+(?:\s[A-Z][a-z]+)?\s(?:[Dd]ynasty|[Ee]ra|[Aa]ge|[Pp]eriod))\b")
_NOT_ERAS = frozenset(
    {"the", "this", "an", "a", "old", "new", "middle", "golden", "that", "in", "all", "for"}
)
_OF_THE_ITEM = re.compile(
    r"(?:published|released|written|wrote|won|award|edition|bestseller|winner|nominated|film|premiere\w*|version"
    r"|founded|copyright|reprint\w*|born|died|caper|remake|novel|book)\W+(?:\w+\W+){0,3}$",
    re.I,
)
_AGE = re.compile(r"\b(?:his|her|their|my|your) (?:early |mid-|late |mid)?$")
_PROPER_ONLY = frozenset({"Tudor era", "Regency", "Prohibition", "Renaissance", "Holocaust", "Crusades"})
_ONLY_ADJUNCT = frozenset({"future", "present day", "Civil War", "antiquity", "wartime", "distant future"})


def period(reading: Reading) -> Iterator[Candidate]:
    """Words for wars and eras from the lexicon; decades, centuries and years by their form."""
    yield from _listed(reading)
    text = reading.text
    for pattern, confidence, name in (
        (_DECADE, 0.85, "decade"),
        (_CENTURY, 0.85, "century"),
        (_YEAR, 0.72, "year"),
    ):
        for match in pattern.finditer(text):
            group = next(number for number in range(1, pattern.groups + 1) if match[number])
            start, end = match.span(group)
            left = text[max(0, start - 40) : start]
            span = reading.doc.char_span(start, end, alignment_mode="expand")
            if span is None or _OF_THE_ITEM.search(left) or _AGE.search(left):
                continue
            label = century_label(text[start:end]) if name == "century" else None
            yield Candidate("period", span.start, span.end, confidence, name, label)
    for match in _ERA.finditer(text):
        span = reading.doc.char_span(*match.span(1))
        if span is not None and match[1].split()[0].lower() not in _NOT_ERAS:
            yield Candidate("period", span.start, span.end, 0.7, "era")


def _listed(reading: Reading) -> Iterator[Candidate]:
    doc = reading.doc
    for hit in reading.hits_of("period"):
        head, text, label = reading.head_of(hit), doc[hit.start : hit.end].text, hit.canonical or ""
        if negated(head) or compared(head):
            continue
        if label in _ONLY_ADJUNCT and head.dep_ in ("nsubj", "dobj", "conj"):
            continue
        if label == "future" and text.lower() == "future" and not has_article(head):
            continue
        if text.islower() and (label in _PROPER_ONLY or (label[0].isupper() and "War" in label)):
            continue
        renamed = text.lower().replace("-", " ") != label.lower()
        yield Candidate("period", hit.start, hit.end, 0.8, "period-word", label if renamed else None)


def century_label(words: str) -> str | None:
    """ "nineteenth-century" -> "19th century"; None where the words are the label already."""
    ordinal = re.sub(r"[- ]century$", "", words.lower()).replace(" ", "-")
    if ordinal not in _ORDINALS:
        return f"{ordinal} century" if "-" in words else None
    number = _ORDINALS[ordinal]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in (11, 12, 13) else 0, "th")
    return f"{number}{suffix} century"
