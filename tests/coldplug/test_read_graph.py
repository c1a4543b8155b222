"""Reading graph.ttl: the vocabulary, another base, evidence beside and inside, complaints about bad files."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from c1_world import write_world

from coldplug.read import evidence_beside, read_graph
from plugbase.errors import UserError

HEAD = """@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix dcterms: <http://purl.org/dc/terms/> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix item: <urn:kgbuild:item:> . @prefix rel: <urn:kgbuild:rel:> .
@prefix val: <urn:kgbuild:value:> . @prefix kgb: <urn:kgbuild:vocab:> .
"""
TOY = (
    HEAD
    + """item:a%2F1 a kgb:Item ; dcterms:identifier "a/1" ; rdfs:label "Toy \\"Story\\"\\nשלום" ;
  dcterms:description "Dolls." ; rel:director val:person:jl ; rel:theme val:theme:rivalry ;
  rel:year "1995"^^xsd:gYear ;
  rel:released "1995-11-22"^^xsd:date ; rel:price 3.5 .
item:b a kgb:Item ; dcterms:identifier "b" ; rel:actor val:person:jl ; rel:note "as it is" .
val:person:jl a kgb:Value ; rdfs:label "John Lasseter" .
val:theme:rivalry a kgb:Value ; rdfs:label "toy rivalry" .
rel:director a rdf:Property ; rdfs:label "director" .
"""
)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    path = tmp_path / "graph.ttl"
    path.write_text(TOY, encoding="utf-8")
    return path


def test_items_values_and_literals_are_read(toy: Path) -> None:
    graph = read_graph(toy)
    assert list(graph.item_ids) == ["a/1", "b"]
    assert graph.titles[0] == 'Toy "Story"\nשלום'
    assert list(graph.descriptions) == ["Dolls.", ""]
    triples = {
        (graph.item_ids[h], graph.relation_names[r], graph.value_labels[t])
        for h, r, t in zip(graph.heads, graph.relations, graph.tails, strict=True)
    }
    assert triples == {
        ("a/1", "director", "John Lasseter"),
        ("a/1", "theme", "toy rivalry"),
        ("b", "actor", "John Lasseter"),
        ("b", "note", "as it is"),
    }
    numbers = {
        graph.relation_names[r]: float(n)
        for r, n in zip(graph.literal_relations, graph.literal_numbers, strict=True)
    }
    assert numbers["year"] == 1995.0
    assert numbers["price"] == 3.5
    assert 1995.88 < numbers["released"] < 1995.9
    assert graph.weights.tolist() == [1.0] * 4
    assert graph.stated.all()


def test_relations_that_share_a_range_share_values(toy: Path) -> None:
    graph = read_graph(toy)
    assert list(graph.value_labels).count("John Lasseter") == 1


def test_evidence_beside_the_graph_gives_weights_and_sources(toy: Path) -> None:
    beside = toy.with_name("graph.evidence.jsonl")
    beside.write_text(
        '{"item": "a/1", "relation": "theme", "value": "toy rivalry",'
        ' "confidence": 0.83, "source": "local:x@3"}\n'
        '{"item": "a/1", "relation": "year", "value": 1995, "confidence": 1, "source": "catalogue"}\n'
    )
    assert evidence_beside(toy) == beside
    graph = read_graph(toy)
    theme = [graph.relation_names[r] for r in graph.relations].index("theme")
    assert graph.weights[theme] == np.float32(0.83)
    assert graph.stated.tolist().count(False) == 1
    assert not graph.stated[theme]
    assert len(read_graph(toy, sources=["local"]).heads) == 1
    assert len(read_graph(toy, sources=["catalogue"]).heads) == 3


def test_evidence_inside_the_graph_counts_too(toy: Path) -> None:
    with toy.open("a", encoding="utf-8") as stream:
        stream.write(
            "<urn:kgbuild:fact:1> a rdf:Statement ; rdf:subject item:b ; rdf:predicate rel:actor ; "
            'rdf:object val:person:jl ; kgb:confidence 0.25 ; kgb:source "local:x@3" .\n'
        )
    graph = read_graph(toy)
    actor = [graph.relation_names[r] for r in graph.relations].index("actor")
    assert graph.weights[actor] == 0.25
    assert not graph.stated[actor]


@pytest.mark.parametrize("base", ["https://example.org/shop/", "urn:x:"])
def test_another_base_reads_alike(tmp_path: Path, base: str) -> None:
    here = read_graph(write_world(tmp_path / "a") / "graph.ttl")
    there = read_graph(write_world(tmp_path / "b", base=base) / "graph.ttl")
    assert list(here.item_ids) == list(there.item_ids)
    assert list(here.relation_names) == list(there.relation_names) == ["director", "genre", "theme", "year"]
    for name in ("heads", "relations", "tails", "weights", "stated", "literal_numbers"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name))


def test_gzip_is_understood(toy: Path) -> None:
    packed = toy.with_name("g.ttl.gz")
    packed.write_bytes(gzip.compress(toy.read_bytes()))
    assert list(read_graph(packed).item_ids) == ["a/1", "b"]


def test_a_syntax_error_names_file_and_line(toy: Path) -> None:
    toy.write_text(TOY + 'item:c a kgb:Item ; rdfs:label "no end .\n')
    with pytest.raises(UserError, match=r"graph\.ttl:[12][0-9]: not Turtle"):
        read_graph(toy)


def test_a_graph_without_items_is_refused(toy: Path) -> None:
    toy.write_text("<urn:a> <urn:b> <urn:c> .")
    with pytest.raises(UserError, match="holds no items"):
        read_graph(toy)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere\.ttl: no such file"):
        read_graph(tmp_path / "nowhere.ttl")


@pytest.mark.parametrize(
    "line",
    ['{"item": "b"}', "not json", '{"item": "b", "relation": "actor", "value": "x", "confidence": 0}', "[1]"],
)
def test_a_bad_evidence_line_names_file_and_line(toy: Path, line: str) -> None:
    good = (
        '{"item": "b", "relation": "actor", "value": "John Lasseter", "confidence": 1, "source": "catalogue"}'
    )
    toy.with_name("graph.evidence.jsonl").write_text(f"{good}\n{line}\n")
    with pytest.raises(UserError, match=r"graph\.evidence\.jsonl:2: "):
        read_graph(toy)
