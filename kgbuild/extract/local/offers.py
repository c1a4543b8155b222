"""What an item serves and what it works with: compatible_with, used_for and, for any item, audience."""

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
    has_article,
    negated,
    phrase_start,
    with_number,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_FEW = "one|two|three|four|five|six|seven|eight|ten|twelve"
_FOR_PLAYERS = re.compile(
    rf"\b(?:(?:\d+|{_FEW})\s?(?:-|–|to|or|and)\s?)?(?:\d+|{_FEW}|solo)\splayers\b", re.I
)
_CROWD = (
    "children|kids|readers|players|boys and girls|anyone|toddlers|girls|boys|gamers|learners|"
    "those|people|teens|youngsters|adults"
)
_UP = "up|over|older|above|upwards?"
_COUNTED = rf"\d+|{_FEW}|fourteen|sixteen|eighteen|nine"
_AGES = re.compile(
    rf"(?P<all>(?:\b(?:{_CROWD})\s)?\b(?:aged?|ages)\s(?:from\s)?(?:(?:{_COUNTED})\s(?:and|or)\s(?:{_UP})|\d+\s?\+|"
    rf"(?:{_COUNTED})\s?(?:-|–|to)\s?(?:{_COUNTED})|(?:{_COUNTED})\b)"
    rf"|\b(?:{_COUNTED})[- ](?:to|and)[- ](?:{_COUNTED})[- ]year[- ]olds|"
    rf"\b(?:{_CROWD})\s(?:over|under)\s(?:{_COUNTED})\b"
    rf"|\b(?:{_COUNTED})[- ]year[- ]olds\b)",
    re.I,
)
_SURE_CUES = (
    r"[Cc]ompatible with|[Ww]orks? (?:\w+ )?with|[Ww]orking with|[Pp]airs? (?:\w+ )?(?:with|"
    r"to)|[Cc]onnects? (?:\w+ )?(?:to|with)|"
    r"[Ss]yncs? (?:\w+ )?(?:with|to)|[Ff]or use with|[Ii]ntegrates? with|"
    r"[Cc]ompatibility with|[Cc]asts? to|[Uu]sed with"
)
_GAME_CUES = (
    r"[Aa]vailable (?:on|for)|[Pp]layable on|[Rr]uns on|[Cc]omes? to|[Pp]lays on|[Rr]eleased (?:on|for)"
)
_LOOSE_CUES = (
    r"[Ss]upports?|[Ss]upport for|[Ff]its(?: (?:most|all|any|every|into|over|onto|on|in|"
    r"under))*|[Ff]it(?: (?:most|all|any|standard))+|"
    r"[Pp]lugs? (?:\w+ )?into|[Cc]lips? (?:on )?to|[Mm]ounts? (?:on|to)|[Cc]harges? (?:via|"
    r"from|over)|[Aa]ttach(?:es)? to|"
    r"[Rr]esponds? to|[Aa]ccepts|[Tt]akes (?:standard|any|all)|[Ss]uits (?:most|all|any|every|"
    r"standard)|[Ss]lots? into|[Ss]crews? (?:on)?to"
)
_COMPATIBLE = re.compile(
    rf"\b(?:(?P<sure>{_SURE_CUES})|(?P<game>{_GAME_CUES})|(?P<loose>{_LOOSE_CUES})|"
    rf"(?P<for>^For|(?<=\. )For))\s"
)
_X_COMPATIBLE = re.compile(
    r"\b([A-Z][\w.]*(?:[ -][A-Z0-9][\w.]*)*)[- ](?:compatible|ready|certified|enabled)\b"
)
_MEASURED = re.compile(r"\d|\b(?:mm|cm|inch|ml)\b")


