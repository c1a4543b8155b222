"""What a work comes from: based_on and source_author."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from kgbuild.extract.local.reading import Candidate, Reading

CAPS = r"[A-ZÀ-Þ0-9][\w’'&:.-]*(?:\s(?:(?:of|the|and|de|in|at|on|to|for|a)\s){0,3}[A-ZÀ-Þ0-9][\w’'&-]*){0,6}"
_PARTICLES = r"de|la|von|van|der|du|da|del|le|bin"
_INITIALS = r"[A-ZÀ-Þ]\.(?:\s?[A-ZÀ-Þ]\.)*"
_NAME_WORD = r"[A-ZÀ-Þ][\w-]+(?:[’'](?!s\b)\w+)?"
_NAME_PART = rf"(?:{_INITIALS}|{_NAME_WORD}|O[’']{_NAME_WORD})"
PERSON = rf"(?P<author>{_NAME_PART}(?:\s(?:{_PARTICLES}|Jr\.?|{_NAME_PART})){{0,4}})"
PERSON_END = r"(?![\w-])"
_VERSIONS = (
    "adaptation|retelling|reworking|reimagining|novelisation|novelization|updating|modernisation|modernization|"
    "version|dramatisation|dramatization"
)
_SURE = (
    r"(?:[Bb]ased (?:\w+ )?(?:up)?on|[Aa]dapted (?:\w+ ){0,2}from|[Aa]dapts|[Ii]nspired by|"
    r"[Ss]uggested by|[Dd]rawn from"
    r"|[Rr]etells|[Rr]eimagines|[Rr]eworks|[Tt]aken (?:\w+ ){0,4}from|"
    r"[Mm]ade (?:\w+ ){0,2}from|[Rr]emade from"
    rf"|(?:[Aa]n?|[Tt]he|[Tt]his) (?:[\w-]+,? ){{0,3}}(?:{_VERSIONS}) of|[Aa]daptation of)"
)
_ANY = rf"(?:{_SURE}|[Ff]rom|[Aa]fter|[Bb]rings to the screen)"
_QUOTED = re.compile(r"[\"“‘'](?P<title>[A-ZÀ-Þ0-9][^\"“”’]{1,70}?)[\"”’'](?!\w)")
_DENIAL = re.compile(
    r"(?:\bnot|\bnever|n[’']t|\bno longer|\bunlike|\brather than|\binstead of)\s(?:\w+\s){0,3}$", re.I
)
_ROLES = r"(?:author|writer|novelist|playwright|poet|journalist|historian|cartoonist|dramatist)"
_BY = re.compile(rf"\bby\s+(?:(?:the )?(?:[\w-]+ )?{_ROLES} )?{PERSON}{PERSON_END}")
_OWNER_BEFORE = re.compile(rf"{PERSON}['’]s?\s")
_TRUE_STORY = re.compile(
    r"\b(?:[Tt]he|[Aa]|[Tt]his|[Tt]heir|[Hh]is|[Hh]er) (?:\w+,? ){0,2}(?P<story>true story|real-life story)\b"
    r"|\b(?:[Bb]ased on|[Ii]nspired by) (?:an? |the |some )?(?P<events>(?:real|true|actual)(?:[- ]life)? "
    r"(?:events?|story|stories|incidents?|case|lives))\b"
)
_NO_AUTHOR = frozenset(
    {"the", "based", "adapted", "inspired", "it", "this", "that", "his", "her", "a", "an", "in"}
)


@lru_cache(maxsize=8)
def _kind_pattern(kinds: frozenset[str]) -> str:
    longest_first = sorted(kinds, key=lambda kind: (-len(kind), kind))
    return "|".join(re.escape(kind) + ("" if kind.endswith("s") else "s?") for kind in longest_first)


def denied(text: str, at: int) -> bool:
    """Whether what begins at the character is denied or a comparison."""
    return _DENIAL.search(text[max(0, at - 40) : at]) is not None


def span_candidate(
    reading: Reading, relation: str, start: int, end: int, confidence: float, pattern: str
) -> Iterator[Candidate]:
    """A candidate for the characters [start, end)."""
    span = reading.doc.char_span(start, end, alignment_mode="expand")
    if span is not None and len(span):
        yield Candidate(relation, span.start, span.end, confidence, pattern)


def sources(reading: Reading) -> Iterator[Candidate]:
    """ "Based on the novel by X", "adapted from X's Title", "X's novel" of a film, "a true story"."""
    kinds = _kind_pattern(reading.lexicon["source_kinds"])
    yield from _kind_then_author(reading, kinds)
    yield from _owner_then_work(reading, kinds)
    yield from _title_alone(reading, kinds)
    yield from _owned_source(reading, kinds)
    for match in _TRUE_STORY.finditer(reading.text):
        group = "story" if match["story"] else "events"
        if not denied(reading.text, match.start()):
            yield from span_candidate(reading, "based_on", *match.span(group), 0.76, "true-story")


def _kind_then_author(reading: Reading, kinds: str) -> Iterator[Candidate]:
    """ "based on the best-selling novel (Title) by X"."""
    text = reading.text
    lead = r"(?:the |an? |his |her |their |some )?(?:own )?(?:(?!by\b|of\b|the\b)[\w’'-]+[ ,]+){0,6}?"
    pattern = re.compile(rf"(?P<from>{_ANY})\s+(?P<lead>{lead})(?P<kind>{kinds})\b(?P<rest>[^.;]{{0,90}})")
    for match in pattern.finditer(text):
        sure = re.fullmatch(_SURE, match["from"]) is not None
        if denied(text, match.start()) or (
            not sure and not re.match(r"(?:\s+of the same name)?\s+by\s", match["rest"])
        ):
            continue
        confidence = 0.9 if sure else 0.76
        rest, at = match["rest"], match.start("rest")
        stripped = rest.lstrip(" ,:")
        quoted = _QUOTED.match(stripped)
        titled = re.match(rf"\s+(?P<title>{CAPS})(?=\s+by\b|[,.;]|$)", rest)
        if quoted:
            offset = at + len(rest) - len(stripped)
            start, end = offset + quoted.start("title"), offset + quoted.end("title")
            yield from span_candidate(reading, "based_on", start, end, confidence, "source-title")
        elif titled:
            start, end = at + titled.start("title"), at + titled.end("title")
            yield from span_candidate(reading, "based_on", start, end, confidence, "source-title")
        else:
            yield from span_candidate(
                reading, "based_on", *match.span("kind"), confidence - 0.03, "source-kind"
            )
        author = _BY.search(rest)
        if author and author["author"].lower() in _NO_AUTHOR:
            author = None
        owner = _OWNER_BEFORE.search(match["lead"])
        if author:
            start, end = at + author.start("author"), at + author.end("author")
            yield from span_candidate(reading, "source_author", start, end, confidence, "source-by")
        elif owner and owner["author"].lower() not in _NO_AUTHOR:
            start = match.start("lead") + owner.start("author")
            end = match.start("lead") + owner.end("author")
            yield from span_candidate(reading, "source_author", start, end, confidence, "source-owner")


def _owner_then_work(reading: Reading, kinds: str) -> Iterator[Candidate]:
    """ "adapted from X's Title", "an adaptation of X's 'Title'"."""
    text = reading.text
    pattern = re.compile(rf"{_SURE}\s+(?:the )?{PERSON}['’]s?\s+(?P<rest>[^.;]{{2,90}})")
    for match in pattern.finditer(text):
        if denied(text, match.start()) or match["author"].lower() in _NO_AUTHOR:
            continue
        yield from span_candidate(reading, "source_author", *match.span("author"), 0.9, "source-owner")
        rest, at = match["rest"], match.start("rest")
        quoted = _QUOTED.search(rest[:80])
        kind = re.search(rf"\b(?:{kinds})\b", rest[:60])
        titled = (
            re.match(CAPS, rest) if kind is None else re.match(rf"\s+(?P<title>{CAPS})", rest[kind.end() :])
        )
        if quoted:
            start, end = at + quoted.start("title"), at + quoted.end("title")
        elif titled and kind is None:
            start, end = at, at + titled.end()
        elif titled and kind is not None:
            start, end = at + kind.end() + titled.start("title"), at + kind.end() + titled.end("title")
        elif kind is not None:
            start, end = at + kind.start(), at + kind.end()
        else:
            continue
        yield from span_candidate(reading, "based_on", start, end, 0.91, "source-title")


def _title_alone(reading: Reading, kinds: str) -> Iterator[Candidate]:
    """ "adapted from Title", and from a person without a title, who is then the author."""
    text = reading.text
    quoted = r"[\"“‘'](?P<quoted>[^\"“”]{2,70}?)[\"”’']"
    pattern = re.compile(
        rf"(?P<from>{_SURE})\s+(?:the )?(?:{quoted}|(?P<title>{CAPS}))(?!['’]s?\s)(?P<rest>[^.;]{{0,60}})"
    )
    for match in pattern.finditer(text):
        group = "quoted" if match["quoted"] else "title"
        words = match[group]
        if denied(text, match.start()) or (re.search(r"['’]s?(?:\s|$)", words) and group == "title"):
            continue
        if re.match(rf"\s+(?:\w+ )?(?:{kinds})\b", match["rest"]) or words.split()[0].isdigit():
            continue
        span = reading.doc.char_span(*match.span(group), alignment_mode="expand")
        labels = {reading.entity(token) for token in span} if span is not None else set()
        if group == "title" and labels == {"PERSON"} and len(words.split()) in (2, 3, 4):
            if not match["from"].lower().startswith("inspired"):
                yield from span_candidate(reading, "source_author", *match.span(group), 0.72, "source-person")
            continue
        if group == "title" and (
            labels & {"GPE", "LOC", "NORP", "DATE"}
            or match["from"].lower().startswith(("inspired", "drawn", "made"))
        ):
            continue
        yield from span_candidate(reading, "based_on", *match.span(group), 0.82, "source-title")
        author = re.match(rf",?\s+(?:written |a \w+ |the \w+ )?by\s+{PERSON}{PERSON_END}", match["rest"])
        if author:
            at = match.start("rest")
            start, end = at + author.start("author"), at + author.end("author")
            yield from span_candidate(reading, "source_author", start, end, 0.88, "source-by")


def _owned_source(reading: Reading, kinds: str) -> Iterator[Candidate]:
    """ "X's novel" in the description of something that is no book itself."""
    if re.search(
        r"\b(?:books?|novels?|fiction|literature|comics?|manga|ebooks?|plays?|memoirs?)\b",
        reading.category,
        re.I,
    ):
        return
    text = reading.text
    written = (
        r"novels?|novella|play|memoir|autobiography|short story|book|best-?seller|comic|"
        r"graphic novel|poem|tale|fairy tale|stories"
    )
    pattern = re.compile(
        rf"\b{PERSON}['’]s?\s(?:(?!and\b|or\b|in\b|of\b|to\b|first (?:film|book))[\w-]+,?\s){{0,4}}?"
        rf"(?P<kind>{written})\b(?:,?\s(?:[\"“‘'](?P<quoted>[^\"“”]{{2,70}}?)[\"”’']|(?P<title>{CAPS})))?"
    )
    for match in pattern.finditer(text):
        span = reading.doc.char_span(*match.span("author"), alignment_mode="expand")
        if span is None or denied(text, match.start()) or match["author"].lower() in _NO_AUTHOR:
            continue
        if len(match["author"].split()) < 2 and not any(reading.entity(token) == "PERSON" for token in span):
            continue
        yield from span_candidate(reading, "source_author", *match.span("author"), 0.78, "source-owner")
        group = "quoted" if match["quoted"] else "title" if match["title"] else "kind"
        yield from span_candidate(reading, "based_on", *match.span(group), 0.74, "source-owned")
