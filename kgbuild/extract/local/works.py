"""What a story is: its theme, setting, period, mood and the kinds of people in it, read off the parse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kgbuild.extract.local.reading import (
    NOUNS,
    Candidate,
    Reading,
    compared,
    conjuncts,
    negated,
    phrase_start,
    with_of,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_PLACE_PREPOSITIONS = frozenset(
    {
        "in",
        "on",
        "at",
        "aboard",
        "near",
        "inside",
        "across",
        "through",
        "around",
        "outside",
        "within",
        "throughout",
        "off",
        "beneath",
        "under",
    }
)
_MOTION_PREPOSITIONS = frozenset({"to", "into", "from", "onto", "toward", "towards"})
_SETTING_VERBS = frozenset(
    {
        "live",
        "work",
        "move",
        "arrive",
        "return",
        "travel",
        "go",
        "come",
        "settle",
        "escape",
        "flee",
        "journey",
        "head",
        "grow",
        "wash",
        "find",
        "strand",
        "trap",
        "meet",
        "wake",
        "drift",
        "open",
        "retire",
        "imprison",
        "base",
        "sail",
        "wander",
        "crash",
        "hide",
        "lock",
        "begin",
        "run",
        "send",
        "invite",
        "bring",
        "summon",
        "take",
        "stay",
        "spend",
    }
)
_OPENERS = re.compile(
    r"\b(?:set|takes? place|taking place|unfolds?|unfolding|located|plays? out)\s+(?:mostly |largely |entirely |chiefly |almost entirely |primarily )?(?:in|on|at|aboard|around|inside|against|among|during|near|across|within)\s$",
    re.I,
)
_YEARISH = re.compile(r"^(?:1[0-9]|20)\d\d$")
_DECADE = re.compile(
    r"\b(?:(?:early|mid|late)[- ])?(?:the )?((?:1[5-9]|20)\d0s|(?:19)?['’]?(?:20|30|40|50|60|70|80|90)s)\b|\b((?:nineteen[- ]|eighteen[- ])?(?:twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties))\b",
    re.I,
)
_CENTURY = re.compile(
    r"\b((?:\d{1,2}(?:st|nd|rd|th)|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth|eighteenth|nineteenth|twentieth|twenty[- ]first|twenty[- ](?:second|third|fourth|fifth))[- ]century)\b",
    re.I,
)
_YEAR = re.compile(
    r"\b(?:in|of|during|since|year|from|summer|winter|spring|autumn|fall|January|February|March|April|May|June|July|August|September|October|November|December)\s((?:1[0-9]|20|21|22)\d\d)\b|^((?:1[5-9]|20)\d\d)[.,:]",
    re.I,
)
_ERA = re.compile(r"\b((?:[A-Z][a-z]+)\s(?:[Dd]ynasty|[Ee]ra|[Aa]ge|[Pp]eriod))\b")
_NOT_SETTING_YEAR = re.compile(
    r"(?:published|released|written|first|won|award|edition|bestseller|winner|nominated|film|premiere\w*|version|founded)\W+(?:\w+\W+){0,3}$",
    re.I,
)
_AGES = frozenset({"teens", "mid", "early", "late"})


def setting(reading: Reading) -> Iterator[Candidate]:
    """Named places and kinds of places that a preposition of place, or "set in", puts the story in."""
    doc = reading.doc
    names, strong, weak = "setting.names", "setting.strong", "setting.weak"
    for hit in reading.hits_of(names, strong, weak):
        head = reading.head_of(hit)
        if head.pos_ not in NOUNS or negated(head) or compared(head):
            continue
        opener = _opened(head)
        if hit.kind == names:
            confidence = _name_confidence(reading, head, opener)
            if confidence and doc[hit.start].text[:1].isupper():
                yield Candidate(
                    "setting",
                    hit.start,
                    hit.end,
                    confidence,
                    "place-name",
                    _same_place(reading, doc[hit.start : hit.end].text),
                )
            continue
        if head.i != hit.end - 1 or head.pos_ == "PROPN" and head.i > 0 and doc[head.i - 1].pos_ == "PROPN":
            continue
        if head.dep_ in ("compound", "amod", "nmod", "poss"):
            continue
        prep = _preposition(head)
        possessed = any(child.dep_ == "poss" for child in head.lefts)
        start = min(hit.start, phrase_start(head, _PLACE_KEEP))
        if opener:
            yield Candidate(
                "setting",
                min(start, phrase_start(head, _PLACE_KEEP | {"small", "little"})),
                hit.end,
                0.9,
                "set-in",
            )
        elif hit.kind == strong and prep in _PLACE_PREPOSITIONS and reading.sentence_of[head.i] <= 4:
            yield Candidate("setting", start, hit.end, 0.5 if possessed else 0.72, "place-kind")
        elif (
            hit.kind == strong
            and prep in _MOTION_PREPOSITIONS
            and _moves(head)
            and reading.sentence_of[head.i] <= 4
        ):
            yield Candidate("setting", start, hit.end, 0.45 if possessed else 0.62, "place-motion")
    yield from _named_places(reading)


_PLACE_KEEP = frozenset(
    "abandoned haunted remote rural coastal small provincial medieval underwater underground floating ruined mythical magical tropical frozen snowbound isolated fictional northern southern eastern western "
    "desert victorian english french irish scottish italian welsh german russian american canadian australian indian african chinese japanese spanish greek mexican norwegian swedish turkish arctic antarctic alpine baltic mediterranean cornish "
    "midwestern suburban urban industrial derelict enchanted post-apocalyptic alien distant military maximum-security walled dystopian".split()
)


def _opened(head: Token) -> bool:
    start = phrase_start(head)
    doc = head.doc
    while start > 0 and doc[start - 1].tag_ in ("DT", "PRP$", "CD"):
        start -= 1
    text = doc[max(head.sent.start, start - 8) : start].text_with_ws
    if _OPENERS.search(text):
        return True
    if head.dep_ == "conj":
        return _opened(head.head)
    return (
        head.dep_ == "pobj"
        and head.head.lower_ in ("of", "in")
        and head.head.head.pos_ in NOUNS
        and _opened(head.head.head)
    )


def _preposition(head: Token) -> str:
    while head.dep_ == "conj":
        head = head.head
    return head.head.lower_ if head.dep_ == "pobj" else ""


def _moves(head: Token) -> bool:
    while head.dep_ == "conj":
        head = head.head
    verb = head.head.head
    return verb.pos_ == "VERB" and verb.lemma_ in _SETTING_VERBS


def _name_confidence(reading: Reading, head: Token, opener: bool) -> float:
    if opener:
        return 0.95
    prep = _preposition(head)
    if prep in _PLACE_PREPOSITIONS:
        return 0.85
    if prep in _MOTION_PREPOSITIONS:
        return 0.68 if prep != "from" else 0.5
    if prep == "of":
        return 0.7
    if head.dep_ in ("compound", "nmod", "amod") and head.head.i > head.i:
        noun = head.head.lemma_.lower()
        return (
            0.7
            if noun in reading.lexicon["work_nouns"]
            or noun in reading.lexicon["setting.strong"]
            or noun in reading.lexicon["setting.weak"]
            else 0.55
        )
    if head.dep_ == "poss":
        return 0.6
    if head.dep_ in ("appos", "npadvmod", "ROOT"):
        return 0.6
    return 0.0


def _same_place(reading: Reading, text: str) -> str | None:
    for label, others in reading.lexicon.maps["setting.same"].items():
        if text in others:
            return label
    return None


def _named_places(reading: Reading) -> Iterator[Candidate]:
    """Capitalised names that no list holds, where the words before them say that they are places."""
    doc = reading.doc
    known = {i for hit in reading.hits_of("setting.names") for i in range(hit.start, hit.end)}
    place_nouns = (
        reading.lexicon["setting.strong"]
        | reading.lexicon["setting.weak"]
        | {"kingdom", "land", "town", "city"}
    )
    for token in doc:
        if (
            token.pos_ != "PROPN"
            or token.i in known
            or (
                token.i + 1 < len(doc)
                and doc[token.i + 1].pos_ == "PROPN"
                and doc[token.i + 1].head is token.head
            )
        ):
            continue
        head = token
        start = head.i
        while (
            start > 0
            and doc[start - 1].pos_ == "PROPN"
            and doc[start - 1].dep_ in ("compound", "nmod", "amod")
        ):
            start -= 1
        if not doc[start].text[:1].isupper() or negated(head) or compared(head):
            continue
        if (
            head.dep_ != "pobj"
            and not (head.dep_ == "conj" and _opened(head))
            and not (head.dep_ == "appos" and head.head.lemma_ in place_nouns)
        ):
            continue
        prep = head.head
        outer = prep.head
        if head.dep_ == "pobj" and prep.lower_ == "of" and outer.lemma_.lower() in place_nouns:
            yield Candidate("setting", start, head.i + 1, 0.88, "place-of-name")
        elif _opened(head) and not _YEARISH.match(head.text):
            yield Candidate("setting", start, head.i + 1, 0.88, "set-in-name")
        elif (
            head.lemma_.lower() in place_nouns
            and start < head.i
            and prep.lower_ in _PLACE_PREPOSITIONS | {"to", "into"}
        ):
            yield Candidate("setting", start, head.i + 1, 0.72, "name-with-place-noun")
        elif prep.lower_ == "in" and head.dep_ == "pobj" and head.ent_type_ in ("GPE", "LOC", "FAC"):
            yield Candidate("setting", start, head.i + 1, 0.66, "place-entity")


def period(reading: Reading) -> Iterator[Candidate]:
    """Decades, centuries, years, wars and eras."""
    doc = reading.doc
    story = reading.lexicon["work_nouns"]
    for hit in reading.hits_of("period"):
        head = reading.head_of(hit)
        if negated(head) or compared(head):
            continue
        text = doc[hit.start : hit.end].text
        if hit.canonical in (
            "future",
            "present day",
            "Civil War",
            "antiquity",
            "wartime",
            "distant future",
            "Edo period",
        ) and head.dep_ in ("nsubj", "dobj"):
            continue
        if hit.canonical == "present day" and head.head.lemma_.lower() in story | {"audience", "reader"}:
            continue
        if text.islower() and hit.canonical in (
            "Tudor era",
            "Regency",
            "Prohibition",
            "Renaissance",
            "Holocaust",
        ):
            continue
        if (
            hit.canonical == "American Civil War"
            or hit.canonical == "Holocaust"
            or text[:1].isupper()
            or hit.canonical[:1].islower()
            or "-" in text
            or text in ("medieval",)
        ):
            yield Candidate(
                "period",
                hit.start,
                hit.end,
                0.8,
                "period-word",
                hit.canonical if _renamed(text, hit.canonical) else None,
            )
    text = doc.text
    for pattern, confidence, name in (
        (_DECADE, 0.85, "decade"),
        (_CENTURY, 0.85, "century"),
        (_YEAR, 0.72, "year"),
    ):
        for match in pattern.finditer(text):
            group = next(number for number in range(1, pattern.groups + 1) if match[number])
            start, end = match.span(group)
            if _NOT_SETTING_YEAR.search(text[max(0, start - 40) : start]) or re.search(
                r"\b(?:his|her|their|my) (?:early |mid-|late |mid)?$", text[:start]
            ):
                continue
            span = doc.char_span(start, end, alignment_mode="expand")
            if span is not None:
                words = text[start:end]
                yield Candidate(
                    "period",
                    span.start,
                    span.end,
                    confidence,
                    name,
                    _century_label(words) if name == "century" else None,
                )
    for match in _ERA.finditer(text):
        span = doc.char_span(*match.span(1))
        if span is not None and match[1].split()[0].lower() not in (
            "the",
            "this",
            "an",
            "a",
            "old",
            "new",
            "middle",
            "golden",
            "that",
        ):
            yield Candidate("period", span.start, span.end, 0.7, "era")


def _renamed(text: str, canonical: str | None) -> bool:
    return canonical is not None and text.lower().replace("-", " ") != canonical.lower()


_ORDINALS = {
    word: number
    for number, word in enumerate(
        "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth twenty-first twenty-second twenty-third twenty-fourth twenty-fifth".split(),
        1,
    )
}


def _century_label(words: str) -> str | None:
    ordinal = re.sub(r"[- ]century$", "", words.lower()).replace(" ", "-")
    if ordinal not in _ORDINALS:
        return f"{ordinal} century" if "-" in words else None
    number = _ORDINALS[ordinal]
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10 if number not in (11, 12, 13) else 0, "th")
    return f"{number}{suffix} century"


def character(reading: Reading) -> Iterator[Candidate]:
    """Kinds of people and beings that act in the story: subjects, appositions, objects of "follows" and "about"."""
    doc = reading.doc
    plain, keep, kin = (reading.lexicon[f"character.{name}"] for name in ("plain", "keep", "kin"))
    for hit in reading.hits_of("character.nouns"):
        head = reading.head_of(hit)
        if head.i != hit.end - 1 or head.pos_ not in NOUNS or negated(head) or compared(head):
            continue
        if head.i + 1 < len(doc) and doc[head.i + 1].lower_ in ("'s", "’s", "’", "'"):
            continue
        confidence = _character_role(reading, head)
        if confidence == 0.0:
            continue
        start = min(hit.start, phrase_start(head, keep))
        noun = head.lemma_.lower()
        bare = start == head.i
        if any(child.dep_ == "poss" for child in head.lefts):
            if noun in kin or bare:
                continue
            confidence -= 0.15
        if noun in kin and any(child.dep_ == "prep" and child.lower_ == "of" for child in head.rights):
            continue
        if bare and noun in plain:
            confidence -= 0.14 if _with_article(head) else 0.3
        if head.tag_ in ("NNS", "NNPS"):
            confidence -= 0.06
        confidence -= 0.05 * min(reading.sentence_of[head.i], 4)
        yield Candidate("character", start, hit.end, round(confidence, 2), "person-kind")


_TITLE_DEPS = frozenset({"compound", "nmod"})
_FOLLOWING = frozenset(
    {
        "follow",
        "star",
        "feature",
        "center",
        "centre",
        "chronicle",
        "trace",
        "introduce",
        "play",
        "cast",
        "find",
        "see",
        "control",
        "become",
        "lead",
        "join",
        "help",
        "guide",
        "portray",
        "track",
        "trail",
        "concern",
        "hire",
    }
)


def _character_role(reading: Reading, head: Token) -> float:
    article = _with_article(head)
    if (
        head.dep_ in _TITLE_DEPS
        and head.head.pos_ == "PROPN"
        and head.head.i > head.i
        and head.head.dep_ in ("nsubj", "nsubjpass", "appos", "pobj", "dobj", "conj")
    ):
        return 0.78 if not head.text[0].isupper() else 0.6
    top = head
    while top.dep_ == "conj" and top.head.pos_ in NOUNS:
        top = top.head
    first = reading.sentence_of[head.i] <= 1
    if top.dep_ in ("nsubj", "nsubjpass"):
        return 0.86 if article else (0.72 if first else 0.6)
    if top.dep_ == "appos":
        return 0.84 if article else 0.72
    if top.dep_ == "ROOT" and article:
        return 0.8
    if top.dep_ == "attr":
        return 0.72 if article else 0.6
    if top.dep_ == "dobj":
        return 0.8 if top.head.lemma_ in _FOLLOWING and article else (0.6 if article else 0.45)
    if top.dep_ == "pobj":
        prep, outer = top.head, top.head.head
        if prep.lower_ in ("about", "between"):
            return 0.85
        if prep.lower_ == "of" and outer.lemma_.lower() in reading.lexicon["theme_heads"]:
            return 0.84
        if prep.lower_ == "of" and outer.lemma_.lower() in (
            "life",
            "lives",
            "role",
            "group",
            "crew",
            "gang",
            "pair",
            "trio",
            "band",
            "team",
            "family",
            "adventure",
            "world",
            "class",
            "couple",
        ):
            return 0.72
        if prep.lower_ == "as":
            return 0.7
        if prep.lower_ in ("by", "on", "for", "to", "from", "with") and article:
            return 0.55
    return 0.5 if article and first else 0.0


def _with_article(head: Token) -> bool:
    return any(child.lower_ in ("a", "an") or child.dep_ == "nummod" for child in head.lefts) or any(
        child.lower_ in ("a", "an") for child in head.head.lefts if head.dep_ in _TITLE_DEPS
    )


def theme(reading: Reading) -> Iterator[Candidate]:
    """Subjects that the text says the work is about, and words that name a theme wherever they stand."""
    doc = reading.doc
    for hit in reading.hits_of("theme.strong"):
        head = reading.head_of(hit)
        if (
            negated(head)
            or compared(head)
            or (head.pos_ == "PROPN" and doc[hit.start].text[0].isupper() and hit.start > head.sent.start)
        ):
            continue
        if head.dep_ == "compound" and head.head.lemma_.lower() not in reading.lexicon["work_nouns"]:
            continue
        text = doc[hit.start : hit.end].text
        renamed = _renamed(text, hit.canonical)
        yield Candidate(
            "theme",
            hit.start,
            hit.end,
            0.64 if head.pos_ in NOUNS else 0.56,
            "theme-word",
            hit.canonical if renamed else None,
        )
    for head, confidence in _subjects(reading):
        for thing in conjuncts(head):
            if thing.pos_ != "NOUN" and thing.tag_ != "VBG":
                continue
            if negated(thing) or thing.ent_type_ in ("PERSON", "GPE", "DATE", "CARDINAL"):
                continue
            if thing.lemma_.lower() in _NOT_THEME or _is_kind(reading, thing):
                continue
            start = phrase_start(thing) if len(thing.doc[phrase_start(thing) : thing.i + 1]) <= 3 else thing.i
            end = with_of(thing) if not _listed_theme(reading, thing) else thing.i + 1
            listed = _listed_theme(reading, thing)
            yield Candidate("theme", start, end, confidence if listed else confidence - 0.12, "about")


_NOT_THEME = frozenset(
    {
        "time",
        "way",
        "life",
        "day",
        "year",
        "thing",
        "people",
        "man",
        "woman",
        "group",
        "story",
        "world",
        "series",
        "event",
        "case",
        "problem",
        "trip",
        "couple",
        "number",
        "lot",
        "one",
        "pair",
        "question",
        "part",
        "kind",
        "place",
        "character",
        "who",
        "what",
    }
)


def _listed_theme(reading: Reading, token: Token) -> bool:
    return any(hit.start <= token.i < hit.end for hit in reading.hits_of("theme.strong", "theme.weak"))


def _is_kind(reading: Reading, token: Token) -> bool:
    return any(
        hit.start <= token.i < hit.end
        for hit in reading.hits_of("character.nouns", "setting.strong", "setting.names", "period")
    )


def _subjects(reading: Reading) -> Iterator[tuple[Token, float]]:
    """Heads of what the work is said to be about, with the confidence of the construction that says it."""
    heads, works, verbs = (reading.lexicon[name] for name in ("theme_heads", "work_nouns", "theme_verbs"))
    for token in reading.doc:
        if token.dep_ == "pobj" and token.head.lower_ in ("of", "on", "about"):
            outer = token.head.head
            noun = outer.lemma_.lower()
            if token.head.lower_ == "about" and (noun in works or outer.lemma_ == "be"):
                yield token, 0.8
            elif (
                noun
                in (
                    "theme",
                    "issue",
                    "subject",
                    "question",
                    "meditation",
                    "exploration",
                    "study",
                    "reflection",
                    "examination",
                )
                and token.head.lower_ != "about"
            ):
                yield token, 0.82
            elif (
                noun in heads
                and token.head.lower_ == "of"
                and not any(child.dep_ == "poss" for child in outer.lefts)
            ):
                yield token, 0.76
        elif token.dep_ == "dobj" and token.head.lemma_ in verbs:
            if any(
                child.dep_ == "nsubj"
                and (
                    child.lemma_.lower() in works
                    or child.lower_ in ("it", "author", "director")
                    or child.pos_ == "PROPN"
                )
                for child in token.head.lefts
            ):
                yield token, 0.74
        elif (
            token.lower_ == "themes"
            and token.i + 2 < len(reading.doc)
            and reading.doc[token.i + 1].lower_ in ("include", "includes")
        ):
            for child in reading.doc[token.i + 1].rights:
                if child.dep_ == "dobj":
                    yield child, 0.8


def mood(reading: Reading) -> Iterator[Candidate]:
    """Adjectives of tone that stand for the work, not for somebody in it."""
    doc, works = reading.doc, reading.lexicon["work_nouns"]
    tones = frozenset(
        {
            "tone",
            "mood",
            "atmosphere",
            "style",
            "voice",
            "humour",
            "humor",
            "wit",
            "ending",
            "prose",
            "pace",
            "score",
            "soundtrack",
            "storytelling",
            "irony",
            "feel",
        }
    )
    for hit in reading.hits_of("mood.words"):
        head = reading.head_of(hit)
        if head.pos_ not in ("ADJ", "VERB", "NOUN", "ADV", "PROPN") or negated(head) or compared(head):
            continue
        if head.pos_ == "ADV" and head.dep_ == "advmod" and head.head.pos_ == "VERB":
            continue
        top: Token = head
        while top.dep_ == "conj" and top.head.i < top.i:
            top = top.head
        confidence = 0.0
        target = top.head
        if top.dep_ in ("amod", "compound", "nmod") and target.i > top.i:
            noun = target.lemma_.lower()
            if noun in works:
                confidence = 0.86
            elif noun in tones:
                confidence = 0.72
        elif top.dep_ in ("acomp", "attr", "oprd") and target.pos_ in ("AUX", "VERB"):
            subject = [child for child in target.lefts if child.dep_ == "nsubj"]
            if subject and (
                subject[0].lemma_.lower() in works | tones or subject[0].lower_ in ("it", "this", "result")
            ):
                confidence = 0.82
        elif top.i == top.sent.start or (top.i == top.sent.start + 1 and top.pos_ == "ADJ"):
            subject = [
                child
                for child in (top.head.lefts if top.dep_ != "ROOT" else top.rights)
                if child.dep_ in ("nsubj", "appos", "attr")
            ]
            if any(
                child.lemma_.lower() in works | tones or child.lower_ in ("it", "this") for child in subject
            ):
                confidence = 0.82
            elif top.dep_ == "ROOT" and head.pos_ == "ADJ":
                confidence = 0.66
        if confidence:
            yield Candidate("mood", hit.start, hit.end, confidence, "tone")
    yield from _by_turns(reading)


def _by_turns(reading: Reading) -> Iterator[Candidate]:
    """ "By turns X and Y", "X and Y by turns", "equal parts X and Y"."""
    doc = reading.doc
    for match in re.finditer(r"\b(?:by turns|equal parts|in turns|at once)\b", doc.text, re.I):
        for hit in reading.hits_of("mood.words"):
            start = doc[hit.start].idx
            if (
                doc.char_span(*match.span(), alignment_mode="expand").sent.start <= hit.start
                and abs(start - match.start()) < 45
            ):
                yield Candidate("mood", hit.start, hit.end, 0.8, "by-turns")
