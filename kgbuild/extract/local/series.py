"""Series that the text names the item a part of, and prizes that it says the item has won."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from kgbuild.extract.local.reading import Candidate, Reading
from kgbuild.extract.local.sources import CAPS, denied, span_candidate

_WORD = (
    r"(?:[Ss]eries|[Tt]rilogy|[Ss]aga|[Ff]ranchise|[Cc]ycle|[Cc]hronicles|[Qq]uartet|[Qq]uintet|[Ss]equence|[Tt]etralogy"
    r"|[Dd]uology|[Ll]ine|[Rr]ange|[Uu]niverse|[Nn]ovels|[Mm]ysteries|[Bb]ooks|[Ff]ilms|[Gg]ames|[Cc]ollection|[Ff]amily|[Ss]tories)"
)
_SURE_WORD = (
    r"(?:[Ss]eries|[Tt]rilogy|[Ss]aga|[Ff]ranchise|[Cc]ycle|[Qq]uartet|[Qq]uintet|[Tt]etralogy|[Dd]uology)"
)
_PART = (
    r"(?:book|novel|film|movie|instal+ment|entry|game|part|volume|chapter|title|story|"
    r"adventure|episode|case|mystery|outing|release|expansion)s?"
)
_COUNT = (
    r"(?:\d+(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|latest|final|last|next|newest"
    r"|concluding|opening|middle|closing)"
)
_OWNER = r"(?:the |an? |his |her |their |our |its |[\w.]+[’']s? )?"
_NAME = r"(?P<series>(?:The )?" + CAPS + ")"
_PATTERNS = (
    (
        rf"\b{_COUNT} (?:[\w-]+ )?{_PART} (?:in|of|from|to) {_OWNER}(?:[\w-]+ing |"
        rf"[\w-]+ed )?{_NAME} {_WORD}\b", 0.9),
    (rf"\b{_COUNT} (?:[\w-]+ )?{_PART} (?:in|of) (?:the )?{_NAME}(?=[,.;:]|\s[a-z])", 0.76),
    (rf"\b{_COUNT} (?:of|in) {_OWNER}{_NAME} {_WORD}\b", 0.88),
    (
        rf"\b(?:[Pp]art of|[Bb]elong\w* to|[Jj]oins|[Cc]oncludes|[Oo]pen(?:s|ing)|[Bb]eg[iu]n(?:s|"
        rf"ning)|[Ss]tart(?:s|ing)|[Cc]ontinu(?:es|ing)"
     rf"|[Cc]los(?:es|ing)|[Ll]aunch(?:es|ing)|[Cc]omplet(?:es|ing)|[Ee]nds|[Ii]n|[Ff]rom|"
     rf"[Oo]f) {_OWNER}(?:[\w-]+-selling |popular |long |acclaimed )?{_NAME} {_WORD}\b", 0.85),
    (rf"\b[Tt]he {_NAME} {_SURE_WORD}\b", 0.87),
    (rf"\b{_NAME} (?:[Tt]rilogy|[Ss]aga|[Qq]uartet|[Tt]etralogy|[Dd]uology|[Ff]ranchise)\b", 0.8),
    (
        rf"\b(?:[Ss]equel|[Pp]requel|[Ff]ollow-up|[Cc]ompanion|[Ss]uccessor|[Ee]xpansion) (?:to|of|"
        rf"for) (?:the (?:[\w-]+ ){{0,2}})?[\"“‘']?{_NAME}[\"”’']?", 0.72),
    (
        rf"\b(?:[Bb]ook|[Vv]olume|[Pp]art|[Ee]pisode) (?:\d+|[IVX]+|one|two|three|four|five|six|"
        rf"seven) (?:of|in) (?:the )?{_NAME}", 0.85),
    (rf"\b[Ss]equence of {_NAME}", 0.7),
)  # fmt: skip
_COMPILED = tuple((re.compile(pattern), confidence) for pattern, confidence in _PATTERNS)
_NOT_SERIES = frozenset(
    {
        "new york times",
        "new york",
        "tv",
        "the",
        "bbc",
        "hbo",
        "netflix",
        "world",
        "us",
        "uk",
        "american",
        "british",
    }
)
_NOT_STORY_WORD = re.compile(r"\b(?:[Ll]ine|[Rr]ange|[Ff]amily|[Cc]ollection)$")
_GOODS_WORD = re.compile(r"\b(?:series|line|range|family|collection)\b", re.I)

_WON = (
    r"(?:(?:[Ww]inner|[Rr]ecipient) of|[Ww]on|[Ww]inning|[Ww]ins|[Rr]eceived|[Ee]arned|"
    r"[Tt]ook(?: home)?|[Aa]warded|[Cc]ollected|[Ss]cooped"
    r"|[Hh]onou?red with|[Hh]as won|[Bb]rought (?:\w+ ){1,3}|[Ss]hared|[Pp]icked up|[Nn]amed|"
    r"[Vv]oted|[Cc]hosen as|[Aa]ward:|[Ww]inner)"
)
_TITLE_WORD = r"(?:[A-ZÀ-Þ][\w’'.&-]*|\d{4}|d[’']Or|des|de|of|the|for|in|at|du|la|and)"
_LEAD = r"(?:(?:the|a|an|its|another|both|two|three|four|five|six|seven|\d+|year[’']s)\s){0,3}(?:\d{4}\s)?"
_PEOPLE_AFTER = (
    r"^[- ](?:(?:[\w-]+\s){0,2})(?:author|writer|director|actor|actress|novelist|journalist|"
    r"playwright|filmmaker|designer"
    r"|screenwriter|star|cast|team|studio|poet|historian|illustrator|comedian|producer|composer|chef)s?\b"
)
_AND = re.compile(r"\s+and\s+(?:the|a|an|its)\s+")
_NOMINATED = re.compile(
    r"(?:nominat\w+|shortlist\w*|longlist\w*|finalist|runner-up|contender)\W+(?:\w+\W+){0,4}$", re.I
)


def series(reading: Reading) -> Iterator[Candidate]:
    """Series, trilogies and product lines."""
    text = reading.text
    for pattern, confidence in _COMPILED:
        for match in pattern.finditer(text):
            start, end = match.span("series")
            name = re.sub(rf"\s{_WORD}$", "", text[start:end]).rstrip(" .:,")
            name = re.sub(r"['’]s?$", "", name)
            if name.lower() in _NOT_SERIES or len(name) < 3 or name.isdigit() or denied(text, match.start()):
                continue
            if reading.domain == "product" and not _GOODS_WORD.search(match[0]):
                continue
            if reading.domain != "product" and _NOT_STORY_WORD.search(match[0]):
                continue
            if name.lower() in reading.lexicon["character.keep"]:
                continue
            if re.fullmatch(
                r"(?:January|February|March|April|May|June|July|August|September|October|November|December|\d{4})",
                name,
            ):
                continue
            yield from span_candidate(reading, "series", start, start + len(name), confidence, "series")


@lru_cache(maxsize=8)
def _award_patterns(heads: frozenset[str]) -> tuple[re.Pattern[str], re.Pattern[str]]:
    words = "|".join(sorted(heads, key=lambda head: (-len(head), head)))
    capital = rf"{_TITLE_WORD}(?:\s{_TITLE_WORD})*"
    common = rf"(?:[\w’'-]+\s){{0,4}}?(?:{words})s?"
    won = re.compile(
        rf"\b(?P<won>{_WON})\s(?P<lead>{_LEAD})(?P<name>{capital}(?:\s(?:{words})s?\b)?|{common})"
    )
    return won, re.compile(rf"\b(?:{words})s?\b", re.I)


def not_won(text: str, start: int, end: int) -> bool:
    """Whether a prize at characters [start, end) was only hoped for, or won by the work's maker for another."""
    if _NOMINATED.search(text[:start]):
        return True
    after = re.sub(r"^[- ](?:[Ww]inning|[Ww]inners?|[Ll]aureate)\b", "", text[end : end + 60])
    return re.match(_PEOPLE_AFTER, after, re.I) is not None


