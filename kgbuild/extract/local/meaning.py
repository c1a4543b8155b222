"""Words that no list holds, typed by their nearest neighbours of the lexicon in MiniLM's space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kgbuild.extract.local.lexicon import Lexicon

NEIGHBOURS = 3
MIN_SIMILARITY = 0.42
MIN_MARGIN = 0.06
"""Chosen on the lexicon itself, each word held out in turn: at these, 93 of 100 nouns that are called a
person or a place are one, and 99 of 100 adjectives that are called a tone (docs/local-extractor.md)."""
_REMEMBERED = 50_000
"""Answers that are kept, the latest: some 10 MB."""
_NOUN_CLASSES = {"person": "character.nouns", "place": "setting.strong", "absent": "absent"}
_ADJECTIVE_CLASSES = {"tone": "mood.words", "absent": "mood.not"}


class Meaning:
    """Types words and short phrases and remembers the answers.

    Words that were not met yet are typed by `answer`, all at once; until then they are "absent". Similarities
    are rounded to three digits before they meet a threshold: the answer does not depend on what else is read.

    Args:
        lexicon: the words whose types are known.
        encoder: makes MiniLM as it came; called when the first words are typed.
    """

    def __init__(self, lexicon: Lexicon, encoder: Callable[[], Any]) -> None:
        self.unanswered = 0
        """How often words were asked for that were not met yet."""
        self._lexicon = lexicon
        self._make_encoder = encoder
        self._encoder: Any = None
        self._prototypes: dict[str, NDArray[np.float32]] = {}
        self._answers: dict[tuple[str, str], tuple[str, float]] = {}
        self._open: dict[tuple[str, str], Mapping[str, str]] = {}

    def noun(self, text: str) -> tuple[str, float]:
        """("person" | "place" | "absent", mean cosine of the nearest words of that class)."""
        return self._type(text, "noun", _NOUN_CLASSES)

    def adjective(self, text: str) -> tuple[str, float]:
        """("tone" | "absent", mean cosine of the nearest words of that class)."""
        return self._type(text, "adjective", _ADJECTIVE_CLASSES)

    def answer(self) -> None:
        """Type the words that were asked for and not met yet."""
        if not self._open:
            return
        vectors = self._encode([text for _, text in self._open])
        for vector, (key, classes) in zip(vectors, self._open.items(), strict=True):
            scores = {label: self._nearness(vector, words) for label, words in classes.items()}
            best, other = sorted(scores, key=lambda label: (-scores[label], label))[:2]
            sure = scores[best] >= MIN_SIMILARITY and round(scores[best] - scores[other], 3) >= MIN_MARGIN
            self._answers[key] = (best, scores[best]) if sure else ("absent", scores[best])
        self._open.clear()
        for oldest in list(self._answers)[:-_REMEMBERED]:
            del self._answers[oldest]

    def _type(self, text: str, kind: str, classes: Mapping[str, str]) -> tuple[str, float]:
        key = (kind, text.lower())
        if key not in self._answers:
            self.unanswered += 1
            self._open[key] = classes
            return "absent", 0.0
        return self._answers[key]

    def _nearness(self, vector: NDArray[np.float32], words: str) -> float:
        import numpy as np

        if words not in self._prototypes:
            self._prototypes[words] = self._encode(sorted(self._lexicon[words]))
        cosines = self._prototypes[words] @ vector
        return round(float(np.sort(cosines)[-NEIGHBOURS:].mean()), 3)

    def _encode(self, texts: list[str]) -> NDArray[np.float32]:
        """(n, 384) unit vectors."""
        import numpy as np

        from kgbuild.encoder.packed import unit_vectors
        from kgbuild.extract.span.spans import label_pieces

        if self._encoder is None:
            self._encoder = self._make_encoder()
        return np.asarray(unit_vectors(self._encoder, [label_pieces(text) for text in texts]), np.float32)
