"""The page of `coldplug serve` in a real headless browser: attributes, likes, reasons, keyboard, a phone, hostile texts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from serve_world import HOSTILE, Server, needs_server, serving, small_model

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if find_spec("playwright") is None:
    BROWSER = None
pytestmark = [
    needs_server,
    pytest.mark.skipif(BROWSER is None, reason="needs playwright, and chromium or google-chrome on the path"),
]
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_model(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(model, tmp_path_factory.mktemp("server") / "log") as running:
        yield running


@contextmanager
def opened(server: Server, width: int = 1366, height: int = 768) -> Iterator[tuple[Any, list[str]]]:
    """The page in a browser, and what it complained of."""
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        tab = browser.new_context(viewport={"width": width, "height": height}).new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        # Chromium asks for an icon on its own; the page has none.
        tab.on(
            "console",
            lambda said: complaints.append(said.text) if "favicon" not in said.location["url"] else None,
        )
        tab.goto(server.address, wait_until="networkidle")
        yield tab, complaints
        browser.close()


def listed(tab: Any) -> list[str]:
    """Titles of what is recommended, once the last question is answered."""
    tab.locator("#list[aria-busy=false]").wait_for(state="attached")
    return list(tab.locator("#list .row > span").all_inner_texts())


def test_the_list_follows_attributes_and_likes(server: Server) -> None:
    with opened(server) as (tab, complaints):
        assert tab.locator("#about").inner_text() == "45 items, method posterior"
        nobody = listed(tab)
        assert len(nobody) == 10
        tab.get_by_label("age").fill("24")
        tab.get_by_role("combobox", name="likes").select_option("space")
        space = listed(tab)
        assert space != nobody
        title = tab.locator("#list .row > span").first.inner_text()
        tab.locator("#list button").first.click()
        liking = listed(tab)
        assert liking != space
        assert title not in liking
        assert tab.locator("#liked span").inner_text() == title
        details = tab.locator("#list details").first
        assert (
            title in details.locator("summary").inner_text()
            or "space" in details.locator("summary").inner_text()
        )
        details.locator("summary").click()
        details.get_by_text("in all").wait_for()
        shares = [float(text.replace("−", "-")) for text in details.locator(".share").all_inner_texts()]
        assert sum(shares[:-1]) == pytest.approx(shares[-1], abs=0.005 * len(shares))
        first = tab.locator("#list .row > span").first.inner_text()
        way = details.locator(".way").inner_text()
        assert way.startswith(f"you → {title} → ")
        assert f"→ {first}" in way
        tab.locator("#liked button").click()
        assert listed(tab) == space
        assert complaints == []


def test_it_can_be_used_without_a_mouse(server: Server) -> None:
    with opened(server) as (tab, complaints):
        before = listed(tab)
        tab.keyboard.press("/")
        tab.keyboard.type("title i7")
        tab.locator("#found li").first.wait_for()
        tab.keyboard.press("Enter")
        assert listed(tab) != before
        assert tab.locator("#liked span").inner_text() == "Title 7"
        assert tab.locator("#found li").count() == 0
        tab.locator("#list summary").first.focus()
        tab.keyboard.press("Enter")
        tab.locator("#list details").first.get_by_text("in all").wait_for()
        tab.locator("#list button").first.focus()
        tab.keyboard.press("Enter")
        listed(tab)
        assert tab.locator("#liked li").count() == 2
        assert tab.evaluate("document.activeElement.tagName") == "BUTTON"
        tab.locator("#ask").fill("nothing has this title")
        tab.get_by_text("no title has all of these words").wait_for()
        tab.locator("#ask").press("Escape")
        assert tab.locator("#ask").input_value() == ""
        assert complaints == []


def test_hostile_titles_and_quotes_are_shown_as_they_are(server: Server) -> None:
    with opened(server) as (tab, complaints):
        before = listed(tab)
        tab.locator("#ask").fill("onerror")
        tab.locator("#found button").first.click()
        assert listed(tab) != before
        assert tab.locator("#liked span").inner_text() == HOSTILE
        tab.locator("#ask").fill("title")
        tab.locator("#found button").first.wait_for()
        for number in range(10):
            tab.locator("#list summary").nth(number).click()
            tab.locator("#list details").nth(number).get_by_text("in all").wait_for()
        assert HOSTILE in tab.locator("#list q").all_inner_texts()
        assert tab.locator("img").count() == 0
        assert tab.evaluate("window.broken") is None
        assert complaints == []


def test_it_fits_a_phone(server: Server) -> None:
    with opened(server, 390, 844) as (tab, complaints):
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        before = listed(tab)
        tab.locator("#ask").fill("onerror")
        tab.locator("#found button").first.click()
        assert listed(tab) != before
        tab.locator("#list summary").first.click()
        tab.locator("#list details").first.get_by_text("in all").wait_for()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert complaints == []


def test_the_page_asks_for_the_token_and_holds_no_data(model: Path, tmp_path: Path) -> None:
    with serving(model, tmp_path / "log", token=TOKEN) as server:
        status, text, headers = server.ask("/")
        assert status == 200
        assert "Title" not in text
        assert "default-src 'none'" in headers["content-security-policy"]
        with opened(server) as (tab, _):
            assert "token" in tab.locator("#trouble").inner_text()
            assert tab.locator("#list li").count() == 0
            for token in ("wrong", TOKEN):
                tab.get_by_label("token").fill(token)
                with tab.expect_response("**/attributes"):
                    tab.keyboard.press("Enter")
            assert len(listed(tab)) == 10
            assert tab.locator("#trouble").is_hidden()
            assert tab.locator("#entry").is_hidden()
