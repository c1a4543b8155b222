"""Writing: items and resolved facts become graph.ttl and, beside it, the evidence and the merges."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Literal, TextIO

from kgbuild.read import Reject
from kgbuild.resolve import Resolution
from kgbuild.types import Fact, Item, Scalar
from kgbuild.write.atomic import atomic_text
from kgbuild.write.iris import DEFAULT_BASE, ValueNames, check_base, name_slug, whole_text
from kgbuild.write.turtle import header, literal, subject_block, text_literal

__all__ = ["DEFAULT_BASE", "EvidenceStyle", "OutputPaths", "check_base", "write_graph", "write_records"]

EvidenceStyle = Literal["file", "inline"]
_DECIMALS = 4


@dataclass(frozen=True)
class OutputPaths:
    """Every file of a run, named after the graph: graph.ttl -> graph.evidence.jsonl and so on."""

    graph: Path

    def _beside(self, ending: str) -> Path:
        stem = self.graph.name.removesuffix(".ttl")
        return self.graph.with_name(f"{stem}.{ending}")

    @property
    def evidence(self) -> Path:
        return self._beside("evidence.jsonl")

    @property
    def merges(self) -> Path:
        return self._beside("merges.jsonl")

    @property
    def rejected(self) -> Path:
        return self._beside("rejected.jsonl")

    @property
    def work(self) -> Path:
        return self._beside("work.sqlite")


def write_graph(
    items: Iterable[Item],
    resolution: Resolution,
    paths: OutputPaths,
    *,
    base: str = DEFAULT_BASE,
    evidence: EvidenceStyle = "file",
) -> None:
    """Write the graph and its evidence; the same items and facts give the same bytes.

    The graph holds the relations, then the items, then the values, each sorted by its IRI (items by id).
    Within an item, facts are sorted by relation and value as they are written; the evidence file has the same
    order.

    Args:
        items: sorted by id in code point order, each id once.
        resolution: its facts in any order.
        evidence: "file" writes graph.evidence.jsonl, "inline" writes one rdf:Statement a fact into the graph.
    """
    inline = evidence == "inline"
    names = ValueNames.of(
        (fact.range, fact.value) for fact in resolution.facts if isinstance(fact.value, str)
    )
    facts_of = _facts_by_item(resolution.facts, names)
    with contextlib.ExitStack() as files:
        # Leaving the stack renames the evidence first and the graph last: where there is a new graph, its
        # evidence is there too.
        graph = files.enter_context(atomic_text(paths.graph))
        beside = None if inline else files.enter_context(atomic_text(paths.evidence))
        graph.write(header(base, inline_evidence=inline) + "\n")
        for relation in sorted({fact.relation for fact in resolution.facts}, key=name_slug):
            graph.write(_relation_block(relation, resolution.relations.get(relation, [])))
        for item in items:
            rows = facts_of.get(item.id, [])
            graph.write(_item_block(item, rows))
            for predicate, object_, fact in rows:
                if beside:
                    _write_json(beside, evidence_record(fact))
                else:
                    graph.write(_statement_block(base, item, predicate, object_, fact))
        for value, name in sorted(names.names.items(), key=lambda named: named[1]):
            graph.write(_value_block(name, value[1], resolution.values.get(value, [])))
    if inline:
        paths.evidence.unlink(missing_ok=True)


def write_records(
    path: Path, records: Iterable[dict[str, str | int]] | Iterable[dict[str, str | float]]
) -> None:
    """Write one JSON record a line; where there is none, remove the file that an earlier run left."""
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    if not lines:
        path.unlink(missing_ok=True)
        return
    with atomic_text(path) as stream:
        stream.writelines(lines)


def rejects_as_json(rejects: Iterable[Reject]) -> Iterator[dict[str, str | int]]:
    """Rejects as records for write_records."""
    return (reject.as_json() for reject in rejects)


def evidence_record(fact: Fact) -> dict[str, object]:
    """The evidence of one triple; span and quote only where the fact has a place in the text."""
    mention = fact.mention
    record: dict[str, object] = {
        "item": mention.item,
        "relation": fact.relation,
        "value": _json_value(fact.value),
        "raw_relation": mention.relation,
        "raw_value": _json_value(mention.value),
        "confidence": round(mention.confidence, _DECIMALS),
        "source": mention.source,
    }
    if mention.field is not None:
        record.update(field=mention.field, start=mention.start, end=mention.end, quote=mention.quote)
    return record


def _json_value(value: Scalar) -> str | int | float:
    return value.isoformat() if isinstance(value, date) else value


def _write_json(stream: TextIO, record: dict[str, object]) -> None:
    stream.write(whole_text(json.dumps(record, ensure_ascii=False)) + "\n")


_Row = tuple[str, str, Fact]


def _facts_by_item(facts: Iterable[Fact], names: ValueNames) -> dict[str, list[_Row]]:
    """Facts as (predicate, object, fact), sorted; of facts that would be the same triple the surest stays."""
    by_item: dict[str, dict[tuple[str, str], Fact]] = {}
    for fact in facts:
        value = f"val:{names[fact.range, fact.value]}" if isinstance(fact.value, str) else literal(fact.value)
        rows = by_item.setdefault(fact.mention.item, {})
        triple = f"rel:{name_slug(fact.relation)}", value
        if triple not in rows or _surer(fact) > _surer(rows[triple]):
            rows[triple] = fact
    return {
        item: [(predicate, value, rows[predicate, value]) for predicate, value in sorted(rows)]
        for item, rows in by_item.items()
    }


def _surer(fact: Fact) -> tuple[float, str]:
    return fact.mention.confidence, json.dumps(evidence_record(fact), sort_keys=True)


def _relation_block(relation: str, wordings: Iterable[str]) -> str:
    return subject_block(
        f"rel:{name_slug(relation)}", [("a", ["rdf:Property"]), *_labels(relation, wordings)]
    )


def _value_block(name: str, label: str, others: Iterable[str]) -> str:
    return subject_block(f"val:{name}", [("a", ["kgb:Value"]), *_labels(label, others)])


def _labels(label: str, others: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    main = text_literal(label)
    yield "rdfs:label", [main]
    if alternatives := sorted({text_literal(other) for other in others} - {main}):
        yield "skos:altLabel", alternatives


def _item_block(item: Item, rows: list[_Row]) -> str:
    predicates: list[tuple[str, list[str]]] = [
        ("a", ["kgb:Item"]),
        ("dcterms:identifier", [text_literal(item.id)]),
    ]
    if item.title:
        predicates.append(("rdfs:label", [text_literal(item.title)]))
    if item.description:
        predicates.append(("dcterms:description", [text_literal(item.description)]))
    for predicate, group in groupby(rows, key=lambda row: row[0]):
        predicates.append((predicate, [value for _, value, _ in group]))
    return subject_block(f"item:{name_slug(item.id)}", predicates)


def _statement_block(base: str, item: Item, predicate: str, value: str, fact: Fact) -> str:
    subject = f"item:{name_slug(item.id)}"
    # The triple's own name, so that the statement has the same IRI in every graph that states it.
    digest = hashlib.sha256(f"{subject} {predicate} {value}".encode()).hexdigest()[:32]
    record = evidence_record(fact)
    predicates = [
        ("a", ["rdf:Statement"]),
        ("rdf:subject", [subject]),
        ("rdf:predicate", [predicate]),
        ("rdf:object", [value]),
        ("kgb:confidence", [literal(float(round(fact.mention.confidence, _DECIMALS)))]),
        ("kgb:source", [text_literal(fact.mention.source)]),
        ("kgb:rawRelation", [text_literal(fact.mention.relation)]),
        ("kgb:rawValue", [literal(fact.mention.value)]),
        *(
            (f"kgb:{key}", [_any_literal(record[key])])
            for key in ("field", "start", "end", "quote")
            if key in record
        ),
    ]
    return subject_block(f"ev:{digest}", predicates)


def _any_literal(value: object) -> str:
    return str(value) if isinstance(value, int) else text_literal(str(value))
