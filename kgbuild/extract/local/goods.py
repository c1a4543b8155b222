"""What a product or game is and does: feature, made_of, compatible_with, used_for; and for any item, audience."""

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
    conjuncts,
    negated,
    phrase_start,
)

if TYPE_CHECKING:
    from spacy.tokens import Token

_UNITS = (
    "hour|hours|hr|hrs|h|minute|minutes|min|second|day|days|week|month|year|years|litre|litres|liter|liters|l|ml|cl|oz|ounce|cup|gallon|quart|pint|"
    "inch|inches|in|cm|mm|m|metre|meter|metres|meters|foot|feet|ft|km|mile|kg|g|gram|grams|lb|lbs|pound|watt|watts|w|kw|volt|volts|v|mah|wh|amp|hz|khz|ghz|mhz|db|lumen|lumens|"
    "gb|tb|mb|mp|megapixel|megapixels|dpi|rpm|bit|psi|bar|degree|degrees|°c|°f|speed|piece|pieces|page|pages|pack|port|bay|pocket|blade|core|channel|key|button|litre|denier|count|sheet|sheets|pocket|compartment|position|setting|stage|colour|color|ply|person|man|tooth|string|row|layer"
)
_QUANTITY = re.compile(
    rf"(?<![\w.$£€])(?P<number>\d[\d,.]*|one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty)(?P<gap>[- ]?)(?P<unit>{_UNITS})\b",
    re.I,
)
_SUFFIXED = re.compile(
    r"(?<![\w-])(?:[A-Za-z]+[- ])?[A-Za-z]+-(?:proof|resistant|free|safe|repellent|friendly|washable|lined|coated|powered|controlled|cancelling|canceling|insulated|enabled|adjustable|compatible|mounted|operated|hardening|drying|charging|absorbing|wicking)\b|\b[a-z]{3,}(?:proof)\b",
    re.I,
)
_FOR_WHOM = re.compile(
    r"\b(?:for|to) (?:two|three|four|five|one|1|2|3|4|5|6)(?:\s?(?:-|–|to|or|and)\s?(?:two|three|four|five|six|seven|eight|ten|\d+))? players\b",
    re.I,
)
_AGES = re.compile(
    r"(?P<all>(?:\b(?:children|kids|readers|players|boys and girls|anyone|toddlers|girls|boys|gamers|learners|those|people|teens|youngsters)\s)?\b(?:aged?|ages|age)\s(?:from\s)?(?:\w+\s(?:and|or)\s(?:up|over|older|above|upwards?)|\d+\s?\+|\d+\s?(?:-|–|to)\s?\d+|(?:three|four|five|six|seven|eight|nine|ten|twelve|fourteen|sixteen|eighteen)\sto\s\w+)|\b\d{1,2}\s?\+(?!\w)|\b(?:three|four|five|six|seven|eight|nine|ten|twelve|fourteen)[- ]to[- ]\w+[- ]year[- ]olds|\b\d{1,2}[- ]to[- ]\d{1,2}[- ]year[- ]olds|\bpeople over \w+)",
    re.I,
)
_COMPATIBLE = re.compile(
    r"\b(?:[Cc]ompatible with|[Ww]orks? (?:\w+ )?with|[Ww]orking with|[Pp]airs? (?:\w+ )?with|[Cc]onnects? (?:\w+ )?(?:to|with)|[Ss]yncs? (?:\w+ )?with|[Ss]upports?|[Ff]its(?: (?:most|all|any|every|standard|into|over|onto|on|in))*|[Ff]it(?: (?:most|all|any|standard))+|[Ff]or use with|[Pp]lugs? (?:\w+ )?into|[Ii]ntegrates? with|[Aa]vailable (?:on|for)|[Pp]layable on|[Rr]uns on|[Cc]omes? to|[Pp]lays? on|[Rr]eleased (?:on|for)|[Cc]lips? (?:on )?to|[Mm]ounts? (?:on|to)|[Cc]harges? (?:via|from|over)|[Aa]ttaches? to|[Rr]esponds? to|[Aa]ccepts|[Tt]akes (?:standard|any|all)|[Ss]uits (?:most|all|any|every|standard)|[Cc]ompatibility with)\s"
)
_HYPHEN_COMPATIBLE = re.compile(
    r"\b([A-Z][\w.]*(?:[ -][A-Z0-9][\w.]*)*)[- ](?:compatible|ready|certified|enabled)\b"
)
_READY = frozenset(
    {
        "ideal",
        "perfect",
        "great",
        "suitable",
        "good",
        "suited",
        "excellent",
        "best",
        "useful",
        "handy",
        "essential",
        "right",
        "fine",
        "recommended",
        "enough",
        "strong",
        "safe",
        "comfortable",
        "gentle",
        "easy",
        "intended",
        "ready",
        "small",
        "light",
        "equally",
    }
)
_MADE_FOR = frozenset(
    {
        "design",
        "make",
        "build",
        "mean",
        "intend",
        "create",
        "suit",
        "aim",
        "craft",
        "pitch",
        "shape",
        "write",
        "recommend",
        "size",
        "develop",
        "tune",
        "optimise",
        "optimize",
        "cut",
        "engineer",
    }
)
_PRAISE = frozenset(
    "great perfect beautiful new best good excellent amazing stunning lovely stylish handy convenient nice superb ideal unique wonderful classic original additional extra other several many various own same simple generous clever neat choice available included".split()
)


