"""The words of lexicon.yaml, indexed so that one pass over a text finds every phrase that it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

LEXICON_FILE = Path(__file__).with_name("lexicon.yaml")
_HYPHENS = frozenset({"-", "–", "‑"})


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase of the lexicon in a text: tokens [start, end), its class, and the label it goes under."""

    start: int
    end: int
    kind: str
    canonical: str | None


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Lists of words by dotted name ("character.keep") and the phrases to find in a text."""

    words: Mapping[str, frozenset[str]]
    maps: Mapping[str, Mapping[str, tuple[str, ...]]]
    digest: str
    phrases: dict[tuple[str, ...], list[tuple[str, str | None]]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> frozenset[str]:
        return self.words[name]

    def find(self, doc: Doc) -> list[Hit]:
        """Every phrase in the text, the longest where phrases of one class overlap; in the order of the text.

        Hyphens are passed over on both sides, so "coming-of-age" and "coming of age" are one phrase.
        """
        places = [token.i for token in doc if token.text not in _HYPHENS]
        lowers = [doc[i].lower_ for i in places]
        lemmas = [doc[i].lemma_.lower() for i in places]
        longest = max(map(len, self.phrases), default=0)
        taken: dict[str, int] = {}
        hits: list[Hit] = []
        for at in range(len(places)):
            for length in range(min(longest, len(places) - at), 0, -1):
                keys = {
                    tuple(lowers[at : at + length]): None,
                    (*lowers[at : at + length - 1], lemmas[at + length - 1]): None,
                    tuple(lemmas[at : at + length]): None,
                }
                for key in keys:
                    for kind, canonical in self.phrases.get(key, ()):
                        if taken.get(kind, -1) < at:
                            taken[kind] = at + length - 1
                            start, end = places[at], places[at + length - 1] + 1
                            hits.append(Hit(start, end, kind, canonical))
        return hits


def load_lexicon(nlp: Language) -> Lexicon:
    """Read lexicon.yaml; its phrases are cut into tokens by the same tokenizer as the texts are.

    Every scalar is read as text: "on" is a preposition here, not a truth value.
    """
    import yaml

    raw = LEXICON_FILE.read_bytes()
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # libyaml's, where PyYAML was built with it
    words: dict[str, frozenset[str]] = {}
    maps: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, value in _walk("", yaml.load(raw, Loader=loader)):
        if isinstance(value, list):
            words[name] = frozenset(str(word).lower() for word in value)
        elif isinstance(value, dict):
            maps[name] = {str(label): tuple(map(str, others or ())) for label, others in value.items()}
    lexicon = Lexicon(words, maps, hashlib.sha256(raw).hexdigest()[:12])
    for kind in _FOUND_LISTS:
        for word in sorted(words[kind]):
            _index(lexicon, nlp, word, kind, None)
    for kind in _FOUND_MAPS:
        for label, others in maps[kind].items():
            for wording in (label, *others):
                _index(lexicon, nlp, wording, kind, label)
    return lexicon


_FOUND_LISTS = (
    "character.nouns",
    "setting.strong",
    "setting.weak",
    "setting.names",
    "theme.weak",
    "mood.words",
    "award.names",
    "audience.nouns",
    "materials",
    "features",
    "game_features",
    "uses",
    "platforms",
    "part_adjectives",
)
_FOUND_MAPS = ("period", "theme.strong")


def _walk(prefix: str, node: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        name = f"{prefix}{key}"
        nested = isinstance(value, dict)
        if nested and name not in ("period", "theme.strong", "setting.same"):
            yield from _walk(f"{name}.", value)
        else:
            yield name, value


def _index(lexicon: Lexicon, nlp: Language, wording: str, kind: str, canonical: str | None) -> None:
    key = tuple(token.lower_ for token in nlp.make_doc(wording) if token.text not in _HYPHENS)
    entries = lexicon.phrases.setdefault(key, [])
    if all(kind != known for known, _ in entries):
        entries.append((kind, canonical))


@lru_cache(maxsize=256)  # an item is asked for its words again and again, then never more
def words_of(text: str) -> frozenset[str]:
    """The lower-cased words of a category or title, with plain plurals also in the singular."""
    words = set("".join(char if char.isalnum() else " " for char in text.lower()).split())
    return frozenset(words | {word[:-1] for word in words if word.endswith("s") and len(word) > 3})


def any_phrase(text: str, phrases: Iterable[str]) -> bool:
    """Whether the words of one of the phrases all stand in the text."""
    words = words_of(text)
    return any(set(phrase.split()) <= words for phrase in phrases)
