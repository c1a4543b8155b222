"""Graphs made from a seed, of any size, written by the product's own writer; and a browser to look at pages with."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kgbuild.resolve import Resolution
from kgbuild.types import CATALOGUE, Fact, Item, Mention
from kgbuild.write import OutputPaths, write_graph

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if find_spec("playwright") is None:
    BROWSER = None
WITHOUT_BROWSER = "needs playwright, and chromium or google-chrome on the path"
HOSTILE = "</script><img src=x onerror=\"window.broken=1\"><!-- <script> & 'ß' \U0001f9f8"
FACTS_AN_ITEM = 10
_RELATIONS = ("genre", "actor", "director", "theme", "setting", "mood", "character", "period", "series")
_WORDS = ("amber", "bridge", "cedar", "dawn", "ember", "frost", "garden")


def made(n_triples: int, folder: Path, seed: int = 7) -> Path:
    """Write `graph.ttl` with about so many facts, ten an item, and its evidence; return its path.

    The first item's title, value and quote try to break out of the page. Values are drawn unevenly, so that
    there are hubs, shared values and values on one item only; each text is about ninety words.
    """
    chance = random.Random(seed)
    items, facts = [], []
    n_items = max(1, n_triples // FACTS_AN_ITEM)
    for number in range(n_items):
        words = [f"{chance.choice(_WORDS)}{chance.randrange(800)}" for _ in range(90)]
        title = HOSTILE if number == 0 else f"{words[0].title()} {words[1]} {number}"
        text = f"{HOSTILE if number == 0 else '🧸'} " + " ".join(words) + "."
        items.append(Item(f"i{number:06d}", title, text))
        spots = chance.sample(range(90), FACTS_AN_ITEM)
        for n, spot in enumerate(spots):
            relation = _RELATIONS[n % len(_RELATIONS)]
            scope = "person" if relation in ("actor", "director") else relation
            if number == 0 and n == 0:
                facts.append(_read(items[-1], relation, HOSTILE, HOSTILE, 0, 0.7))
            elif n == FACTS_AN_ITEM - 1:
                year = 1900 + chance.randrange(120)
                facts.append(Fact(Mention(items[-1].id, "year", year, 1.0, CATALOGUE), "year", year, "year"))
            elif n < 3:
                value = f"{_WORDS[int(chance.paretovariate(1)) % len(_WORDS)]} {int(chance.paretovariate(0.7)) % n_items}"
                facts.append(
                    Fact(Mention(items[-1].id, relation, value, 1.0, CATALOGUE), relation, value, scope)
                )
            else:
                start = text.index(" ".join(words)) + sum(len(word) + 1 for word in words[:spot])
                confidence = round(0.5 + chance.random() / 2, 2)
                facts.append(_read(items[-1], relation, words[spot], words[spot], start, confidence))
    graph = folder / "graph.ttl"
    values = {(fact.range, fact.value): [] for fact in facts if isinstance(fact.value, str)}
    write_graph(items, Resolution(facts=facts, values=values), OutputPaths(graph))
    return graph


def _read(item: Item, relation: str, value: str, quote: str, start: int, confidence: float) -> Fact:
    place = {"field": "description", "start": start, "end": start + len(quote), "quote": quote}
    mention = Mention(item.id, relation, value, confidence, "local:made@1", **place)
    return Fact(mention, relation, value, relation)


@contextmanager
def opened(page: Path, width: int = 1366, height: int = 768) -> Iterator[tuple[Any, list[str]]]:
    """The page in a headless browser without a network, and what it complained of."""
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        tab = context.new_page()
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        tab.on("dialog", lambda dialog: (complaints.append("dialog"), dialog.dismiss()))
        tab.goto(page.as_uri())
        yield tab, complaints
        browser.close()
