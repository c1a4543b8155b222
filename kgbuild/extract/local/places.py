"""Where a story happens: named places and kinds of places."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kgbuild.extract.local.reading import (
    NOUNS,
    Candidate,
    Reading,
    compared,
    has_article,
    negated,
    phrase_start,
    possessed,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_OPENER = re.compile(
    r"\b(?:set|takes? place|taking place|unfolds?|unfolding|located|plays? out)\s+"
    r"(?:mostly |largely |entirely |chiefly |almost entirely |primarily |partly |mainly )?"
    r"(?:in|on|at|aboard|around|inside|against|among|during|near|across|within)\s$",
    re.I,
)
_LAST_SENTENCE = 5
_COMMON = frozenset({"hall", "game", "games", "god", "heaven", "christmas"})


def setting(reading: Reading) -> Iterator[Candidate]:
    """Places that a preposition of place, or "set in", puts the story in."""
    yield from _listed_places(reading)
    yield from _named_places(reading)
    yield from _unlisted_places(reading)


def _listed_places(reading: Reading) -> Iterator[Candidate]:
    doc, lexicon = reading.doc, reading.lexicon
    for hit in reading.hits_of("setting.names", "setting.strong", "setting.weak"):
        head = reading.head_of(hit)
        if head.pos_ not in NOUNS or negated(head) or compared(head):
            continue
        if hit.kind == "setting.names":
            confidence = _name_confidence(reading, head)
            if confidence and doc[hit.start].text[:1].isupper():
                label = _same_place(reading, doc[hit.start : hit.end].text)
                yield Candidate("setting", hit.start, hit.end, confidence, "place-name", label)
            continue
        part_of_name = head.pos_ == "PROPN" and head.i > 0 and doc[head.i - 1].pos_ == "PROPN"
        if head.i != hit.end - 1 or part_of_name or head.dep_ in ("compound", "amod", "nmod", "poss"):
            continue
        start = min(hit.start, phrase_start(head, lexicon["cues.place_adjectives"]))
        confidence = _kind_confidence(reading, head, hit.kind == "setting.weak")
        if confidence:
            yield Candidate("setting", start, hit.end, confidence, "place-kind")


def _kind_confidence(reading: Reading, head: Token, weak: bool) -> float:
    if _opened(head):
        return 0.9
    if reading.sentence_of[head.i] >= _LAST_SENTENCE or weak:
        return 0.0
    top, prep = _governor(head)
    less = 0.2 if possessed(head) else 0.0
    if prep in reading.lexicon["cues.in_place"]:
        return 0.74 - less
    if prep in reading.lexicon["cues.to_place"] and _moves(reading, top):
        return 0.66 - less
    if prep == "of" and top.head.head.lemma_.lower() in (
        "streets",
        "street",
        "heart",
        "edge",
        "outskirts",
        "halls",
        "corridors",
        "wilds",
        "world",
        "middle",
        "shores",
        "coast",
    ):
        return 0.64 - less
    if top.dep_ == "dobj" and top.head.lemma_ in reading.lexicon["cues.keeper_verbs"] and not less:
        return 0.64
    if top.dep_ in ("nsubj", "ROOT") and has_article(head) and reading.sentence_of[head.i] <= 1:
        return 0.58
    return 0.0


def _opened(head: Token) -> bool:
    """Whether "set in" or its like stands before the phrase, or before the one that it hangs on."""
    doc, start = head.doc, phrase_start(head)
    while start > 0 and doc[start - 1].tag_ in ("DT", "PRP$", "CD"):
        start -= 1
    if _OPENER.search(doc[max(head.sent.start, start - 8) : start].text_with_ws):
        return True
    if head.dep_ == "conj":
        return _opened(head.head)
    return (
        head.dep_ == "pobj"
        and head.head.lower_ in ("of", "in")
        and head.head.head.pos_ in NOUNS
        and _opened(head.head.head)
    )


def _governor(head: Token) -> tuple[Token, str]:
    """The first of the joined phrases that the head belongs to, and its preposition ("" for none)."""
    while head.dep_ == "conj" and head.head.pos_ in NOUNS:
        head = head.head
    return head, head.head.lower_ if head.dep_ == "pobj" else ""


def _moves(reading: Reading, top: Token) -> bool:
    verb = top.head.head
    return verb.pos_ == "VERB" and verb.lemma_ in reading.lexicon["cues.place_verbs"]


def _name_confidence(reading: Reading, head: Token) -> float:
    if _opened(head):
        return 0.95
    top, prep = _governor(head)
    if prep in reading.lexicon["cues.in_place"]:
        return 0.85
    if prep in reading.lexicon["cues.to_place"]:
        return 0.68 if prep != "from" else 0.5
    if prep == "of":
        return 0.7
    if head.dep_ in ("compound", "nmod", "amod") and head.head.i > head.i:
        noun = head.head.lemma_.lower()
        near = ("work_nouns", "setting.strong", "setting.weak")
        if head.head.pos_ == "PROPN":
            return 0.45
        return 0.72 if any(noun in reading.lexicon[name] for name in near) else 0.56
    return 0.6 if top.dep_ in ("poss", "appos", "npadvmod", "ROOT") else 0.0


def _same_place(reading: Reading, text: str) -> str | None:
    known = reading.lexicon.maps["setting.same"].items()
    return next((label for label, others in known if text in others), None)


def _named_places(reading: Reading) -> Iterator[Candidate]:
    """Capitalised names that no list holds, where the words before them say that they are places."""
    doc, lexicon = reading.doc, reading.lexicon
    known, times = reading.covered("setting.names"), reading.covered("period")
    kinds = lexicon["setting.strong"] | lexicon["setting.weak"] | lexicon["cues.named_places"]
    for head in doc:
        if (
            head.pos_ != "PROPN"
            or head.i in known
            or head.i in times
            or head.dep_ in ("compound", "nmod", "poss")
        ):
            continue
        start = head.i
        while start > 0 and doc[start - 1].pos_ == "PROPN" and doc[start - 1].dep_ in ("compound", "nmod"):
            start -= 1
        if not doc[start].text[:1].isupper() or head.text.isdigit() or negated(head) or compared(head):
            continue
        prep, noun = head.head, head.lemma_.lower()
        outer = prep.head.lemma_.lower()
        if (
            head.dep_ == "pobj"
            and prep.lower_ == "of"
            and outer in lexicon["cues.named_places"]
            and reading.entity(head) != "PERSON"
        ):
            yield Candidate("setting", start, head.i + 1, 0.86, "place-of-name")
        elif _opened(head):
            yield Candidate("setting", start, head.i + 1, 0.88, "set-in-name")
        elif head.dep_ == "pobj" and noun in kinds and start < head.i and _puts(reading, prep):
            yield Candidate("setting", start, head.i + 1, 0.74, "name-with-place-noun")
        elif head.dep_ == "pobj" and noun not in _COMMON:
            inside = prep.lower_ in ("in", "near")
            moved = prep.lower_ in ("to", "into", "through", "across") and _moves(reading, head)
            if (inside or moved) and reading.entity(head) in ("GPE", "LOC", "FAC"):
                yield Candidate("setting", start, head.i + 1, 0.66 if inside else 0.6, "place-entity")


def _puts(reading: Reading, prep: Token) -> bool:
    return prep.lower_ in reading.lexicon["cues.in_place"] or prep.lower_ in ("to", "into")


def _unlisted_places(reading: Reading) -> Iterator[Candidate]:
    """Common nouns after "in a" and "on a" that lie among the words for places."""
    lexicon = reading.lexicon
    listed = (
        reading.covered("setting.strong") | reading.covered("setting.names") | reading.covered("setting.weak")
    )
    for head in reading.phrase_heads:
        if head.pos_ != "NOUN" or head.i in listed or negated(head) or reading.sentence_of[head.i] >= 4:
            continue
        top, prep = _governor(head)
        opened = _opened(head)
        if not opened and (
            prep not in ("in", "on", "at", "aboard", "inside", "beneath") or not has_article(head)
        ):
            continue
        if top.i != head.i and not opened:
            continue
        start = phrase_start(head, lexicon["cues.place_adjectives"])
        label, similarity = reading.meaning.noun(
            reading.doc[phrase_start(head, frozenset()) : head.i + 1].text
        )
        if label == "place":
            yield Candidate(
                "setting",
                start,
                head.i + 1,
                0.8 if opened else round(0.3 + 0.6 * similarity, 2),
                "place-like",
            )
