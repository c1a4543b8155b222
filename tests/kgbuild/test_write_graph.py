"""The graph as two other RDF readers see it, whatever text the items and models hold."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, parse
from rdflib.namespace import DCTERMS, RDF, RDFS, SKOS

from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention, Scalar
from kgbuild.write import OutputPaths, evidence_record, write_graph
from kgbuild.write.evidence import evidence_line
from kgbuild.write.iris import ValueNames, check_base, label_slug, name_slug, whole_text
from kgbuild.write.turtle import literal
from plugbase.errors import UserError

BASE = "urn:kgbuild:"
NASTY = [
    '"',
    '"""',
    "\\",
    'a" . item:2 a kgb:Item . item:3 rdfs:label "b',
    "a\nb\r\nc\td",
    "\x00\x01\x1b[31m\x7f\x85",
    "> <x:y> .",
    "a b",
    "..",
    "-",
    "%2E",
    "~_.-!$&'()*+,;=/?#@",
    "مرحبا \u202eabc\u2066",
    "\ufeff\ufffe\uffff\u2028",
    "\ud800",
    "😀\ud83d",
    "é e\u0301",
    "a:b",
    "A b",
    "a-b",
    "",
]
anything = st.sampled_from(NASTY) | st.text(st.characters(exclude_categories=()), max_size=12)
scalars = anything | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.dates()


def fact(item: str, relation: str, value: Scalar, scope: str | None = None, **others: object) -> Fact:
    mention = Mention(item, relation, value, **{"confidence": 1.0, "source": CATALOGUE, **others})  # type: ignore[arg-type]
    return Fact(mention, relation, value, scope or relation)


def write(folder: Path, items: Iterable[Item], resolution: Resolution, **options: object) -> OutputPaths:
    paths = OutputPaths(folder / "graph.ttl")
    write_graph(sorted(items, key=lambda item: item.id), resolution, paths, **options)  # type: ignore[arg-type]
    return paths


def read_rdflib(paths: OutputPaths) -> rdflib.Graph:
    return rdflib.Graph().parse(data=paths.graph.read_bytes(), format="turtle")


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    item = Item("1", "Toy Story", "A little boy named Andy ...")
    resolution = Resolution(
        [fact("1", "director", "John Lasseter", "person"), fact("1", "year", 1995)],
        {"director": ["film by", "directed by"], "year": []},
        {("person", "John Lasseter"): ["J. Lasseter"]},
    )
    paths = write(tmp_path, [item], resolution)
    text = paths.graph.read_text(encoding="utf-8")
    assert text.partition("\n\n")[2] == (
        'rel:director a rdf:Property ;\n    rdfs:label "director" ;\n'
        '    skos:altLabel "directed by" , "film by" .\n\n'
        'rel:year a rdf:Property ;\n    rdfs:label "year" .\n\n'
        'item:1 a kgb:Item ;\n    dcterms:identifier "1" ;\n    rdfs:label "Toy Story" ;\n'
        '    dcterms:description "A little boy named Andy ..." ;\n'
        "    rel:director val:person:john-lasseter ;\n    rel:year 1995 .\n\n"
        'val:person:john-lasseter a kgb:Value ;\n    rdfs:label "John Lasseter" ;\n'
        '    skos:altLabel "J. Lasseter" .\n\n'
    )
    for line in (
        "@prefix item: <urn:kgbuild:item:> .",
        "@prefix rel: <urn:kgbuild:rel:> .",
        "@prefix val: <urn:kgbuild:value:> .",
        "@prefix kgb: <urn:kgbuild:vocab:> .",
    ):
        assert line in text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.evidence.jsonl", "graph.ttl"]