def features(reading: Reading) -> Iterator[Candidate]:
    """Properties, parts and abilities: listed words, quantities with units, objects of "has" and "with"."""
    doc = reading.doc
    kinds = ("features", "game_features") if reading.domain == "game" else ("features",)
    for hit in reading.hits_of(*kinds):
        head = reading.head_of(hit)
        if not negated(head) and not compared(head):
            confidence = 0.82 if hit.kind == "game_features" or reading.domain == "product" else 0.6
            yield Candidate("feature", hit.start, hit.end, confidence, "feature-word")
    if reading.domain == "product":
        for match in _SUFFIXED.finditer(doc.text):
            span = doc.char_span(*match.span(), alignment_mode="expand")
            if span is not None and not negated(span.root):
                yield Candidate("feature", span.start, span.end, 0.78, "suffix")
        yield from _quantities(reading)
    yield from _parts(reading)


def _quantities(reading: Reading) -> Iterator[Candidate]:
    doc = reading.doc
    own = words_of(reading.title)
    for match in _QUANTITY.finditer(doc.text):
        span = doc.char_span(match.start(), match.end(), alignment_mode="expand")
        if span is None or negated(span.root):
            continue
        end = span.end
        after = (
            doc[end - 1].head
            if span.root.dep_ in ("nummod", "amod", "compound", "nmod", "npadvmod")
            else None
        )
        if (
            after is not None
            and after.i >= end
            and after.i - end <= 2
            and after.pos_ in NOUNS
            and after.lemma_.lower() not in own
        ):
            end = after.i + 1
        elif end < len(doc) and doc[end].pos_ == "NOUN" and doc[end].lemma_.lower() not in own:
            end += 1
            if end < len(doc) and doc[end].pos_ == "NOUN":
                end += 1
        hyphened = match["gap"] == "-"
        yield Candidate("feature", span.start, end, 0.8 if hyphened or end > span.end else 0.58, "quantity")


def _parts(reading: Reading) -> Iterator[Candidate]:
    """What the item has: "features X, Y and Z", "comes with X", "a bag with X"."""
    own = (
        words_of(reading.title)
        | reading.lexicon["work_nouns"]
        | {"it", "this", "which", "that", "they", "these"}
    )
    verbs = reading.lexicon["feature_verbs"]
    for token in reading.doc:
        confidence = 0.0
        if token.dep_ == "dobj" and token.head.lemma_ in verbs and token.head.lemma_ not in ("come", "pack"):
            subject = next((child for child in token.head.lefts if child.dep_ == "nsubj"), None)
            if (
                subject is None
                or subject.lemma_.lower() in own
                or subject.lower_ in own
                or reading.domain == "product"
            ):
                confidence = 0.7 if reading.domain == "product" else 0.55
        elif (
            token.dep_ == "pobj"
            and token.head.lower_ == "with"
            and token.head.head.pos_ in (*NOUNS, "VERB", "AUX")
        ):
            outer = token.head.head
            if outer.lemma_ in ("come", "equip", "fit", "complete", "pack", "finish", "supply") or (
                outer.pos_ in NOUNS and reading.domain == "product"
            ):
                confidence = 0.68
        if not confidence or negated(token):
            continue
        for part in conjuncts(token):
            yield from _part(reading, part, confidence)


