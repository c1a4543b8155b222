"""The explorer: what the page holds, that nothing in it breaks out, and how it works in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_graph import BROWSER, FACTS_AN_ITEM, HOSTILE, WITHOUT_BROWSER, made, opened

from kgbuild.cli.explore import explore
from kgbuild.explore import write_explorer
from kgbuild.explore.data import PART, as_data, page_json
from kgbuild.report.facts import read_facts
from plugbase.errors import UserError

in_browser = pytest.mark.skipif(BROWSER is None, reason=WITHOUT_BROWSER)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a graph of 20 triples."""
    folder = tmp_path_factory.mktemp("small")
    write_explorer(made(20, folder), folder / "explore.html")
    return folder / "explore.html"


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a graph of 7,000 triples, with two parts of descriptions."""
    folder = tmp_path_factory.mktemp("larger")
    write_explorer(made(7000, folder), folder / "explore.html")
    return folder / "explore.html"


def embedded(page: Path) -> list[str]:
    found = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page.read_text("utf-8"), re.S)
    assert found
    return found


def test_the_page_holds_all_columns(larger: Path) -> None:
    facts, *texts = map(json.loads, embedded(larger))
    assert (len(facts["ids"]), len(facts["factValues"])) == (700, 7000)
    assert sum(facts["counts"]) == len(facts["factRelations"]) == len(facts["confidences"]) == 7000
    assert [len(part) for part in texts] == [PART, 700 - PART]
    assert max(facts["factValues"]) == len(facts["values"]) - 1


def test_spans_are_counted_as_javascript_counts(larger: Path) -> None:
    facts, *texts = map(json.loads, embedded(larger))
    table = read_facts(larger.with_name("graph.ttl"))
    spans = iter(zip(facts["starts"], facts["lengths"], strict=True))
    checked = 0
    for row, place in enumerate(facts["places"]):
        if not place:
            continue
        start, length = next(spans)
        item = int(table.item[row])
        units = texts[item // PART][item % PART].encode("utf-16-le")
        assert units[2 * start : 2 * (start + length)].decode("utf-16-le") == table.quotes[row]
        checked += 1
    assert checked == len(table.quotes) > 3000


def test_nothing_in_the_data_can_end_its_element(small: Path) -> None:
    text = small.read_text("utf-8")
    assert HOSTILE not in text
    assert "<img" not in text
    assert "<!--" not in text
    # one script of our own, one of facts, one of texts
    assert len(re.findall(r"</script", text, re.I)) == len(re.findall(r"<script", text, re.I)) == 3
    assert json.loads(embedded(small)[0])["titles"][0] == HOSTILE


@pytest.mark.parametrize("text", ["</script>", "<!--", "]]>", "\u2028", "&lt;", "\ud83d", '"\\'])
def test_json_of_a_page_is_the_same_text_without_marks(text: str) -> None:
    written = page_json([text])
    assert not set("<>&\u2028") & set(written)
    written.encode()
    assert json.loads(written) == [text]


def test_a_quote_that_is_not_in_the_text_is_kept_as_words(tmp_path: Path) -> None:
    graph = made(20, tmp_path)
    evidence = tmp_path / "graph.evidence.jsonl"
    records = [json.loads(line) for line in evidence.read_text("utf-8").splitlines()]
    moved = next(number for number, record in enumerate(records) if "quote" in record)
    records[moved]["start"] += 1
    evidence.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    facts, _ = as_data(read_facts(graph))
    assert facts["quotes"] == {moved: records[moved]["quote"]}
    assert facts["places"][moved] == 0


def test_the_page_asks_for_nothing(small: Path) -> None:
    text = small.read_text("utf-8")
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)\s*=\s*[\"']?(?:https?:|//)", text)


def test_the_command_prints_what_it_wrote(tmp_path: Path) -> None:
    made(20, tmp_path)
    page = tmp_path / "new" / "explore.html"
    done = CliRunner().invoke(explore, [str(tmp_path / "graph.ttl"), "-o", str(page), "--json"])
    said = json.loads(done.stdout)
    assert (said["items"], said["facts"], said["bytes"]) == (2, 20, page.stat().st_size)


@pytest.mark.parametrize("output", ["graph.ttl", "page.txt", "."])
def test_an_output_that_is_no_page_is_refused(tmp_path: Path, output: str) -> None:
    graph = made(20, tmp_path)
    before = graph.read_bytes()
    done = CliRunner().invoke(explore, [str(graph), "-o", str(tmp_path / output)])
    assert isinstance(done.exception, UserError)
    assert graph.read_bytes() == before


@in_browser
def test_keyboard_from_search_to_quote_and_back(larger: Path) -> None:
    table = read_facts(larger.with_name("graph.ttl"))
    with opened(larger) as (tab, complaints):
        tab.keyboard.press("/")
        tab.keyboard.type(table.titles[600].split()[-1] + " " + table.titles[600].split()[0].lower())
        assert tab.locator("#found li").first.inner_text().startswith(table.titles[600])
        tab.keyboard.press("Enter")
        tab.wait_for_function("location.hash === '#/item/i000600'")
        assert tab.locator("h1").inner_text() == table.titles[600]
        assert tab.evaluate("document.activeElement.tagName") == "H1"
        assert tab.locator("dd").count() == FACTS_AN_ITEM
        quoted = tab.locator("dd:has(.said)").first
        value = quoted.locator("a").first.inner_text()
        quoted.locator(".said").focus()
        tab.keyboard.press("Enter")
        tab.wait_for_selector("mark")
        assert tab.locator("mark").inner_text() == value
        quoted.locator("a").first.click()
        tab.wait_for_function("location.hash.startsWith('#/value/')")
        assert tab.locator("h1").inner_text() == value
        tab.go_back()
        tab.wait_for_selector("mark")
        tab.go_back()
        tab.wait_for_function("!document.querySelector('mark')")
        assert tab.locator("h1").inner_text() == table.titles[600]
        assert complaints == []


@in_browser
def test_arrows_choose_and_escape_closes(larger: Path) -> None:
    with opened(larger) as (tab, complaints):
        tab.keyboard.press("/")
        tab.keyboard.type("i00060")
        tab.keyboard.press("ArrowDown")
        assert tab.locator("[aria-selected=true]").count() == 1
        chosen = tab.locator("[aria-selected=true] small").inner_text()
        assert chosen == "i000601"
        tab.keyboard.press("Escape")
        assert tab.locator("#found").is_hidden()
        tab.keyboard.type("no such thing anywhere")
        assert "nothing" in tab.locator("#found").inner_text()
        assert complaints == []


@in_browser
def test_an_id_is_found_first(larger: Path) -> None:
    with opened(larger) as (tab, _):
        tab.locator("#ask").fill("I000042")
        assert tab.locator("#found li small").first.inner_text() == "i000042"


@in_browser
def test_hostile_texts_are_shown_as_they_are(small: Path) -> None:
    with opened(small) as (tab, complaints):
        tab.keyboard.press("/")
        tab.keyboard.type("script")
        tab.keyboard.press("Enter")
        tab.wait_for_function("location.hash === '#/item/i000000'")
        assert tab.locator("h1").inner_text() == HOSTILE
        tab.locator("dd", has_text="</script>").locator(".said").click()
        tab.wait_for_selector("mark")
        assert tab.locator("mark").inner_text() == HOSTILE
        tab.locator("dd.chosen a").first.click()
        tab.wait_for_function("location.hash.startsWith('#/value/')")
        assert tab.locator("h1").inner_text() == HOSTILE
        assert tab.locator("img").count() == 0
        assert tab.evaluate("window.broken") is None
        assert complaints == []


@in_browser
def test_long_lists_grow_on_request_and_fit_a_phone(larger: Path) -> None:
    with opened(larger, 390, 844) as (tab, complaints):
        items = tab.locator("section:last-child li")
        assert items.count() == 100
        tab.locator("section:last-child button").click()
        assert items.count() == 200
        for page in ("", "item/i000000/0", "relation/genre", "value/nothing/here", "item/%E0%A4%A"):
            tab.evaluate(f"location.hash = '#/{page}'")
            tab.wait_for_timeout(50)
            assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.locator("h1").inner_text() == "Not in this graph"
        assert complaints == []
