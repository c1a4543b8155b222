"""The extractor in which a language model teaches a small one: labels for a few items, facts for all."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Iterable, Iterator, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.extract import BudgetReachedError, ExtractionResult, Metered, load_extractor
from kgbuild.teach.budget import TeachingBudget
from kgbuild.teach.choosing import far_apart, in_doubt
from kgbuild.teach.student import FEWEST_LESSONS, Lesson, Student
from kgbuild.types import Item, Mention
from plugbase.console import Console
from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from kgbuild.extract.llm.spending import CallRecord, Spending
    from kgbuild.extract.span.training import TrainingSettings
    from kgbuild.schema import Schema

VERSION = 1
APART, IN_DOUBT = 0.5, 0.25
"""Shares of the budget that go to items far apart and, once that taught something, to items in doubt; the rest is
for what the student hands back."""
_LOOKED_AT = 2_000
"""Items, drawn with a fixed seed, among which those to label are chosen."""
_AT_ONCE = 64
_TOKENS_GUESSED_ON = 50


@dataclass(frozen=True)
class Progress:
    """How far a run is, as it is kept in the work file."""

    items: int
    """What the teacher may read in all."""
    told: str
    has_learnt: bool
    doubt: float
    """From which on the student hands an item back."""
    left: int
    """Items that may still be handed back."""


class TeachingExtractor:
    """Reads with a student that learnt from a teacher's answers for a part of the items.

    All items are held in memory. Nothing is given before the student has learnt; what the teacher said until then is
    in the work file, so that a killed run asks nothing twice and chooses the same items again.

    Args:
        schema: the relations.
        teacher: "openai:MODEL".
        student: "local", or the folder of a trained extractor.
        budget: see TeachingBudget.read.
        folder: where what the student learnt is written.
        encode: sentence vectors of texts; MiniLM by default.
        training: how the student is trained.
        options: of the teacher, by the names of OpenAIExtractor's arguments.

    Raises:
        UserError: there is no such teacher or student, or the budget is none.
    """

    name = "teacher"
    costly = True

    def __init__(
        self,
        *,
        schema: Schema,
        teacher: str,
        folder: str | Path,
        student: str = "local",
        budget: str = "5%",
        encode: Callable[[Sequence[str]], Any] | None = None,
        training: TrainingSettings | None = None,
        **options: Any,
    ) -> None:
        self.budget = TeachingBudget.read(budget)
        backend, _, model = teacher.partition(":")
        if backend != "openai" or not model:
            mend = did_you_mean(backend, ["openai"]) or "name it so: --teacher openai:MODEL"
            raise UserError(f"no teacher is called {teacher!r}", mend=mend)
        if self.budget.tokens is not None:
            options["max_tokens"] = min(self.budget.tokens, options.get("max_tokens") or self.budget.tokens)
        loaded = load_extractor("openai", schema=schema, model=model, **options)
        assert isinstance(loaded, Metered)
        self.teacher: Metered = loaded
        before = (
            load_extractor("local", schema=schema)
            if student == "local"
            else load_extractor("span", schema=schema, folder=student)
        )
        self.student = Student(before, Path(folder), schema, training)
        self._encode = encode or _encode_with_minilm
        said = [VERSION, loaded.fingerprint, before.fingerprint, asdict(self.budget)]
        self._taught_by = loaded.fingerprint
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
        self.fingerprint = f"teacher@{VERSION}:{digest}"
        self._memory: MutableMapping[str, Any] = {}
        self._tell: Callable[[str], None] = lambda text: None
        self._may_ask = True

    # -- as the pipeline has it ----------------------------------------------------------------------------------

    @property
    def spent(self) -> Spending:
        """What the teacher's calls of this run came to."""
        return self.teacher.spent

    def attach(
        self,
        *,
        tell: Callable[[str], None],
        earlier: Iterable[CallRecord],
        keep_call: Callable[[CallRecord], None],
        memory: MutableMapping[str, Any],
    ) -> None:
        """See Metered."""
        self._tell, self._memory = tell, memory
        self.teacher.attach(tell=tell, earlier=earlier, keep_call=keep_call, memory=memory)

    def estimate(self, items: Iterable[Item]) -> Spending:
        """What the teacher would take for its share of the items."""
        every = list(items)
        return self.teacher.estimate(_drawn(every, self._allowed(every)))

    def close(self) -> None:
        """End the teacher's connections."""
        self.teacher.close()

    def extract(self, items: Iterable[Item]) -> Iterator[ExtractionResult]:
        """Each item with its mentions: the teacher's where it read the item, else the student's."""
        every = list(items)
        if not every:
            return
        kept = self._memory.get(self._progress_name)
        progress = Progress(**kept) if kept else self._teach(every)
        if kept and progress.has_learnt:
            self.student.resume()
        lessons = {item.id: lesson for item in every if (lesson := self._lesson(item)) is not None}
        for lesson in lessons.values():
            yield lesson.item, list(lesson.mentions)
        yield from self._read([item for item in every if item.id not in lessons], progress)

    # -- teaching ------------------------------------------------------------------------------------------------

    def _teach(self, every: Sequence[Item]) -> Progress:
        """Have the teacher read what is worth the most, train on it, and settle what is handed back later."""
        console = Console(quiet=True)
        allowed = self._allowed(every)
        pool = _drawn(every, _LOOKED_AT)
        vectors = self._encode([f"{item.title}\n{item.description}".strip() for item in pool])
        # Too few to learn from are better used than kept.
        n_apart = max(round(APART * allowed), min(allowed, FEWEST_LESSONS))
        taken = far_apart(vectors, n_apart)
        lessons = self._ask([pool[row] for row in taken])
        told = self.student.learn(lessons, console)
        n_in_doubt = min(round(IN_DOUBT * allowed), allowed - n_apart)
        if n_in_doubt and self._may_ask and self.student.learnt is not None:
            doubts = [reading.doubt for reading in self.student.read(pool)]
            more = in_doubt(vectors, doubts, n_in_doubt, taken)
            lessons += self._ask([pool[row] for row in more])
            told = self.student.learn(lessons, console)
        self._tell(told)
        left = max(0, allowed - len(lessons)) if self._may_ask else 0
        read = {lesson.item.id for lesson in lessons}
        rest = [item for item in every if item.id not in read]
        sample = sorted((one.doubt for one in self.student.read(_drawn(rest, _LOOKED_AT))), reverse=True)
        at = min(len(sample) - 1, left * len(sample) // max(1, len(rest)))
        doubt = sample[at] if sample else 0.0
        progress = Progress(allowed, told, self.student.learnt is not None, doubt, left)
        self._memory[self._progress_name] = asdict(progress)
        return progress

    def _read(self, rest: Sequence[Item], progress: Progress) -> Iterator[ExtractionResult]:
        """The student's readings; the teacher's of what it is in doubt of, as long as that may be asked."""
        left = progress.left
        for begin in range(0, len(rest), _AT_ONCE):
            readings = list(self.student.read(rest[begin : begin + _AT_ONCE]))
            doubtful = sorted(
                (one for one in readings if one.doubt >= progress.doubt),
                key=lambda one: (-one.doubt, one.item.id),
            )[:left]
            if doubtful and self._may_ask:
                answered = {lesson.item.id: lesson for lesson in self._ask([one.item for one in doubtful])}
                left -= len(doubtful)
                self._memory[self._progress_name] = {**asdict(progress), "left": left}
            else:
                answered = {}
            for one in readings:
                lesson = answered.get(one.item.id)
                yield one.item, one.mentions if lesson is None else list(lesson.mentions)

    def _ask(self, items: Sequence[Item]) -> list[Lesson]:
        """The teacher's answers for items, from the work file where they are there; the student will read those that
        it has none for."""
        found = {item.id: lesson for item in items if (lesson := self._lesson(item)) is not None}
        try:
            for item, result in self.teacher.extract(item for item in items if item.id not in found):
                if isinstance(result, list):
                    found[item.id] = Lesson(item, tuple(result))
                    self._memory[self._lesson_name(item)] = [asdict(mention) for mention in result]
        except BudgetReachedError as error:
            self._may_ask = False
            self._tell(f"the teacher reads no more: {error}")
        return [found[item.id] for item in items if item.id in found]

    def _lesson(self, item: Item) -> Lesson | None:
        kept = self._memory.get(self._lesson_name(item))
        return None if kept is None else Lesson(item, tuple(Mention(**one) for one in kept))

    def _lesson_name(self, item: Item) -> str:
        # What the teacher said stays good whoever learns from it.
        told = json.dumps([self._taught_by, item.id, item.title, item.description, item.category])
        return f"lesson {hashlib.sha256(told.encode()).hexdigest()[:24]}"

    @property
    def _progress_name(self) -> str:
        return f"teaching {self.fingerprint}"

    def _allowed(self, every: Sequence[Item]) -> int:
        if self.budget.share is not None:
            return self.budget.items(len(every), 0)
        sample = _drawn(every, _TOKENS_GUESSED_ON)
        return self.budget.items(len(every), self.teacher.estimate(sample).tokens / max(1, len(sample)))


def _drawn(items: Sequence[Item], number: int) -> list[Item]:
    """So many of the items, drawn with a fixed seed, in their own order."""
    if number >= len(items):
        return list(items)
    return [items[at] for at in sorted(random.Random(0).sample(range(len(items)), number))]


def _encode_with_minilm(texts: Sequence[str]) -> Any:
    from kgbuild.resolve.meaning import encode

    return encode(texts)
