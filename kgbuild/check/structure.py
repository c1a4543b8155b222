"""The structural check: one pass over the triples of a graph, subject by subject."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from kgbuild.check.problems import Problems
from kgbuild.read.rdf import open_bytes, scalar
from kgbuild.write.iris import NAMESPACES, name_slug
from kgbuild.write.turtle import VOCABULARIES
from plugbase.console import Console
from plugbase.errors import UserError

_TYPE = VOCABULARIES["rdf"] + "type"
_LABEL = VOCABULARIES["rdfs"] + "label"
_OTHER_LABEL = VOCABULARIES["skos"] + "altLabel"
_IDENTIFIER = VOCABULARIES["dcterms"] + "identifier"
_DESCRIPTION = VOCABULARIES["dcterms"] + "description"
_PROPERTY = VOCABULARIES["rdf"] + "Property"
_STATEMENT = VOCABULARIES["rdf"] + "Statement"
_STRING = VOCABULARIES["xsd"] + "string"
_NUMBERS = {VOCABULARIES["xsd"] + name for name in ("integer", "decimal", "double", "date")}
_BASE = re.compile(rb'<([^<>\s"]*)vocab:(?:Item)?>')
_CHUNK = 1 << 20
_ANEW = "write the graph again with `kgbuild extract`, or mend the line"
_NAME_IT = "give it an IRI: a blank node has another name each time that the graph is read"
Described = tuple[str, list[tuple[str, Any]]]


class _Scattered(Exception):
    """The triples of a subject do not stand together."""


@dataclass
class Structure:
    """What one pass over a graph counted. `broken`: it is not RDF from some line on."""

    base: str
    triples: int = 0
    items: int = 0
    values: int = 0
    relations: int = 0
    facts: int = 0
    broken: bool = False
    notes: list[str] = field(default_factory=list)


def check_structure(path: Path, problems: Problems, console: Console) -> Structure:
    """Check every subject of the graph, and that what facts point to is there.

    Raises:
        UserError: the file cannot be read, or there is nothing of kgbuild's vocabulary in it.
    """
    base = _base_of(path)
    trial = Problems(problems.file)
    try:
        check = _Check(Structure(base), trial)
        check.run(path, _together(path), console)
    except _Scattered:
        trial = Problems(problems.file)
        check = _Check(Structure(base), trial)
        check.found.notes.append(
            "the triples of a subject do not stand together: read into memory as a whole"
        )
        check.run(path, _gathered(path), console)
    problems.counts.update(trial.counts)
    problems.found.extend(trial.found)
    return check.found


def _base_of(path: Path) -> str:
    """What the graph's IRIs begin with: what stands before `vocab:` where its vocabulary is first named."""
    try:
        with open_bytes(path) as stream:
            rest = b""
            while chunk := stream.read(_CHUNK):
                rest = rest[-1024:] + chunk
                if found := _BASE.search(rest):
                    return found[1].decode(errors="replace")
    except (OSError, EOFError) as error:
        raise UserError(f"cannot be read: {error}", file=str(path)) from error
    mend = "kgbuild validates the graphs that `kgbuild extract` writes"
    raise UserError("no graph of kgbuild: its vocabulary is nowhere named", file=str(path), mend=mend)


def _quads(path: Path) -> Iterator[Any]:
    from pyoxigraph import RdfFormat, parse

    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    with open_bytes(path) as stream:
        yield from parse(stream, format=RdfFormat.from_extension(ending) or RdfFormat.TURTLE)


def _together(path: Path) -> Iterator[Described]:
    """(subject, its triples) as they stand in the file; _Scattered where a subject comes back."""
    ended: set[str] = set()
    for subject, group in groupby(_quads(path), key=lambda quad: str(quad.subject)):
        if subject in ended:
            raise _Scattered
        ended.add(subject)
        yield subject, [(quad.predicate.value, quad.object) for quad in group]


def _gathered(path: Path) -> Iterator[Described]:
    """(subject, its triples), all of them held in memory."""
    subjects: dict[str, list[tuple[str, Any]]] = {}
    for quad in _quads(path):
        subjects.setdefault(str(quad.subject), []).append((quad.predicate.value, quad.object))
    yield from subjects.items()


