"""Resolution: mentions in the words of their sources become facts under one name for each thing."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.resolve.clusters import usual_values
from kgbuild.resolve.overrides import Override, read_overrides, rule
from kgbuild.resolve.records import MergeRecord, Resolution
from kgbuild.resolve.relations import RelationsMode, resolve_relations
from kgbuild.resolve.values import Support, resolve_range, shares
from kgbuild.types import CATALOGUE, Fact, Mention

if TYPE_CHECKING:
    from kgbuild.schema import Schema

__all__ = ["MergeRecord", "RelationsMode", "Resolution", "resolve"]


def resolve(
    mentions: Iterable[Mention],
    schema: Schema,
    *,
    overrides: Path | None = None,
    mode: RelationsMode = "guided",
    definitions: Mapping[str, str] | None = None,
) -> Resolution:
    """Merge what says the same: relation wordings into relations, labels of one range into values.

    The result depends on the mentions, the schema and the overrides alone, not on the order of the
    mentions. Numbers and dates pass through. Of the mentions of one triple the best supported stands as its
    evidence: the catalogue's before any other, then the surest. docs/resolution.md tells the rules.

    Args:
        mentions: what the sources say, in their own words; held in memory, each text once.
        schema: the relations that are known, with their wordings and ranges.
        overrides: a YAML or JSONL file of merges that the user demands or forbids.
        mode: how far the schema decides on relations: "open" not at all, "guided" where it knows one,
            "closed" alone; then what it does not know and no catalogue gave is counted and left out.
        definitions: what raw relations mean, where their source said so; others are defined by a template.

    Raises:
        UserError: the overrides cannot be read, name something that is not there, or contradict each other.
    """
    given = list(_each_text_once(mentions))
    entries = read_overrides(overrides) if overrides is not None else []
    wordings = _support((mention.relation, mention) for mention in given)
    by_hand = rule(_of_kind(entries, "relation"), {"": {*wordings, *schema.relations}})
    relations, merges = resolve_relations(
        wordings,
        schema,
        by_hand,
        mode=mode,
        values=_usual_values(given, schema),
        definitions=definitions,
    )
    dropped = Counter(one.relation for one in given if one.relation not in relations)
    if dropped:
        given = [one for one in given if one.relation in relations]

    ranges = [_range(mention, relations[mention.relation], schema) for mention in given]
    labels = _labels(given, ranges)
    by_hand = rule(_of_kind(entries, "value"), labels)
    values: dict[str, dict[str, str]] = {}
    share = shares(labels)
    for value_range, found in sorted(labels.items()):
        values[value_range], records = resolve_range(value_range, found, by_hand, share.get(value_range, 0))
        merges.extend(records)

    facts = _facts(given, relations, ranges, values)
    other_names = _other_names([("", raw, name) for raw, name in relations.items()])
    other_labels = _other_names(
        [(r, raw, name) for r, known in values.items() for raw, name in known.items()]
    )
    return Resolution(
        facts=facts,
        relations={name: raws for (_, name), raws in other_names.items()},
        values=other_labels,
        merges=sorted(merges),
        dropped=dict(sorted(dropped.items())),
    )


def _each_text_once(mentions: Iterable[Mention]) -> Iterator[Mention]:
    """The same mentions, equal texts being one object: a million mentions hold far fewer texts."""
    kept: dict[str, str] = {}
    for one in mentions:
        item, relation, source = (
            kept.setdefault(text, text) for text in (one.item, one.relation, one.source)
        )
        value = kept.setdefault(one.value, one.value) if isinstance(one.value, str) else one.value
        quote = None if one.quote is None else kept.setdefault(one.quote, one.quote)
        value_range = None if one.range is None else kept.setdefault(one.range, one.range)
        yield Mention(
            item, relation, value, one.confidence, source, one.field, one.start, one.end, quote, value_range
        )


def _usual_values(given: Sequence[Mention], schema: Schema) -> dict[str, list[str]]:
    """The values that tell most about each raw relation that the schema does not name."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one in given:
        if one.relation not in schema.relations:
            counts[one.relation][str(one.value)] += 1
    return {relation: usual_values(found) for relation, found in counts.items()}


def _of_kind(entries: Sequence[Override], kind: str) -> list[Override]:
    return [entry for entry in entries if entry.kind == kind]


def _support(given: Iterable[tuple[str, Mention]]) -> dict[str, Support]:
    counts: Counter[str] = Counter()
    stated: set[str] = set()
    for label, mention in given:
        counts[label] += 1
        if mention.source == CATALOGUE:
            stated.add(label)
    return {label: Support(label in stated, count) for label, count in counts.items()}


def _labels(given: Sequence[Mention], ranges: Sequence[str]) -> dict[str, dict[str, Support]]:
    """The text labels of each range, with their support."""
    by_range: dict[str, list[tuple[str, Mention]]] = defaultdict(list)
    for mention, value_range in zip(given, ranges, strict=True):
        if isinstance(mention.value, str):
            by_range[value_range].append((mention.value, mention))
    return {value_range: _support(found) for value_range, found in by_range.items()}


def _range(mention: Mention, relation: str, schema: Schema) -> str:
    if relation in schema.relations or mention.range is None or mention.range == mention.relation:
        return schema.range_of(relation)
    return mention.range


def _facts(
    given: Sequence[Mention],
    relations: Mapping[str, str],
    ranges: Sequence[str],
    values: Mapping[str, Mapping[str, str]],
) -> list[Fact]:
    """One fact a triple, sorted by item, relation, range and value."""
    best: dict[tuple[str, str, str, str, str], Fact] = {}
    for mention, value_range in zip(given, ranges, strict=True):
        value = mention.value
        if isinstance(value, str):
            value = values[value_range][value]
        relation = relations[mention.relation]
        key = (mention.item, relation, value_range, type(value).__name__, str(value))
        if key not in best or _evidence_order(mention) < _evidence_order(best[key].mention):
            best[key] = Fact(mention, relation, value, value_range)
    return [best[key] for key in sorted(best)]


def _evidence_order(mention: Mention) -> tuple[object, ...]:
    """Smallest first: what the catalogue knows, then the surest, then by place and words, so that ties are
    settled."""
    return (
        mention.source != CATALOGUE,
        -mention.confidence,
        mention.source,
        mention.field or "",
        -1 if mention.start is None else mention.start,
        -1 if mention.end is None else mention.end,
        mention.relation,
        str(mention.value),
        mention.range or "",
        mention.quote or "",
    )


def _other_names(named: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """(range, canonical label) -> the other labels, sorted, from (range, raw label, canonical label)."""
    others: dict[tuple[str, str], list[str]] = {}
    for value_range, raw, name in sorted(named):
        found = others.setdefault((value_range, name), [])
        if raw != name:
            found.append(raw)
    return dict(sorted(others.items()))