def _part(reading: Reading, part: Token, confidence: float) -> Iterator[Candidate]:
    if (
        part.pos_ not in NOUNS
        or part.lemma_.lower() in reading.lexicon["feature_stop"]
        or part.ent_type_ == "PERSON"
        or negated(part)
    ):
        return
    start = phrase_start(part)
    while start < part.i and (
        reading.doc[start].lower_ in _PRAISE
        or reading.doc[start].pos_ in ("ADV", "PUNCT", "CCONJ")
        or (reading.doc[start].pos_ == "NUM" and reading.doc[start + 1].text != "-")
    ):
        start += 1
    length = part.i + 1 - start
    if length > 5:
        return
    plain = length == 1
    yield Candidate("feature", start, part.i + 1, confidence - (0.12 if plain else 0.0), "part")


def materials(reading: Reading) -> Iterator[Candidate]:
    """Materials that a product's text names, unless denied or only what the product is used on."""
    doc = reading.doc
    for hit in reading.hits_of("materials"):
        head = reading.head_of(hit)
        if negated(head) or compared(head) or doc[hit.start].text == "lead":
            continue
        if (
            hit.end < len(doc)
            and doc[hit.end].text == "-"
            and hit.end + 1 < len(doc)
            and doc[hit.end + 1].lower_ in ("free", "like", "effect", "look")
        ):
            continue
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
            continue
        if top.dep_ == "dobj" and top.head.lemma_ in (
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
        ):
            continue
        made = top.dep_ == "pobj" and top.head.lower_ in ("of", "from", "in", "with")
        yield Candidate("made_of", hit.start, hit.end, 0.86 if made else 0.76, "material")


def compatibility(reading: Reading) -> Iterator[Candidate]:
    """Devices, systems and standards after "compatible with", "works with", "fits", "available on" and the like."""
    doc = reading.doc
    for match in _COMPATIBLE.finditer(doc.text):
        cue = doc.char_span(match.start(), match.end() - 1, alignment_mode="expand")
        if (
            cue is None
            or cue.end >= len(doc)
            or any(negated(token) for token in cue[:1])
            or doc[max(0, cue.start - 1)].lower_ in ("not", "n't", "never")
        ):
            continue
        first = next(
            (
                token
                for token in doc[cue.end : cue.end + 8]
                if token.pos_ in (*NOUNS, "NUM", "X")
                and token.dep_ not in ("compound", "nmod", "amod", "nummod", "poss", "npadvmod")
            ),
            None,
        )
        if first is None or first.sent.start != cue[0].sent.start:
            continue
        words = match[0].lower()
        sure = any(
            word in words
            for word in (
                "compatib",
                "works with",
                "pairs",
                "sync",
                "use with",
                "connect",
                "playable",
                "available",
            )
        )
        game_only = any(
            word in words
            for word in (
                "available",
                "playable",
                "runs on",
                "plays on",
                "play on",
                "released",
                "comes to",
                "come to",
            )
        )
        if game_only and (reading.domain != "game" or first.pos_ != "PROPN"):
            continue
        if not sure and not game_only and reading.domain == "game":
            continue
        for thing in conjuncts(first):
            if (
                thing.pos_ not in (*NOUNS, "NUM", "X")
                or thing.sent.start != first.sent.start
                or thing.lemma_.lower()
                in (
                    "hand",
                    "pocket",
                    "bag",
                    "ear",
                    "head",
                    "drawer",
                    "lunch",
                    "place",
                    "seat",
                    "you",
                    "weight",
                    "load",
                    "kg",
                    "back",
                )
            ):
                continue
            start = max(phrase_start(thing), cue.end)
            while (
                start < thing.i
                and doc[start].lower_
                in ("most", "all", "any", "both", "every", "many", "other", "either", "standard")
                and doc[start].lower_ != "standard"
            ):
                start += 1
            yield Candidate("compatible_with", start, thing.i + 1, 0.84 if sure else 0.68, "works-with")
    for match in _HYPHEN_COMPATIBLE.finditer(doc.text):
        span = doc.char_span(*match.span(1), alignment_mode="expand")
        if span is not None and reading.domain == "product":
            yield Candidate("compatible_with", span.start, span.end, 0.75, "x-compatible")