def compatibility(reading: Reading) -> Iterator[Candidate]:
    """Devices, systems and standards after "compatible with", "works with", "fits", and platforms by name."""
    doc = reading.doc
    for hit in reading.hits_of("platforms"):
        head = reading.head_of(hit)
        if (
            (
                doc[hit.start].text[0].isupper()
                or doc[hit.start].text[:1] == "i"
                or doc[hit.start].text == "macOS"
            )
            and head.pos_ in (*NOUNS, "NUM", "X")
            and not negated(head)
            and not compared(head)
        ):
            common = doc[hit.start : hit.end].text in (
                "Switch",
                "Matter",
                "Thread",
                "Mac",
                "Windows",
                "Wii",
                "Qi",
            )
            sure = 0.62 if common else 0.76
            yield Candidate("compatible_with", hit.start, hit.end, sure, "platform")
    for match in _COMPATIBLE.finditer(reading.text):
        cue = doc.char_span(match.start(), match.end() - 1, alignment_mode="expand")
        if (
            cue is None
            or cue.end >= len(doc)
            or negated(cue[0])
            or doc[max(0, cue.start - 1)].lower_ in ("not", "n't")
        ):
            continue
        group = match.lastgroup or "loose"
        for thing in reading.listed(cue.end):
            yield from _fitting(reading, thing, group, cue.end)
    if reading.domain == "product":
        for match in _X_COMPATIBLE.finditer(reading.text):
            span = doc.char_span(*match.span(1), alignment_mode="expand")
            if span is not None:
                yield Candidate("compatible_with", span.start, span.end, 0.75, "x-compatible")


def _fitting(reading: Reading, thing: Token, group: str, least: int) -> Iterator[Candidate]:
    doc, lexicon = reading.doc, reading.lexicon
    if thing.pos_ not in (*NOUNS, "NUM", "X") or thing.lemma_.lower() in lexicon["cues.not_fitted"]:
        return
    named = thing.pos_ == "PROPN"
    if group in ("game", "for") and not (named and reading.domain == "game"):
        return
    if group == "for" and thing.i not in reading.covered("platforms"):
        return
    if (
        group == "loose"
        and reading.domain == "game"
        and doc[least - 1].lower_ not in ("supports", "for", "support")
    ):
        return
    start, end = max(phrase_start(thing), least), with_number(thing)
    while start < thing.i and (
        doc[start].pos_ in ("DET", "ADP")
        or doc[start].lower_ in ("most", "all", "any", "both", "every", "many", "other", "either", "up", "to")
    ):
        start += 1
    joined = [i for i in range(start, end) if doc[i].lower_ in ("and", "or", ",")]
    for left, right in zip([start, *(i + 1 for i in joined)], [*joined, end], strict=True):
        if not 0 < right - left <= 5:
            continue
        start, end = left, right
        yield Candidate(
            "compatible_with",
            start,
            end,
            {"sure": 0.84, "game": 0.84, "for": 0.8}.get(group, 0.7),
            "works-with",
        )


_HANDING = frozenset({"for", "at", "to", "with", "on"})


def purposes(reading: Reading) -> Iterator[Candidate]:
    """used_for and audience: whom or what "for ..." and its like hand the item to."""
    yield from _ages(reading)
    doc, lexicon = reading.doc, reading.lexicon
    for prep in doc:
        if prep.lower_ not in _HANDING:
            continue
        outer = prep.head
        ready = outer.lemma_.lower() in lexicon["cues.ready"] or outer.lemma_ in lexicon["cues.made_for"]
        ready = ready or doc[max(0, prep.i - 1)].lower_ in lexicon["cues.ready"]
        handed = prep.lower_ == "for" and prep.dep_ in ("prep", "dative", "mark")
        pointed = prep.lower_ in ("at", "to", "with", "on") and prep.dep_ == "prep" and ready
        if not (handed or pointed) or negated(prep):
            continue
        verbal = outer.pos_ in ("VERB", "AUX") and not ready
        for child in prep.children:
            if child.dep_ == "pobj":
                for thing in conjuncts(child):
                    yield from _served(reading, thing, ready, verbal, handed)
            elif child.dep_ == "pcomp" and child.tag_ == "VBG" and reading.domain == "product" and handed:
                for doing in conjuncts(child):
                    if doing.tag_ == "VBG":
                        yield from _doing(doing, ready)
    yield from _suits(reading)


def _ages(reading: Reading) -> Iterator[Candidate]:
    for pattern, confidence, name in ((_AGES, 0.85, "ages"), (_FOR_PLAYERS, 0.66, "players")):
        if name == "players" and reading.domain != "game":
            continue
        for match in pattern.finditer(reading.text):
            words = match[0].lower()
            if reading.domain == "work" and not re.match(r"[a-z]+\s(?:aged|ages|over)|ages", words):
                continue
            span = reading.doc.char_span(*match.span(), alignment_mode="expand")
            if span is not None and not negated(span.root):
                yield Candidate("audience", span.start, span.end, confidence, name)


