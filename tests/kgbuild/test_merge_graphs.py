"""Merging: what two graphs say is in the one, whichever is named first; nothing that was apart becomes one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild.maintain.merge import MergeSummary, merge_graphs
from kgbuild.pipeline import ExtractSettings, extract_graph
from kgbuild.read.graph import GraphFile, read_graph
from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention
from kgbuild.write import OutputPaths, write_graph
from plugbase.console import Console
from plugbase.errors import UserError

Record = dict[str, object]
FILES = ("graph.ttl", "graph.evidence.jsonl", "graph.merges.jsonl", "graph.conflicts.jsonl")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def build(name: str, records: list[Record], **options: object) -> GraphFile:
    source = Path(f"{name}.jsonl")
    source.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    extract_graph(ExtractSettings(str(source), Path(f"{name}.ttl"), "none", **options), Console(quiet=True))  # type: ignore[arg-type]
    return read_graph(f"{name}.ttl")


def merge(one: str = "a.ttl", two: str = "b.ttl", **options: str) -> MergeSummary:
    return merge_graphs(Path(one), Path(two), Path("graph.ttl"), Console(quiet=True), **options)  # type: ignore[arg-type]


def written() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in FILES if Path(name).exists()}


def facts(graph: GraphFile) -> dict[str, set[tuple[str, object]]]:
    return {item.id: {(fact.relation, fact.value) for fact in found} for item, found in graph.items()}


def conflicts() -> list[Record]:
    found = Path("graph.conflicts.jsonl")
    return [json.loads(line) for line in found.read_text().splitlines()] if found.exists() else []


def test_values_and_items_that_are_the_same_become_one() -> None:
    build(
        "a", [{"id": "1", "title": "Toy Story", "director": "John Lasseter", "genre": "Sci-Fi", "year": 1995}]
    )
    build(
        "b",
        [
            {"id": "1", "title": "Toy Story", "director": "john lasseter", "genre": "family"},
            {"id": "2", "title": "Apple", "genre": ["sci fi"], "brand": "family"},
        ],
    )
    summary = merge()
    graph = read_graph("graph.ttl")
    assert facts(graph) == {
        "1": {("director", "John Lasseter"), ("genre", "Sci-Fi"), ("genre", "family"), ("year", 1995)},
        "2": {("genre", "Sci-Fi"), ("brand", "family")},
    }
    # A value is what it is within its range.
    assert set(graph.values) == {
        ("person", "John Lasseter"),
        ("genre", "Sci-Fi"),
        ("genre", "family"),
        ("brand", "family"),
    }
    assert graph.values["genre", "Sci-Fi"] == ["sci fi"]
    assert graph.value_iri(("genre", "Sci-Fi")) == read_graph("a.ttl").value_iri(("genre", "Sci-Fi"))
    assert (summary.items, summary.items_in_both, summary.facts, summary.facts_in_both) == (2, 1, 6, 1)
    assert (summary.values, summary.values_merged, summary.conflicts) == (4, 2, 0)
    records = [json.loads(line) for line in Path("graph.merges.jsonl").read_text().splitlines()]
    assert {(record["from"], record["into"]) for record in records} == {
        ("sci fi", "Sci-Fi"),
        ("john lasseter", "John Lasseter"),
    }


names = st.sampled_from(["Sci-Fi", "sci fi", "scifi", "SCI FI", "war 1", "war 2", "War I", "tale", "tales"])
people = st.sampled_from(["J. Lasseter", "John Lasseter", "john lasseter", "Jane Lasseter", "J Lasseter"])
graphs = st.dictionaries(
    st.sampled_from("123"),
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(["A", "B", "Bb"]),
            "genre": st.lists(names, max_size=3),
            "director": st.lists(people, max_size=2),
            "year": st.sampled_from([1995, 1996, 1995.0]),
        },
        optional={"description": st.sampled_from(["x", "y"])},
    ),
    min_size=1,
)


@given(one=graphs, two=graphs)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_merging_is_symmetric_and_loses_nothing(one: dict[str, Record], two: dict[str, Record]) -> None:
    for path in Path().glob("*"):
        path.unlink()
    sides = [
        build(name, [{"id": key, **record} for key, record in records.items()])
        for name, records in (("a", one), ("b", two))
    ]
    merge("a.ttl", "b.ttl")
    result, merged = written(), read_graph("graph.ttl")
    merge("b.ttl", "a.ttl")
    assert written() == result
    home = {
        (value[0], label): value for value, others in merged.values.items() for label in [value[1], *others]
    }
    expected: dict[str, set[tuple[str, object, str]]] = {}
    for side in sides:
        # What was apart in one graph is apart in the merged one, and keeps its other labels.
        assert len({home[value] for value in side.values}) == len(side.values)
        for value, others in side.values.items():
            assert {value[1], *others} <= {home[value][1], *merged.values[home[value]]}
        for item, found in side.items():
            for fact in found:
                value = home[fact.range, fact.value][1] if isinstance(fact.value, str) else fact.value
                expected.setdefault(item.id, set()).add((fact.relation, value, type(value).__name__))
    assert {
        item.id: {(fact.relation, fact.value, type(fact.value).__name__) for fact in found}
        for item, found in merged.items()
        if found
    } == expected
    iris = [merged.value_iri(value) for value in merged.values]
    assert len(set(iris)) == len(iris)
    # Merging the result with one of its parts changes nothing.
    Path("graph.ttl").rename("c.ttl")
    Path("graph.evidence.jsonl").rename("c.evidence.jsonl")
    merge("c.ttl", "a.ttl")
    assert Path("graph.ttl").read_bytes() == result["graph.ttl"]


def test_a_graph_merged_with_itself_is_itself() -> None:
    build("a", [{"id": "1", "title": "A", "mood": ["Sad & low", "sad and low", "war 1"], "year": [1, 2.5]}])
    before = Path("a.ttl").read_bytes(), Path("a.evidence.jsonl").read_bytes()
    summary = merge("a.ttl", "a.ttl")
    assert (written()["graph.ttl"], written()["graph.evidence.jsonl"]) == before
    assert (summary.values_merged, summary.conflicts) == (0, 0)


def test_what_one_graph_keeps_apart_is_not_joined_by_the_other() -> None:
    Path("apart.yaml").write_text("- {range: mood, keep_apart: [sad low, sad-low]}\n")
    build("a", [{"id": "1", "title": "A", "mood": ["sad low", "sad-low"]}], overrides=Path("apart.yaml"))
    build("b", [{"id": "2", "title": "B", "mood": "Sad Low"}])
    merge()
    assert len(read_graph("graph.ttl").values) == 2


def test_numbers_and_editions_stay_apart() -> None:
    build("a", [{"id": "1", "title": "A", "model": ["X 11", "Pro", "2.4 GHz"]}])
    build("b", [{"id": "2", "title": "B", "model": ["X 12", "X Pro", "24 GHz"]}])
    assert merge().values_merged == 0
    assert len(read_graph("graph.ttl").values) == 6


def put(name: str, item: Item, *found: Fact) -> None:
    relations: dict[str, list[str]] = {fact.relation: [] for fact in found}
    write_graph([item], Resolution(list(found), relations), OutputPaths(Path(f"{name}.ttl")))


def said(text: str, start: int, end: int, confidence: float, value: str = "sad") -> Fact:
    place = ("description", start, end, text[start:end])
    return Fact(Mention("1", "feels", value, confidence, "local:x@1", *place), "mood", value, "mood")  # type: ignore[arg-type]


def test_evidence_keeps_its_place_in_the_text_that_stands() -> None:
    short, long = "a sad tale, glum", "It is a long and sad tale."
    put("a", Item("1", "T", short), said(short, 2, 5, 0.9), said(short, 12, 16, 0.7, "glum"))
    put("b", Item("1", "T", long), said(long, 17, 20, 0.6))
    merge()
    ((item, (glum, sad)),) = read_graph("graph.ttl").items()
    assert item.description == long
    assert (sad.mention.confidence, sad.mention.start, sad.mention.quote) == (0.9, 17, "sad")
    # A quote that the text does not hold has no place in it; what was said stands.
    assert (glum.value, glum.mention.confidence, glum.mention.field, glum.mention.quote) == (
        "glum",
        0.7,
        None,
        None,
    )
    (conflict,) = conflicts()
    assert conflict == {"item": "1", "about": "description", "said": [long, short], "kept": long}


def test_the_catalogue_is_the_better_evidence() -> None:
    put("a", Item("1", "T", "sad"), said("sad", 0, 3, 1.0))
    put("b", Item("1", "T", "sad"), Fact(Mention("1", "mood", "sad", 1.0, CATALOGUE), "mood", "sad", "mood"))
    for order in (("a.ttl", "b.ttl"), ("b.ttl", "a.ttl")):
        merge(*order)
        ((_, (fact,)),) = read_graph("graph.ttl").items()
        assert fact.mention.source == CATALOGUE


def test_conflicts_are_said_and_both_numbers_stand() -> None:
    build("a", [{"id": "1", "title": "Toy Story", "year": 1995, "pages": [1, 2]}])
    build("b", [{"id": "1", "title": "Toy story!", "year": 1996, "pages": [2, 3]}])
    assert merge().conflicts == 2
    assert conflicts() == [
        {"item": "1", "about": "title", "said": ["Toy Story", "Toy story!"], "kept": "Toy story!"},
        {"item": "1", "about": "year", "said": ["1995", "1996"], "kept": "all"},
    ]
    assert {value for name, value in facts(read_graph("graph.ttl"))["1"] if name == "year"} == {1995, 1996}


def test_relations_are_one_by_their_wordings() -> None:
    Path("a.yaml").write_text(
        "version: 1\nrelations:\n  feel:\n    definition: x\n    wordings: [mood, tone]\n"
    )
    Path("b.yaml").write_text("version: 1\nrelations:\n  mood:\n    definition: x\n    range: feel\n")
    build("a", [{"id": "1", "title": "A", "mood": "sad", "feel": 7}], schema=Path("a.yaml"))
    build(
        "b",
        [{"id": "2", "title": "B", "mood": "sad"}, {"id": "3", "title": "B", "mood": "Sad"}],
        schema=Path("b.yaml"),
    )
    summary = merge()
    graph = read_graph("graph.ttl")
    assert graph.relations == {"feel": ["mood"]}
    assert graph.values == {("feel", "Sad"): ["sad"]}
    assert summary.relations_merged == 1
    assert facts(graph) == {
        "1": {("feel", "Sad"), ("feel", 7)},
        "2": {("feel", "Sad")},
        "3": {("feel", "Sad")},
    }


def test_bases() -> None:
    build("a", [{"id": "1", "title": "A", "mood": "sad"}])
    build("b", [{"id": "2", "title": "B", "mood": "sad"}], base="https://example.org/")
    with pytest.raises(
        UserError, match=r"b\.ttl: its IRIs begin with https.*, those of a\.ttl with urn.*\n.*--base"
    ):
        merge()
    merge(base="https://example.org/", evidence="inline")
    graph = read_graph("graph.ttl")
    assert graph.base == "https://example.org/"
    assert facts(graph) == {"1": {("mood", "sad")}, "2": {("mood", "sad")}}
    assert not Path("graph.evidence.jsonl").exists()
    assert "urn:kgbuild" not in Path("graph.ttl").read_text()


def test_wrong_use() -> None:
    build("a", [{"id": "1", "title": "A"}])
    build("b", [{"id": "2", "title": "B"}, {"id": "3", "title": "C"}])
    for output, message in (("a.ttl", "would write over it"), ("c.nt", "end in .ttl")):
        with pytest.raises(UserError, match=message):
            merge_graphs(Path("a.ttl"), Path("b.ttl"), Path(output), Console(quiet=True))
    with pytest.raises(UserError, match="there is no such graph"):
        merge("none.ttl")
    head, two, three = Path("b.ttl").read_text().partition("item:2 ")[0], *read_blocks("b.ttl")
    Path("b.ttl").write_text(head + three + two)
    with pytest.raises(UserError, match=r"b\.ttl: the item '2' comes after '3'"):
        merge()


def read_blocks(name: str) -> list[str]:
    return [f"{block}\n\n" for block in Path(name).read_text().split("\n\n") if block.startswith("item:")]


def test_the_command() -> None:
    build("a", [{"id": "1", "title": "A", "mood": "sad"}])
    build("b", [{"id": "2", "title": "B", "mood": "Sad"}])
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "kgbuild", "merge", "a.ttl", "b.ttl", "-o", "out/c.ttl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(root)})
    assert done.stdout.startswith("out/c.ttl written in ")
    assert Path("out/c.merges.jsonl").exists()
