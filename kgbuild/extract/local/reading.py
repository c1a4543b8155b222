"""One parsed text of an item, and the few questions about its parse that every construction asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from kgbuild.extract.local.lexicon import Hit, Lexicon
from kgbuild.types import FieldName

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token

NOUNS = frozenset({"NOUN", "PROPN"})
_ARTICLES = frozenset({"det", "poss", "predet", "case", "preconj"})
_NEGATIVES = frozenset(
    {"no", "not", "n't", "never", "without", "neither", "nor", "none", "hardly", "unlike", "lacks", "lack"}
)
_COMPARING = frozenset({"unlike", "than", "like", "resembling", "reminiscent", "instead"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact that one construction reads at tokens [start, end) of a text. `value` None means: the words themselves."""

    relation: str
    start: int
    end: int
    confidence: float
    pattern: str
    value: str | None = None


@dataclass(frozen=True)
class Reading:
    """A parsed field of an item: its domain is "work", "game" or "product"."""

    field: FieldName
    doc: Doc
    domain: str
    lexicon: Lexicon
    title: str = ""

    @cached_property
    def hits(self) -> list[Hit]:
        """The phrases of the lexicon that the text holds."""
        return self.lexicon.find(self.doc)

    def hits_of(self, *kinds: str) -> list[Hit]:
        """The phrases of the given classes."""
        return [hit for hit in self.hits if hit.kind in kinds]

    @cached_property
    def sentence_of(self) -> list[int]:
        """The number of the sentence that each token stands in."""
        numbers: list[int] = []
        for number, sentence in enumerate(self.doc.sents):
            numbers.extend([number] * len(sentence))
        return numbers

    def head_of(self, hit: Hit) -> Token:
        """The token of the phrase that the others hang on."""
        span: Span = self.doc[hit.start : hit.end]
        return span.root


def phrase_start(head: Token, keep: frozenset[str] | None = None) -> int:
    """The leftmost token of the noun phrase under `head`, without articles and possessives.

    With `keep`, adjectives outside it are dropped: they stand left of what changes the kind, as in "a shy retired
    detective", so the phrase starts after the last one that is dropped.
    """
    start = head.i
    for token in reversed(list(head.lefts)):
        if token.dep_ in _ARTICLES or token.is_punct or token.pos_ in ("DET", "PRON", "CCONJ", "PUNCT"):
            if token.text in ("-", "–"):
                continue
            break
        if token.dep_ not in ("compound", "amod", "nmod", "nummod", "quantmod", "npadvmod"):
            break
        if keep is not None and token.dep_ != "compound" and not _kept(token, keep):
            break
        start = min(start, token.left_edge.i if keep is None or token.dep_ == "compound" else token.i)
    return _after_articles(head, start)


def _kept(token: Token, keep: frozenset[str]) -> bool:
    return token.lower_ in keep or token.doc[token.left_edge.i : token.i + 1].text.lower() in keep


def _after_articles(head: Token, start: int) -> int:
    doc = head.doc
    for i in range(head.i - 1, start - 1, -1):
        if (
            doc[i].dep_ == "case"
            or doc[i].tag_ in ("DT", "PRP$", "POS", "WP$", "PDT")
            or doc[i].text in (",", "(", "“", '"')
        ):
            return i + 1
    return start


def with_of(head: Token) -> int:
    """The end of the phrase with an "of ..." that completes it ("cost of ambition"): one noun phrase deep."""
    for child in head.rights:
        if child.dep_ == "prep" and child.lower_ == "of" and child.i == head.i + 1:
            for thing in child.children:
                if thing.dep_ == "pobj" and thing.i - child.i <= 4:
                    return int(thing.i) + 1
    return head.i + 1


def conjuncts(token: Token) -> Iterator[Token]:
    """The token and everything joined to it by "and", "or" and commas, in the order of the text."""
    yield token
    for child in token.rights:
        if child.dep_ == "conj":
            yield from conjuncts(child)


def negated(token: Token) -> bool:
    """Whether the statement that the token belongs to is denied or is a comparison with something else."""
    doc = token.doc
    left = token.left_edge.i
    for i in (left - 1, left - 2):
        if i >= token.sent.start and doc[i].lower_ in _NEGATIVES | {"than"}:
            return True
    step: Token = token
    for _ in range(5):
        if any(
            child.dep_ == "neg" or child.lower_ in ("no", "without", "neither")
            for child in step.lefts
            if child.i <= token.i
        ):
            return True
        if step.lower_ in ("no", "without") or (
            step is not token and step.lower_ in _COMPARING | {"without", "lack", "lacks"}
        ):
            return True
        if step.lower_ in ("of", "from") and step.i > 0 and doc[step.i - 1].lower_ in ("instead", "free"):
            return True
        if step.dep_ in ("ROOT", "relcl", "advcl", "ccomp") or step.head is step:
            break
        step = step.head
    return False


def compared(token: Token) -> bool:
    """Whether the token stands in "fans of X", "in the vein of X", "like X": another item, not this one."""
    words = token.doc[max(token.sent.start, token.left_edge.i - 4) : token.i].text.lower()
    return any(
        cue in words
        for cue in ("fans of", "fan of", "lovers of", "vein of", "style of", "reminiscent of", "spirit of")
    )


def before(token: Token, count: int = 1) -> str:
    """The words just left of the token's phrase, lower-cased."""
    left = phrase_start(token)
    doc = token.doc
    while left > 0 and (doc[left - 1].tag_ in ("DT", "PRP$", "POS")):
        left -= 1
    return doc[max(0, left - count) : left].text.lower()
