"""The page of the report: escaped, without scripts, a table for each figure, readable on a phone."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_graph import BROWSER, HOSTILE, WITHOUT_BROWSER, made, opened

from kgbuild.cli.report import report
from kgbuild.report.charts import WIDTH, bars
from plugbase.errors import UserError


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    graph = made(20, folder)
    (folder / "graph.merges.jsonl").write_text(
        json.dumps(
            {"kind": "value", "range": "x", "from": HOSTILE, "into": "2", "score": 0.5, "reason": HOSTILE}
        )
        + "\n",
        encoding="utf-8",
    )
    (folder / "interactions.csv").write_text("user_id,item_id\nu,i000001\n", encoding="utf-8")
    done = CliRunner().invoke(
        report,
        [str(graph), "-o", str(folder / "report.html"), "--interactions", str(folder / "interactions.csv")],
        catch_exceptions=False,
    )
    assert "report.html written" in done.stdout
    assert "This graph should be" in done.stdout
    return folder / "report.html"


def test_no_text_becomes_markup(page: Path) -> None:
    text = page.read_text("utf-8")
    assert HOSTILE not in text
    assert "&lt;/script&gt;&lt;img" in text
    assert not re.search(r"<(script|img|iframe|link|object)\b", text, re.I)
    assert not re.search(r"<[^>]*\b(?:src|href)\s*=", text)


def test_each_figure_has_a_table(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.count("<figure>") == 5
    for part in text.split("<figure>")[1:]:
        assert "<table" in part.split("<figure>")[0]


def test_json_prints_the_numbers(page: Path, tmp_path: Path) -> None:
    output = str(tmp_path / "r.html")
    done = CliRunner().invoke(report, [str(page.with_name("graph.ttl")), "-o", output, "--json"])
    numbers = json.loads(done.stdout)
    assert (numbers["items"], numbers["facts"], numbers["cold_items"]) == (2, 20, None)
    assert numbers["merges"]["across_numbers"] == 1
    assert "No interactions were given" in Path(output).read_text("utf-8")


def test_what_is_no_graph_is_refused_and_leaves_no_page(tmp_path: Path) -> None:
    (tmp_path / "graph.ttl").write_text("this is no graph", encoding="utf-8")
    done = CliRunner().invoke(report, [str(tmp_path / "graph.ttl"), "-o", str(tmp_path / "r.html")])
    assert isinstance(done.exception, UserError)
    assert not (tmp_path / "r.html").exists()


def test_bars_are_to_scale_and_stay_on_the_page() -> None:
    drawn = bars("x", [("a", [30, 10], "40"), ("b", [20, 0], "20"), ("much too long a label", [0.001], "0")])
    full, half, least = (sum(piece["width"] for piece in row["pieces"]) for row in drawn["rows"])
    assert full == pytest.approx(2 * half)
    assert least == 1.0
    assert drawn["rows"][2]["label"].endswith("…")
    assert all(row["end"] < WIDTH for row in drawn["rows"])


@pytest.mark.skipif(BROWSER is None, reason=WITHOUT_BROWSER)
def test_the_page_fits_laptop_and_phone(page: Path) -> None:
    with opened(page) as (tab, complaints):
        for width, height in ((1366, 768), (390, 844)):
            tab.set_viewport_size({"width": width, "height": height})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            sizes = tab.evaluate(
                "[...document.querySelectorAll('figure > svg')].map(s => s.getBoundingClientRect().width)"
            )
            assert min(sizes) >= min(340, width - 60)
        assert tab.evaluate("window.broken") is None
        assert complaints == []
