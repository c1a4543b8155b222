"""What a check found wrong: the first problems of every rule in full, the others as a count."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace

SHOWN_PER_RULE = 10


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    Args:
        subject: the IRI that it was found at, if any.
        predicate: the IRI of the predicate that is wrong, where it is one.
        line: in `file`, counted from 1; None where no line begins with the subject.
    """

    rule: str
    message: str
    mend: str
    file: str
    line: int | None = None
    subject: str | None = None
    predicate: str | None = None

    def text(self) -> str:
        """Two lines for people: the place with what is wrong, and the mend."""
        at = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{at}: {self.message}\n  {self.mend}"


@dataclass
class Problems:
    """The problems of one graph."""

    file: str
    counts: Counter[str] = field(default_factory=Counter)
    found: list[Problem] = field(default_factory=list)

    def add(
        self,
        rule: str,
        message: str,
        mend: str,
        *,
        subject: str | None = None,
        predicate: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        """Note one problem."""
        self.counts[rule] += 1
        if self.counts[rule] <= SHOWN_PER_RULE:
            self.found.append(Problem(rule, message, mend, file or self.file, line, subject, predicate))

    def put(self, lines: dict[tuple[str, str | None], int]) -> None:
        """Give the problems of the graph their lines, by subject and predicate."""
        self.found = [
            replace(each, line=lines.get((each.subject, each.predicate)))
            if each.subject is not None and each.line is None
            else each
            for each in self.found
        ]

    def shown(self) -> list[Problem]:
        """The first problems of every rule, by file and line."""
        return sorted(self.found, key=lambda each: (each.file, each.line or 0, each.rule, each.message))
