"""The series of an item, read from the numbering in its title ("Star Trek III: ..." -> "Star Trek")."""

from __future__ import annotations

import re

_ROMAN = r"(?:I{1,3}|I?V|VI{1,3}|I?X|XI{1,3}|XI?V)"
_NUMBER_WORDS = r"(?:One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten|First|Second|Third|Fourth|Fifth|Final)"
_PART = r"(?:Part|Vol\.?|Volume|Book|Episode|Chapter|Season|No\.|Issue|Act)"
_STEM = r"(?P<stem>[A-Z0-9À-Þ][^:()#]*?)"
_PATTERNS = (
    # "Title (Series Name, #3)": the series is what the parentheses hold.
    (
        re.compile(
            r"\((?P<stem>[^()#]*?)(?:\s+(?:series|trilogy|saga))?,?\s*"
            r"(?:#|Book |Vol\.? |Volume )\d+(?:\.\d+)?[^()]*\)",
            re.I,
        ),
        0.95,
    ),
    (re.compile(rf"^{_STEM}[,:]?\s+[-–]?\s*{_PART}\s+(?:\d{{1,3}}|{_ROMAN}|{_NUMBER_WORDS})\b", re.I), 0.92),
    (re.compile(rf"^{_STEM}\s+(?:II|III|IV|VI|VII|VIII|IX|XI|XII|XIII)(?=\s*(?:$|[:,(–-]))"), 0.95),
    (re.compile(rf"^{_STEM}\s+(?:V|X)(?=\s*[:–])"), 0.9),
    (re.compile(rf"^{_STEM}\s+V(?=\s*$)"), 0.75),
    (re.compile(rf"^{_STEM}\s+(?P<number>[2-9]|1\d)(?=\s*(?:$|:|\(|–|-\s))"), 0.88),
    (re.compile(rf"^{_STEM}\s+(?P<number>[2-9])\s*½(?=\s*(?:$|:))"), 0.85),
)
_TRAILING_ARTICLE = re.compile(r",\s*(?:The|A|An|Le|La|Les|L'|Das|Der|Die|Il|El)\b.*$")
# "Apollo 13", "Ocean's 11", "Catch 22", "Route 9", "Friday the 13th": the number is part of the name.
_NUMBER_IS_NAME = re.compile(
    r"(?:apollo|area|catch|channel|district|engine|flight|highway|interstate|"
    r"level|platform|route|room|station|studio|track|pier|gate|stalag|unit|vitamin|"
    r"windows|type|world|world cup|g|k)$",
    re.I,
)
_KINGS = re.compile(
    r"^(?:King\s+|Queen\s+|Pope\s+)?(?:Henry|Richard|Edward|George|Louis|Charles|James|"
    r"John|William|Elizabeth|Frederick|Ivan|Nicholas|Philip|Malcolm)$"
)


def series_in_title(title: str, domain: str) -> tuple[int, int, float] | None:
    """(start, end, confidence) of the series' name in the title; None without numbering evidence.

    Products are left out of bare trailing numbers: "Model 5" is a model, not an instalment.
    """
    for pattern, confidence in _PATTERNS:
        match = pattern.search(title)
        if match is None:
            continue
        start, end = match.span("stem")
        stem = title[start:end]
        cut = _TRAILING_ARTICLE.search(stem)
        if cut:
            stem = stem[: cut.start()]
        stem = stem.rstrip(" ,:-–")
        end = start + len(stem)
        bare = "number" in pattern.groupindex
        if len(stem) < 2 or not re.search(r"[A-Za-zÀ-ÿ]{2}", stem):
            continue
        if _KINGS.match(stem) or (bare and (domain == "product" or _NUMBER_IS_NAME.search(stem))):
            continue
        if domain == "product" and not re.search(r"\b(?:Vol|Volume|Book|Part)\b", title):
            continue
        return start, end, confidence
    return None