def awards(reading: Reading) -> Iterator[Candidate]:
    """Prizes won; a nomination is none, nor is a prize of its author's or cast's."""
    text = reading.text
    won, head = _award_patterns(reading.lexicon["award.heads"])
    known = [hit for hit in reading.hits_of("award.names") if reading.doc[hit.start].text[0].isupper()]
    for match in won.finditer(text):
        start, end = match.span("name")
        listed = [hit for hit in known if start <= reading.doc[hit.start].idx < end]
        if (not head.search(match["name"]) and not listed) or denied(text, match.start()):
            continue
        start += len(match["name"]) - len(re.sub(r"^(?:(?:the|a|an|of|in|for|\d{4})\s)+", "", match["name"]))
        name = re.sub(r"(?:\s(?:in|and|at|for|the|of|de|\d{4}))+$", "", text[start:end].rstrip(" .,;"))
        if not name or re.match(_PEOPLE_AFTER, text[start + len(name) : end + 40], re.I):
            continue
        if not (name[0].isupper() or len(name.split()) > 1) or _NOMINATED.search(text[: match.start()]):
            continue
        for part in _AND.split(name):
            at = start + name.index(part)
            yield from span_candidate(reading, "award", at, at + len(part), 0.86, "won")
    words = r"(?:[A-ZÀ-Þ][\w’'.]*)(?:\s(?:(?:of|the|des|d[’']Or)\s)?[A-ZÀ-Þ][\w’'.]*|\sd[’']Or)*"
    for match in re.finditer(
        rf"\b(?P<name>{words})[- ](?:[Ww]inning|[Ww]inner|[Ww]inners|[Ll]aureate)\b", text
    ):
        name = match["name"]
        if re.match(_PEOPLE_AFTER, text[match.end() : match.end() + 40], re.I) or name.lower() in (
            "award",
            "the",
            "prize",
        ):
            continue
        name = re.sub(r"^(?:The|This|A|An)\s", "", name)
        end = match.end("name")
        yield from span_candidate(reading, "award", end - len(name), end, 0.78, "prize-winning")