@given(
    items=st.dictionaries(
        anything.filter(lambda id: id == whole_text(id)), st.tuples(anything, anything), max_size=4
    ),
    facts=st.lists(st.tuples(st.integers(0, 9), anything, scalars, anything, st.floats(0.01, 1)), max_size=8),
    others=st.lists(anything, max_size=3),
    inline=st.booleans(),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_two_readers_find_exactly_what_was_written(
    tmp_path_factory: pytest.TempPathFactory,
    items: dict[str, tuple[str, str]],
    facts: list[tuple[int, str, Scalar, str, float]],
    others: list[str],
    inline: bool,
    seed: int,
) -> None:
    made = [Item(identifier, title, text) for identifier, (title, text) in items.items()]
    ids = sorted(items)
    resolved = [
        fact(
            ids[which % len(ids)],
            whole_text(relation),
            whole(value),
            whole_text(scope),
            confidence=confidence,
        )
        for which, relation, value, scope, confidence in facts
        if ids
    ]
    relations = {each.relation: others for each in resolved}
    values = {(each.range, each.value): others for each in resolved if isinstance(each.value, str)}
    folder = tmp_path_factory.mktemp("graph")
    paths = write(
        folder, made, Resolution(resolved, relations, values), evidence="inline" if inline else "file"
    )
    written = paths.graph.read_bytes()
    triples = [quad.triple for quad in parse(written, format=RdfFormat.TURTLE)]
    graph = read_rdflib(paths)

    assert len(set(triples)) == len(triples) == len(graph)
    assert not any(
        isinstance(term, BlankNode) for triple in triples for term in (triple.subject, triple.object)
    )
    of_class: dict[str, set[str]] = {"Item": set(), "Value": set(), "Property": set(), "Statement": set()}
    for triple in triples:
        if triple.predicate.value == str(RDF.type):
            of_class[triple.object.value.rpartition(":")[2].rpartition("#")[2]].add(triple.subject.value)
    identifiers = {
        triple.subject.value: triple.object.value
        for triple in triples
        if triple.predicate.value == str(DCTERMS.identifier)
    }
    assert sorted(identifiers.values()) == ids
    assert set(identifiers) == of_class["Item"]
    assert len(of_class["Property"]) == len({each.relation for each in resolved})
    assert len(of_class["Value"]) == len({(e.range, e.value) for e in resolved if isinstance(e.value, str)})
    labels = {str(subject): str(label) for subject, label in graph.subject_objects(RDFS.label)}
    for subject, identifier in identifiers.items():
        assert labels.get(subject, "") == whole_text(items[identifier][0])
        assert str(graph.value(rdflib.URIRef(subject), DCTERMS.description, default="")) == whole_text(
            items[identifier][1]
        )
    assert {labels[relation] for relation in of_class["Property"]} == {each.relation for each in resolved}
    expected = {
        (
            each.mention.item,
            each.relation,
            each.range if isinstance(each.value, str) else "",
            spelt(each.value),
        )
        for each in resolved
    }
    stated = {
        (identifiers[t.subject.value], labels[t.predicate.value], t.object)
        for t in triples
        if t.predicate.value in of_class["Property"]
    }
    assert len(stated) == len(expected)
    assert {(item, relation, term(object_, labels)) for item, relation, object_ in stated} == {
        (item, relation, value) for item, relation, _, value in expected
    }
    for relation in of_class["Property"]:
        found = {str(label) for label in graph.objects(rdflib.URIRef(relation), SKOS.altLabel)}
        assert found == {whole_text(other) for other in others} - {labels[relation]}
    if inline:
        assert len(of_class["Statement"]) == len(expected)
        assert not paths.evidence.exists()
    else:
        assert len(paths.evidence.read_bytes().splitlines()) >= len(expected)
        records = [json.loads(line) for line in paths.evidence.read_text(encoding="utf-8").split("\n")[:-1]]
        assert len(records) == len(expected)
        assert [record["item"] for record in records] == sorted(record["item"] for record in records)

    random.Random(seed).shuffle(resolved)
    random.Random(seed).shuffle(others)
    again = write(
        folder, made, Resolution(resolved, relations, values), evidence="inline" if inline else "file"
    )
    assert again.graph.read_bytes() == written


def whole(value: Scalar) -> Scalar:
    return whole_text(value) if isinstance(value, str) else value


def spelt(value: Scalar) -> str:
    """A value as text that tells its type: what `term` finds in the graph."""
    if isinstance(value, str):
        return f"value {value}"
    return f"{type(value).__name__} {value!r}"


def term(found: NamedNode | Literal, labels: dict[str, str]) -> str:
    if isinstance(found, NamedNode):
        return f"value {labels[found.value]}"
    kind = found.datatype.value.removeprefix("http://www.w3.org/2001/XMLSchema#")
    if kind == "integer":
        return f"int {int(found.value)!r}"
    if kind == "date":
        return f"date {date.fromisoformat(found.value)!r}"
    assert kind in ("decimal", "double")
    return f"float {float(found.value)!r}"


@given(first=anything, second=anything)
@settings(max_examples=300)
def test_names_are_one_to_one_and_safe(first: str, second: str) -> None:
    one, two = name_slug(first), name_slug(second)
    assert (one == two) == (whole_text(first) == whole_text(second))
    assert one.isascii()
    assert not set(one) & set("<>\"{}|^`\\ \n\t~:/#?@'()*+,;=!$&")
    names = ValueNames.of([("a", first), ("a", second), ("b", first)])
    assert (names["a", first] == names["a", second]) == (first == second)
    assert names["a", first] != names["b", first]


@pytest.mark.parametrize(
    ("label", "slug", "faithful"),
    [
        ("John Lasseter", "john-lasseter", True),
        ("sci-fi", "sci-fi", True),
        ("iPhone 15 Pro", "iphone-15-pro", True),
        ("Amélie", "am%C3%A9lie", True),
        ("J. Lasseter", "j-lasseter", False),
        ("made_of", "made-of", False),
        ("a  b", "a-b", False),
        ("!", "", False),
        ("x" * 61, "x" * 60, False),
    ],
)
def test_slugs_are_readable(label: str, slug: str, faithful: bool) -> None:
    assert label_slug(label) == (slug, faithful)


def test_a_value_has_the_same_name_in_every_graph() -> None:
    alone = ValueNames.of([("person", "J. Lasseter")])["person", "J. Lasseter"]
    among = ValueNames.of([("person", label) for label in ("J Lasseter", "J. Lasseter", "j lasseter")])
    assert among["person", "J. Lasseter"] == alone
    assert among["person", "J Lasseter"] == "person:j-lasseter"
    assert among["person", "j lasseter"].startswith("person:j-lasseter_")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (7, "7"),
        (-7, "-7"),
        (7.0, "7.0"),
        (1e300, '"1e+300"^^xsd:double'),
        (date(1995, 11, 22), '"1995-11-22"^^xsd:date'),
        ('say "x"', '"say \\"x\\""'),
    ],
)
def test_literals_are_typed(value: Scalar, written: str) -> None:
    assert literal(value) == written


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no place in a graph"):
        literal(math.nan)


