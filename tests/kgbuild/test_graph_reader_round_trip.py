"""What was written is read back, from our own layout, from an edited file and from other tools' files."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pyoxigraph
import pytest
import rdflib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild.read import graph as graph_module
from kgbuild.read import rdf
from kgbuild.read.graph import GraphFile, read_graph
from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention, Scalar
from kgbuild.write import EvidenceStyle, OutputPaths, write_graph
from kgbuild.write.iris import whole_text
from plugbase.errors import UserError

NASTY = [
    '"',
    '"""',
    "\\",
    "\\u0041",
    "a\nb\r\n\n\tc",
    "x .\n\nitem:9 a kgb:Item .",
    " , ",
    '" , "',
    " ;\n    ",
    "ü\u202e😀",
    "val:a",
    "A b",
    "a-b",
    "",
]
anything = (st.sampled_from(NASTY) | st.text(max_size=12)).map(whole_text)
scalars = anything | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.dates()
names = anything.filter(bool)


def fact(item: str, relation: str, value: Scalar, scope: str | None = None, **others: object) -> Fact:
    mention = Mention(item, relation, value, **{"confidence": 1.0, "source": CATALOGUE, **others})  # type: ignore[arg-type]
    return Fact(mention, relation, value, (scope or relation) if isinstance(value, str) else relation)


def write(
    folder: Path,
    items: Iterable[Item],
    resolution: Resolution,
    evidence: EvidenceStyle = "file",
    base: str = "urn:kgbuild:",
) -> Path:
    paths = OutputPaths(folder / "graph.ttl")
    write_graph(sorted(items, key=lambda item: item.id), resolution, paths, evidence=evidence, base=base)
    return paths.graph


def contents(graph: GraphFile) -> dict[str, tuple[str, str, set[str]]]:
    """Each item's title, description and facts; the text of a fact tells 1 from 1.0."""
    found = {}
    for item, facts in graph.items():
        assert {fact.mention.item for fact in facts} <= {item.id}
        found[item.id] = item.title, item.description, {repr(fact) for fact in facts}
    return found


def world(count: int = 3) -> tuple[list[Item], Resolution]:
    items = [
        Item(f"{number:04}", f'Film "{number}"', "two\nlines\n\n and a quote \\") for number in range(count)
    ]
    facts = []
    for item in items:
        place = {"field": "description", "start": 0, "end": 3, "quote": "two"}
        facts += [
            fact(item.id, "mood", "sad, very", confidence=0.5, source="local:x@1", **place),
            fact(item.id, "director", "J. Lasseter", "person"),
            fact(item.id, "year", 1995),
            fact(item.id, "price", 7.5),
            fact(item.id, "out", date(1995, 11, 22)),
        ]
    values = {("person", "J. Lasseter"): ["John Lasseter", 'a "quoted" one'], ("mood", "sad, very"): []}
    relations: dict[str, list[str]] = {each.relation: [] for each in facts} | {"director": ["film by"]}
    return items, Resolution(facts, relations, values)


@given(
    items=st.dictionaries(anything, st.tuples(anything, anything), max_size=4),
    facts=st.lists(st.tuples(st.integers(0, 9), names, scalars, names, st.floats(0.01, 1)), max_size=8),
    others=st.lists(anything, max_size=3),
    inline=st.booleans(),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    items: dict[str, tuple[str, str]],
    facts: list[tuple[int, str, Scalar, str, float]],
    others: list[str],
    inline: bool,
) -> None:
    made = [Item(identifier, title, text) for identifier, (title, text) in items.items()]
    ids = sorted(items)
    resolved = {}
    for which, relation, value, scope, confidence in facts:
        if ids:
            one = fact(ids[which % len(ids)], relation, value, scope, confidence=round(confidence, 4))
            resolved[one.mention.item, relation, type(value), str(value)] = one
    values = {(one.range, one.value): others for one in resolved.values() if isinstance(one.value, str)}
    relations = {one.relation: others for one in resolved.values()}
    path = write(
        tmp_path_factory.mktemp("graph"),
        made,
        Resolution(list(resolved.values()), relations, values),
        "inline" if inline else "file",
    )
    graph = read_graph(path)
    assert graph.relations == {name: sorted(set(others) - {name}) for name in sorted(relations)}
    assert graph.values == {value: sorted(set(others) - {value[1]}) for value in values}
    assert set(graph.names.names) == set(values)
    assert [item for item, _ in graph.items()] == sorted(made, key=lambda item: item.id)
    assert {repr(one) for _, found in graph.items() for one in found} == {
        repr(one) for one in resolved.values()
    }


@pytest.mark.parametrize("evidence", ["file", "inline"])
@pytest.mark.parametrize("base", ["urn:kgbuild:", "https://example.org/kg/"])
def test_what_other_tools_write_anew_reads_the_same(
    tmp_path: Path, evidence: EvidenceStyle, base: str
) -> None:
    path = write(tmp_path, *world(), evidence=evidence, base=base)
    ours = read_graph(path)
    expected = contents(ours)
    assert len(expected) == 3
    assert {len(facts) for _, _, facts in expected.values()} == {5}
    assert ours.value_iri(("person", "J. Lasseter")).startswith(f"{base}value:person:j-lasseter_")
    rewritten = {
        "graph.ttl": rdflib.Graph().parse(path, format="turtle").serialize(format="turtle", encoding="utf-8"),
        "graph.nt": pyoxigraph.serialize(
            pyoxigraph.parse(path=str(path)), format=pyoxigraph.RdfFormat.N_TRIPLES
        ),
    }
    for name, content in rewritten.items():
        other = tmp_path / name
        other.write_bytes(content)
        graph = read_graph(other)
        assert contents(graph) == expected
        assert (graph.base, graph.relations, graph.values) == (base, ours.relations, ours.values)
        assert graph.names == ours.names


