"""What a work is about, and the tone in which it is told."""

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
    with_of,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

    from kgbuild.extract.local.lexicon import Hit

_ELSEWHERE = ("character.nouns", "setting.strong", "setting.names", "period")
_SAID_IN_TURN = re.compile(r"\b(?:by turns|equal parts|in turns?|at once|alternately)\b", re.I)
_TELLERS = frozenset({"it", "author", "director", "they"})


def theme(reading: Reading) -> Iterator[Candidate]:
    """Subjects that the text says the work is about, and words that name a theme wherever they stand."""
    for hit in reading.hits_of("theme.strong"):
        head = reading.head_of(hit)
        if _names_theme(reading, hit, head):
            text, label = reading.doc[hit.start : hit.end].text, hit.canonical or ""
            renamed = text.lower().replace("-", " ") != label.lower()
            confidence = 0.66 if head.pos_ in NOUNS else 0.58
            yield Candidate("theme", hit.start, hit.end, confidence, "theme-word", label if renamed else None)
    yield from _joined(reading)
    for head, confidence in _subjects(reading):
        for thing in conjuncts(head):
            yield from _subject(reading, thing, confidence)


def _names_theme(reading: Reading, hit: Hit, head: Token) -> bool:
    doc = reading.doc
    if negated(head) or compared(head):
        return False
    if head.pos_ == "PROPN" and hit.start > head.sent.start and doc[hit.start].text[0].isupper():
        return False
    if head.dep_ == "compound" and head.head.lemma_.lower() not in reading.lexicon["work_nouns"]:
        return False
    # A label that stands there as a verb or adjective ("plagued by", "haunting visions") is another word.
    lone_label = hit.end - hit.start == 1 and hit.canonical == head.lemma_.lower()
    return not (lone_label and head.pos_ not in NOUNS) and head.lower_ != "haunting"


def _joined(reading: Reading) -> Iterator[Candidate]:
    """Weak words that are joined to a sure one: "love, greed and jealousy"."""
    strong = reading.covered("theme.strong")
    weak = {hit.end - 1: hit for hit in reading.hits_of("theme.weak")}
    joining = {token.head.i for token in reading.doc if token.dep_ == "conj" and token.head.i < token.i}
    for token in map(reading.doc.__getitem__, sorted(joining)):
        group = list(conjuncts(token)) if token.dep_ != "conj" else []
        if group and not negated(token):
            known = [member for member in group if member.i in strong or member.i in weak]
            if len(known) >= 2:
                for member in known:
                    exact = member.tag_ == "NN" or member.lower_ in reading.lexicon["theme.weak"]
                    if member.i in weak and member.i not in strong and member.pos_ in NOUNS and exact:
                        hit = weak[member.i]
                        yield Candidate("theme", hit.start, hit.end, 0.6, "theme-list")


def _subject(reading: Reading, thing: Token, confidence: float) -> Iterator[Candidate]:
    if (thing.pos_ != "NOUN" and thing.tag_ != "VBG") or negated(thing):
        return
    noun = thing.lemma_.lower()
    if noun in reading.lexicon["cues.not_theme"] or any(
        thing.i in reading.covered(kind) for kind in _ELSEWHERE
    ):
        return
    listed = _known(reading, thing)
    if not listed and reading.meaning.noun(noun)[0] in ("person", "place"):
        return
    if thing.tag_ == "VBG":
        objects = [child.i + 1 for child in thing.rights if child.dep_ == "dobj" and child.i - thing.i <= 3]
        yield Candidate("theme", thing.i, max(objects, default=thing.i + 1), confidence - 0.14, "about")
        return
    start = phrase_start(thing)
    if thing.i - start > 2:
        start = thing.i
    end = thing.i + 1 if listed else with_of(thing)
    yield Candidate("theme", start, end, confidence if listed else confidence - 0.12, "about")


def _known(reading: Reading, token: Token) -> bool:
    return token.i in reading.covered("theme.strong") or token.i in reading.covered("theme.weak")


def _subjects(reading: Reading) -> Iterator[tuple[Token, float]]:
    """Heads of what the work is said to be about, with the confidence of the construction that says it."""
    lexicon = reading.lexicon
    heads, works = lexicon["theme_heads"], lexicon["work_nouns"]
    for token in reading.doc:
        if token.dep_ == "pobj" and token.head.lower_ in ("of", "on", "about"):
            outer, prep = token.head.head, token.head.lower_
            noun = outer.lemma_.lower()
            owned = any(child.dep_ == "poss" for child in outer.lefts)
            if prep == "about" and (noun in works or outer.lemma_ == "be"):
                yield token, 0.8
            elif prep != "about" and noun in lexicon["cues.about_heads"]:
                yield token, 0.82
            elif prep == "of" and noun in heads and not owned:
                yield token, 0.76 if noun in ("story", "tale", "theme") or _known(reading, token) else 0.6
        elif token.dep_ == "dobj" and token.head.lemma_ in lexicon["theme_verbs"]:
            subjects = [child for child in token.head.lefts if child.dep_ == "nsubj"]
            if any(
                child.lemma_.lower() in works or child.lower_ in _TELLERS or child.pos_ == "PROPN"
                for child in subjects
            ):
                yield token, 0.74
        elif (
            token.dep_ in ("dobj", "attr")
            and token.head.lemma_ in ("include", "be")
            and not has_article(token)
        ):
            subjects = [child for child in token.head.lefts if child.dep_ == "nsubj"]
            if any(child.lemma_.lower() in ("theme", "subject", "themes") for child in subjects):
                yield token, 0.8
        elif token.dep_ == "nsubj" and token.head.lemma_ == "be":
            said = [child.lemma_.lower() for child in token.head.rights if child.dep_ == "attr"]
            if "subject" in said or "theme" in said:
                yield token, 0.8


