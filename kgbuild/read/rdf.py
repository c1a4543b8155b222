"""Reads a graph of kgbuild through an RDF parser: a whole file that another tool wrote, or one edited block."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

from kgbuild.read.evidence import STATEMENT_KEYS, mention_of, stated
from kgbuild.types import Fact, Item, Scalar
from kgbuild.write.iris import NAMESPACES
from kgbuild.write.turtle import VOCABULARIES
from plugbase.errors import UserError

_TYPE = VOCABULARIES["rdf"] + "type"
_LABEL = VOCABULARIES["rdfs"] + "label"
_OTHER_LABEL = VOCABULARIES["skos"] + "altLabel"
_IDENTIFIER = VOCABULARIES["dcterms"] + "identifier"
_DESCRIPTION = VOCABULARIES["dcterms"] + "description"
_ITEM_CLASS = re.compile(r"(.*)vocab:Item")
_XSD = VOCABULARIES["xsd"]
_INTEGERS = {_XSD + name for name in ("integer", "int", "long", "short", "nonNegativeInteger")}
_FLOATS = {_XSD + name for name in ("decimal", "double", "float")}
Value = tuple[str, str]


@dataclass(frozen=True)
class WholeGraph:
    """A graph in memory: what GraphFile holds, and the items with their facts, by id."""

    base: str
    relations: dict[str, list[str]]
    values: dict[Value, list[str]]
    names: dict[Value, str]
    items: list[tuple[Item, list[Fact]]]


class Described:
    """Everything that is said of one subject."""

    def __init__(self, iri: str, triples: list[tuple[str, Any]], path: Path, line: int | None = None) -> None:
        self.iri, self.triples, self.path, self.line = iri, triples, path, line

    def all(self, predicate: str) -> list[Any]:
        """The objects of a predicate."""
        return [target for name, target in self.triples if name == predicate]

    def text(self, predicate: str) -> str:
        """The one text of a predicate; the first in code point order where there are several."""
        return min((target.value for target in self.all(predicate)), default="")

    def labelled(self) -> tuple[str, list[str]]:
        """(label, other labels) of a relation or a value; one without a label is called by its IRI's end."""
        labels = sorted(target.value for target in self.all(_LABEL)) or [unquote(self.iri.rpartition(":")[2])]
        return labels[0], sorted({target.value for target in self.all(_OTHER_LABEL)} - {labels[0]})

    def item(
        self, base: str, relations: Mapping[str, str], values: Mapping[str, Value]
    ) -> tuple[Item, list[tuple[str, Any, Fact]]]:
        """The item, and its facts with the predicate and the object that state each.

        Args:
            relations: end of a relation's IRI -> its label.
            values: end of a value's IRI -> its range and label.
        """
        identifier = self.text(_IDENTIFIER) or unquote(self.iri.removeprefix(base + NAMESPACES["item"]))
        item = Item(identifier, self.text(_LABEL), self.text(_DESCRIPTION))
        own, facts = base + NAMESPACES["rel"], []
        for predicate, target in self.triples:
            if predicate.startswith(own):
                slug = predicate.removeprefix(own)
                relation = relations.get(slug, unquote(slug))
                value, scope = self._object(target, base, values, relation)
                fact = Fact(stated(identifier, relation, value), relation, value, scope)
                facts.append((predicate, target, fact))
        facts.sort(key=lambda stated: (stated[0], str(stated[1])))
        return item, facts

    def _object(
        self, target: Any, base: str, values: Mapping[str, Value], relation: str
    ) -> tuple[Scalar, str]:
        """(value, range) of what a fact says."""
        if not hasattr(target, "datatype"):
            value = values.get(target.value.removeprefix(base + NAMESPACES["val"]))
            if value is None:
                raise self.error(
                    f"{target} has no label in this graph", "let it be a kgb:Value with rdfs:label"
                )
            return value[1], value[0]
        try:
            return scalar(target), relation
        except ValueError as error:
            raise self.error(str(error)) from error

    def evidence(self, base: str) -> dict[str, Any]:
        """The evidence record that a statement holds."""
        names = {key: f"{base}{NAMESPACES['kgb']}{name}" for key, name in STATEMENT_KEYS.items()}
        try:
            return {key: scalar(found[0]) for key, name in names.items() if (found := self.all(name))}
        except ValueError as error:
            raise self.error(str(error)) from error

    def error(self, message: str, mend: str | None = None) -> UserError:
        """The error of something that is wrong here."""
        return UserError(f"{self.iri}: {message}", file=str(self.path), line=self.line, mend=mend)


