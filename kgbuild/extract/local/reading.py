"""One parsed text of an item, and the few questions about its parse that every construction asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import field as with_default
from functools import cached_property
from typing import TYPE_CHECKING

from kgbuild.extract.local.lexicon import Hit, Lexicon
from kgbuild.types import FieldName

if TYPE_CHECKING:
    from spacy.tokens import Doc, Span, Token

    from kgbuild.extract.local.meaning import Meaning

NOUNS = frozenset({"NOUN", "PROPN"})
_DETERMINERS = frozenset({"DT", "PRP$", "POS", "WP$", "PDT"})
_LEFT_PARTS = frozenset({"compound", "amod", "nmod", "nummod", "quantmod", "npadvmod"})
_NEGATIVES = frozenset(
    {
        "no",
        "not",
        "n't",
        "never",
        "without",
        "neither",
        "nor",
        "none",
        "hardly",
        "unlike",
        "lacks",
        "lack",
        "than",
    }
)
_APART = frozenset(
    {"unlike", "than", "like", "resembling", "reminiscent", "instead", "without", "lack", "lacks"}
)
_FOR_OTHERS = ("fans of", "fan of", "lovers of", "vein of", "style of", "reminiscent of", "spirit of")
_CLAUSES = frozenset({"ROOT", "relcl", "advcl", "ccomp"})
_JOINERS = frozenset(
    {",", "and", "or", "plus", "&", "/", "both", "either", "as well as", ", and", ", or", "with"}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fact that one construction reads at tokens [start, end) of a text.

    `value` None means: the words themselves.
    """

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
    meaning: Meaning
    tag_names: Callable[[Doc], Doc]
    title: str = ""
    category: str = ""
    _tagged: list[Doc] = with_default(default_factory=list)
    _cache: dict[str, frozenset[int]] = with_default(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """The document's, which spaCy puts together anew each time it is asked."""
        return str(self.doc.text)

    @cached_property
    def hits(self) -> list[Hit]:
        """The phrases of the lexicon that the text holds."""
        return self.lexicon.find(self.doc)

    def hits_of(self, *kinds: str) -> list[Hit]:
        """The phrases of the given classes."""
        return [hit for hit in self.hits if hit.kind in kinds]

    def covered(self, kind: str) -> frozenset[int]:
        """The tokens that phrases of the class cover."""
        if kind not in self._cache:
            self._cache[kind] = frozenset(i for hit in self.hits_of(kind) for i in range(hit.start, hit.end))
        return self._cache[kind]

    @cached_property
    def sentence_of(self) -> list[int]:
        """The number of the sentence that each token stands in."""
        numbers: list[int] = []
        for number, sentence in enumerate(self.doc.sents):
            numbers.extend([number] * len(sentence))
        return numbers

    @cached_property
    def phrase_heads(self) -> list[Token]:
        """The heads of the noun phrases, in the order of the text."""
        return [phrase.root for phrase in self.phrases]

    @cached_property
    def phrases(self) -> list[Span]:
        """The noun phrases, in the order of the text."""
        return list(self.doc.noun_chunks)

    def entity(self, token: Token) -> str:
        """What the tagger of names takes the token for ("GPE", "PERSON", ...; "" for nothing).

        Names are tagged on the first question only: it takes as long as the parse, and few texts need it.
        """
        if not self._tagged:
            self._tagged.append(self.tag_names(self.doc))
        return str(token.ent_type_)

    def head_of(self, hit: Hit) -> Token:
        """The token of the phrase that the others hang on."""
        span: Span = self.doc[hit.start : hit.end]
        return span.root

    def listed(self, start: int) -> Iterator[Token]:
        """Heads of the noun phrases of a list that begins at token `start`: "X, Y for Z and W" gives X, Y, W.

        The list ends at a verb, at the end of the sentence, or where it does not go on with a comma or "and".
        """
        doc = self.doc
        if start >= len(doc):
            return
        stop = doc[start].sent.end
        at = start
        first = True
        for chunk in self.phrases:
            if chunk.end <= start or chunk.start < at - 3 or chunk.root.i < at or chunk.end > stop:
                continue
            between = doc[at : max(at, chunk.start)]
            if any(token.pos_ in ("VERB", "AUX") or token.text in (";", ":", "—", "(") for token in between):
                return
            words = between.text.lower().strip()
            attached = any(token.dep_ == "prep" or token.pos_ == "ADP" for token in between)
            if (first and len(between) <= 2) or words in _JOINERS or words.rstrip(" upto") in _JOINERS:
                yield chunk.root
            elif not attached:
                return
            first = False
            at = chunk.end


def has_article(head: Token, *words: str) -> bool:
    """Whether one of the words (by default "a" or "an") is the phrase's determiner."""
    return any(child.lower_ in (words or ("a", "an")) for child in head.lefts)


def possessed(head: Token) -> bool:
    """Whether the phrase has a possessor: "his brother", "Pip's rise"."""
    return any(child.dep_ == "poss" for child in head.lefts)


def phrase_start(head: Token, keep: frozenset[str] | None = None) -> int:
    """The leftmost token of the noun phrase under `head`, without articles and possessives.

    With `keep`, adjectives outside it are dropped: they stand left of what changes the kind, as in "a shy
    retired detective", so the phrase starts after the last one that is dropped.
    """
    doc, start = head.doc, head.i
    for token in reversed(list(head.lefts)):
        if token.text in ("-", "–"):
            continue
        if token.dep_ not in _LEFT_PARTS or token.tag_ in _DETERMINERS or token.pos_ in ("PRON", "CCONJ"):
            break
        phrase = doc[token.left_edge.i : token.i + 1].text.lower()
        if keep is not None and token.dep_ != "compound" and token.lower_ not in keep and phrase not in keep:
            break
        whole = keep is None or token.dep_ == "compound" or phrase in keep
        start = min(start, token.left_edge.i if whole else token.i)
    for i in range(head.i - 1, start - 1, -1):
        if doc[i].tag_ in _DETERMINERS or doc[i].text in (",", "(", "“", '"', ";"):
            return i + 1
    return start


def with_number(head: Token) -> int:
    """The end of a name together with what numbers it: "PlayStation 5", "Xbox Series X"."""
    doc, end = head.doc, head.i + 1
    while (
        end < len(doc) and doc[end].pos_ in ("NUM", "PROPN") and not doc[end].is_punct and end - head.i <= 3
    ):
        end += 1
    return end


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
        # Sentences are asked for last: spaCy looks for their ends anew each time.
        if i >= 0 and doc[i].lower_ in _NEGATIVES and i >= token.sent.start:
            return True
    step: Token = token
    for _ in range(5):
        denials = (child for child in step.lefts if child.i <= token.i)
        if any(child.dep_ == "neg" or child.lower_ in ("no", "without", "neither") for child in denials):
            return True
        if step.lower_ in ("no", "without") or (step is not token and step.lower_ in _APART):
            return True
        if step.lower_ in ("of", "from") and step.i > 0 and doc[step.i - 1].lower_ in ("instead", "free"):
            return True
        if step.dep_ in _CLAUSES or step.head is step:
            break
        step = step.head
    return False


def compared(token: Token) -> bool:
    """Whether the token stands in "fans of X", "in the vein of X": another item, not this one."""
    doc, begin = token.doc, max(0, token.left_edge.i - 4)
    if not any(doc[i].lower_.startswith("of") for i in range(begin, token.i)):  # in all of _FOR_OTHERS
        return False
    words = doc[max(token.sent.start, begin) : token.i].text.lower()
    return any(cue in words for cue in _FOR_OTHERS)