def purposes(reading: Reading) -> Iterator[Candidate]:
    """used_for and audience: whom or what "for ..." hands the item to."""
    doc = reading.doc
    for pattern, name in ((_AGES, "ages"), (_FOR_WHOM, "players")):
        for match in pattern.finditer(doc.text):
            start = match.start() + (
                4
                if name == "players" and match[0].lower().startswith("for ")
                else 3
                if name == "players"
                else 0
            )
            span = doc.char_span(start, match.end(), alignment_mode="expand")
            if (
                span is not None
                and not negated(span.root)
                and (reading.domain != "work" or not re.match(r"\d", match[0]))
            ):
                yield Candidate("audience", span.start, span.end, 0.85 if name == "ages" else 0.7, name)
    for prep in doc:
        if prep.lower_ != "for" or prep.dep_ not in ("prep", "dative", "mark") or negated(prep):
            continue
        outer = prep.head
        ready = (
            outer.lemma_.lower() in _READY or outer.lemma_ in _MADE_FOR or doc[prep.i - 1].lower_ in _READY
        )
        verbal = outer.pos_ in ("VERB", "AUX") and not ready
        for child in prep.children:
            if child.dep_ == "pobj":
                for thing in conjuncts(child):
                    yield from _served(reading, thing, ready, verbal)
            elif child.dep_ == "pcomp" and child.tag_ == "VBG" and reading.domain == "product":
                for doing in conjuncts(child):
                    if doing.tag_ == "VBG":
                        yield from _doing(doing, ready)


def _served(reading: Reading, thing: Token, ready: bool, verbal: bool) -> Iterator[Candidate]:
    if thing.pos_ not in NOUNS and thing.tag_ != "VBG":
        return
    noun = thing.lemma_.lower()
    filler, crowd = reading.lexicon["audience.filler"], reading.lexicon["audience.nouns"]
    article = any(
        child.lower_ in ("a", "an", "his", "her", "their", "its", "this", "that") for child in thing.lefts
    )
    start = phrase_start(thing)
    people = (
        noun in crowd
        or thing.lower_ in crowd
        or any(hit.start <= thing.i < hit.end for hit in reading.hits_of("audience.nouns"))
        or (noun in reading.lexicon["character.nouns"] and thing.tag_ == "NNS")
    )
    if compared(thing) or noun in filler and start == thing.i:
        return
    if people and noun not in filler:
        whole = thing.lower_ == "family" and any(child.lower_ == "the" for child in thing.lefts)
        story = reading.domain == "work"
        if not (article or (story and not ready and thing.tag_ not in ("NNS", "NNPS") and not whole)):
            confidence = (0.85 if ready else 0.74) if not verbal else 0.6
            if story and verbal:
                confidence = 0.4
            yield Candidate("audience", start, thing.i + 1, confidence, "for-whom")
        return
    if reading.domain != "product":
        return
    use = noun.endswith("ing") or any(hit.start <= thing.i < hit.end for hit in reading.hits_of("uses"))
    if thing.ent_type_ in ("DATE", "TIME", "PERSON", "CARDINAL", "MONEY") or noun in (
        "year",
        "hour",
        "day",
        "month",
        "minute",
        "price",
        "money",
        "example",
        "reason",
        "life",
        "sale",
        "free",
        "comfort",
        "ease",
        "grip",
        "stability",
        "access",
        "time",
        "strength",
        "protection",
        "look",
        "durability",
        "convenience",
    ):
        return
    while start < thing.i and reading.doc[start].lower_ in _PRAISE:
        start += 1
    if thing.i - start <= 3 and (use or ready):
        yield Candidate("used_for", start, thing.i + 1, (0.82 if use else 0.66) if ready else 0.7, "for-what")


def _doing(doing: Token, ready: bool) -> Iterator[Candidate]:
    end = doing.i + 1
    for child in doing.rights:
        if child.dep_ in ("dobj", "prt") and child.i - doing.i <= 4:
            end = child.i + 1
    yield Candidate("used_for", doing.i, end, 0.8 if ready else 0.7, "for-doing")