def _people(reading: Reading, thing: Token) -> bool:
    noun = thing.lemma_.lower()
    crowd = reading.lexicon["audience.nouns"]
    listed = noun in crowd or thing.lower_ in crowd or thing.i in reading.covered("audience.nouns")
    return listed or (noun in reading.lexicon["character.nouns"] and thing.tag_ == "NNS")


def _served(reading: Reading, thing: Token, ready: bool, verbal: bool, handed: bool) -> Iterator[Candidate]:
    if (thing.pos_ not in NOUNS and thing.tag_ != "VBG") or compared(thing):
        return
    lexicon, noun = reading.lexicon, thing.lemma_.lower()
    filler, start = lexicon["audience.filler"], phrase_start(thing)
    if noun in filler and start == thing.i:
        return
    article = has_article(thing, "a", "an", "his", "her", "their", "its", "this", "that")
    plural = thing.tag_ in ("NNS", "NNPS")
    people = noun not in filler and _people(reading, thing)
    if not people and ready and plural and handed and reading.meaning.noun(noun)[0] == "person":
        people = True
    if people:
        whole = noun == "family" and has_article(thing, "the")
        story = reading.domain == "work"
        if article or (story and not ready and not plural and not whole):
            return
        confidence = 0.85 if ready else (0.6 if verbal else 0.75)
        if story and not ready and not (whole or _said_of_work(reading, thing)):
            confidence = 0.4
        while start < thing.i and reading.doc[start].pos_ in ("DET", "ADV"):
            start += 1
        yield Candidate("audience", start, thing.i + 1, confidence, "for-whom")
        return
    if reading.domain != "product" or (not handed and noun not in lexicon["uses"]):
        return
    use = noun.endswith("ing") or thing.i in reading.covered("uses")
    if thing.pos_ == "PROPN" or noun in lexicon["cues.not_used"]:
        return
    while start < thing.i and (
        reading.doc[start].lower_ in lexicon["cues.praise"] or reading.doc[start].pos_ == "DET"
    ):
        start += 1
    if (
        thing.i - start <= 3
        and (use or ready)
        and not _MEASURED.search(reading.doc[start : thing.i + 1].text)
    ):
        yield Candidate("used_for", start, thing.i + 1, (0.82 if use else 0.66) if ready else 0.7, "for-what")


def _said_of_work(reading: Reading, thing: Token) -> bool:
    """Whether what is for them is the work itself: "a read for children", "fun for all ages"."""
    while thing.dep_ == "conj":
        thing = thing.head
    outer = thing.head.head.lemma_.lower()
    return outer in reading.lexicon["core_works"] or outer in (
        "read",
        "fun",
        "treat",
        "introduction",
        "reading",
        "classic",
    )


def _doing(doing: Token, ready: bool) -> Iterator[Candidate]:
    end = doing.i + 1
    for child in doing.rights:
        if child.dep_ in ("dobj", "prt") and child.i - doing.i <= 4:
            end = child.i + 1
    yield Candidate("used_for", doing.i, end, 0.8 if ready else 0.7, "for-doing")


def _suits(reading: Reading) -> Iterator[Candidate]:
    """ "Suits hikers", "beginners will like ...", "makes a good wedding gift"."""
    lexicon = reading.lexicon
    for token in reading.doc:
        if token.lower_ in ("suits", "rewards") and not negated(token):
            for thing in reading.listed(token.i + 1):
                yield from _served(reading, thing, True, False, True)
        elif token.dep_ == "dobj" and token.head.lemma_ in ("suit", "reward", "await") and not negated(token):
            for thing in conjuncts(token):
                yield from _served(reading, thing, True, False, True)
        elif token.dep_ == "nsubj" and token.tag_ == "NNS" and token.head.lemma_ in lexicon["cues.enjoy"]:
            modal = any(child.tag_ == "MD" for child in token.head.lefts)
            if modal and _people(reading, token) and not has_article(token, "the") and not negated(token):
                start = phrase_start(token)
                yield Candidate("audience", start, token.i + 1, 0.7, "who-will")
        elif (
            token.lower_ in ("gift", "present")
            and token.dep_ in ("dobj", "attr")
            and reading.domain == "product"
        ):
            start = phrase_start(token, frozenset())
            if not negated(token):
                yield Candidate("used_for", start, token.i + 1, 0.66, "gift")