class _Check:
    """The state of one pass."""

    def __init__(self, found: Structure, problems: Problems) -> None:
        self.found, self.problems = found, problems
        self.item_space, self.value_space, self.relation_space = (
            found.base + NAMESPACES[name] for name in ("item", "val", "rel")
        )
        vocabulary = found.base + NAMESPACES["kgb"]
        self.confidence, self.source = vocabulary + "confidence", vocabulary + "source"
        self.kinds = {
            vocabulary + "Item": self._item,
            vocabulary + "Value": self._value,
            _PROPERTY: self._relation,
            _STATEMENT: self._statement,
        }
        self.declared_values: set[str] = set()
        self.declared_relations: set[str] = set()
        self.used_values: dict[str, str] = {}
        self.used_relations: dict[str, str] = {}
        self.labels: dict[tuple[str, str], str] = {}
        self.last_item: tuple[str, set[tuple[str, Any]]] = "", set()
        self.elsewhere: dict[tuple[str, str, str], str] = {}
        self.blank_subjects: set[str] = set()
        self.blank_objects: set[str] = set()

    def run(self, path: Path, subjects: Iterator[Described], console: Console) -> None:
        """Check all subjects, then what only the whole graph shows."""
        try:
            with console.progress("checking", unit="subjects") as progress:
                for subject, triples in subjects:
                    self._subject(subject, triples)
                    progress.advance()
        except SyntaxError as error:
            self.found.broken = True
            self.problems.add("syntax", f"not RDF: {error.msg}", _ANEW, line=error.lineno)
            return
        except (OSError, EOFError, ValueError) as error:
            raise UserError(f"cannot be read: {error}", file=str(path)) from error
        if self.elsewhere:
            for quad in _quads(path):
                self.elsewhere.pop((quad.subject.value, quad.predicate.value, str(quad.object)), None)
        for (item, relation, value), statement in self.elsewhere.items():
            self._unstated(statement, item, relation, value)
        self._whole()

    def _subject(self, written: str, triples: list[tuple[str, Any]]) -> None:
        self.found.triples += len(triples)
        subject = written[1:-1] if written.startswith("<") else written
        if written.startswith("_:"):
            self.blank_subjects.add(written)
            return
        blank = [pair for pair in triples if type(pair[1]).__name__ == "BlankNode"]
        for predicate, target in blank:
            self.blank_objects.add(str(target))
            self._wrong("blank-node", subject, "points to a blank node", _NAME_IT, predicate)
        triples = [pair for pair in triples if pair not in blank] if blank else triples
        for kind in [target.value for predicate, target in triples if predicate == _TYPE]:
            if kind in self.kinds:
                self.kinds[kind](subject, triples)

    def _wrong(self, rule: str, subject: str, message: str, mend: str, predicate: str | None = None) -> None:
        self.problems.add(rule, f"{subject}: {message}", mend, subject=subject, predicate=predicate)

    def _one_text(
        self, subject: str, triples: Sequence[tuple[str, Any]], predicate: str, name: str, *, required: bool
    ) -> str | None:
        """The one text of a predicate; a problem where there are several, none though one is required, or no text."""
        targets = [target for given, target in triples if given == predicate]
        wrong, mend = "", f"give it one {name}"
        if required and not targets:
            wrong, predicate = f"has no {name}", ""
        elif len(targets) > 1:
            wrong = f"has {len(targets)} {name}s"
        elif targets and (_datatype(targets[0]) != _STRING or (required and not targets[0].value)):
            wrong, mend = (
                f"its {name} {targets[0]} is no text",
                "write it as a plain string that is not empty",
            )
        if wrong:
            self._wrong(name, subject, wrong, mend, predicate or None)
            return None
        return str(targets[0].value) if targets else None

    def _item(self, subject: str, triples: list[tuple[str, Any]]) -> None:
        self.found.items += 1
        identifier = self._one_text(subject, triples, _IDENTIFIER, "identifier", required=True)
        self._one_text(subject, triples, _LABEL, "title", required=False)
        self._one_text(subject, triples, _DESCRIPTION, "description", required=False)
        if identifier is not None and subject != self.item_space + name_slug(identifier):
            mend = f"the item {identifier!r} is <{self.item_space}{name_slug(identifier)}>"
            self._wrong("item-name", subject, "its IRI does not say its identifier", mend, _IDENTIFIER)
        facts = [(name, target) for name, target in triples if name.startswith(self.relation_space)]
        self.last_item = subject, set(facts)
        self.found.facts += len(facts)
        for relation, target in facts:
            self.used_relations.setdefault(relation, subject)
            kind = _datatype(target)
            if kind is None:
                self.used_values.setdefault(target.value, f"{subject} {relation}")
            elif kind not in _NUMBERS:
                mend = "let it point to a kgb:Value with this label, or write a number or a date"
                self._wrong(
                    "fact",
                    subject,
                    f"says {target}, which is neither value nor number nor date",
                    mend,
                    relation,
                )
            elif (reason := _unreadable(target)) is not None:
                self._wrong(
                    "fact",
                    subject,
                    f"says {target}: {reason}",
                    "write a number or a date that is one",
                    relation,
                )

    def _value(self, subject: str, triples: list[tuple[str, Any]]) -> None:
        self.found.values += 1
        self.declared_values.add(subject)
        scope, colon, _ = subject.removeprefix(self.value_space).partition(":")
        if not subject.startswith(self.value_space) or not colon or not scope:
            self._wrong(
                "value-name",
                subject,
                "its IRI does not name its range",
                f"call it <{self.value_space}RANGE:NAME>",
            )
        label = self._labelled(subject, triples)
        if label is not None:
            other = self.labels.setdefault((scope, label), subject)
            if other != subject:
                mend = "a value is what its range and label say: let one of the two stand for both"
                self._wrong("same-value", subject, f"has the range and the label of {other}", mend, _LABEL)

    def _relation(self, subject: str, triples: list[tuple[str, Any]]) -> None:
        self.found.relations += 1
        self.declared_relations.add(subject)
        label = self._labelled(subject, triples)
        if not subject.startswith(self.relation_space):
            self._wrong(
                "relation-name",
                subject,
                "is not in the space of relations",
                f"call it <{self.relation_space}NAME>",
            )
        elif label is not None and unquote(subject.removeprefix(self.relation_space)) != label:
            mend = f"the relation {label!r} is <{self.relation_space}{name_slug(label)}>"
            self._wrong("relation-name", subject, "its IRI does not say its label", mend, _LABEL)

    def _labelled(self, subject: str, triples: list[tuple[str, Any]]) -> str | None:
        label = self._one_text(subject, triples, _LABEL, "label", required=True)
        for name, target in triples:
            if name == _OTHER_LABEL and (_datatype(target) != _STRING or target.value == label):
                mend = "write it as a plain string that is not the label"
                self._wrong("other-label", subject, f"{target} cannot be another label", mend, name)
        return label

    def _statement(self, subject: str, triples: list[tuple[str, Any]]) -> None:
        about = []
        for name in ("subject", "predicate", "object"):
            targets = [target for given, target in triples if given == VOCABULARIES["rdf"] + name]
            if len(targets) != 1:
                self._wrong("evidence", subject, f"has {len(targets)} rdf:{name}", "let it speak of one fact")
                return
            about.append(targets[0])
        self._one_text(subject, triples, self.source, "source", required=True)
        given = [target for name, target in triples if name == self.confidence]
        if len(given) != 1 or not _is_confidence(given[0]):
            mend = "give it one kgb:confidence above 0 and at most 1"
            self._wrong(
                "confidence",
                subject,
                "has no confidence that is one",
                mend,
                self.confidence if given else None,
            )
        item, relation, value = about[0].value, about[1].value, about[2]
        if item != self.last_item[0]:
            self.elsewhere[item, relation, str(value)] = subject
        elif (relation, value) not in self.last_item[1]:
            self._unstated(subject, item, relation, str(value))

    def _unstated(self, statement: str, item: str, relation: str, value: str) -> None:
        message = f"is evidence of {item} {relation} {value}, which the graph does not state"
        self._wrong("evidence", statement, message, "remove it, or state the fact")

    def _whole(self) -> None:
        """What only the whole graph shows: things that are pointed to and are not there."""
        for relation, item in self.used_relations.items():
            if relation not in self.declared_relations:
                mend = f"declare it: <{relation}> a rdf:Property ; rdfs:label ..."
                self._wrong(
                    "undeclared", item, f"uses the relation {relation}, which is not declared", mend, relation
                )
        for value, user in self.used_values.items():
            if value not in self.declared_values:
                item, _, relation = user.partition(" ")
                mend = f"declare it: <{value}> a kgb:Value ; rdfs:label ..."
                self._wrong(
                    "undeclared", item, f"points to {value}, which is no declared value", mend, relation
                )
        for _ in self.blank_subjects - self.blank_objects:
            self.problems.add("blank-node", "a subject is a blank node", _NAME_IT)
        if unused := len(self.declared_values - self.used_values.keys()):
            self.found.notes.append(f"values that no item has: {unused:,}")
        if self.found.items == 0:
            self.problems.add(
                "no-items", "there is no item in it", "`kgbuild extract` writes graphs with items"
            )


def _datatype(target: Any) -> str | None:
    """The datatype of a literal; None of an IRI."""
    kind = getattr(target, "datatype", None)
    return None if kind is None else str(kind.value)


def _unreadable(target: Any) -> str | None:
    try:
        value = scalar(target)
    except (ValueError, OverflowError) as error:
        return str(error)
    finite = not isinstance(value, float) or value - value == 0
    return None if finite else "it is not finite"


def _is_confidence(target: Any) -> bool:
    try:
        return 0 < float(target.value) <= 1
    except ValueError:
        return False
