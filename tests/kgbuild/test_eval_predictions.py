"""`kgbuild eval` against cases worked out by hand: what is right, what nobody asked for, in which words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kgbuild.check.predictions import read_predictions
from kgbuild.check.scores import agreement, entropy, relation_key, score_predictions
from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention
from kgbuild.write import OutputPaths, write_graph
from plugbase.errors import UserError

ROOT = Path(__file__).parents[2]
LABELS = [
    {
        "id": "1",
        "title": "Oak stool",
        "description": "A stool of solid oak for kitchens, set in 1944 Paris.",
        "category": "furniture",
        "facts": [
            {"relation": "made_of", "value": "solid oak", "accept": ["oak"]},
            {"relation": "used_for", "value": "kitchens"},
        ],
    },
    {
        "id": "2",
        "title": "Night",
        "description": "Grief in the blitz.",
        "category": "film",
        "facts": [{"relation": "theme", "value": "grief"}, {"relation": "period", "value": "the blitz"}],
    },
    {"id": "3", "title": "Plain", "description": "Nothing is said of it.", "category": "film", "facts": []},
]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in LABELS), encoding="utf-8")
    return path


ROWS = [
    ("1", "Made Of", "the Oak"),  # right, by the accepted wording
    ("1", "made-of", "oak"),  # the same fact again
    ("1", "used_for", "bathrooms"),  # wrong, and not in the text
    ("2", "used_for", "grief"),  # nobody labelled a use of it
    ("2", "theme", "Grief"),  # right
    ("2", "director", "Ann"),  # a relation that no label uses
    ("9", "theme", "grief"),  # of an item without labels
]


def write_rows(path: Path, rows: list[tuple[str, str, str]], header: str = "item\trelation\tvalue\n") -> Path:
    path.write_text(header + "".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_every_measure_by_hand(labels: Path, tmp_path: Path) -> None:
    scores = score_predictions(write_rows(tmp_path / "run.tsv", ROWS), labels)
    overall = scores.table.overall
    assert (overall.right, overall.wrong, overall.missed) == (2, 2, 2)
    assert (overall.precision, overall.recall, overall.f1) == (0.5, 0.5, 0.5)
    assert list(scores.table.by_relation) == ["made_of", "period", "theme", "used_for"]
    assert scores.table.by_relation["used_for"].as_json()["wrong"] == 2
    assert scores.table.by_category["furniture"].recall == 0.5
    assert list(scores.table.missed) == [("1", "used_for", "kitchens"), ("2", "period", "the blitz")]
    # Six distinct facts, five of them about labelled items.
    assert (scores.predicted, scores.on_labelled_items, scores.items_without_prediction) == (6, 5, 1)
    assert scores.over_extraction == pytest.approx(1 / 5)
    assert scores.off_schema == pytest.approx(1 / 5)
    # "the Oak", "grief" and "Grief", but neither "bathrooms" nor "Ann"; "the Oak" is not how the text has it.
    assert scores.verbatim == pytest.approx(2 / 5)
    # made_of 1, used_for 2, theme 2, director 1 of six.
    assert scores.relation_names == 4
    assert scores.relation_entropy == pytest.approx(1.9183, abs=1e-4)
    assert scores.agreement is None
    assert scores.as_json()["relation_entropy"] == 1.9183


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.tsv", "item\trelation\tvalue\n1\tmade_of\toak\n"),
        ("b.tsv", "1\tmade_of\toak\n"),
        ("c.csv", 'confidence,object,predicate,subject\n0.5,"oak",made_of,1\n'),
        ("d.jsonl", '{"item": "1", "relation": "made_of", "value": "oak"}\n\n'),
        ("e.jsonl", '{"head": 1, "predicate": "made_of", "tail": ["oak"]}\n'),
        ("f.tsv", "\ufeffitem\trelation\tvalue\textra\n1\tmade_of\toak\tx\n"),
    ],
)
def test_the_shapes_that_predictions_come_in(labels: Path, tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    scores = score_predictions(tmp_path / name, labels)
    assert list(scores.table.wrong) == []
    assert (scores.predicted, scores.table.overall.right) == (1, 1)


def test_a_cell_may_hold_what_separates_cells(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('1,theme,"a, ""b""\nand\u2028c"\n', encoding="utf-8", newline="")
    assert [mention.value for mention in read_predictions(tmp_path / "a.csv")] == ['a, "b"\nand\u2028c']


def test_a_graph_counts_by_its_labels_and_by_its_quotes_without_the_catalogue(
    labels: Path, tmp_path: Path
) -> None:
    def fact(item: str, relation: str, value: str, quote: str | None, source: str = "local:x@1") -> Fact:
        place = {} if quote is None else {"field": "description", "start": 0, "end": 1, "quote": quote}
        return Fact(Mention(item, relation, value, 0.5, source, **place), relation, value, relation)  # type: ignore[arg-type]

    facts = [
        fact("1", "made_of", "quercus", "oak"),
        fact("1", "used_for", "cooking", None, CATALOGUE),
        fact("2", "theme", "grief", None),
    ]
    resolution = Resolution(
        facts,
        {each.relation: [] for each in facts},
        {(each.range, each.value): [] for each in facts},  # type: ignore[misc]
    )
    items = [Item(str(each["id"]), str(each["title"]), str(each["description"])) for each in LABELS]
    paths = OutputPaths(tmp_path / "graph.ttl")
    write_graph(items, resolution, paths)
    scores = score_predictions(paths.graph, labels)
    assert (scores.predicted, scores.table.overall.right, scores.verbatim) == (2, 2, 1.0)
    # The evidence file says the same; its confidences, sources and quotes are there as well.
    assert score_predictions(paths.evidence, labels).as_json() == scores.as_json()


def test_what_nobody_looked_at_is_not_judged(tmp_path: Path) -> None:
    labelled = tmp_path / "offers.jsonl"
    offers = [
        {"id": "1", "input": "ACME jacket red", "target_scores": {"Brand": {"ACME": 1}, "Size": {"n/a": 1}}},
        {"id": "2", "input": "blue cap", "target_scores": {"Color": {"blue": 1}}},
    ]
    labelled.write_text("".join(json.dumps(each) + "\n" for each in offers))
    rows = [("1", "brand", "ACME"), ("1", "size", "red"), ("1", "color", "red"), ("2", "color", "blue")]
    scores = score_predictions(write_rows(tmp_path / "run.tsv", rows), labelled)
    # The colour of the first was not looked at; that it has no size was.
    assert list(scores.table.wrong) == [("1", "size", "red")]
    assert scores.table.overall.right == 2
    assert (scores.over_extraction, scores.off_schema) == (0.25, 0.0)


def test_two_runs_side_by_side(labels: Path, tmp_path: Path) -> None:
    first = write_rows(tmp_path / "one.tsv", ROWS)
    second = write_rows(tmp_path / "two.tsv", [("1", "made of", "Oaks"), ("2", "theme", "loss")])
    found = score_predictions(first, labels, second).agreement
    assert found is not None
    assert (found.in_both, found.only_first, found.only_second) == (1, 5, 1)
    assert found.jaccard == pytest.approx(1 / 7, abs=1e-4)
    again = score_predictions(first, labels, first).agreement
    assert again is not None
    assert again.jaccard == 1.0
    assert agreement([], []).jaccard == 1.0


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_entropy_lies_between_none_and_that_of_equal_shares(counts: list[int]) -> None:
    import math

    assert 0.0 <= entropy(counts) <= math.log2(len(counts)) + 1e-9
    assert entropy([counts[0]] * 8) == pytest.approx(3.0)
    assert entropy([]) == entropy([5]) == 0.0


def test_names_of_relations_are_compared_by_their_words() -> None:
    assert {relation_key(name) for name in ("Made Of", "made-of", "made_of", " MADE  OF ")} == {"made_of"}
    assert relation_key("???") == "???"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.jsonl", '{"item": "1", "relation": "theme"}\n', r"a\.jsonl:1: a fact without 'value'"),
        ("a.jsonl", '\n{"item": ', r"a\.jsonl:2: not JSON"),
        ("a.jsonl", "[1]\n", r"a\.jsonl:1: not a JSON object"),
        (
            "a.jsonl",
            '{"item": 1, "relation": "x", "value": {"a": 1}}\n',
            r"a\.jsonl:1: a value that is no text",
        ),
        ("a.tsv", "item\trelation\tvalue\n1\ttheme\n", r"a\.tsv:2: a row of 2"),
        ("a.tsv", "1\t \tgrief\n", r"a\.tsv:1: an empty cell"),
        (
            "a.tsv",
            "77\ttheme\tgrief\n",
            r"none is about an item of .*\n  an id of the labels is '1', one .* '77'",
        ),
        ("a.xml", "<x/>", r"no kind of predictions ends in '\.xml'"),
    ],
)
def test_mistakes_name_the_line(labels: Path, tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        score_predictions(tmp_path / name, labels)


def test_labels_must_be_one_an_item(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the predictions"):
        score_predictions(tmp_path / "none.tsv", labels)
    labels.write_text(labels.read_text() * 2)
    with pytest.raises(UserError, match="the item '1' is labelled twice"):
        score_predictions(write_rows(tmp_path / "run.tsv", ROWS), labels)


def test_a_value_labelled_in_two_places_is_one_label(tmp_path: Path) -> None:
    labelled = tmp_path / "labelled.jsonl"
    facts = [{"relation": "made_of", "value": value} for value in ("Oak", "oak")]
    labelled.write_text(
        json.dumps({"id": "1", "title": "Oak stool", "description": "Of oak.", "facts": facts})
    )
    scores = score_predictions(write_rows(tmp_path / "run.tsv", [("1", "made_of", "oak")]), labelled)
    assert (scores.table.overall.right, scores.table.overall.missed) == (1, 0)


def test_no_prediction_is_a_score_of_its_own(labels: Path, tmp_path: Path) -> None:
    scores = score_predictions(write_rows(tmp_path / "run.tsv", []), labels)
    assert (scores.predicted, scores.table.overall.missed, scores.verbatim) == (0, 4, 0.0)


def test_the_command_line(labels: Path, tmp_path: Path) -> None:
    write_rows(tmp_path / "run.tsv", ROWS)
    command = [sys.executable, "-m", "kgbuild", "eval", "run.tsv", "labelled.jsonl", "--again", "run.tsv"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(option: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command, option], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )

    result = json.loads(run("--json").stdout)
    assert (result["overall"]["f1"], result["agreement"]["jaccard"], result["predicted"]) == (0.5, 1.0, 6)
    told = run("-v")
    assert "missed: 1  used_for  kitchens" in told.stderr
    assert "Jaccard with the second run" in told.stdout
