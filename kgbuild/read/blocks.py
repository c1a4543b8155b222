"""One block of a graph that is laid out just as kgbuild writes it, taken apart without an RDF parser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date

from kgbuild.read.evidence import STATEMENT_KEYS, mention_of, stated
from kgbuild.types import Fact, Item, Scalar

_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))")
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_INTEGER = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
_TYPED = re.compile(r'"([^"\\]*)"\^\^xsd:(date|double)')
Value = tuple[str, str]
Stated = tuple[str, str, Fact]
"""(predicate, object) as the graph writes them, and the fact that they state."""


class Unusual(Exception):
    """The block is not as kgbuild lays it out; an RDF parser may still read it."""


def parse_item(
    blocks: Sequence[str], relations: Mapping[str, str], values: Mapping[str, Value]
) -> tuple[Item, list[Fact]]:
    """An item's block, with the blocks of the statements about its facts, if any.

    Args:
        blocks: without their full stops.
        relations: end of a relation's name -> its label.
        values: end of a value's name -> its range and label.

    Raises:
        Unusual, ValueError: some term is not written as kgbuild writes it.
    """
    item, facts = _item(blocks[0], relations, values)
    if len(blocks) == 1:
        return item, [fact for _, _, fact in facts]
    places = {(predicate, target): at for at, (predicate, target, _) in enumerate(facts)}
    found = [fact for _, _, fact in facts]
    for block in blocks[1:]:
        parts = dict(_pair(part) for part in block.split(" ;\n    ")[1:])
        at = places.get((parts.get("rdf:predicate", ""), parts.get("rdf:object", "")))
        if at is None:
            raise Unusual
        names = {key: f"kgb:{name}" for key, name in STATEMENT_KEYS.items()}
        record = {key: _scalar(parts[name]) for key, name in names.items() if name in parts}
        fact = found[at]
        found[at] = Fact(mention_of(fact, record), fact.relation, fact.value, fact.range)
    return item, found


def parse_labelled(block: str) -> tuple[str, str, list[str]]:
    """(end of the name, label, other labels) of the block of a relation or a value.

    Raises:
        Unusual, ValueError: as parse_item.
    """
    subject, *parts = block.split(" ;\n    ")
    label, others = None, []
    for predicate, objects in map(_pair, parts):
        if predicate == "rdfs:label":
            (label,) = _texts(objects)
        elif predicate == "skos:altLabel":
            others = _texts(objects)
        else:
            raise Unusual
    if label is None:
        raise Unusual
    return subject.partition(" ")[0].partition(":")[2], label, sorted(others)


def _item(block: str, relations: Mapping[str, str], values: Mapping[str, Value]) -> tuple[Item, list[Stated]]:
    identifier = None
    title = description = ""
    facts: list[Stated] = []
    for part in block.split(" ;\n    ")[1:]:
        predicate, _, objects = part.partition(" ")
        if predicate.startswith("rel:") and identifier is not None:
            relation = relations.get(predicate[4:])
            if relation is None:
                raise Unusual
            for name in objects.split(" , "):
                value: Scalar
                if name.startswith("val:"):
                    known = values.get(name[4:])
                    if known is None:
                        raise Unusual
                    scope, value = known
                else:
                    scope, value = relation, _number(name)
                fact = Fact(stated(identifier, relation, value), relation, value, scope)
                facts.append((predicate, name, fact))
        elif predicate == "dcterms:identifier":
            (identifier,) = _texts(objects)
        elif predicate == "rdfs:label":
            (title,) = _texts(objects)
        elif predicate == "dcterms:description":
            (description,) = _texts(objects)
        else:
            raise Unusual
    if identifier is None:
        raise Unusual
    return Item(identifier, title, description), facts


def _pair(part: str) -> tuple[str, str]:
    predicate, _, objects = part.partition(" ")
    return predicate, objects


def _scalar(written: str) -> Scalar:
    if not written.endswith('"'):
        return _number(written)
    (text,) = _texts(written)
    return text


def _texts(written: str) -> list[str]:
    """The texts of a list of plain literals."""
    if "\\" not in written and written.count('"') == 2 and written[0] == written[-1] == '"':
        return [written[1:-1]]
    found = _TEXT.findall(written)
    if " , ".join(f'"{text}"' for text in found) != written:
        raise Unusual
    return [_ESCAPE.sub(_character, text) if "\\" in text else text for text in found]


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[2]
    if code:
        return chr(int(code, 16))
    if found[3] not in _ESCAPED:
        raise Unusual
    return _ESCAPED[found[3]]


def _number(written: str) -> Scalar:
    if _INTEGER.fullmatch(written):
        return int(written)
    if _DECIMAL.fullmatch(written):
        return float(written)
    typed = _TYPED.fullmatch(written)
    if typed is None:
        raise Unusual
    return date.fromisoformat(typed[1]) if typed[2] == "date" else float(typed[1])
