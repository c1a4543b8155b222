"""The student: an extractor that reads on this machine, says how much it is in doubt, and learns from labels."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.extract import Extractor
from kgbuild.types import Item, Mention
from plugbase.console import Console
from plugbase.errors import UserError

if TYPE_CHECKING:
    from kgbuild.extract.span.extractor import ScoredSpan, SpanExtractor
    from kgbuild.extract.span.labels import LabelledItem
    from kgbuild.extract.span.training import TrainingSettings
    from kgbuild.schema import Schema

VERSION = 1
FEWEST_LESSONS = 20
"""Below this nothing is learnt from labels; the student reads as it did before."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """An item and what the teacher says that it states."""

    item: Item
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class StudentReading:
    """What the student reads out of an item, and its `doubt`: how many of its facts it expects to be wrong or
    missing, by its own probabilities."""

    item: Item
    mentions: list[Mention]
    doubt: float


class Student:
    """Reads with `before` until it has learnt something better.

    Args:
        before: how items are read without lessons: the local extractor, or one that was trained earlier.
        folder: where the extractor is written that learns from the lessons; it can be used with --extractor later.
        schema: the relations and their definitions.
        settings: how it is trained.
    """

    def __init__(
        self, before: Extractor, folder: Path, schema: Schema, settings: TrainingSettings | None = None
    ) -> None:
        self.before, self.folder, self.schema, self._settings = before, folder, schema, settings
        self.learnt: SpanExtractor | None = None

    def learn(self, lessons: Sequence[Lesson], console: Console) -> str:
        """Train on the lessons; whichever agrees better with the teacher reads from then on.

        What was there before is held against all lessons, what was learnt against the tenth that training held
        out.

        Returns:
            A sentence on what came of it.
        """
        labelled = [labels_of(lesson, self.schema) for lesson in lessons]
        n_facts = sum(len(values) for entry in labelled for values in entry.facts.values())
        if len(labelled) < FEWEST_LESSONS or not n_facts:
            return f"{len(labelled)} lessons are too few to learn from: read with {self.before.name}"
        return self.learn_labels(labelled, agreement(self.before, lessons), console)

    def learn_labels(self, labelled: Sequence[LabelledItem], before: float, console: Console) -> str:
        """The same from labels; `before` is the F1, against the teacher, of what was there before."""
        from kgbuild.extract.span import SpanExtractor, train_extractor

        try:
            summary = train_extractor(
                labelled, self.folder, schema=self.schema, settings=self._settings, console=console
            )
        except UserError as error:
            return f"nothing was learnt: {error.message}"
        learnt = summary.held_out["f1"]
        told = (
            f"F1 against the teacher: {learnt:.2f} learnt from {len(labelled)} lessons, {before:.2f} before"
        )
        if learnt > before:
            self.learnt = SpanExtractor.load(self.folder, self.schema)
            return told
        self.learnt = None
        return f"{told}: read as before"

    def resume(self) -> None:
        """Read with what an earlier run learnt."""
        from kgbuild.extract.span import SpanExtractor

        self.learnt = SpanExtractor.load(self.folder, self.schema)

    def read(self, items: Sequence[Item]) -> Iterator[StudentReading]:
        """Each item, in the order given."""
        if self.learnt is not None:
            for item, spans in self.learnt.candidates(items):
                yield StudentReading(
                    item, [self._mention(item, span) for span in spans if span.fact], doubt_of_spans(spans)
                )
            return
        for item, found in self.before.extract(items):
            mentions = found if isinstance(found, list) else []
            # An item without any fact may have all of them missing: half a fact of doubt.
            doubt = math.fsum(1 - mention.confidence for mention in mentions) if mentions else 0.5
            yield StudentReading(item, mentions, round(doubt, 4))

    def _mention(self, item: Item, span: ScoredSpan) -> Mention:
        place = (span.field, span.start, span.end, span.value)
        source = f"student:{self.folder.name}@{VERSION}"
        scope = self.schema.range_of(span.relation)
        return Mention(item.id, span.relation, span.value, span.probability, source, *place, scope)


def doubt_of_spans(spans: Sequence[ScoredSpan]) -> float:
    """Expected number of wrong and missing facts: of facts the probability that they are wrong, of other spans
    that they are right."""
    return round(math.fsum(1 - span.probability if span.fact else span.probability for span in spans), 4)


def labels_of(lesson: Lesson, schema: Schema) -> LabelledItem:
    """The lesson as labels to train on: relations of the schema, values that stand in the text as they are. The
    teacher read the whole text, so what it does not state is absent."""
    from kgbuild.extract.span.labels import LabelledItem, Value

    named = {
        wording.casefold(): name
        for name, spec in schema.relations.items()
        for wording in (*spec.wordings, name.replace("_", " "), name)
    }
    facts: dict[str, tuple[Value, ...]] = {}
    for mention in lesson.mentions:
        relation = named.get(mention.relation.casefold())
        if relation is None:
            continue
        text = str(mention.value)
        quoted = mention.quote is not None and mention.quote.casefold() == text.casefold()
        place = (mention.field, mention.start, mention.end) if quoted else (None, None, None)
        facts[relation] = (*facts.get(relation, ()), Value(text, (), *place))
    return LabelledItem(lesson.item, facts, complete=True)


def agreement(reader: Extractor, lessons: Sequence[Lesson]) -> float:
    """F1 of a reader's facts, taken by relation and value, against those of the lessons."""
    right = found = wanted = 0
    taught = {lesson.item.id: _facts(lesson.mentions) for lesson in lessons}
    for item, result in reader.extract([lesson.item for lesson in lessons]):
        mine = _facts(result) if isinstance(result, list) else set()
        right += len(mine & taught[item.id])
        found += len(mine)
        wanted += len(taught[item.id])
    return 2 * right / (found + wanted) if found + wanted else 0.0


def _facts(mentions: Sequence[Mention]) -> set[tuple[str, str]]:
    return {(mention.relation, str(mention.value).casefold()) for mention in mentions}
