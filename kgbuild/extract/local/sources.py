"""What a work comes from, belongs to and has won: based_on, source_author, series and award."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kgbuild.extract.local.reading import Candidate, Reading

_NAME_WORD = r"(?:[A-ZÀ-Þ][\w’'.-]*|de|la|von|van|der|du|da|del|le|ten|bin|al-[A-Z]\w+)"
_PERSON = (
    r"(?P<author>[A-ZÀ-Þ][\w’'.-]*(?:\s(?:de|la|von|van|der|du|da|del|le|bin|[A-ZÀ-Þ][\w’'-]*\.?)){0,4}?)"
)
_PERSON_END = r"(?=['’]s\b|[.,;:)!?]|\s(?!(?:de|la|von|van|der|du|da|del|le|bin)\s[A-ZÀ-Þ]|[A-ZÀ-Þ])|$)"
_FROM = (
    r"(?:(?:(?:is|was|been|loosely|freely|partly|closely|faithfully|very|inspired|and)\s)*"
    r"(?:[Bb]ased (?:up)?on|[Aa]dapted from|[Aa]n? (?:\w+ )?adaptation of|[Aa]daptation of|[Aa]dapts|[Ii]nspired by|[Aa] (?:\w+ )?(?:retelling|reworking|reimagining|novelisation|novelization|updating|modernisation|version) of|[Rr]etells|[Rr]eimagines|[Ff]rom|[Tt]aken from|[Ss]uggested by|[Dd]rawn from|[Bb]rings to (?:the )?(?:screen|life)))"
)
_SURE_FROM = _FROM.replace("|[Ff]rom|", "|").replace("|[Bb]rings to (?:the )?(?:screen|life)", "")
_TITLE_MARKS = re.compile(r"[\"“‘'](?P<title>[A-ZÀ-Þ0-9][^\"“”’]{1,70}?)[\"”’'](?!\w)")
_WINNER = r"(?:(?:[Ww]inner|[Rr]ecipient) of|(?:[Ww]on|[Ww]ins|[Rr]eceived|[Ee]arned|[Tt]ook|[Aa]warded|[Cc]ollected|[Ss]cooped|[Hh]onoured with|[Hh]onored with|[Hh]as won))\s"
_AWARD_NAME = r"(?:(?:[A-ZÀ-Þ][\w’'.&-]*|\d{4}|d[’']Or|des|de|of|the|for|in|and|at|du|la)\s?)+"
_SERIES_WORD = r"(?:[Ss]eries|[Tt]rilogy|[Ss]aga|[Ff]ranchise|[Cc]ycle|[Cc]hronicles|[Qq]uartet|[Qq]uintet|[Ss]equence|[Tt]etralogy|[Dd]uology|[Ll]ine|[Rr]ange|[Uu]niverse|[Nn]ovels|[Mm]ysteries|[Bb]ooks|[Ff]ilms|[Gg]ames|[Cc]ollection|[Ff]amily)"
_CAPS = r"[A-ZÀ-Þ0-9][\w’'&:.-]*(?:\s(?:(?:of|the|and|de|in|at|on|to|for|a)\s){0,3}[A-ZÀ-Þ0-9][\w’'&-]*){0,6}"
_ORDINAL = r"(?:\w+(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|latest|final|last|next|new|\w+ and final|concluding|opening|middle)"
_SERIES_PATTERNS = (
    (
        re.compile(
            rf"\b(?:[Tt]he |[Aa]n? |[Tt]his )?{_ORDINAL} (?:[\w-]+ )?(?:book|novel|film|movie|instal+ment|entry|game|part|volume|chapter|title|story|adventure|episode|case|mystery|outing|release|expansion)s? (?:in|of|from|to) (?:the |an? |his |her |their |\w+[’']s )?(?:\w+ing |bestselling |best-selling |popular |acclaimed |long-running |much-loved |beloved )?(?P<series>{_CAPS})(?:\s{_SERIES_WORD})?"
        ),
        0.86,
    ),
    (
        re.compile(
            rf"\b(?:[Pp]art of|[Bb]elongs to|[Bb]elonging to|[Ff]rom|[Jj]oins|[Ii]n|[Oo]f|[Tt]o|[Cc]oncludes|[Oo]pens|[Bb]egins|[Ss]tarts|[Cc]ontinues|[Cc]loses|[Ll]aunches|[Cc]ompletes|[Ee]nds) (?:the |his |her |their |our |\w+[’']s )?(?:\w+-selling |popular |long |long-running |acclaimed )?(?P<series>{_CAPS}) {_SERIES_WORD}\b"
        ),
        0.85,
    ),
    (
        re.compile(
            rf"\b[Tt]he (?P<series>{_CAPS}) (?:[Ss]eries|[Tt]rilogy|[Ss]aga|[Ff]ranchise|[Cc]ycle|[Qq]uartet|[Tt]etralogy|[Dd]uology)\b"
        ),
        0.82,
    ),
    (
        re.compile(
            rf"\b(?:[Ss]equel|[Pp]requel|[Ff]ollow-up|[Cc]ompanion|[Ss]uccessor) (?:to|of) (?:the (?:\w+ ){{0,2}})?[\"“‘']?(?P<series>{_CAPS})[\"”’']?"
        ),
        0.72,
    ),
    (
        re.compile(
            rf"\b(?:[Bb]ook|[Vv]olume|[Pp]art|[Ee]pisode) (?:\d+|[IVX]+|[A-Z]?[a-z]+) (?:of|in) (?:the )?(?P<series>{_CAPS})"
        ),
        0.85,
    ),
    (re.compile(rf"\b[Ss]equence of (?P<series>{_CAPS})"), 0.7),
)
_NOT_SERIES = frozenset(
    {
        "new york times",
        "new york",
        "i",
        "it",
        "tv",
        "the",
        "a",
        "bbc",
        "hbo",
        "netflix",
        "world",
        "us",
        "uk",
        "american",
        "british",
        "world series",
    }
)
_PEOPLE_AFTER = re.compile(
    r"^[- ](?:(?:\w+[- ])?){0,2}(?:author|writer|director|actor|actress|novelist|journalist|playwright|filmmaker|designer|screenwriter|star|cast|team|studio|poet|historian|illustrator|comedian|producer|composer|chef)s?\b",
    re.I,
)
_AFTER_DENIAL = re.compile(
    r"(?:\bnot|\bnever|n[’']t|\bno longer|\bunlike|\brather than|\binstead of)\s(?:\w+\s){0,3}$", re.I
)


def sources(reading: Reading) -> Iterator[Candidate]:
    """based_on and source_author from "based on", "adapted from", "X's novel of the same name" and their kin."""
    text = reading.doc.text
    kinds = "|".join(
        re.escape(kind) + ("s?" if not kind.endswith("s") else "")
        for kind in sorted(reading.lexicon["source_kinds"], key=lambda kind: (-len(kind), kind))
    )
    lead = r"(?:the |an? |his |her |their |some )?(?:own )?"
    modifiers = r"(?:(?!by\b|of\b|the\b)[\w’'-]+[ ,]+){0,5}?"
    by = rf"(?:[^.;()]{{0,60}}?\b(?:by|from|of)\s+(?:the (?:\w+ )?(?:author|writer|novelist|playwright) )?{_PERSON}{_PERSON_END})?"
    full = re.compile(rf"{_FROM}\s+{lead}{modifiers}(?P<kind>{kinds})\b(?P<rest>[^.;]{{0,90}})")
    for match in full.finditer(text):
        if _denied(text, match.start()):
            continue
        sure = re.match(_SURE_FROM, match[0]) is not None
        if not sure and not re.match(r"\s+(?:of the same name\s)?by\s", match["rest"]):
            continue
        yield from _source(
            reading,
            match.start("kind"),
            match.end("kind"),
            match["rest"],
            match.end("kind"),
            match[0][: match.start("kind") - match.start()],
            match.start(),
            0.9 if sure else 0.75,
        )
    owner = re.compile(rf"{_SURE_FROM}\s+(?:the )?{_PERSON}['’]s?\s+(?P<rest>[^.;]{{2,90}})")
    for match in owner.finditer(text):
        if _denied(text, match.start()):
            continue
        yield from _span(reading, "source_author", *match.span("author"), 0.9, "source-owner")
        rest = match["rest"]
        title = _TITLE_MARKS.search(rest[:80])
        kind = re.search(rf"\b(?:{kinds})\b", rest[:60])
        if title:
            yield from _span(
                reading,
                "based_on",
                match.start("rest") + title.start("title"),
                match.start("rest") + title.end("title"),
                0.88,
                "source-title",
            )
        elif kind is None and (caps := re.match(_CAPS, rest)):
            yield from _span(
                reading,
                "based_on",
                match.start("rest"),
                match.start("rest") + caps.end(),
                0.85,
                "source-title",
            )
        elif kind is not None and not full.search(text[match.start() : match.end()]):
            yield from _span(
                reading,
                "based_on",
                match.start("rest") + kind.start(),
                match.start("rest") + kind.end(),
                0.82,
                "source-kind",
            )
    bare = re.compile(
        rf"(?:{_SURE_FROM})\s+(?:the )?(?:[\"“‘'](?P<quoted>[^\"“”]{{2,70}}?)[\"”’']|(?P<title>{_CAPS}))(?!['’]s\b)(?P<rest>[^.;]{{0,60}})"
    )
    for match in bare.finditer(text):
        if (
            _denied(text, match.start())
            or owner.match(text, match.start())
            or "nspired by" in match[0][:14]
            and not match["quoted"]
        ):
            continue
        group = "quoted" if match["quoted"] else "title"
        if re.match(r"\s+(?:novel|book|play|memoir|story)", match["rest"]):
            continue
        yield from _span(reading, "based_on", *match.span(group), 0.82, "source-title")
        author = re.match(rf",?\s+(?:written |a \w+ )?by\s+{_PERSON}{_PERSON_END}", match["rest"])
        if author:
            yield from _span(
                reading,
                "source_author",
                match.start("rest") + author.start("author"),
                match.start("rest") + author.end("author"),
                0.88,
                "source-by",
            )
    for match in re.finditer(
        r"\b(?:[Tt]he|[Aa]|[Tt]his|[Tt]heir|[Hh]is|[Hh]er) (?:\w+,? ){0,2}(true story)\b|\b(?:[Bb]ased on|[Ii]nspired by) (?:the )?(?:real|true|actual) (?:life )?(events?|story|lives|life)\b",
        text,
    ):
        group = 1 if match[1] else 2
        start = match.start(1) if match[1] else text.rfind(" ", 0, match.start(2)) + 1
        if not _denied(text, match.start()):
            yield from _span(reading, "based_on", start, match.end(group), 0.75, "true-story")


def _source(
    reading: Reading,
    start: int,
    end: int,
    rest: str,
    rest_at: int,
    lead: str,
    lead_at: int,
    confidence: float,
) -> Iterator[Candidate]:
    """The title where one stands beside the kind of source, else the kind; the author after "by" or before "'s"."""
    title = _TITLE_MARKS.match(rest.lstrip(" ,:")) or re.match(
        rf"\s+(?P<title>{_CAPS})(?=\s+by\b|[,.;]|$)", rest
    )
    if title:
        offset = rest_at + (len(rest) - len(rest.lstrip(" ,:")) if title.re is _TITLE_MARKS else 0)
        yield from _span(
            reading,
            "based_on",
            offset + title.start("title"),
            offset + title.end("title"),
            confidence,
            "source-title",
        )
    else:
        yield from _span(reading, "based_on", start, end, confidence - 0.03, "source-kind")
    author = re.search(
        rf"\bby\s+(?:(?:the )?(?:[\w-]+ )?(?:author|writer|novelist|playwright|poet|journalist|historian) )?{_PERSON}{_PERSON_END}",
        rest,
    )
    if author:
        yield from _span(
            reading,
            "source_author",
            rest_at + author.start("author"),
            rest_at + author.end("author"),
            confidence,
            "source-by",
        )
        return
    owner = re.search(rf"{_PERSON}['’]s?\s", lead)
    if owner and owner["author"].lower() not in ("the", "based", "adapted", "inspired"):
        yield from _span(
            reading,
            "source_author",
            lead_at + owner.start("author"),
            lead_at + owner.end("author"),
            confidence,
            "source-owner",
        )


def awards(reading: Reading) -> Iterator[Candidate]:
    """Prizes that the text says the item has won; a nomination is none, nor is a prize of its author's or cast's."""
    text = reading.doc.text
    heads = "|".join(sorted(reading.lexicon["award.heads"], key=lambda head: (-len(head), head)))
    won = re.compile(rf"{_WINNER}(?:\w+ ){{0,3}}?(?P<name>{_AWARD_NAME})")
    for match in won.finditer(text):
        name = match["name"]
        known = [
            hit
            for hit in reading.hits_of("award.names")
            if match.start() <= reading.doc[hit.start].idx < match.end()
        ]
        if not re.search(rf"\b(?:{heads})s?\b", name, re.I) and not known:
            continue
        if _denied(text, match.start()):
            continue
        start = (
            match.start("name") + len(name) - len(re.sub(r"^(?:(?:the|a|an|of|in|for|\d{4})\s)+", "", name))
        )
        cut = re.search(r"\s(?:in|and|at|for|the)?\s*(?:\d{4})?\s*$", text[start : match.end("name")])
        end = start + (cut.start() if cut else match.end("name") - start)
        end = start + len(
            re.sub(r"(?:\s(?:in|and|at|for|the|of|\d{4}))+\s*$", "", text[start:end].rstrip(" .,"))
        )
        if _PEOPLE_AFTER.match(text[end : end + 40]):
            continue
        yield from _span(reading, "award", start, end, 0.88, "won")
    for match in re.finditer(
        rf"\b(?P<name>(?:[A-ZÀ-Þ][\w’'.]*\s?(?:(?:d’Or|d'Or|des|of|the)\s)*)+?)[- ](?:[Ww]inning|[Ww]inner|[Ww]inners)\b",
        text,
    ):
        if not _PEOPLE_AFTER.match(text[match.end() : match.end() + 40]) and match[
            "name"
        ].strip().lower() not in ("award", "the"):
            yield from _span(
                reading,
                "award",
                match.start("name"),
                match.start("name") + len(match["name"].rstrip()),
                0.78,
                "prize-winning",
            )


def series(reading: Reading) -> Iterator[Candidate]:
    """Series, trilogies and product lines that the text names the item a part of."""
    text = reading.doc.text
    for pattern, confidence in _SERIES_PATTERNS:
        for match in pattern.finditer(text):
            start, end = match.span("series")
            name = re.sub(rf"\s{_SERIES_WORD}$", "", text[start:end]).rstrip(" .:,")
            name = re.sub(r"^(?:The|A|An)\s(?=\w+\s+$)", "", name)
            name = re.sub(r"['’]s$", "", name)
            if name.lower() in _NOT_SERIES or len(name) < 3 or name.isdigit() or _denied(text, match.start()):
                continue
            if reading.domain == "product" and not re.search(
                r"\b(?:series|line|range|family|collection)\b", match[0], re.I
            ):
                continue
            yield from _span(reading, "series", start, start + len(name), confidence, "series")


def _denied(text: str, at: int) -> bool:
    return _AFTER_DENIAL.search(text[max(0, at - 40) : at]) is not None


def _span(
    reading: Reading, relation: str, start: int, end: int, confidence: float, pattern: str
) -> Iterator[Candidate]:
    span = reading.doc.char_span(start, end, alignment_mode="expand")
    if span is not None and len(span):
        yield Candidate(relation, span.start, span.end, confidence, pattern)
