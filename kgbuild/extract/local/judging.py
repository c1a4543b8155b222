"""The span model that ships with the project, asked how well words fit relations rather than for facts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kgbuild.extract.local.weighing import PRUNED, Place
from kgbuild.extract.span import negation
from kgbuild.extract.span.extractor import SpanExtractor
from kgbuild.extract.span.spans import Span
from kgbuild.schema import Schema, load_schema
from kgbuild.types import Item

DEFAULT_FOLDER = Path(negation.__file__).with_name("default")


class Judge(SpanExtractor):
    """Scores of spans by a folder that `train_extractor` wrote; an item is read by itself."""

    def _definitions(self, schema: Schema | None) -> dict[str, str]:
        """What was trained on, and relations of a user's own; not those that a catalogue knows by itself."""
        asked = {entry["name"]: str(entry["definition"]) for entry in self.meta["relations"]}
        shipped = load_schema().relations
        for name, spec in schema.relations.items() if schema else ():
            known = shipped.get(name)
            if name in asked or known is None or known.definition != spec.definition:
                asked[name] = spec.definition
        return asked

    def sentence_encoder(self) -> Any:
        """MiniLM as it came, for vectors of words; what the network has of it is shared."""
        from kgbuild.encoder.layout import lay_out
        from kgbuild.extract.span.network import sentence_encoder

        self._load()
        encoder = sentence_encoder(self._network)
        lay_out(encoder)
        return encoder

    def _remembered(self, item: Item) -> list[int]:
        return [at for at, name in enumerate(self.definitions) if name in self.meta["values"]]

    def margins(
        self, item: Item, spans: Sequence[Span], scores: NDArray[np.float32], also: Collection[Place] = ()
    ) -> dict[Place, dict[str, float]]:
        """For words whose score is near or above that of absence in some relation, the margins of all.

        Denied words are left out. Margins are rounded to two digits, far above what differs by platform.

        Args:
            item: what is read.
            spans: its spans, as `scored` has them.
            scores: (spans, relations), likewise.
            also: words that are looked at whatever their margins.
        """
        if not spans:
            return {}
        names = list(self.definitions)
        places = {(span.field, span.start, span.end): at for at, span in enumerate(spans)}
        looked_at = {*np.flatnonzero(scores.max(axis=1) > PRUNED).tolist()}
        looked_at.update(places[place] for place in also if place in places)
        found: dict[Place, dict[str, float]] = {}
        for at in sorted(looked_at):
            span = spans[at]
            if not negation.negated(getattr(item, span.field), span.start, span.end):
                row = np.round(scores[at].astype(float), 2).tolist()
                found[span.field, span.start, span.end] = dict(zip(names, row, strict=True))
        return found
