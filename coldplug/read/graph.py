"""Reads graph.ttl and the evidence beside it into the arrays of an ItemGraph."""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from os import PathLike
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np

from coldplug.types import ItemGraph
from plugbase.errors import UserError

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
DCTERMS = "http://purl.org/dc/terms/"
XSD = "http://www.w3.org/2001/XMLSchema#"
CATALOGUE = "catalogue"

_ITEM_CLASS = re.compile(r"^(?P<base>.*?)vocab[:/#]Item$")
_NUMBER_TYPES = {
    XSD + name
    for name in ("integer", "int", "long", "short", "decimal", "double", "float", "nonNegativeInteger")
}
_PLAIN = {RDF + "type", RDFS + "label", DCTERMS + "identifier", DCTERMS + "description"}
_EDGE, _LITERAL = 0, 1
# (item id, relation, value as it is written) -> (confidence, stated by the catalogue)
Evidence = Mapping[tuple[str, str, str], tuple[float, str]]


@dataclass
class _Raw:
    """The triples as they stream in, before anything is numbered."""

    items: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)
    identifiers: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    statements: dict[str, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    facts: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(subject, predicate, object, datatype); the datatype is empty where the object is an IRI."""


def evidence_beside(graph: str | PathLike[str]) -> Path | None:
    """`graph.evidence.jsonl` beside `graph.ttl`, if it lies there."""
    path = Path(graph)
    stem = path.name.removesuffix(".gz")
    stem = stem.rsplit(".", 1)[0] if "." in stem else stem
    found = path.with_name(stem + ".evidence.jsonl")
    return found if found.is_file() else None


def read_graph(
    path: str | PathLike[str],
    evidence: str | PathLike[str] | None = None,
    *,
    sources: Collection[str] | None = None,
) -> ItemGraph:
    """Read an item graph: items, the values they are tied to, and how sure each tie is.

    The base IRI is taken from the class of the items (`...vocab:Item`), so graphs written with another base
    read alike. Confidences and sources come from the evidence file, or from rdf:Statement in the graph
    itself. A triple without evidence has weight 1 and counts as stated by the catalogue.

    Args:
        path: Turtle or N-Triples; `.gz` is understood.
        evidence: the evidence file; by default `<graph>.evidence.jsonl` beside the graph, if there.
        sources: keep only facts from these sources ("catalogue", "local", "openai": the part before ":").

    Returns:
        The graph; items in the order of their ids, values of their IRIs, relations of their names (all as
        strings).

    Raises:
        UserError: no such file, not RDF (with the line), no items in it, an evidence line that does not
            parse.
    """
    path = Path(path)
    raw = _stream(path)
    if not raw.items:
        raise UserError(
            "holds no items (subjects of class ...vocab:Item)",
            file=str(path),
            mend="coldplug reads what `kgbuild extract` writes",
        )
    beside = Path(evidence) if evidence is not None else evidence_beside(path)
    known: dict[tuple[str, str, str], tuple[float, str]] = _inline_evidence(raw)
    if beside is not None:
        known.update(_read_evidence(beside))
    return _arrays(raw, known, None if sources is None else set(sources))


def _stream(path: Path) -> _Raw:
    from pyoxigraph import Literal, NamedNode, RdfFormat, parse

    if not path.is_file():
        raise UserError("no such file", file=str(path), mend="`kgbuild extract` writes it")
    suffix = path.name.removesuffix(".gz").rsplit(".", 1)[-1]
    rdf_format = RdfFormat.from_extension(suffix) or RdfFormat.TURTLE
    raw = _Raw()
    opened: Any = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rb") as stream:
        try:
            for quad in parse(stream, format=rdf_format):
                subject, predicate, target = quad.subject, quad.predicate.value, quad.object
                if not isinstance(subject, NamedNode):
                    continue
                head = subject.value
                if predicate == RDF + "type":
                    if _ITEM_CLASS.match(target.value):
                        raw.items.add(head)
                elif predicate == RDFS + "label":
                    raw.labels.setdefault(head, target.value)
                elif predicate == DCTERMS + "identifier":
                    raw.identifiers[head] = target.value
                elif predicate == DCTERMS + "description":
                    raw.descriptions[head] = target.value
                elif predicate in (RDF + "subject", RDF + "predicate", RDF + "object"):
                    raw.statements[head][predicate[len(RDF) :]] = target.value
                elif predicate.endswith(("vocab:confidence", "vocab:source")):
                    raw.statements[head][predicate.rsplit(":", 1)[1]] = target.value
                elif isinstance(target, Literal):
                    raw.facts.append((head, predicate, target.value, target.datatype.value))
                else:
                    raw.facts.append((head, predicate, target.value, ""))
        except SyntaxError as error:
            raise UserError(
                f"not {rdf_format.name}: {error.msg}", file=str(path), line=error.lineno
            ) from error
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"cannot be read: {error}", file=str(path)) from error
    return raw


def _read_evidence(path: Path) -> dict[tuple[str, str, str], tuple[float, str]]:
    """(item, relation, value) -> (confidence, source); of several records of one triple the surest counts."""
    if not path.is_file():
        raise UserError("no such file", file=str(path))
    known: dict[tuple[str, str, str], tuple[float, str]] = {}
    with path.open(encoding="utf-8") as stream:
        for line, text in enumerate(stream, start=1):
            if not text.strip():
                continue
            try:
                record = json.loads(text)
                key = (str(record["item"]), str(record["relation"]), str(record["value"]))
                found = (float(record.get("confidence", 1.0)), str(record.get("source", CATALOGUE)))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise UserError(
                    f"not an evidence record: {error}",
                    file=str(path),
                    line=line,
                    mend="write the graph again, or remove the evidence file: the weights are then 1",
                ) from error
            _check_confidence(found[0], path, line)
            if key not in known or _rank(found) > _rank(known[key]):
                known[key] = found
    return known


def _check_confidence(confidence: float, path: Path, line: int) -> None:
    if not 0 < confidence <= 1:
        raise UserError(
            f"confidence {confidence!r} is not between 0 (exclusive) and 1", file=str(path), line=line
        )


def _rank(found: tuple[float, str]) -> tuple[bool, float]:
    return found[1] == CATALOGUE, found[0]


def _inline_evidence(raw: _Raw) -> dict[tuple[str, str, str], tuple[float, str]]:
    """Evidence written as rdf:Statement, keyed by the IRIs that it speaks of."""
    known = {}
    for parts in raw.statements.values():
        if {"subject", "predicate", "object"} <= parts.keys():
            confidence = float(parts.get("confidence", 1.0))
            known[(parts["subject"], parts["predicate"], parts["object"])] = (
                confidence if 0 < confidence <= 1 else 1.0,
                parts.get("source", CATALOGUE),
            )
    return known


def _local_name(iri: str) -> str:
    return unquote(re.split(r"[:/#]", iri)[-1])


def _as_number(text: str, datatype: str) -> float | None:
    """A literal as a number: years and dates in years, NaN and infinities as nothing."""
    try:
        if datatype in _NUMBER_TYPES:
            number = float(text)
            return number if np.isfinite(number) else None
        if datatype == XSD + "gYear":
            return float(int(text[:5] if text.startswith("-") else text[:4]))
        if datatype in (XSD + "date", XSD + "dateTime"):
            day = date.fromisoformat(text[:10])
            return day.year + (day.timetuple().tm_yday - 1) / 366
    except ValueError:
        return None
    return None


def _arrays(raw: _Raw, known: Evidence, sources: set[str] | None) -> ItemGraph:
    item_ids = {iri: raw.identifiers.get(iri) or _local_name(iri) for iri in raw.items}
    item_order = sorted(raw.items, key=lambda iri: item_ids[iri])
    item_number = {iri: n for n, iri in enumerate(item_order)}
    edges: list[tuple[str, str, str, float, bool]] = []
    numbers: list[tuple[str, str, float, bool]] = []
    labels = dict(raw.labels)
    for head, predicate, target, datatype in raw.facts:
        if head not in item_number or predicate in _PLAIN:
            continue
        # unlabelled IRIs of a stranger's graph read as their last part
        label = labels.get(target) or _local_name(target) if not datatype else target
        keys = (
            (head, predicate, target),
            (item_ids[head], _local_name(predicate), label),
            (item_ids[head], labels.get(predicate, ""), label),
        )
        weight, source = next((known[key] for key in keys if key in known), (1.0, CATALOGUE))
        if sources is not None and source.split(":")[0] not in sources:
            continue
        stated = source == CATALOGUE
        number = _as_number(target, datatype) if datatype else None
        if number is not None:
            numbers.append((head, predicate, number, stated))
            continue
        tail = target if not datatype else f"literal:{predicate}:{target}"
        labels.setdefault(tail, label)
        edges.append((head, predicate, tail, weight, stated))
    predicates = {edge[1] for edge in edges} | {row[1] for row in numbers}
    relation_order = sorted(predicates, key=lambda iri: (_local_name(iri), iri))
    relation_number = {iri: n for n, iri in enumerate(relation_order)}
    value_order = sorted({edge[2] for edge in edges})
    value_number = {iri: n for n, iri in enumerate(value_order)}
    edges.sort(key=lambda e: (item_number[e[0]], relation_number[e[1]], value_number[e[2]]))
    numbers.sort(key=lambda e: (item_number[e[0]], relation_number[e[1]], e[2]))
    return ItemGraph(
        item_ids=[item_ids[iri] for iri in item_order],
        titles=[raw.labels.get(iri, "") for iri in item_order],
        descriptions=[raw.descriptions.get(iri, "") for iri in item_order],
        relation_names=[_local_name(iri) for iri in relation_order],
        value_iris=value_order,
        value_labels=[labels.get(iri, _local_name(iri)) for iri in value_order],
        heads=_ints(item_number[e[0]] for e in edges),
        relations=_ints(relation_number[e[1]] for e in edges),
        tails=_ints(value_number[e[2]] for e in edges),
        weights=np.array([e[3] for e in edges], np.float32),
        stated=np.array([e[4] for e in edges], np.bool_),
        literal_items=_ints(item_number[e[0]] for e in numbers),
        literal_relations=_ints(relation_number[e[1]] for e in numbers),
        literal_numbers=np.array([e[2] for e in numbers], np.float32),
        literal_stated=np.array([e[3] for e in numbers], np.bool_),
    )


def _ints(values: Iterable[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.fromiter(values, np.int64)
