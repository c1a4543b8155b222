"""Worked examples for a call, chosen from labelled items: near to the items asked about, and unlike each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.extract.llm import LabelledItem, StatedFact
from kgbuild.types import Item
from plugbase.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encode = Callable[[Sequence[str]], "NDArray[np.float32]"]
"""Texts to (n, d) vectors of length 1."""

A_CALL = 3
UNLIKENESS = 0.3
"""What an example loses for being like one that is chosen already, as a share of that likeness."""
_VERSION = 1


class SimilarShots:
    """Chooses the labelled items that are nearest to those of a call, by maximal marginal relevance.

    The first is the nearest to any item of the call; each further one is near to the items and unlike the examples
    before it (Carbonell and Goldstein 1998, with cosines of sentence vectors). The nearest stands last in the call.
    The examples come after the part of the prompt that is the same in every call, so caches keep serving that part;
    what they hold changes from call to call.

    Args:
        labelled: what to choose from. Never items that the result is measured on.
        per_call: examples a call.
        encode: makes vectors of texts; MiniLM by default.

    Raises:
        UserError: there is nothing to choose from.
    """

    def __init__(
        self, labelled: Sequence[LabelledItem], *, per_call: int = A_CALL, encode: Encode | None = None
    ) -> None:
        if not labelled:
            raise UserError("there are no labelled items to choose examples from")
        self.labelled, self.per_call = list(labelled), per_call
        self._encode = encode or _encode_with_minilm
        self._vectors: NDArray[np.float32] | None = None
        told = [
            (text_of(one.item), one.item.category, [_told(fact) for fact in one.facts]) for one in labelled
        ]
        digest = hashlib.sha256(json.dumps(told).encode()).hexdigest()
        self.fingerprint = f"similar@{_VERSION}:{per_call}:{digest[:12]}"

    def choose(self, items: Sequence[Item]) -> list[LabelledItem]:
        """The examples for a call about these items, the nearest last; an item is no example of itself."""
        if self._vectors is None:
            self._vectors = self._encode([text_of(one.item) for one in self.labelled])
        asked = {text_of(item) for item in items}
        # Rounded, because the last bits of a vector depend on the machine.
        nearness = (self._vectors @ self._encode(sorted(asked)).T).max(axis=1).round(4)
        left = [at for at, one in enumerate(self.labelled) if text_of(one.item) not in asked]
        chosen: list[int] = []
        while left and len(chosen) < self.per_call:
            best = max(left, key=lambda at: (self._worth(at, chosen, float(nearness[at])), -at))
            chosen.append(best)
            left.remove(best)
        return [self.labelled[at] for at in reversed(chosen)]

    def _worth(self, at: int, chosen: Sequence[int], nearness: float) -> float:
        assert self._vectors is not None
        if not chosen:
            return nearness
        likeness = float((self._vectors[chosen] @ self._vectors[at]).max().round(4))
        return nearness - UNLIKENESS * likeness


def read_shots(path: str | Path, *, per_call: int = A_CALL, encode: Encode | None = None) -> SimilarShots:
    """Examples from a file of labelled items, the one that `kgbuild train-extractor` takes.

    Raises:
        UserError: the file cannot be read, or a line of it is no labelled item; says which and why.
    """
    from kgbuild.extract.span.labels import read_labelled

    shots = [
        LabelledItem(
            entry.item,
            tuple(
                StatedFact(relation, value.text)
                for relation, values in entry.facts.items()
                for value in values
            ),
        )
        for entry in read_labelled(path).items
    ]
    return SimilarShots(shots, per_call=per_call, encode=encode)


def text_of(item: Item) -> str:
    """What of an item is compared: its title and description."""
    return f"{item.title}\n{item.description}".strip()


def _encode_with_minilm(texts: Sequence[str]) -> NDArray[np.float32]:
    from kgbuild.resolve.meaning import encode

    return encode(texts)


def _told(fact: StatedFact) -> list[str]:
    return [fact.relation, fact.value, fact.quote]
