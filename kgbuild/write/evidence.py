"""The evidence of a fact: as a record, as a line of graph.evidence.jsonl, and as a statement in the graph."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from json.encoder import encode_basestring

from kgbuild.types import Fact, Scalar
from kgbuild.write.iris import whole_text
from kgbuild.write.turtle import literal, subject_block, text_literal

_DECIMALS = 4


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


def evidence_line(fact: Fact) -> str:
    """The record as its line of the evidence file.

    The same as json.dumps would give, put together by hand: that takes a third of the time.
    """
    mention = fact.mention
    value = _json(fact.value)
    relation = encode_basestring(fact.relation)
    raw_value = value if mention.value is fact.value else _json(mention.value)
    raw_relation = relation if mention.relation is fact.relation else encode_basestring(mention.relation)
    line = (
        f'{{"item": {encode_basestring(mention.item)}, "relation": {relation}, "value": {value}, '
        f'"raw_relation": {raw_relation}, "raw_value": {raw_value}, '
        f'"confidence": {round(mention.confidence, _DECIMALS)!r}, "source": {encode_basestring(mention.source)}'
    )
    if mention.field is not None:
        start, end, quote = _json(mention.start), _json(mention.end), _json(mention.quote)
        line = f'{line}, "field": "{mention.field}", "start": {start}, "end": {end}, "quote": {quote}'
    return whole_text(line) + "}\n"


def surer(fact: Fact) -> tuple[float, str]:
    """Sorts facts of one triple by how sure they are, ties by all that is known of them."""
    return fact.mention.confidence, json.dumps(evidence_record(fact), sort_keys=True)


def statement_block(subject: str, predicate: str, value: str, fact: Fact) -> str:
    """The rdf:Statement about a fact of the graph."""
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


def _json_value(value: Scalar) -> str | int | float:
    return value.isoformat() if isinstance(value, date) else value


def _json(value: Scalar | None) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if type(value) in (int, float):
        return repr(value)
    return json.dumps(value.isoformat() if isinstance(value, date) else value)


def _any_literal(value: object) -> str:
    return str(value) if isinstance(value, int) else text_literal(str(value))
