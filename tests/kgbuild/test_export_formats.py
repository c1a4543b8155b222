"""Every export is read back by a reader of its own format, with the nastiest texts that a graph can hold."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kgbuild.export import FORMATS, export_graph
from kgbuild.export.delimited import row
from kgbuild.read.graph import read_graph
from kgbuild.resolve import Resolution
from kgbuild.types import Fact, Item, Mention, Scalar
from kgbuild.write import OutputPaths, write_graph
from plugbase.console import Console
from plugbase.errors import UserError

NASTY = [
    'say "hi"',
    "tab\there",
    "line\nfeed",
    "carriage\rreturn",
    "both\r\nof them",
    "comma, semicolon; bar|",
    "<b>&amp;]]></b>",
    "back\\slash",
    "a\x00b\x1fc\x85d\u2028e\ufffff",
    "\U0001f9a4 dodo",
    "'=1+1",
    " spaces ",
    "\u202eturned",
    "",
]
QUIET = Console(quiet=True)


def fact(item: str, relation: str, value: Scalar, scope: str | None = None, sure: float = 1.0) -> Fact:
    mention = Mention(item, relation, value, sure, "test@1", "title", 0, 3, "two")
    return Fact(mention, relation, value, scope or relation)


def graph(folder: Path, facts: list[Fact], items: list[Item]) -> Path:
    values = {(each.range, each.value): ["other"] for each in facts if isinstance(each.value, str)}
    relations: dict[str, list[str]] = {each.relation: [] for each in facts}
    paths = OutputPaths(folder / "graph.ttl")
    write_graph(sorted(items, key=lambda item: item.id), Resolution(facts, relations, values), paths)
    return paths.graph


@pytest.fixture
def nasty(tmp_path: Path) -> Path:
    """A graph in which every text is nasty somewhere, and one item has no fact."""
    items = [Item(text or "empty", text or "t", text) for text in NASTY] + [Item("bare", "no facts")]
    facts = []
    for item in items[:-1]:
        facts += [fact(item.id, "made of", text, sure=0.25) for text in NASTY if text]
        facts += [fact(item.id, 'rel\t"<&', "x", "person"), fact(item.id, "actor", "x", "person")]
        facts += [fact(item.id, "year", 1995), fact(item.id, "price", -7.5), fact(item.id, "price", 1e-9)]
        facts += [fact(item.id, "out", date(1995, 11, 22))]
    return graph(tmp_path, facts, items)


def stated(path: Path) -> list[tuple[str, str, str]]:
    return sorted(
        (each.mention.item, each.relation, str(each.value))
        for _, found in read_graph(path).items()
        for each in found
    )


def rows_of(path: Path, delimiter: str) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter, strict=True))


def test_tsv_is_read_back_by_csv(nasty: Path, tmp_path: Path) -> None:
    output = tmp_path / "facts.tsv"
    summary = export_graph(nasty, "tsv", output, QUIET)
    rows = rows_of(output, "\t")
    assert sorted((each["item"], each["relation"], each["value"]) for each in rows) == stated(nasty)
    assert {(each["range"], each["confidence"]) for each in rows if each["relation"] == "made of"} == {
        ("made of", "0.25")
    }
    assert summary.rows == {str(output): len(rows)}


def test_parquet_is_read_back_by_pyarrow(
    nasty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("kgbuild.export.parquet._GROUP_ROWS", 50)
    output = tmp_path / "facts.parquet"
    export_graph(nasty, "parquet", output, QUIET)
    rows = pq.read_table(output).to_pylist()
    assert sorted((each["item"], each["relation"], each["value"]) for each in rows) == stated(nasty)
    typed = {
        (each["relation"], each["number"], each["date"]) for each in rows if each["relation"] != "made of"
    }
    assert {("year", 1995.0, None), ("price", -7.5, None), ("price", 1e-9, None)} < typed
    assert ("out", None, date(1995, 11, 22)) in typed
    assert rows[0]["quote"] == "two"
    assert (rows[0]["start"], rows[0]["end"]) == (0, 3)
    assert pq.ParquetFile(output).num_row_groups > 1


def test_ntriples_are_the_same_graph_to_rdflib(nasty: Path, tmp_path: Path) -> None:
    import rdflib

    output = tmp_path / "graph.nt"
    summary = export_graph(nasty, "ntriples", output, QUIET)
    read = rdflib.Graph().parse(output, format="nt")
    assert set(read) == set(rdflib.Graph().parse(nasty, format="turtle"))
    assert summary.rows == {str(output): len(read)}
    # One of ours again: what was exported can be read, and has lost nothing.
    assert stated(output) == stated(nasty)


def test_graphml_is_read_back_by_networkx(nasty: Path, tmp_path: Path) -> None:
    import networkx

    output = tmp_path / "graph.graphml"
    summary = export_graph(nasty, "graphml", output, QUIET)
    read = networkx.read_graphml(output, force_multigraph=True)
    assert read.number_of_nodes() + read.number_of_edges() == sum(summary.rows.values())
    identifiers = {f"item:{slug}": item for slug, item in _slugs(nasty).items()}
    found = sorted(
        (identifiers[head], data["relation"], read.nodes[tail]["label"])
        for head, tail, data in read.edges(data=True)
    )
    not_in_xml = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
    assert found == sorted(
        (item, name, not_in_xml.sub("\ufffd", value)) for item, name, value in stated(nasty)
    )
    assert Counter(data["kind"] for _, data in read.nodes(data=True)) == {
        "item": len(NASTY) + 1,
        "value": len(NASTY),
        "literal": 4,
    }
    assert {data["confidence"] for *_, data in read.edges(data=True)} == {0.25, 1.0}


def _slugs(path: Path) -> dict[str, str]:
    opened = read_graph(path)
    return {
        opened.item_iri(item.id).removeprefix(f"{opened.base}item:"): item.id for item, _ in opened.items()
    }


def test_recbole_files_agree_with_each_other_and_with_the_graph(nasty: Path, tmp_path: Path) -> None:
    output = tmp_path / "films"
    summary = export_graph(nasty, "recbole", output, QUIET)
    triples, links = rows_of(output / "films.kg", "\t"), rows_of(output / "films.link", "\t")
    assert list(summary.rows.values()) == [len(triples), len(links)]
    items = {each["entity_id:token"]: each["item_id:token"] for each in links}
    assert set(items.values()) == {item for item, *_ in stated(nasty)}
    assert set(items) == {each["head_id:token"] for each in triples}
    counts = Counter(item for item, *_ in stated(nasty))
    assert Counter(items[each["head_id:token"]] for each in triples) == counts
    # Every reader takes entities and relations as they are: there is nothing in them to quote or to trim.
    text = (output / "films.kg").read_text(encoding="utf-8")
    assert all(re.fullmatch(r"[!#-~]+\t[!#-~]+\t[!#-~]+", line) for line in text.splitlines()[1:])
    assert len({each["tail_id:token"] for each in triples}) == len({value for _, _, value in stated(nasty)})


def test_neo4j_csv_is_read_back_and_every_relationship_has_its_ends(nasty: Path, tmp_path: Path) -> None:
    output = tmp_path / "import"
    export_graph(nasty, "neo4j", output, QUIET)
    items, values, facts = (rows_of(output / name, ",") for name in ("items.csv", "values.csv", "facts.csv"))
    texts = {each["id:ID(Item)"]: each["description"] for each in items}
    assert texts == {text or "empty": text for text in NASTY} | {"bare": ""}
    labels = {each["name:ID(Value)"]: each["label"] for each in values}
    assert len(labels) == len(values)
    found = [(each[":START_ID(Item)"], each[":TYPE"], labels[each[":END_ID(Value)"]]) for each in facts]
    assert sorted(found) == stated(nasty)
    assert {each["number:double"] for each in values} == {"", "1995", "-7.5", "1e-09"}
    assert {each["date:date"] for each in values} == {"", "1995-11-22"}


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1), st.sampled_from("\t,"))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_row_is_read_back_cell_by_cell(cells: list[str], delimiter: str) -> None:
    line = row(["first", *cells], delimiter)
    assert list(csv.reader(io.StringIO(line, newline=""), delimiter=delimiter)) == [["first", *cells]]


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_same_graph_gives_the_same_bytes_and_no_other_file(
    nasty: Path, tmp_path: Path, name: str
) -> None:
    first, second = tmp_path / "one" / "x", tmp_path / "two" / "x"
    written = [export_graph(nasty, name, output, QUIET).rows for output in (first, second)]
    assert [Path(file).read_bytes() for file in written[0]] == [
        Path(file).read_bytes() for file in written[1]
    ]
    assert {str(path) for path in (tmp_path / "one").rglob("*") if path.is_file()} == set(written[0])


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_graph_that_breaks_half_way_leaves_the_old_export(nasty: Path, tmp_path: Path, name: str) -> None:
    output = tmp_path / "out" / "x"
    rows = export_graph(nasty, name, output, QUIET).rows
    before = {file: Path(file).read_bytes() for file in rows}
    broken = nasty.read_text(encoding="utf-8").replace(" 1995 ", " 19 95 ", 1)
    nasty.write_text(broken, encoding="utf-8")
    with pytest.raises(UserError, match=r"graph\.ttl:\d+: not "):
        export_graph(nasty, name, output, QUIET)
    assert {file: Path(file).read_bytes() for file in rows} == before
    assert {str(path) for path in (tmp_path / "out").rglob("*") if path.is_file()} == set(rows)


def test_graphml_of_names_that_another_tool_chose(tmp_path: Path) -> None:
    path = graph(tmp_path, [fact("1", "mood", "sad")], [Item("1", "A")])
    path.write_text(path.read_text().replace("val:mood:sad", "<urn:kgbuild:value:mood:a&b'c>"))
    export_graph(path, "graphml", tmp_path / "x.graphml", QUIET)
    nodes = ElementTree.parse(tmp_path / "x.graphml").iter("{http://graphml.graphdrawing.org/xmlns}node")
    assert [node.get("id") for node in nodes] == ["val:mood:a&b'c", "item:1"]


def test_mistakes_say_what_to_do(nasty: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="write over it"):
        export_graph(nasty, "tsv", nasty, QUIET)
    with pytest.raises(UserError, match="did you mean 'graphml'"):
        export_graph(nasty, "graphlm", tmp_path / "x", QUIET)
    with pytest.raises(UserError, match="is a folder"):
        export_graph(nasty, "tsv", tmp_path, QUIET)
    with pytest.raises(UserError, match="is a file"):
        export_graph(nasty, "neo4j", nasty, QUIET)
    with pytest.raises(UserError, match="no such graph"):
        export_graph(tmp_path / "none.ttl", "tsv", tmp_path / "x", QUIET)


def test_the_command_line(nasty: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kgbuild", "export", str(nasty), "--to", "tsv", "-o", "deep/facts.tsv"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["rows"] == {"deep/facts.tsv": len(stated(nasty))}
