"""A trained extractor at work: items in, mentions or scored spans out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.extract.span import store
from kgbuild.extract.span.calibration import Calibration
from kgbuild.extract.span.labels import relation_text
from kgbuild.extract.span.memory import Memory
from kgbuild.extract.span.negation import negated
from kgbuild.extract.span.reading import Choice, choices, margins_of
from kgbuild.extract.span.spans import Span, label_pieces, windows_of
from kgbuild.types import FieldName, Item, Mention

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kgbuild.extract import ExtractionResult
    from kgbuild.schema import Schema

VERSION = 1
_TOGETHER = 16
"""Items whose texts are read at once."""


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """A span that could be the value of a relation of its item.

    `probability` is calibrated; `fact` says whether the extractor itself takes it for one.
    """

    relation: str
    value: str
    field: FieldName
    start: int
    end: int
    probability: float
    fact: bool


class SpanExtractor:
    """Reads items with a folder that `kgbuild train-extractor` wrote; loads it on first use.

    Args:
        folder: the trained extractor.
        schema: ranges of relations, and definitions of relations that training did not see: those that
            kgbuild's own schema does not have are asked for too.
        relations: ask for these alone.

    Raises:
        UserError: the folder is no extractor, or is damaged.
    """

    name = "span"
    costly = True

    def __init__(
        self, *, folder: str | Path, schema: Schema | None = None, relations: Sequence[str] | None = None
    ) -> None:
        self.folder = Path(folder)
        self.meta = store.load_meta(self.folder)
        self.schema = schema
        self.several: bool = self.meta["several"]
        self.calibration = Calibration(**self.meta["calibration"])
        self.definitions = self._definitions(schema)
        if relations is not None:
            self.definitions = {name: self.definitions.get(name, "") for name in relations}
        self.fingerprint = f"span@{VERSION}:{self._digest()}"
        self._memory = Memory.from_json(self.meta["values"], list(self.definitions))
        self._network: Any = None
        self._labels: Any = None

    @classmethod
    def load(cls, folder: str | Path, schema: Schema | None = None) -> SpanExtractor:
        """The extractor of a folder, with the network in memory."""
        extractor = cls(folder=folder, schema=schema)
        extractor._load()
        return extractor

    def extract(self, items: Sequence[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions, in the order given, sorted by field, place and relation."""
        for item, spans in self.candidates(items):
            yield item, [self._mention(item, span) for span in spans if span.fact]

    def candidates(
        self, items: Sequence[Item], least: float = 0.05
    ) -> Iterator[tuple[Item, list[ScoredSpan]]]:
        """Each item with every span whose probability is at least `least`, facts or not."""
        for item, spans, margins in self.scored(items):
            yield item, self._likely(item, spans, margins, least) if spans else []

    def scored(self, items: Sequence[Item]) -> Iterator[tuple[Item, list[Span], NDArray[np.float32]]]:
        """Each item with its spans and how far each is above absence: (spans, relations asked for)."""
        self._load()
        for begin in range(0, len(items), _TOGETHER):
            some = items[begin : begin + _TOGETHER]
            texts = [windows_of(item, self.meta["cut_forms"]) for item in some]
            texts = [windows if any(window.spans for window in windows) else [] for windows in texts]
            known = [
                [list(self._memory.signs(window, places)) for window in windows]
                for windows, places in zip(texts, map(self._remembered, some), strict=True)
            ]
            found = margins_of(self._network, texts, known, self._labels)
            for item, windows, margins in zip(some, texts, found, strict=True):
                yield item, [span for window in windows for span in window.spans], margins

    def _remembered(self, item: Item) -> list[int]:
        """Places of the relations whose values in training count for the item.

        Nothing is known of relations that training did not see, not even that a value is another's.
        """
        asked = self._asked(item.category)
        return [
            at for at, name in enumerate(self.definitions) if name in asked and name in self.meta["values"]
        ]

    def _likely(
        self, item: Item, spans: Sequence[Span], margins: NDArray[np.float32], least: float
    ) -> list[ScoredSpan]:
        asked = self._asked(item.category)
        found: list[ScoredSpan] = []
        reach = _log_sums(margins) - self.calibration.bias
        for column, relation in enumerate(self.definitions):
            # No span of a relation can be likelier than all of them together.
            most = float(reach[column])
            if relation not in asked or (most <= 0 and self.calibration.probability(most) < least):
                continue
            ranked = choices(spans, margins[:, column], several=self.several, bias=self.calibration.bias)
            stated = [choice for choice in ranked if not self._negated(item, choice)]
            for rank, choice in enumerate(stated):
                fact = choice.over > 0 and (self.several or rank == 0)
                # 1 is kept for what the catalogue knows.
                probability = min(0.999, round(self.calibration.probability(choice.logit), 3))
                if fact or probability >= least:
                    span = choice.span
                    found.append(
                        ScoredSpan(relation, span.text, span.field, span.start, span.end, probability, fact)
                    )
        return sorted(found, key=lambda span: (span.field, span.start, span.end, span.relation))

    @staticmethod
    def _negated(item: Item, choice: Choice) -> bool:
        return negated(getattr(item, choice.span.field), choice.span.start, choice.span.end)

    def _mention(self, item: Item, span: ScoredSpan) -> Mention:
        return Mention(
            item.id,
            span.relation,
            span.value,
            span.probability,
            f"{self.name}:{self.folder.name}@{VERSION}",
            span.field,
            span.start,
            span.end,
            span.value,
            self.schema.range_of(span.relation) if self.schema else None,
        )

    def _definitions(self, schema: Schema | None) -> dict[str, str]:
        """Every relation that is asked for: those of training, and those that only the user's schema has."""
        from kgbuild.schema import load_schema

        trained = {entry["name"]: str(entry["definition"]) for entry in self.meta["relations"]}
        ours = load_schema().relations
        added = {name: spec.definition for name, spec in (schema.relations if schema else {}).items()}
        return trained | {name: text for name, text in added.items() if name not in {*trained, *ours}}

    def _asked(self, category: str) -> set[str]:
        """A relation that was labelled in some categories only is asked of items of those."""
        labelled: set[str] = set(self.meta["values"])
        known: list[str] = self.meta["categories"].get(category, [])
        return {name for name in self.definitions if not known or name in known or name not in labelled}

    def _load(self) -> None:
        if self._network is not None:
            return
        import torch

        from kgbuild.extract.span.margins import make_ready
        from kgbuild.extract.span.network import SpanNetwork, sentence_vectors

        network = SpanNetwork(self.meta["settings"]["adapter_rank"])
        weights = store.load_weights(self.folder, self.meta)
        with torch.no_grad():
            for name, value in network.stored().items():
                value.copy_(weights[name])
        make_ready(network)
        self._network = network.eval()
        pieces = [label_pieces(relation_text(name, text)) for name, text in self.definitions.items()]
        self._labels = sentence_vectors(pieces)

    def _digest(self) -> str:
        import hashlib

        told = (VERSION, self.meta, sorted(self.definitions.items()))
        return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def _log_sums(margins: NDArray[np.float32]) -> NDArray[np.float32]:
    """Logarithm of the sum of exponentials over each column."""
    import numpy as np

    peak = margins.max(axis=0)
    sums: NDArray[np.float32] = peak + np.log(np.exp(margins - peak).sum(axis=0))
    return sums
