"""Near-duplicates: which texts share an answer, and what the others are given of it."""

from __future__ import annotations

import json
import random

from scripted_llm_server import Reply, Request, ScriptedServer, answered

from kgbuild.extract.llm.duplicates import ALIKE, group_near_duplicates
from kgbuild.extract.llm.extractor import OpenAIExtractor
from kgbuild.schema import load_schema
from kgbuild.types import Item

WORDS = [f"word{number}" for number in range(2000)]


def text(seed: int, length: int = 90) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=length))


def ids(items: list[Item]) -> list[list[str]]:
    return [[item.id for item in group] for group in group_near_duplicates(items)]


def test_case_spacing_and_punctuation_do_not_tell_texts_apart() -> None:
    items = [
        Item("a", "A Tent", "Light, for two."),
        Item("b", "a tent", " light  for two"),
        Item("c", "A Tent", "Light, for three."),
    ]
    assert ids(items) == [["a", "b"], ["c"]]


def test_one_word_in_a_long_text_is_near_and_in_a_short_one_is_not() -> None:
    long, short = text(1), text(2, 12)
    items = [
        Item("a", "", long),
        Item("b", "", long.replace(long.split()[40], "steel")),
        Item("c", "", short),
        Item("d", "", short.replace(short.split()[5], "steel")),
    ]
    assert ids(items) == [["a", "b"], ["c"], ["d"]]


def test_category_tells_equal_texts_apart() -> None:
    assert ids([Item("a", "Dune", "", "book"), Item("b", "Dune", "", "movie")]) == [["a"], ["b"]]


def test_every_item_is_in_one_group_as_an_exact_search_would_have_it() -> None:
    draw = random.Random(3)
    items: list[Item] = []
    for number in range(120):
        base = text(number % 40).split()
        for _ in range(draw.choice([0, 1, 2, 6, 30])):
            base[draw.randrange(len(base))] = draw.choice(WORDS)
        items.append(Item(str(number), "", " ".join(base)))

    def shingles(item: Item) -> set[tuple[str, ...]]:
        words = item.description.split()
        return {tuple(words[at : at + 3]) for at in range(len(words) - 2)}

    expected: list[list[str]] = []
    firsts: list[Item] = []
    for item in items:
        mine = shingles(item)
        near = [one for one in firsts if len(mine & shingles(one)) / len(mine | shingles(one)) >= ALIKE]
        if near:
            next(group for group in expected if group[0] == near[0].id).append(item.id)
        else:
            firsts.append(item)
            expected.append([item.id])
    assert 40 <= len(expected) < 110
    assert ids(items) == expected


def test_a_follower_gets_what_its_own_text_says_too() -> None:
    long = text(5)
    first = Item("a", "", f"{long} steel")
    second = Item("b", "", f"{long} brass")

    def script(request: Request, _: int) -> Reply:
        return answered(
            {mark: [["made_of", "steel"], ["feature", long.split()[3]]] for mark in request.items}
        )

    with ScriptedServer(script) as server:
        extractor = OpenAIExtractor(
            schema=load_schema(), model="m", base_url=server.url, group=group_near_duplicates
        )
        results = {item.id: mentions for item, mentions in extractor.extract([first, second])}
        extractor.close()
    assert len(server.requests) == 1
    assert "brass" not in json.dumps(server.requests[0].body)
    assert {(one.relation, one.value) for one in results["a"]} == {
        ("made_of", "steel"),
        ("feature", long.split()[3]),
    }
    assert [one.relation for one in results["b"]] == ["feature"], "brass was not read, and steel is not in it"