@pytest.mark.parametrize("base", ["https://example.org/kg/", "https://example.org/kg#", "urn:x:"])
def test_another_base(tmp_path: Path, base: str) -> None:
    paths = write(tmp_path, [Item("1", "A")], Resolution([fact("1", "mood", "sad")]), base=check_base(base))
    triples = [quad.triple for quad in parse(paths.graph.read_bytes(), format=RdfFormat.TURTLE)]
    own = {term.value for t in triples for term in (t.subject, t.predicate) if "w3.org" not in term.value}
    own.discard(str(DCTERMS.identifier))
    assert own == {f"{base}item:1", f"{base}rel:mood", f"{base}value:mood:sad"}
    assert "urn:kgbuild:" not in paths.graph.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "base", ["", "kg/", "https://example.org/kg", "urn:a b:", "urn:<x>:", "urn:x\n:", "urn:\ud800:"]
)
def test_what_cannot_be_a_base(base: str) -> None:
    with pytest.raises(UserError, match="cannot be the base"):
        check_base(base)


def test_evidence_has_the_designed_keys_and_the_place_only_where_there_is_one() -> None:
    mention = Mention(
        "1", "is about", "rivalry of toys", 0.83, "local:facets@3", "description", 41, 56, "rivalry of toys"
    )
    assert evidence_record(Fact(mention, "theme", "toy rivalry", "theme")) == {
        "item": "1",
        "relation": "theme",
        "value": "toy rivalry",
        "raw_relation": "is about",
        "raw_value": "rivalry of toys",
        "confidence": 0.83,
        "source": "local:facets@3",
        "field": "description",
        "start": 41,
        "end": 56,
        "quote": "rivalry of toys",
    }
    stated = evidence_record(fact("1", "released", date(1995, 11, 22)))
    assert (stated["value"], stated["raw_value"]) == ("1995-11-22", "1995-11-22")
    assert "start" not in stated


