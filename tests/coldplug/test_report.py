"""Tables and the report page: complete, escaped, offline, well-formed."""

from __future__ import annotations

import copy
import itertools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from c1_world import write_world

from coldplug.evaluate import run_c1
from coldplug.evaluate.drawing import drawing
from coldplug.evaluate.report import render_report, write_report
from coldplug.evaluate.table import (
    c1_text,
    controls_table,
    differences_table,
    figure,
    methods_table,
    ranks_table,
)

METHODS = ["popularity", "ials-ridge-catalogue", "itemknn"]
VIEWS = ["catalogue facts + text", "whole, extracted objects shuffled"]


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = write_world(tmp_path_factory.mktemp("world"))
    return run_c1(folder, METHODS, ["", "a:"], VIEWS, controlled="ials-ridge-catalogue")


def test_the_result_survives_json(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_every_method_and_figure_is_in_the_table(result: dict[str, Any]) -> None:
    table = methods_table(result)
    assert [row[0] for row in table.rows] == METHODS
    by_hand = next(
        r["ndcg"]["mean"]
        for r in result["results"]
        if (r["method"], r["scenario"], r["shots"]) == ("itemknn", "user_cold", 5)
    )
    assert table.rows[2][table.columns.index("user k=5")] == figure(by_hand)
    lines = table.text("markdown").splitlines()
    assert len({line.count("|") for line in lines}) == 1
    plain = table.text().splitlines()
    assert len(plain) == 3 + len(METHODS)
    assert plain[2] == "-" * max(map(len, plain[1:]))


def test_figures_print_as_the_field_prints_them() -> None:
    assert [figure(v) for v in (0.38784, -0.02, 1.0, 0.0)] == [".3878", "-.0200", "1.0000", ".0000"]


def test_controls_differences_and_verdict_are_told(result: dict[str, Any]) -> None:
    controls = controls_table(result)
    assert controls is not None
    assert sorted(row[0] for row in controls.rows) == sorted([*VIEWS, "whole graph"])
    differences = differences_table(result)
    assert differences is not None
    assert [row[0] for row in differences.rows][:2] == ["popularity", "itemknn"]
    text = c1_text(result)
    # themes of the small world are dealt out by number, so they cannot help
    assert "item_cold: extracted facts do not show a gain" in text


class Page(HTMLParser):
    """Collects tags, and fails on one that is not closed in order."""

    VOID = ("meta", "br", "circle", "rect", "path", "line", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag


def test_the_page_is_well_formed_and_offline(result: dict[str, Any], tmp_path: Path) -> None:
    write_report(result, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert page.open == []
    assert "script" not in page.seen
    assert not re.search(r"(src|href)\s*=|https?:|url\(|@import", text)
    drawings = re.findall(r"<svg.*?</svg>", text, re.S)
    curves, ranks = drawings[:2], drawings[2:]
    assert len(ranks) == 4
    for plot, sizes in zip(curves, (5, 6), strict=True):
        lines = ElementTree.fromstring(plot).findall("polyline")
        assert len(lines) == len(METHODS)
        assert len({line.get("stroke-dasharray") for line in lines}) == len(METHODS)
        assert all(len(line.get("points", "").split()) == sizes for line in lines)


def test_a_result_from_before_ranks_and_more_metrics_is_still_told(result: dict[str, Any]) -> None:
    older = {key: value for key, value in result.items() if key not in ("ranks", "seeds", "split_by")}
    new = ("precision", "first", "coverage")
    older["results"] = [
        {key: value for key, value in row.items() if key not in new} for row in result["results"]
    ]
    for row in older["results"]:
        for metric in ("ndcg", "recall"):
            row[metric] = {key: row[metric][key] for key in ("mean", "low", "high", "by_salt")}
    names = ("salt", "fit_seconds", "score_seconds", "peak_memory_mib", "method", "control")
    older["costs"] = [{name: row[name] for name in names} for row in result["costs"]]
    text = c1_text(older)
    assert "Precision" not in text
    assert "Average rank" not in text
    assert methods_table(older).rows == methods_table(result).rows
    assert "Average ranks" not in render_report(older)


def test_the_drawing_of_ranks_says_what_the_table_says(result: dict[str, Any]) -> None:
    (row,) = (r for r in result["ranks"] if (r["scenario"], r["shots"]) == ("item_cold", None))
    plot = drawing(row, "item_cold")
    ranks = [rank for _, _, _, rank in plot["dots"]]
    assert ranks == sorted(ranks)
    places = {method: (x, y) for method, y, x, _ in plot["dots"]}
    assert places["ials-ridge-catalogue"][0] < places["popularity"][0]
    # popularity and itemknn cannot tell cold items apart, so they tie in every list
    assert row["alike"] == [["popularity", "itemknn"]]
    ((x, above, below),) = plot["bars"]
    assert above < places["popularity"][1] < places["itemknn"][1] < below
    assert max(x for x, _ in places.values()) < x < plot["width"]
    shown = {row[0]: row[-1] for row in ranks_table(result).rows}  # type: ignore[union-attr]
    assert shown["popularity"] == f"{row['average']['popularity']:.2f}"
    assert shown["critical difference"] == f"{row['critical_difference']:.2f}"


def test_the_page_says_how_much_data_there_was(result: dict[str, Any]) -> None:
    page = render_report(result)
    assert f"{result['data']['users']} users, {result['data']['items']} items of which" in page
    assert " object at 0x" not in page


def test_labels_of_the_lines_do_not_cover_each_other(result: dict[str, Any]) -> None:
    drawing = re.findall(r"<svg.*?</svg>", render_report(result), re.S)[1]
    labels = [t for t in ElementTree.fromstring(drawing).findall("text") if t.text in METHODS]
    places = sorted(float(label.get("y", "0")) for label in labels)
    assert min(b - a for a, b in itertools.pairwise(places)) >= 13.9


def test_nothing_gets_out_of_its_place(result: dict[str, Any]) -> None:
    evil = copy.deepcopy(result)
    bad = '</td><script>alert("1")</script>&'
    evil["remarks"] = [bad]
    evil["command"] = bad
    evil["settings"] = {bad: {"x": bad}}
    evil["salts"] = [bad, "a:"]
    evil["methods"] = [bad, *METHODS[1:]]
    for row in evil["results"]:
        row["method"] = bad if row["method"] == METHODS[0] else row["method"]
    text = render_report(evil)
    assert "<script" not in text
    assert text.count("&lt;/td&gt;&lt;script&gt;") >= 5