def mood(reading: Reading) -> Iterator[Candidate]:
    """Adjectives of tone that stand for the work, not for somebody in it."""
    ambiguous = reading.lexicon["ambiguous_mood"]
    turns = [match.start() for match in _SAID_IN_TURN.finditer(reading.text)]
    for hit in reading.hits_of("mood.words"):
        head = reading.head_of(hit)
        if _part_of_longer(head) or head.tag_ in ("JJR", "JJS", "RBR"):
            continue
        if negated(head) or compared(head) or head.pos_ not in ("ADJ", "VERB", "NOUN", "ADV", "PROPN"):
            continue
        if head.dep_ == "advmod" and head.head.pos_ in ("VERB", "AUX") and head.pos_ == "ADV":
            continue
        confidence = _tells_work(reading, head)
        near = any(abs(reading.doc[hit.start].idx - at) < 45 for at in turns)
        if not confidence and near:
            confidence = 0.72
        if not confidence and head.lower_ not in ambiguous and _free_adjective(reading, head):
            confidence = 0.62
        if confidence:
            yield Candidate("mood", hit.start, hit.end, confidence, "tone")
    known = reading.covered("mood.words") | reading.covered("theme.strong") | reading.covered("period")
    excluded = reading.lexicon["mood.not"]
    for token in reading.doc:
        if (
            token.pos_ != "ADJ"
            or token.i in known
            or token.lower_ in excluded
            or negated(token)
            or not token.is_alpha
        ):
            continue
        confidence = _tells_work(reading, token)
        if (
            confidence >= 0.8
            and (token.text.islower() or token.is_sent_start)
            and _said_of_core(reading, token)
        ):
            label, similarity = reading.meaning.adjective(token.text)
            if label == "tone" and not _part_of_longer(token) and token.tag_ == "JJ":
                sure = round(min(0.3 + 0.6 * similarity, 0.8), 2)
                yield Candidate("mood", token.i, token.i + 1, sure, "tone-like")


def _part_of_longer(token: Token) -> bool:
    """ "fast-moving", "quick-witted": the second part says nothing alone."""
    return token.i > 1 and token.doc[token.i - 1].text == "-" and not token.doc[token.i - 1].whitespace_


def _said_of_core(reading: Reading, token: Token) -> bool:
    top: Token = token
    while top.dep_ == "conj" and top.head.i < top.i:
        top = top.head
    return top.dep_ != "amod" or top.head.lemma_.lower() in reading.lexicon["core_works"]


def _tells_work(reading: Reading, head: Token) -> float:
    """How sure the parse makes it that the adjective is said of the work; 0 for not at all."""
    works, tones = reading.lexicon["work_nouns"], reading.lexicon["cues.tone_nouns"]
    top: Token = head
    while top.dep_ == "conj" and top.head.i < top.i:
        top = top.head
    target = top.head
    noun = target.lemma_.lower()
    if top.dep_ in ("amod", "compound", "nmod") and target.i > top.i:
        return 0.86 if noun in works else (0.72 if noun in tones else 0.0)
    if top.dep_ in ("acomp", "attr", "oprd") and target.pos_ in ("AUX", "VERB"):
        said_of = [child for child in target.lefts if child.dep_ == "nsubj"]
        if any(
            _is_work(child, works | tones) or child.lower_ in ("result", "everything") for child in said_of
        ):
            return 0.82
        return 0.0
    if top.i <= top.sent.start + 1:
        near = top.head.lefts if top.dep_ != "ROOT" else top.rights
        said_of = [child for child in near if child.dep_ in ("nsubj", "appos", "attr")]
        if any(_is_work(child, works | tones) for child in said_of):
            return 0.82
        if top.dep_ == "ROOT" and head.pos_ == "ADJ":
            return 0.68
    return 0.0


def _is_work(token: Token, works: frozenset[str]) -> bool:
    return token.lemma_.lower() in works or token.lower_ in ("it", "this")


def _free_adjective(reading: Reading, head: Token) -> bool:
    """Whether the adjective is said of something that is neither a person nor a name."""
    if head.pos_ != "ADJ":
        return False
    top: Token = head
    while top.dep_ == "conj" and top.head.i < top.i:
        top = top.head
    people = reading.covered("character.nouns")
    if top.dep_ == "amod":
        target = top.head
        return (
            target.pos_ == "NOUN"
            and target.i not in people
            and reading.meaning.noun(target.lemma_)[0] == "absent"
        )
    if top.dep_ == "acomp":
        said_of = [child for child in top.head.lefts if child.dep_ == "nsubj"]
        things = (child for child in said_of if child.pos_ == "NOUN" and child.i not in people)
        return any(reading.meaning.noun(child.lemma_)[0] != "person" for child in things)
    return False