def test_inline_evidence_says_the_same(tmp_path: Path) -> None:
    place: dict[str, Any] = {"field": "description", "start": 2, "end": 5, "quote": "sad"}
    known = fact("1", "mood", "sad", confidence=0.8, source="local:mood@1", **place)
    paths = write(
        tmp_path,
        [Item("1", "A", "a sad tale")],
        Resolution([known, fact("1", "year", 1995)]),
        evidence="inline",
    )
    graph = read_rdflib(paths)
    kgb = rdflib.Namespace(f"{BASE}vocab:")
    (statement,) = graph.subjects(RDF.object, rdflib.URIRef(f"{BASE}value:mood:sad"))
    assert str(statement).startswith(f"{BASE}evidence:")
    assert graph.value(statement, RDF.subject) == rdflib.URIRef(f"{BASE}item:1")
    assert graph.value(statement, RDF.predicate) == rdflib.URIRef(f"{BASE}rel:mood")
    found = {name: graph.value(statement, kgb[name]).toPython() for name in ("confidence", "source", *place)}
    assert {**found, "confidence": float(found["confidence"])} == {
        "confidence": 0.8,
        "source": "local:mood@1",
        **place,
    }
    assert graph.value(predicate=RDF.object, object=rdflib.Literal(1995)) is not None


def test_of_two_facts_that_are_one_triple_the_surer_stays(tmp_path: Path) -> None:
    both = [fact("1", "mood", "sad", confidence=score, source="local:x@1") for score in (0.4, 0.9)]
    paths = write(tmp_path, [Item("1", "A")], Resolution(both))
    (record,) = map(json.loads, paths.evidence.read_text(encoding="utf-8").splitlines())
    assert record["confidence"] == 0.9


def test_a_write_that_fails_leaves_the_old_graph(tmp_path: Path) -> None:
    paths = write(tmp_path, [Item("1", "A")], Resolution([]))
    before = paths.graph.read_bytes()

    def broken() -> Iterable[Item]:
        yield Item("1", "B")
        raise RuntimeError("power gone")

    with pytest.raises(RuntimeError, match="power gone"):
        write_graph(broken(), Resolution([]), paths)
    assert paths.graph.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
    (tmp_path / ".graph.ttl.part").mkdir()
    with pytest.raises(UserError, match=r"graph\.ttl: cannot be written: Is a directory"):
        write_graph([], Resolution([]), paths)
    assert paths.graph.read_bytes() == before


@given(
    item=anything,
    relation=anything,
    raw_relation=anything,
    value=scalars,
    raw_value=scalars,
    confidence=st.floats(0.01, 1),
    place=st.none() | st.tuples(st.sampled_from(["title", "description"]), st.integers(0), anything),
)
def test_a_line_of_evidence_is_its_record_as_json(
    item: str,
    relation: str,
    raw_relation: str,
    value: Scalar,
    raw_value: Scalar,
    confidence: float,
    place: tuple[str, int, str] | None,
) -> None:
    where = {"field": place[0], "start": place[1], "end": place[1] + 1, "quote": place[2]} if place else {}
    mention = Mention(item, raw_relation, raw_value, confidence, "x@1", **where)  # type: ignore[arg-type]
    found = Fact(mention, relation, value, relation)
    assert evidence_line(found) == whole_text(json.dumps(evidence_record(found), ensure_ascii=False)) + "\n"
