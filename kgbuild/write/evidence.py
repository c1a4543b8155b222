"""The evidence of a fact: as a record, as a line of graph.evidence.jsonl, and as a statement in the graph."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from functools import lru_cache
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
    value, raw_value = fact.value, mention.value
    written = encode_basestring(value) if isinstance(value, str) else _json(value)
    raw_written = written if raw_value is value else _json(raw_value)
    relation = _name(fact.relation)
    raw_relation = relation if mention.relation is fact.relation else _name(mention.relation)
    place = ""
    if mention.field is not None:
        place = (
            f', "field": "{mention.field}", "start": {_json(mention.start)}, "end": {_json(mention.end)}, '
            f'"quote": {_json(mention.quote)}'
        )
    line = (
        f'{{"item": {encode_basestring(mention.item)}, "relation": {relation}, "value": {written}, '
        f'"raw_relation": {raw_relation}, "raw_value": {raw_written}, '
        f'"confidence": {_confidence(mention.confidence)}, "source": {_name(mention.source)}{place}}}\n'
    )
    return line if line.isascii() else whole_text(line)


@lru_cache(maxsize=1 << 12)
def _name(text: str) -> str:
    """A relation or a source as JSON; there are few."""
    return encode_basestring(text)


@lru_cache(maxsize=1 << 14, typed=True)
def _confidence(number: float) -> str:
    return repr(round(number, _DECIMALS))


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
    kind = type(value)
    if kind is int or kind is float:
        return repr(value)
    return json.dumps(value.isoformat() if isinstance(value, date) else value)


def _any_literal(value: object) -> str:
    return str(value) if isinstance(value, int) else text_literal(str(value))