def scalar(literal: Any) -> Scalar:
    """The text, number or date of an RDF literal.

    Raises:
        ValueError: it is of a type that kgbuild does not write, or does not fit its type.
    """
    kind = literal.datatype.value
    if kind in _INTEGERS:
        return int(literal.value)
    if kind in _FLOATS:
        return float(literal.value)
    if kind == _XSD + "date":
        return date.fromisoformat(literal.value)
    if kind == _XSD + "string":
        return str(literal.value)
    raise ValueError(f"{literal} is neither text nor a number nor a date")


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where its name ends in .gz."""
    opened: Any = gzip.open if path.name.endswith(".gz") else open
    stream: IO[bytes] = opened(path, "rb")
    return stream


def parse_blocks(head: str, blocks: Sequence[str], path: Path, line: int) -> dict[str, Described]:
    """The subjects of some blocks of a graph by IRI, given the file's @prefix lines and the blocks' first line.

    Raises:
        UserError: they are not Turtle.
    """
    text = "\n" * (line - head.count("\n") - 1) + "".join(f"{block} .\n\n" for block in blocks)
    try:
        return _described(_triples(f"{head}{text}".encode(), None), path, line)
    except SyntaxError as error:
        raise UserError(f"not Turtle: {error.msg}", file=str(path), line=error.lineno) from error


def _with_statement(
    statement: Described, base: str, facts: Iterable[tuple[str, Any, Fact]]
) -> list[tuple[str, Any, Fact]]:
    """The facts, the one that the statement speaks of with its evidence."""
    about = [statement.all(VOCABULARIES["rdf"] + name) for name in ("predicate", "object")]
    record = statement.evidence(base)
    found = []
    for predicate, target, fact in facts:
        if about[0] and about[1] and about[0][0].value == predicate and about[1][0] == target:
            try:
                fact = Fact(mention_of(fact, record), fact.relation, fact.value, fact.range)
            except (TypeError, ValueError) as error:
                raise statement.error(str(error)) from error
        found.append((predicate, target, fact))
    return found


def about_items(
    subjects: Mapping[str, Described], base: str, relations: Mapping[str, str], values: Mapping[str, Value]
) -> Iterator[tuple[Item, list[Fact]]]:
    """The items among the subjects, with their facts and the evidence that statements among them hold.

    Args:
        relations: end of a relation's IRI -> its label.
        values: end of a value's IRI -> its range and label.

    Raises:
        UserError: an object is no value, number or date.
    """
    statements: dict[str, list[Described]] = {}
    for about in subjects.values():
        for subject in about.all(VOCABULARIES["rdf"] + "subject"):
            statements.setdefault(subject.value, []).append(about)
    for about in subjects.values():
        if any(kind.value == f"{base}{NAMESPACES['kgb']}Item" for kind in about.all(_TYPE)):
            item, facts = about.item(base, relations, values)
            for statement in statements.get(about.iri, []):
                facts = _with_statement(statement, base, facts)
            yield item, [fact for _, _, fact in facts]


def read_any(path: Path) -> WholeGraph:
    """The graph in a file of Turtle or N-Triples, whatever its layout, held in memory.

    Raises:
        UserError: not RDF (with the line), or no item in it.
    """
    try:
        with open_bytes(path) as stream:
            subjects = _described(_triples(stream, path), path)
    except SyntaxError as error:
        raise UserError(f"not RDF: {error.msg}", file=str(path), line=error.lineno) from error
    except (OSError, EOFError, ValueError) as error:
        raise UserError(f"cannot be read: {error}", file=str(path)) from error
    return _whole(subjects, path)


def _described(
    triples: Iterable[tuple[str, str, Any]], path: Path, line: int | None = None
) -> dict[str, Described]:
    subjects: dict[str, Described] = {}
    for subject, predicate, target in triples:
        about = subjects.setdefault(subject, Described(subject, [], path, line))
        about.triples.append((predicate, target))
    return subjects


def _triples(source: Any, path: Path | None) -> Iterator[tuple[str, str, Any]]:
    from pyoxigraph import BlankNode, RdfFormat, parse

    ending = path.name.removesuffix(".gz").rpartition(".")[2] if path else "ttl"
    for quad in parse(source, format=RdfFormat.from_extension(ending) or RdfFormat.TURTLE):
        if not isinstance(quad.subject, BlankNode):
            yield quad.subject.value, quad.predicate.value, quad.object


def _whole(subjects: dict[str, Described], path: Path) -> WholeGraph:
    of_class: dict[str, list[Described]] = {}
    bases = set()
    for about in subjects.values():
        for kind in about.all(_TYPE):
            of_class.setdefault(kind.value, []).append(about)
            if found := _ITEM_CLASS.fullmatch(kind.value):
                bases.add(found[1])
    if not bases:
        mend = "kgbuild reads the graphs that `kgbuild extract` writes"
        raise UserError("holds no items (subjects of the class ...vocab:Item)", file=str(path), mend=mend)
    if len(bases) > 1:
        mend = "give both graphs one --base before they are put together"
        raise UserError(
            f"two bases in one graph: {' and '.join(sorted(bases)[:2])}", file=str(path), mend=mend
        )
    (base,) = bases
    labels: dict[str, str] = {}
    relations: dict[str, list[str]] = {}
    for about in of_class.get(VOCABULARIES["rdf"] + "Property", []):
        if about.iri.startswith(base + NAMESPACES["rel"]):
            label, others = about.labelled()
            labels[about.iri.removeprefix(base + NAMESPACES["rel"])], relations[label] = label, others
    values: dict[str, Value] = {}
    other_labels: dict[Value, list[str]] = {}
    for about in of_class.get(f"{base}{NAMESPACES['kgb']}Value", []):
        name = about.iri.removeprefix(base + NAMESPACES["val"])
        label, others = about.labelled()
        values[name] = unquote(name.partition(":")[0]), label
        other_labels[values[name]] = others
    items = sorted(about_items(subjects, base, labels, values), key=lambda found: found[0].id)
    for _, facts in items:
        for fact in facts:
            relations.setdefault(fact.relation, [])
    return WholeGraph(
        base,
        dict(sorted(relations.items())),
        dict(sorted(other_labels.items())),
        {value: name for name, value in values.items()},
        items,
    )
