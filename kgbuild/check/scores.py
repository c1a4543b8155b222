"""Any tool's facts against labels: how many are right, how many nobody asked for, and how steady they are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kgbuild.check.predictions import read_predictions
from kgbuild.evaluate import GoldFact, GoldItem, ScoreTable, normalise, score_facts
from kgbuild.extract.span.labels import LabelledItem, read_labelled
from kgbuild.types import Item, Mention
from plugbase.errors import UserError

Triple = tuple[str, str, str]


@dataclass(frozen=True)
class Agreement:
    """Two predictions side by side, as sets of facts compared in the form of `normalise`."""

    jaccard: float
    """Facts in both / facts in either; 1 where both are empty."""
    in_both: int
    only_first: int
    only_second: int


@dataclass(frozen=True)
class Scores:
    """What a file of predictions is worth. Shares are of the facts predicted for labelled items.

    `over_extraction`: in a relation for which the item has no label, though somebody looked.
    `off_schema`: in a relation that no label uses; not in precision, for nobody said whether it is right.
    `verbatim`: the value, or the words it was read from, stand in the item's title or description.
    `relation_entropy`: of the relation names of all predictions, in bits (Shannon 1948).
    """

    table: ScoreTable
    predicted: int
    on_labelled_items: int
    labelled_items: int
    items_without_prediction: int
    labels_not_in_text: int
    over_extraction: float
    off_schema: float
    verbatim: float
    relation_names: int
    relation_entropy: float
    agreement: Agreement | None

    def as_json(self) -> dict[str, Any]:
        """The measures without the single facts; shares rounded to four digits."""
        plain = {name: value for name, value in vars(self).items() if name not in ("table", "agreement")}
        rounded = {
            name: round(value, 4) if isinstance(value, float) else value for name, value in plain.items()
        }
        return {**self.table.as_json(), **rounded, "agreement": self.agreement and asdict(self.agreement)}


def score_predictions(predicted: Path, labelled: Path, again: Path | None = None) -> Scores:
    """Score the predictions of a file against the labels of another.

    Names of relations are compared without case, spaces, hyphens and underscores told apart; values as
    `kgbuild.evaluate.normalise` does. Where a value comes with the words it was read from, either may be right.

    Args:
        again: the predictions of a second run of the same tool, for `agreement`.

    Raises:
        UserError: a file cannot be read, or no prediction is about a labelled item.
    """
    labels = read_labelled(labelled)
    entries = [replace(entry, facts=_by_key(entry)) for entry in labels.items]
    items = {entry.item.id: entry for entry in entries}
    if len(items) < len(entries):
        (twice, _), *_ = Counter(entry.item.id for entry in entries).most_common(1)
        raise UserError(f"the item {twice!r} is labelled twice", file=str(labelled), mend="let ids be unique")
    mentions = _distinct(read_predictions(predicted))
    about = [mention for mention in mentions if mention.item in items]
    if mentions and not about:
        mend = f"an id of the labels is {entries[0].item.id!r}, one of the predictions {mentions[0].item!r}"
        raise UserError(f"none is about an item of {labelled}", file=str(predicted), mend=mend)
    schema = {relation for entry in entries for relation in entry.facts}
    judged = [mention for mention in about if _looked(items[mention.item], mention.relation, schema)]
    over = [mention for mention in judged if not items[mention.item].facts.get(mention.relation)]
    table = score_facts(
        judged, [_gold(entry) for entry in entries], accept_quotes=True, relations=sorted(schema)
    )
    names = Counter(mention.relation for mention in mentions)
    return Scores(
        table=table,
        predicted=len(mentions),
        on_labelled_items=len(about),
        labelled_items=len(items),
        items_without_prediction=len(items.keys() - {mention.item for mention in about}),
        labels_not_in_text=labels.not_verbatim,
        over_extraction=_share(len(over), len(about)),
        off_schema=_share(sum(mention.relation not in schema for mention in about), len(about)),
        verbatim=_share(
            sum(_is_verbatim(mention, items[mention.item].item) for mention in about), len(about)
        ),
        relation_names=len(names),
        relation_entropy=entropy(names.values()),
        agreement=None if again is None else agreement(mentions, _distinct(read_predictions(again))),
    )


def entropy(counts: Iterable[int]) -> float:
    """Shannon entropy in bits of a distribution given by counts; 0 where there is nothing or one name only."""
    counts = [count for count in counts if count]
    total = sum(counts)
    return abs(sum(count / total * math.log2(total / count) for count in counts))


def agreement(first: Iterable[Mention], second: Iterable[Mention]) -> Agreement:
    """How far two predictions state the same facts."""
    one, two = ({_triple(mention) for mention in mentions} for mentions in (first, second))
    either = len(one | two)
    jaccard = round(len(one & two) / either, 4) if either else 1.0
    return Agreement(jaccard, len(one & two), len(one - two), len(two - one))


def relation_key(name: str) -> str:
    """The form in which names of relations are compared: "Made Of" and "made-of" are "made_of"."""
    return "_".join("".join(char if char.isalnum() else " " for char in name.casefold()).split()) or name


def _triple(mention: Mention) -> Triple:
    return mention.item, mention.relation, normalise(mention.value)


def _distinct(mentions: Iterable[Mention]) -> list[Mention]:
    """The mentions under the keys of their relations, the first of each fact."""
    found: dict[Triple, Mention] = {}
    for mention in mentions:
        keyed = replace(mention, relation=relation_key(mention.relation))
        found.setdefault(_triple(keyed), keyed)
    return list(found.values())


def _by_key(entry: LabelledItem) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in entry.facts.items():
        found[relation_key(name)] = (*found.get(relation_key(name), ()), *values)
    return found


def _looked(entry: LabelledItem, relation: str, schema: set[str]) -> bool:
    """Whether a prediction in that relation can be judged: the labels say what there is, or that nothing is."""
    return relation in schema if entry.complete else relation in entry.facts


def _gold(entry: LabelledItem) -> GoldItem:
    """The labels to be met: a value that is marked in two places is one."""
    facts = {
        (name, normalise(value.text)): GoldFact(name, value.text, value.accept)
        for name, values in entry.facts.items()
        for value in values
    }
    return GoldItem(entry.item, tuple(facts.values()))


def _is_verbatim(mention: Mention, item: Item) -> bool:
    text = " ".join(f"{item.title}\n{item.description}".casefold().split())
    said: Sequence[str] = [str(mention.value), mention.quote or ""]
    return any(" ".join(words.casefold().split()) in text for words in said if words.strip())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
