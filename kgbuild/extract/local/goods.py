"""What a product or game has and is made of: feature and made_of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from kgbuild.extract.local.lexicon import words_of
from kgbuild.extract.local.reading import (
    NOUNS,
    Candidate,
    Reading,
    compared,
    has_article,
    negated,
    phrase_start,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_UNITS = (
    "hour|hours|hr|hrs|h|minute|minutes|min|second|seconds|day|days|week|weeks|month|months|year|years|litre|litres|liter|"
    "liters|l|ml|cl|oz|ounce|ounces|cup|gallon|gallons|quart|pint|inch|inches|cm|mm|metre|meter|metres|meters|foot|feet|ft|"
    "km|mile|miles|kg|g|gram|grams|lb|lbs|pound|watt|watts|w|kw|volt|volts|v|mah|wh|amp|hz|khz|ghz|mhz|db|lumen|lumens|gb|tb|"
    "mb|mp|megapixel|megapixels|dpi|rpm|psi|bar|degree|degrees|°c|°f|speed|speeds|piece|pieces|pages|port|ports|denier|sheet|sheets|"
    "pocket|pockets|compartment|compartments|position|positions|setting|settings|colours|colors|ply|tooth|string|layer|layers|"
    "step|way|stage|slot|drawer|tier|key|keys|button|buttons|blade|blades|core|channel|programmes|programs|presets|modes|player|players"
)
_NUMBER = (
    r"\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|"
    r"forty|fifty|sixty"
)
_QUANTITY = re.compile(rf"(?<![\w.$£€-])(?P<number>{_NUMBER})(?P<gap>[- ]?)(?P<unit>{_UNITS})\b(?!-)", re.I)
_SIZE = re.compile(
    r"\b\d[\d.,]*(?:\s?[x×]\s?\d[\d.,]*|\sby\s\d[\d.,]*){1,2}\s?(?:cm|mm|m|inches|inch|in|metres|feet|ft)\b",
    re.I,
)
_SUFFIXED = re.compile(
    r"(?<![\w-])[A-Za-z]+-(?:proof|resistant|free|safe|repellent|friendly|washable|lined|coated|powered|controlled|cancelling|"
    r"canceling|insulated|enabled|adjustable|mounted|operated|drying|charging|absorbing|wicking|sealed|cut|stitched|tight|rated)\b"
    r"|\b[a-z]{3,}proof\b"
)
_TIMES = frozenset(
    {"minute", "minutes", "second", "seconds", "day", "days", "week", "weeks", "month", "months"}
)
_DIMENSIONS = frozenset({"thick", "long", "wide", "deep", "high", "tall", "across"})
_SUPPLIED = frozenset(
    {"come", "equip", "fit", "complete", "pack", "finish", "supply", "bundle", "ship", "pair", "furnish"}
)


def features(reading: Reading) -> Iterator[Candidate]:
    """Properties, parts and abilities: listed words, quantities with units, what the item is said to have."""
    doc = reading.doc
    game = reading.domain == "game"
    kinds = ("features", "game_features", "part_adjectives") if game else ("features", "part_adjectives")
    for hit in reading.hits_of(*kinds):
        head = reading.head_of(hit)
        if negated(head) or compared(head) or head.tag_ in ("VBZ", "VBD", "VBP", "VB"):
            continue
        sure = 0.82 if hit.kind == "game_features" or reading.domain == "product" else 0.6
        end = _with_part(reading, hit.end, head)
        if hit.kind == "part_adjectives":
            if end == hit.end:
                continue
            sure = 0.68
        yield Candidate("feature", hit.start, end, sure, "feature-word")
    if reading.domain == "product":
        for match in _SUFFIXED.finditer(reading.text):
            span = doc.char_span(*match.span(), alignment_mode="expand")
            if span is not None and not negated(span.root):
                yield Candidate("feature", span.start, span.end, 0.78, "suffix")
        yield from _quantities(reading)
        yield from _fragments(reading)
    else:
        yield from _counts(reading)
        yield from _fragments(reading)
    yield from _parts(reading)


def _own(reading: Reading) -> frozenset[str]:
    """Words that stand for the item itself."""
    first = next(iter(reading.phrase_heads), None) if reading.field == "description" else None
    head = {first.lemma_.lower()} if first is not None and reading.sentence_of[first.i] == 0 else set()
    return words_of(reading.title) | words_of(reading.category) | reading.lexicon["cues.fabric"] | head


def _with_part(reading: Reading, end: int, head: Token) -> int:
    """The end of the phrase with the part that has the property ("padded hip belt"), not with the item."""
    noun = head.head
    if head.dep_ != "amod" or noun.i < end or noun.i - end > 2 or noun.pos_ != "NOUN":
        return end
    return end if noun.lemma_.lower() in _own(reading) | reading.lexicon["work_nouns"] else noun.i + 1


def _quantities(reading: Reading) -> Iterator[Candidate]:
    doc, own = reading.doc, _own(reading)
    for match in _SIZE.finditer(reading.text):
        span = doc.char_span(*match.span(), alignment_mode="expand")
        if span is not None:
            yield Candidate("feature", span.start, span.end, 0.7, "size")
    for match in _QUANTITY.finditer(reading.text):
        span = doc.char_span(match.start(), match.end(), alignment_mode="expand")
        if span is None or negated(span.root):
            continue
        start, end = span.start, span.end
        hyphened = match["gap"] == "-"
        if end < len(doc) and doc[end].lower_ in _DIMENSIONS:
            end += 1
        elif end + 1 < len(doc) and doc[end].lower_ == "of" and not hyphened and doc[end + 1].pos_ == "NOUN":
            end += 2
        else:
            at = end
            while at < len(doc) and at - end < 4 and (doc[at].pos_ in (*NOUNS, "ADJ") or doc[at].text == "-"):
                at += 1
            if at > end and doc[at - 1].pos_ in NOUNS and doc[at - 1].lemma_.lower() not in own:
                end = at
        bare = 0.5 if match["unit"].lower() in _TIMES else 0.6
        yield Candidate("feature", start, end, 0.8 if hyphened or end > span.end else bare, "quantity")


def _fragments(reading: Reading) -> Iterator[Candidate]:
    """Phrases that stand as a sentence of their own: "Four carrying positions, a hood and soft edges."."""
    for sentence in reading.doc.sents:
        root = sentence.root
        subjects = {"nsubj", "nsubjpass"} & {child.dep_ for child in root.children}
        game = reading.domain == "game"
        if root.pos_ == "NOUN" and not subjects and not (game and sentence.start == 0):
            heads = [
                head for head in reading.listed(sentence.start) if not _own(reading) & {head.lemma_.lower()}
            ]
            for head in heads:
                yield from _part(reading, head, 0.58 if game else 0.64)
        elif root.pos_ in ("VERB", "AUX") and not game:
            for subject in root.lefts:
                parts = subject.dep_ == "nsubj" and root.lemma_ in reading.lexicon["cues.part_verbs"]
                included = subject.dep_ == "nsubjpass" and root.lemma_ == "include"
                if parts or included:
                    yield from _subject_parts(reading, subject, 0.7 if included else 0.6)


def _subject_parts(reading: Reading, subject: Token, confidence: float) -> Iterator[Candidate]:
    for head in reading.listed(subject.left_edge.i):
        if head.i > subject.right_edge.i:
            return
        if head.lemma_.lower() not in _own(reading) and phrase_start(head) < head.i:
            yield from _part(reading, head, confidence)


def _counts(reading: Reading) -> Iterator[Candidate]:
    """Numbers of what games count: "forty levels", "five endings"."""
    for token in reading.doc:
        if (
            (
                token.dep_ == "nummod"
                and token.head.lemma_.lower() in reading.lexicon["game_counts"]
                and token.i < token.head.i
            )
            and not negated(token.head)
            and token.head.i - token.i <= 3
            and reading.domain == "game"
        ):
            yield Candidate("feature", token.i, token.head.i + 1, 0.62, "count")


def _parts(reading: Reading) -> Iterator[Candidate]:
    """What the item has: "features X, Y and Z", "comes with X", "a bag with X"."""
    doc, product = reading.doc, reading.domain == "product"
    own = (
        _own(reading)
        | reading.lexicon["work_nouns"]
        | {"it", "this", "which", "that", "they", "these", "you"}
    )
    for token in doc:
        confidence = 0.0
        if token.pos_ == "VERB" and token.lemma_ in reading.lexicon["feature_verbs"] - {
            "come",
            "pack",
            "add",
            "carry",
        }:
            subject = next((child for child in token.lefts if child.dep_ == "nsubj"), None)
            about_item = subject is None or subject.lemma_.lower() in own or subject.lower_ in own
            confidence = 0.7 if product else 0.62
            confidence = confidence if about_item or (product and token.lemma_ != "provide") else 0.0
            if not any(child.dep_ == "dobj" for child in token.rights) or token.tag_ == "VBN":
                confidence = 0.0
        elif token.lower_ == "with" and token.dep_ == "prep":
            outer = token.head
            if outer.lemma_ in _SUPPLIED or (
                outer.pos_ in NOUNS and (product or outer.lemma_.lower() in own)
            ):
                confidence = 0.68 if product else 0.6
        if (
            not confidence
            or negated(token)
            or (token.i + 1 < len(doc) and doc[token.i + 1].lower_ in ("no", "not"))
        ):
            continue
        for part in reading.listed(token.i + (2 if token.lower_ == "thanks" else 1)):
            yield from _part(reading, part, confidence)


def _part(reading: Reading, part: Token, confidence: float) -> Iterator[Candidate]:
    doc, lexicon = reading.doc, reading.lexicon
    noun = part.lemma_.lower()
    if (
        part.left_edge.lower_ in ("suits", "fits", "takes", "supports", "works", "dry", "hand", "machine")
        and part.i < 4
    ):
        return
    if part.pos_ not in NOUNS or noun in lexicon["feature_stop"] or negated(part):
        return
    if reading.domain != "product" and (
        part.i in reading.covered("character.nouns")
        or part.i in reading.covered("setting.strong")
        or noun in lexicon["work_nouns"]
    ):
        return
    start = phrase_start(part)
    while start < part.i and (
        doc[start].lower_ in lexicon["cues.praise"]
        or doc[start].pos_ in ("ADV", "PUNCT", "CCONJ", "DET", "SYM")
    ):
        start += 1
    if part.i + 1 - start > 5:
        return
    if start == part.i:
        confidence -= 0.12 if has_article(part) else 0.16
    yield Candidate("feature", start, part.i + 1, round(confidence, 2), "part")


def materials(reading: Reading) -> Iterator[Candidate]:
    """Materials that the text names, unless denied or only what the product is used on."""
    doc, modifiers = reading.doc, reading.lexicon["material_modifiers"]
    hits = reading.hits_of("materials")
    for number, hit in enumerate(hits):
        head = reading.head_of(hit)
        text = doc[hit.start : hit.end].text.lower()
        if negated(head) or compared(head) or _not_material(reading, hit.start, hit.end, text):
            continue
        if number and hits[number - 1].end == hit.start:
            continue
        if reading.domain == "game" and head.head.lemma_.lower() not in reading.lexicon["game_parts"]:
            continue
        start, end = hit.start, hit.end
        if number + 1 < len(hits) and hits[number + 1].start == end:
            end = hits[number + 1].end
        while start > 0 and doc[start - 1].lower_ in modifiers:
            start -= 1
        if start > 1 and doc[start - 1].text == "-" and doc[start - 2 : start + 1].text.lower() in modifiers:
            start -= 2
        while start > 2 and doc[start - 2].text == "-" and doc[start - 3 : start].text.lower() in modifiers:
            start -= 3
        top = head
        while top.dep_ in ("conj", "compound", "amod", "nmod") and top.head.i != top.i:
            top = top.head
        made = top.dep_ == "pobj" and top.head.lower_ in ("of", "from", "in", "with")
        yield Candidate("made_of", start, end, 0.86 if made else 0.74, "material")


def _not_material(reading: Reading, start: int, end: int, text: str) -> bool:
    doc, head = reading.doc, reading.doc[start:end].root
    after = doc[end].lower_ if end < len(doc) else ""
    if (
        after == "-"
        and end + 1 < len(doc)
        and doc[end + 1].lower_ in ("free", "like", "effect", "look", "style", "safe")
    ):
        return True
    if after in (
        "free",
        "bulb",
        "screen",
        "screens",
        "saw",
        "screws",
        "surfaces",
        "floors",
        "floor",
        "cup",
        "lovers",
    ):
        return True
    if (
        text in ("down", "tin", "hide", "resin", "stone", "foam", "paper", "slate", "rope", "felt")
        and head.pos_ != "NOUN"
    ):
        return True
    if text == "down" and not (head.dep_ in ("pobj", "compound") and head.tag_ == "NN"):
        return True
    if text in ("glass", "glasses") and (head.tag_ == "NNS" or has_article(head)):
        return True
    top = head
    while top.dep_ in ("conj", "compound", "amod", "nmod") and top.head.i != top.i:
        top = top.head
    if top.dep_ == "pobj" and top.head.lower_ in (
        "for",
        "on",
        "onto",
        "against",
        "without",
        "like",
        "than",
        "to",
        "through",
        "into",
    ):
        return top.i not in reading.covered("features")
    worked = (
        "cut",
        "clean",
        "protect",
        "slice",
        "chop",
        "drill",
        "polish",
        "hold",
        "fit",
        "handle",
        "store",
        "write",
        "stick",
    )
    return top.dep_ == "dobj" and top.head.lemma_ in worked
