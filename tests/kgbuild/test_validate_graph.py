"""Validation: every rule is broken once, in the file, and is named with its line; what conforms says so."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild import check
from kgbuild.check import Validation, validate_graph
from kgbuild.check.problems import SHOWN_PER_RULE
from kgbuild.check.shacl import shapes_for
from kgbuild.resolve import Resolution
from kgbuild.types import Fact, Item, Mention, Scalar
from kgbuild.write import OutputPaths, write_graph
from kgbuild.write.turtle import VOCABULARIES
from plugbase.console import Console
from plugbase.errors import UserError

ROOT = Path(__file__).parents[2]
QUIET = Console(quiet=True)


def fact(item: str, relation: str, value: Scalar, scope: str | None = None) -> Fact:
    mention = Mention(item, relation, value, 0.5, "test@1", "description", 0, 3, "two")
    return Fact(mention, relation, value, scope or relation)


def write(folder: Path, *, inline: bool = False, base: str = "urn:kgbuild:", count: int = 2) -> Path:
    items = [Item(name, f'Film "{name}"', "two\nlines") for name in sorted(map(str, range(count)))]
    facts = []
    for item in items:
        facts += [fact(item.id, "mood", "sad"), fact(item.id, "director", "J. Lasseter", "person")]
        facts += [fact(item.id, "year", 1995), fact(item.id, "price", 7.5), fact(item.id, "tiny", 1e-9)]
        facts += [fact(item.id, "out", date(1995, 11, 22))]
    resolution = Resolution(
        facts,
        {each.relation: [] for each in facts} | {"director": ["film by"]},
        {("mood", "sad"): ["unhappy"], ("person", "J. Lasseter"): []},
    )
    paths = OutputPaths(folder / "graph.ttl")
    write_graph(items, resolution, paths, base=base, evidence="inline" if inline else "file")
    return paths.graph


def lines_of(path: Path, part: str) -> list[int]:
    return [number for number, line in enumerate(path.read_text().split("\n"), 1) if part in line]


anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(
    ids=st.lists(anything, min_size=1, max_size=3, unique=True),
    said=st.lists(
        st.tuples(
            anything, anything | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.dates()
        ),
        max_size=5,
    ),
    inline=st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_kgbuild_writes_conforms(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], said: list[tuple[str, Scalar]], inline: bool
) -> None:
    items = [Item(name, name, f"two {name}") for name in sorted(ids)]
    facts = [fact(item.id, relation, value) for item in items for relation, value in said]
    values = {(each.range, each.value): [] for each in facts if isinstance(each.value, str)}
    paths = OutputPaths(tmp_path_factory.mktemp("graph") / "graph.ttl")
    resolution = Resolution(facts, {relation: [] for relation, _ in said}, values)
    write_graph(items, resolution, paths, evidence="inline" if inline else "file")
    assert validate_graph(paths.graph, QUIET, shacl=False).problems == []


@pytest.mark.parametrize("base", ["urn:kgbuild:", "https://example.org/kg/"])
@pytest.mark.parametrize("inline", [True, False])
def test_what_kgbuild_writes_conforms(tmp_path: Path, inline: bool, base: str) -> None:
    path = write(tmp_path, inline=inline, base=base)
    found = validate_graph(path, QUIET)
    assert (found.problems, found.shacl, found.notes) == ([], "conforms", [])
    assert found.conforms
    assert (found.items, found.values, found.relations, found.facts) == (2, 2, 6, 12)
    assert found.evidence == (None if inline else 12)
    packed = tmp_path / "other.ttl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert validate_graph(packed, QUIET).conforms


def test_what_other_tools_write_anew_conforms(tmp_path: Path) -> None:
    import rdflib

    graph = rdflib.Graph().parse(write(tmp_path, inline=True), format="turtle")
    for form in ("turtle", "nt"):
        other = tmp_path / f"other.{'nt' if form == 'nt' else 'ttl'}"
        graph.serialize(other, format=form)
        found = validate_graph(other, QUIET)
        assert (found.problems, found.triples) == ([], len(graph))
    # rdflib writes N-Triples in no order: then the file is not streamed.
    assert found.notes == ["the triples of a subject do not stand together: read into memory as a whole"]


ITEM = 'dcterms:identifier "0"'
BROKEN = [
    # (what is replaced, by what, the rule, the line's mark, whether the shapes see it as well)
    (f"{ITEM} ;\n   ", "", "identifier", "item:0 a", True),
    (ITEM, f'{ITEM} , "00"', "identifier", '"00"', True),
    (ITEM, 'dcterms:identifier "7"', "item-name", 'identifier "7"', False),
    (ITEM, "dcterms:identifier 0", "identifier", "identifier 0", True),
    ('rdfs:label "Film \\"0\\""', 'rdfs:label "a" , "b"', "title", '"a" , "b"', True),
    ('description "two\\nlines"', 'description "two"@en', "description", '"two"@en', True),
    ("rel:year 1995", 'rel:year "1995"', "fact", 'rel:year "1995"', True),
    ("rel:year 1995", 'rel:year "199x"^^xsd:integer', "fact", "199x", False),
    ("rel:year 1995", 'rel:year "NaN"^^xsd:double', "fact", "NaN", False),
    ("rel:mood val:mood:sad", "rel:mood val:mood:glad", "undeclared", "glad", True),
    ("rel:mood val:mood:sad", "rel:tone val:mood:sad", "undeclared", "rel:tone", True),
    ("rel:mood val:mood:sad", "rel:mood [ rdfs:label 1 ]", "blank-node", "[ rdfs", True),
    ("val:mood:sad a", "val:sad a", "value-name", "val:sad a", True),
    ('rdfs:label "sad" ;', "", "label", "val:mood:sad a", True),
    ('altLabel "unhappy"', 'altLabel "sad"', "other-label", 'altLabel "sad"', True),
    (
        "val:mood:sad a",
        'val:mood:x a kgb:Value ; rdfs:label "sad" .\n\nval:mood:sad a',
        "same-value",
        'label "sad" ;',
        False,
    ),
    ("rel:mood a", "kgb:mood a", "relation-name", "kgb:mood a", True),
    ('rdfs:label "mood"', 'rdfs:label "tone"', "relation-name", '"tone"', False),
    ("rel:year 1995 .", "rel:year 19 95 .", "syntax", "19 95", False),
]


@pytest.mark.parametrize(("old", "new", "rule", "mark", "in_shapes"), BROKEN)
def test_a_broken_rule_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, rule: str, mark: str, in_shapes: bool
) -> None:
    path = write(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = validate_graph(path, QUIET, shacl=False)
    assert not found.conforms
    assert rule in found.counts
    (problem,) = [each for each in found.problems if each.rule == rule][:1]
    assert problem.line in lines_of(path, mark)
    assert problem.mend
    assert problem.text().startswith(f"{path}:{problem.line}: ")
    # The shapes alone: without what the structural check has noted before.
    if rule != "syntax":
        assert shapes_conform(path) is not in_shapes


def shapes_conform(path: Path) -> bool:
    from kgbuild.check.problems import Problems
    from kgbuild.check.shacl import check_shapes

    problems = Problems(str(path))
    conforms = check_shapes(path, "urn:kgbuild:", problems)
    assert conforms is not bool(problems.found)
    return conforms


INLINE = [
    ("kgb:confidence 0.5", "kgb:confidence 1.5", "confidence"),
    ("kgb:confidence 0.5 ;", "", "confidence"),
    ('kgb:source "test@1" ;', "", "source"),
    ("rdf:object 1995", "rdf:object 1996", "evidence"),
    ("rdf:subject item:0", "rdf:subject item:1 , item:0", "evidence"),
    # Of another item than the one it stands behind; that one does not state it either.
    (
        "rdf:subject item:0 ;\n    rdf:predicate rel:year",
        "rdf:subject item:1 ;\n    rdf:predicate rel:mood",
        "evidence",
    ),
]


@pytest.mark.parametrize(("old", "new", "rule"), INLINE)
def test_broken_inline_evidence(tmp_path: Path, old: str, new: str, rule: str) -> None:
    path = write(tmp_path, inline=True)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    found = validate_graph(path, QUIET, shacl=False)
    assert dict(found.counts) == {rule: 1}
    assert found.problems[0].line is not None
    assert path.read_text().split("\n")[found.problems[0].line - 1]
    assert not shapes_conform(path)


def test_evidence_elsewhere_in_the_graph_is_found(tmp_path: Path) -> None:
    path = write(tmp_path, inline=True)
    head, *blocks = path.read_text().split("\n\n")
    evidence = [block for block in blocks if block.startswith("ev:")]
    others = [block for block in blocks if block and not block.startswith("ev:")]
    assert len(evidence) == 12
    path.write_text("\n\n".join([head, *evidence, *others, ""]))
    assert validate_graph(path, QUIET).problems == []


RECORD = '"item": "0", "relation": "mood"'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"confidence": 0.5', '"confidence": 0', "confidence 0 is not above 0"),
        ('"quote": "two"', '"quote": "three"', "says 'two' there, not 'three'"),
        ('"start": 0', '"start": 90', "says '' there"),
        ('"field": "description"', '"field": "blurb"', "no place in a text"),
        ('"source": "test@1"', '"source": ""', "names no source"),
        (RECORD, '"item": "0", "relation": "theme"', "is no fact of the graph"),
        (RECORD, '"item": "9", "relation": "mood"', "no item '9' comes in the graph"),
        (RECORD, '"relation": "mood"', "no 'item'"),
        (RECORD, f"}}{RECORD}", "not an evidence record"),
    ],
)
def test_broken_evidence_beside_the_graph(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = write(tmp_path)
    evidence = tmp_path / "graph.evidence.jsonl"
    lines = evidence.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if RECORD in line)
    assert old in lines[at]
    lines[at] = lines[at].replace(old, new, 1)
    evidence.write_text("\n".join(lines) + "\n")
    found = validate_graph(path, QUIET, shacl=False)
    assert set(found.counts) == {"evidence-file"}
    assert (found.problems[0].file, found.problems[0].line) == (str(evidence), at + 1)
    assert message in found.problems[0].message


def test_a_record_twice(tmp_path: Path) -> None:
    path = write(tmp_path)
    evidence = tmp_path / "graph.evidence.jsonl"
    first, *others = evidence.read_text().splitlines(keepends=True)
    evidence.write_text("".join([first, first, *others]))
    (problem,) = validate_graph(path, QUIET, shacl=False).problems
    assert (problem.line, "has two records" in problem.message) == (2, True)


def test_many_problems_of_a_kind_are_counted_and_some_are_shown(tmp_path: Path) -> None:
    path = write(tmp_path, count=40)
    path.write_text(path.read_text().replace("rel:year 1995", 'rel:year "old"'))
    found = validate_graph(path, QUIET, shacl=False)
    assert found.counts == {"fact": 40}
    assert len(found.problems) == SHOWN_PER_RULE


def test_a_large_graph_is_not_given_to_the_shapes_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path)
    monkeypatch.setattr(check, "SHACL_TRIPLES", 10)
    found = validate_graph(path, QUIET)
    assert found.conforms
    assert found.shacl.startswith("not run: ")
    assert "--shacl" in found.shacl
    assert validate_graph(path, QUIET, shacl=True).shacl == "conforms"


def test_shapes_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path)
    own = tmp_path / "house.ttl"
    prefixes = "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in VOCABULARIES.items())
    own.write_text(
        f"{prefixes}@prefix sh: <http://www.w3.org/ns/shacl#> .\n"
        "<urn:house:Priced> a sh:NodeShape ; sh:targetClass <urn:kgbuild:vocab:Item> ;\n"
        '  sh:property [ sh:path <urn:kgbuild:rel:price> ; sh:minInclusive 8 ; sh:message "too cheap" ] .\n'
    )
    found = validate_graph(path, QUIET, shapes=own)
    assert (found.shacl, dict(found.counts)) == ("does not conform", {"shacl": 2})
    assert "too cheap" in found.problems[0].message
    assert [each.line for each in found.problems] == lines_of(path, "rel:price 7.5")
    own.write_text("nothing of the kind")
    with pytest.raises(UserError, match=r"house\.ttl: the shapes are not Turtle"):
        validate_graph(path, QUIET, shapes=own)
    with pytest.raises(UserError, match="cannot read the shapes"):
        validate_graph(path, QUIET, shapes=tmp_path / "none.ttl")


def test_the_shapes_are_turtle_of_the_graphs_base() -> None:
    assert "urn:kgbuild:" not in shapes_for("https://example.org/")
    assert "<https://example.org/vocab:Value>" in shapes_for("https://example.org/")


def test_values_that_no_item_has_are_a_note(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_text(path.read_text() + 'val:mood:odd a kgb:Value ;\n    rdfs:label "odd" .\n\n')
    found = validate_graph(path, QUIET)
    assert found.conforms
    assert found.notes == ["values that no item has: 1"]


def test_files_that_are_no_graph(tmp_path: Path) -> None:
    other = tmp_path / "other.ttl"
    with pytest.raises(UserError, match="no such graph"):
        validate_graph(other, QUIET)
    other.write_text('<urn:a> <urn:b> "c" .\n')
    with pytest.raises(UserError, match="no graph of kgbuild"):
        validate_graph(other, QUIET)


def test_the_command_line_says_where_and_leaves_with_status_2(tmp_path: Path) -> None:
    path = write(tmp_path)

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kgbuild", "validate", "graph.ttl", "--no-shacl", *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    assert run().returncode == 0
    path.write_text(path.read_text().replace("rel:year 1995", 'rel:year "1995"', 1))
    (line,) = lines_of(path, '"1995"')
    done = run()
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(f"graph.ttl:{line}: urn:kgbuild:item:0: says ")
    quiet = run("--quiet")
    assert (quiet.stdout, quiet.stderr.startswith(f"warning: graph.ttl:{line}: ")) == ("", True)
    result = json.loads(run("--json").stdout)
    assert (result["conforms"], result["problems"][0]["line"]) == (False, line)
    assert set(result) == set(Validation.__dataclass_fields__)
