"""Precision and recall of extracted facts against hand-made labels, by relation and by category."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kgbuild.types import Item, Mention, Scalar
from plugbase.errors import UserError

__all__ = [
    "SCORED_RELATIONS",
    "Counts",
    "GoldFact",
    "GoldItem",
    "ScoreTable",
    "load_gold",
    "normalise",
    "score_facts",
]

SCORED_RELATIONS = (
    "theme",
    "setting",
    "period",
    "mood",
    "character",
    "based_on",
    "source_author",
    "award",
    "series",
    "audience",
    "used_for",
    "made_of",
    "compatible_with",
    "feature",
)
_ARTICLES = frozenset({"a", "an", "the"})
_IRREGULAR = {"children": "child", "women": "woman", "men": "man", "people": "person", "knives": "knife"}


@dataclass(frozen=True, slots=True)
class GoldFact:
    """One labelled fact; `accept` holds other wordings that are right as well."""

    relation: str
    value: str
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GoldItem:
    """An item with all the facts that its text states."""

    item: Item
    facts: tuple[GoldFact, ...]


@dataclass(slots=True)
class Counts:
    """Right, wrong and missed facts, and what follows from them."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def add(self, other: Counts) -> None:
        """Add another count to this one."""
        self.right += other.right
        self.wrong += other.wrong
        self.missed += other.missed

    @property
    def precision(self) -> float:
        """right / (right + wrong); 0 where nothing was predicted."""
        return self.right / (self.right + self.wrong) if self.right + self.wrong else 0.0

    @property
    def recall(self) -> float:
        """right / (right + missed); 0 where there was nothing to find."""
        return self.right / (self.right + self.missed) if self.right + self.missed else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def as_json(self) -> dict[str, float | int]:
        """The counts and the three measures, rounded to four digits."""
        return {
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "f1": round(self.f1, 4),
            "right": self.right,
            "wrong": self.wrong,
            "missed": self.missed,
        }


@dataclass(frozen=True)
class ScoreTable:
    """Micro-averaged counts: over all facts, by relation, by category of the item."""

    overall: Counts
    by_relation: Mapping[str, Counts]
    by_category: Mapping[str, Counts]
    wrong: Sequence[tuple[str, str, str]] = field(default_factory=list)
    """(item, relation, value) of every prediction that no label bears out, sorted."""
    missed: Sequence[tuple[str, str, str]] = field(default_factory=list)
    """(item, relation, value) of every label that no prediction met, sorted."""

    def as_json(self) -> dict[str, object]:
        """The measures without the single facts."""
        return {
            "overall": self.overall.as_json(),
            "by_relation": {name: counts.as_json() for name, counts in self.by_relation.items()},
            "by_category": {name: counts.as_json() for name, counts in self.by_category.items()},
        }

    def as_text(self) -> str:
        """A table of fixed width: a line for each relation and category, and the whole at the end."""
        lines = [f"{'':<18}{'P':>7}{'R':>7}{'F1':>7}{'right':>7}{'wrong':>7}{'missed':>8}"]
        rows = [*self.by_relation.items(), *self.by_category.items(), ("all", self.overall)]
        for name, c in rows:
            measures = f"{c.precision:>7.3f}{c.recall:>7.3f}{c.f1:>7.3f}"
            lines.append(f"{name:<18}{measures}{c.right:>7}{c.wrong:>7}{c.missed:>8}")
        return "\n".join(lines)


def normalise(value: Scalar) -> str:
    """The form in which two values are compared: case-folded, no articles, plural and singular as one."""
    text = "".join(char if char.isalnum() or char in "+.%&" else " " for char in str(value).casefold())
    words = [word.strip(".") for word in text.split()]
    return " ".join(_singular(word) for word in words if word and word not in _ARTICLES)


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def score_facts(
    predicted: Iterable[Mention],
    gold: Sequence[GoldItem],
    *,
    accept_quotes: bool = False,
    relations: Sequence[str] = SCORED_RELATIONS,
) -> ScoreTable:
    """Hold predictions against labels.

    A prediction is right if its relation is the label's and its value, normalised, equals the label's value
    or one of its accepted wordings. Each label counts once: a second prediction that meets it in other words
    is neither right nor wrong. Other relations than `relations`, and items that are not in `gold`, are not
    scored.

    Args:
        predicted: mentions of any items.
        gold: the labelled items.
        accept_quotes: let the quoted words of the text stand for the value as well, so that a value brought
            under a canonical label ("World War II" for "WWII") is judged by what was read.
        relations: what is scored, in the order of the table.
    """
    scored = {name: Counts() for name in relations}
    mentions: dict[str, list[Mention]] = defaultdict(list)
    for mention in predicted:
        if mention.relation in scored:
            mentions[mention.item].append(mention)
    categories: dict[str, Counts] = defaultdict(Counts)
    wrong: list[tuple[str, str, str]] = []
    missed: list[tuple[str, str, str]] = []
    for entry in gold:
        labels = [fact for fact in entry.facts if fact.relation in scored]
        met: set[int] = set()
        seen: set[tuple[str, str]] = set()
        category = categories[entry.item.category]
        for mention in mentions[entry.item.id]:
            key = (mention.relation, normalise(mention.value))
            if key in seen:
                continue
            seen.add(key)
            matching = [number for number, fact in enumerate(labels) if _says(mention, fact, accept_quotes)]
            fresh = [number for number in matching if number not in met]
            if fresh:
                met.add(fresh[0])
                counts = Counts(right=1)
            elif matching:
                continue
            else:
                counts = Counts(wrong=1)
                wrong.append((entry.item.id, mention.relation, str(mention.value)))
            scored[mention.relation].add(counts)
            category.add(counts)
        for number, fact in enumerate(labels):
            if number not in met:
                scored[fact.relation].missed += 1
                category.missed += 1
                missed.append((entry.item.id, fact.relation, fact.value))
    overall = Counts()
    for counts in scored.values():
        overall.add(counts)
    return ScoreTable(overall, scored, dict(sorted(categories.items())), sorted(wrong), sorted(missed))


def _says(mention: Mention, fact: GoldFact, accept_quotes: bool) -> bool:
    if mention.relation != fact.relation:
        return False
    right = {normalise(value) for value in (fact.value, *fact.accept)}
    said = {normalise(mention.value)}
    if accept_quotes and mention.quote:
        said.add(normalise(mention.quote))
    return not right.isdisjoint(said)


def load_gold(paths: Iterable[str | Path]) -> list[GoldItem]:
    """Read labelled items, one JSON object a line: an item with `facts` (tests/gold/README.md has the shape).

    Raises:
        UserError: a line is not JSON or lacks what a labelled item needs.
    """
    items: list[GoldItem] = []
    for path in paths:
        for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
            if line.strip():
                items.append(_gold_item(line, str(path), number))
    return items


def _gold_item(line: str, file: str, number: int) -> GoldItem:
    try:
        row = json.loads(line)
        facts = tuple(
            GoldFact(str(fact["relation"]), str(fact["value"]), tuple(map(str, fact.get("accept", ()))))
            for fact in row["facts"]
        )
        attributes = {
            str(name): tuple(values if isinstance(values, list) else [values])
            for name, values in row.get("attributes", {}).items()
        }
        item = Item(
            str(row["id"]),
            row.get("title", ""),
            row.get("description", ""),
            row.get("category", ""),
            attributes,
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        reason = f"not a labelled item: {type(error).__name__} {error}"
        raise UserError(reason, file=file, line=number, mend="tests/gold/README.md has the shape") from error
    return GoldItem(item, facts)