def test_our_own_layout_needs_no_rdf_parser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, *world(), evidence="inline")
    expected = contents(read_graph(path))
    monkeypatch.setattr(rdf, "_triples", None)
    assert contents(read_graph(path)) == expected
    # Blocks that lie across the pieces in which the file is read.
    monkeypatch.setattr(graph_module, "_CHUNK", 100)
    assert contents(read_graph(path)) == expected
    packed = tmp_path / "packed.ttl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert contents(read_graph(packed)) == expected


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("rel:year 1995", "rel:year '1995'^^xsd:integer"),
        ("rel:year 1995", "rel:year +1995"),
        ("rel:price 7.5", 'rel:price "7.5"^^xsd:double'),
        ("rel:price 7.5", "<urn:kgbuild:rel:price>   7.5 ;"),
        ("rdfs:label", "rdfs:label 'x' ; rdfs:comment"),
    ],
)
def test_an_edit_by_hand_is_read(tmp_path: Path, old: str, new: str) -> None:
    path = write(tmp_path, *world())
    expected = contents(read_graph(path))
    before, found, after = path.read_text(encoding="utf-8").rpartition(old)
    assert found
    if old == "rdfs:label":
        path.write_text(before + new + after, encoding="utf-8")
        assert set(read_graph(path).values) == {("mood", "sad, very"), ("person", "x")}
        return
    path.write_text(before + new + after, encoding="utf-8")
    assert contents(read_graph(path)) == expected


def test_facts_without_evidence_count_as_stated(tmp_path: Path) -> None:
    path = write(tmp_path, *world())
    path.with_name("graph.evidence.jsonl").unlink()
    for item, facts in read_graph(path).items():
        assert {fact.mention.source for fact in facts} == {CATALOGUE}
        assert facts[0].mention == Mention(item.id, facts[0].relation, facts[0].value, 1.0, CATALOGUE)


def test_evidence_in_another_order_finds_its_facts(tmp_path: Path) -> None:
    path = write(tmp_path, *world())
    expected = contents(read_graph(path))
    beside = path.with_name("graph.evidence.jsonl")
    lines = beside.read_bytes().splitlines(keepends=True)
    beside.write_bytes(b"".join(reversed(lines)) + b"\n")
    assert contents(read_graph(path)) == expected
    beside.write_bytes(b"".join(lines[1:]))
    (_, facts), *others = read_graph(path).items()
    assert facts[0].mention == Mention("0000", "director", "J. Lasseter", 1.0, CATALOGUE)
    assert {fact.mention.source for fact in facts} == {CATALOGUE, "local:x@1"}
    assert [len(found) for _, found in others] == [5, 5]


def broken(folder: Path, ending: str, old: str, new: str) -> tuple[Path, int, int]:
    """The graph, and the lines of the slip and of the block that has it."""
    path = write(folder, *world())
    edited = path.with_name(f"graph.{ending}")
    text = edited.read_text(encoding="utf-8")
    before, found, after = text.partition(old)
    assert found
    edited.write_text(before + new + after, encoding="utf-8")
    line = before.count("\n") + 1
    return path, line, line - before.rpartition("\n\n")[2].count("\n")


@pytest.mark.parametrize(
    ("ending", "old", "new", "message"),
    [
        ("ttl", "rel:year 1995", "rel:year 19,,95", r"graph\.ttl:LINE: not Turtle: "),
        (
            "ttl",
            "rel:year 1995",
            "rel:year true",
            r"graph\.ttl:BLOCK: .*neither text nor a number nor a date",
        ),
        (
            "ttl",
            "rel:mood val:mood:sad",
            "rel:mood val:mood:bad",
            r"graph\.ttl:BLOCK: .*has no label in this graph",
        ),
        ("ttl", "a kgb:Item", "a kgb:Item . <>", r"graph\.ttl:LINE: not RDF: "),
        (
            "evidence.jsonl",
            '"confidence": 0.5',
            '"confidence": 5',
            r"jsonl:LINE: .*is not between 0 .* and 1\n  write",
        ),
        (
            "evidence.jsonl",
            '"item": "0000"',
            '"Item": "0000"',
            r"jsonl:LINE: not an evidence record: no 'item'",
        ),
        ("evidence.jsonl", "}", "", r"jsonl:LINE: not an evidence record: "),
    ],
)
def test_what_is_broken_is_named_with_its_line(
    tmp_path: Path, ending: str, old: str, new: str, message: str
) -> None:
    path, line, block = broken(tmp_path, ending, old, new)
    with pytest.raises(UserError, match=message.replace("LINE", str(line)).replace("BLOCK", str(block))):
        list(read_graph(path).items())


def test_what_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such graph"):
        read_graph(tmp_path / "none.ttl")
    other = tmp_path / "other.ttl"
    other.write_text('<urn:a> <urn:b> "c" .')
    with pytest.raises(UserError, match="holds no items"):
        read_graph(other)
    other.write_text("\n\nitem")
    with pytest.raises(UserError, match=r"other\.ttl:3: not RDF"):
        read_graph(other)
    packed = tmp_path / "graph.ttl.gz"
    packed.write_bytes(gzip.compress(b"@prefix")[:-4])
    with pytest.raises(UserError, match="cannot be read"):
        read_graph(packed)


def test_a_graph_without_items_or_facts(tmp_path: Path) -> None:
    assert list(read_graph(write(tmp_path, [], Resolution([]))).items()) == []
    item = Item("1", "A")
    assert list(read_graph(write(tmp_path, [item], Resolution([]))).items()) == [(item, [])]
