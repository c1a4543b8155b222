"""Writing: items and resolved facts become graph.ttl and, beside it, the evidence and the merges."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from kgbuild.types import Fact, Item
from kgbuild.write.atomic import atomic_text, atomic_texts, digest_of, part_of
from kgbuild.write.evidence import evidence_line, evidence_record, statement_block, surer
from kgbuild.write.iris import DEFAULT_BASE, ValueNames, check_base, name_slug
from kgbuild.write.turtle import header, literal, subject_block, text_literal

if TYPE_CHECKING:
    from kgbuild.resolve import Resolution

__all__ = [
    "DEFAULT_BASE",
    "EvidenceStyle",
    "OutputPaths",
    "check_base",
    "evidence_record",
    "write_graph",
    "write_records",
]

EvidenceStyle = Literal["file", "inline"]


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
    kept_names: Mapping[tuple[str, str], str] | None = None,
    before_naming: Callable[[str], None] | None = None,
) -> None:
    """Write the graph and its evidence; the same items and facts give the same bytes.

    The graph holds the relations, then the items, then the values, each sorted by its IRI (items by id).
    Within an item, facts are sorted by relation and value as they are written; the evidence file has the same
    order. Items stream: beside the facts themselves only the names of the values are held in memory.

    Args:
        items: sorted by id in code point order, each id once.
        resolution: its facts in any order; those sorted by item, as resolution gives them, are not copied.
        evidence: "file" writes graph.evidence.jsonl, "inline" writes one rdf:Statement a fact into the graph.
        kept_names: names that values have already, as ValueNames.of takes them.
        before_naming: called with the graph's digest when the files are whole and before they have their
            names.
    """
    inline = evidence == "inline"
    names = ValueNames.of(
        {(fact.range, fact.value) for fact in resolution.facts if isinstance(fact.value, str)}, kept_names
    )
    predicates = {name: f"rel:{name_slug(name)}" for name in {fact.relation for fact in resolution.facts}}
    # The evidence gets its name first: where there is a new graph, its evidence is there too.
    files = [paths.graph] if inline else [paths.evidence, paths.graph]

    def whole() -> None:
        if before_naming:
            before_naming(str(digest_of(part_of(paths.graph))))

    with atomic_texts(files, whole) as streams:
        graph, beside = streams[-1], None if inline else streams[0]
        graph.write(header(base, inline_evidence=inline) + "\n")
        for relation, name in sorted(predicates.items(), key=lambda named: named[1]):
            graph.write(
                _labelled_block(name, "rdf:Property", relation, resolution.relations.get(relation, []))
            )
        for item, facts in _with_facts(items, resolution.facts):
            rows = _rows(facts, predicates, names.names)
            subject = f"item:{name_slug(item.id)}"
            graph.write(_item_block(subject, item, rows))
            if beside:
                beside.write("".join([evidence_line(fact) for _, _, fact in rows]))
            else:
                graph.write("".join([statement_block(subject, *row) for row in rows]))
        for value, name in sorted(names.names.items(), key=lambda named: named[1]):
            graph.write(
                _labelled_block(f"val:{name}", "kgb:Value", value[1], resolution.values.get(value, []))
            )
    if inline:
        paths.evidence.unlink(missing_ok=True)


def write_records(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    """Write one JSON record a line; where there is none, remove the file that an earlier run left."""
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    if not lines:
        path.unlink(missing_ok=True)
        return
    with atomic_text(path) as stream:
        stream.writelines(lines)


_Row = tuple[str, str, Fact]
"""(predicate, object) as the graph writes them, and the fact that they state."""


def _with_facts(items: Iterable[Item], facts: Sequence[Fact]) -> Iterator[tuple[Item, Iterable[Fact]]]:
    """Each item with its facts; facts of no item are left out."""
    if any(one.mention.item > other.mention.item for one, other in pairwise(facts)):
        facts = sorted(facts, key=lambda fact: fact.mention.item)
    groups = groupby(facts, key=lambda fact: fact.mention.item)
    owner, found = next(groups, (None, iter(())))
    for item in items:
        while owner is not None and owner < item.id:
            owner, found = next(groups, (None, iter(())))
        yield item, found if owner == item.id else ()


def _rows(
    facts: Iterable[Fact], predicates: Mapping[str, str], names: Mapping[tuple[str, str], str]
) -> list[_Row]:
    """The facts of an item in the order of the graph; of those that would be one triple the surest stays."""
    rows: dict[tuple[str, str], Fact] = {}
    for fact in facts:
        value = fact.value
        written = f"val:{names[fact.range, value]}" if isinstance(value, str) else literal(value)
        triple = predicates[fact.relation], written
        if triple not in rows or surer(fact) > surer(rows[triple]):
            rows[triple] = fact
    return [(*triple, rows[triple]) for triple in sorted(rows)]


def _labelled_block(subject: str, kind: str, label: str, others: Iterable[str]) -> str:
    """A relation or a value with its labels."""
    main = text_literal(label)
    predicates = [("a", [kind]), ("rdfs:label", [main])]
    if alternatives := sorted({text_literal(other) for other in others} - {main}):
        predicates.append(("skos:altLabel", alternatives))
    return subject_block(subject, predicates)


def _item_block(subject: str, item: Item, rows: list[_Row]) -> str:
    predicates: list[tuple[str, list[str]]] = [
        ("a", ["kgb:Item"]),
        ("dcterms:identifier", [text_literal(item.id)]),
    ]
    if item.title:
        predicates.append(("rdfs:label", [text_literal(item.title)]))
    if item.description:
        predicates.append(("dcterms:description", [text_literal(item.description)]))
    for predicate, value, _ in rows:
        if predicates[-1][0] == predicate:
            predicates[-1][1].append(value)
        else:
            predicates.append((predicate, [value]))
    return subject_block(subject, predicates)
