"""The kinds of people and beings that a story is about."""

from __future__ import annotations

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

_BEFORE_NAME = frozenset({"compound", "nmod"})
_NAME_ROLES = frozenset({"nsubj", "nsubjpass", "appos", "pobj", "dobj", "conj"})


def character(reading: Reading) -> Iterator[Candidate]:
    """Subjects, appositions, titles before names, objects of "follows" and "about"."""
    doc, lexicon = reading.doc, reading.lexicon
    keep, vague = lexicon["character.keep"], lexicon["character.vague"]
    for hit in reading.hits_of("character.nouns"):
        head = reading.head_of(hit)
        if head.i != hit.end - 1 or not _may_be(head):
            continue
        confidence = _role(reading, head)
        start = _after_numbers(reading, min(hit.start, phrase_start(head, keep)), head)
        while start > 0 and doc[start - 1].lower_ in keep and doc[start - 1].dep_ in ("amod", "compound"):
            start -= 1
        if confidence:
            confidence += _kind_bonus(reading, head, start == head.i)
            yield Candidate("character", start, hit.end, round(confidence, 2), "person-kind")
    listed = reading.covered("character.nouns")
    for head in reading.phrase_heads:
        if head.pos_ != "NOUN" or head.i in listed or not _may_be(head) or possessed(head):
            continue
        confidence = _role(reading, head)
        if (
            confidence < 0.69
            or not (has_article(head) or head.tag_ == "NNS")
            or reading.sentence_of[head.i] > 2
        ):
            continue
        noun = head.lemma_.lower()
        if noun in vague or noun in lexicon["work_nouns"] or reading.meaning.noun(noun)[0] != "person":
            continue
        label, similarity = reading.meaning.noun(doc[phrase_start(head, frozenset()) : head.i + 1].text)
        if label == "person":
            sure = min(confidence, 0.3 + 0.6 * similarity) - (0.1 if head.tag_ == "NNS" else 0.0)
            yield Candidate("character", phrase_start(head, keep), head.i + 1, round(sure, 2), "person-like")


def _after_numbers(reading: Reading, start: int, head: Token) -> int:
    while start < head.i and reading.doc[start].pos_ in ("NUM", "DET"):
        start += 1
    return start


def _may_be(head: Token) -> bool:
    doc = head.doc
    # "Stephen King", "Baker Street": a word inside a name is no kind.
    if head.text[0].isupper():
        begin, end = head.sent.start, head.sent.end
        near = [doc[i] for i in (head.i - 1, head.i + 1) if begin <= i < end]
        if any(token.pos_ == "PROPN" and token.text[0].isupper() for token in near):
            return False
        if head.i - 2 >= begin and doc[head.i - 1].text == "-":
            return False
    owner = head.i + 1 < len(doc) and doc[head.i + 1].lower_ in ("'s", "’s", "’", "'")
    return head.pos_ in NOUNS and not owner and not negated(head) and not compared(head)


def _kind_bonus(reading: Reading, head: Token, bare: bool) -> float:
    """What the phrase itself adds to or takes from the confidence that its role gives."""
    lexicon, noun = reading.lexicon, head.lemma_.lower()
    bonus = 0.0
    if possessed(head):
        bonus -= 0.6 if noun in lexicon["character.kin"] or bare else 0.15
    if noun in lexicon["character.kin"] and any(child.lower_ == "of" for child in head.rights):
        bonus -= 0.5
    if bare and noun in lexicon["character.vague"]:
        bonus -= 0.4
    elif bare and noun in lexicon["character.plain"]:
        bonus -= 0.14 if has_article(head) else 0.3
    if head.tag_ in ("NNS", "NNPS"):
        bonus -= 0.06
    return bonus - 0.04 * min(reading.sentence_of[head.i], 4)


def _role(reading: Reading, head: Token) -> float:
    """How sure the phrase's place in its sentence makes it that the story is about it; 0 for not at all."""
    cues = reading.lexicon
    article = has_article(head) or any(child.dep_ == "nummod" for child in head.lefts)
    named = head.head
    if head.dep_ in _BEFORE_NAME and named.pos_ == "PROPN" and named.i > head.i and named.dep_ in _NAME_ROLES:
        return 0.8 if head.text[0].islower() else 0.56
    if _verb_taken_for_noun(head):
        return 0.8
    top = head
    while top.dep_ == "conj" and top.head.pos_ in NOUNS:
        top = top.head
    first = reading.sentence_of[head.i] <= 1
    if top.dep_ in ("nsubj", "nsubjpass"):
        return 0.86 if article else (0.74 if first else 0.64)
    if top.dep_ == "appos":
        return 0.84 if article else 0.72
    if top.dep_ == "ROOT" and article:
        return 0.8
    if top.dep_ == "attr":
        return 0.72 if article else 0.6
    if top.dep_ == "dobj":
        if top.head.lemma_ in cues["cues.follow_verbs"]:
            return 0.8 if article else 0.6
        return 0.62 if article else 0.4
    if top.dep_ == "pobj":
        return _after_preposition(reading, top, article)
    return 0.5 if article and first else 0.0


def _verb_taken_for_noun(head: Token) -> bool:
    """ "A detective returns to ...": the parser takes some verbs for plurals with the subject in them."""
    root = head.head
    if head.dep_ != "compound" or root.dep_ != "ROOT":
        return False
    opens = all(token.dep_ in ("det", "amod", "compound") for token in head.doc[head.sent.start : head.i])
    plural = root.tag_ == "NNS" and root.i == head.i + 1
    return plural and opens and has_article(root)


def _after_preposition(reading: Reading, top: Token, article: bool) -> float:
    prep, outer = top.head.lower_, top.head.head.lemma_.lower()
    if prep in ("about", "between"):
        return 0.85
    if prep == "of" and outer in reading.lexicon["theme_heads"]:
        return 0.84
    if prep == "of" and outer in reading.lexicon["cues.people_of"]:
        return 0.74
    if prep == "as":
        return 0.76 if article else 0.6
    if prep == "where":
        return 0.7
    return 0.58 if article and prep in ("by", "on", "for", "to", "from", "with") else 0.0
