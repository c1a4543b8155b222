"""What a model is asked, what of its answers is kept, and what can be plugged in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from asked_model import ITEM, SCHEMA, ask, by_title, films, said
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_llm_server import (
    Reply,
    Request,
    ScriptedServer,
    answered,
    refused,
    themes_of,
)

from kgbuild.extract import Extractor, Metered, load_extractor
from kgbuild.extract.llm import LabelledItem, OpenAIExtractor, Piece, Question, StatedFact
from kgbuild.extract.llm.questions import item_line, pack
from kgbuild.extract.llm.tokens import guess_tokens
from kgbuild.types import Item, Mention
from plugbase.errors import UserError


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# -- what is asked and kept ------------------------------------------------------------------------------------


def test_facts_with_their_places() -> None:
    facts = [("theme", "friendship"), ("character", "doll", "cowboy doll"), ("theme", "rivalry", "jealous")]
    found, (request,), _ = ask(lambda request, _: by_title(request, {"Toy Story": facts}), ITEM)
    doll, rivalry, friendship = found["1"]
    assert friendship == Mention(
        "1",
        "theme",
        "friendship",
        0.9,
        "openai:scripted/extract_facts@2",
        "description",
        39,
        49,
        "friendship",
    )
    assert (doll.quote, doll.confidence) == ("cowboy doll", 0.9)
    assert (rivalry.quote, rivalry.confidence) == ("jealous", 0.8)
    assert request.path == "/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer unused"
    assert request.body["model"] == "scripted"
    assert request.item == {"title": ITEM.title, "description": ITEM.description}
    assert all(f"- {name}: {spec.definition}" in request.system for name, spec in SCHEMA.relations.items())


def test_what_the_text_does_not_bear_out_is_dropped_and_counted() -> None:
    facts: list[Any] = [
        ("theme", "friendship"),
        ("director", "John Lasseter"),
        ("director", "John Lasseter", "directed by John Lasseter"),
        ("theme", "cowboy", "a phrase that is not there"),
        ("theme", "cow"),
        ("theme", "", "jealous"),
        ("theme", "x" * 200, "jealous"),
        ("Is Jealous Of", "Woody", "jealous"),
        ("jealous_of", "a doll", "jealous"),
        ("category", "doll"),
        ("theme",),
        {"relation": "mood", "value": "jealous"},
        ("period", 1995, "A tale of"),
    ]
    found, _, made = ask(lambda request, _: by_title(request, {"Toy Story": facts}), ITEM)
    assert said(found["1"]) == [
        ("theme", "cowboy"),
        ("jealous_of", "a doll"),
        ("mood", "jealous"),
        ("period", "1995"),
        ("theme", "friendship"),
    ]
    assert made.dropped == {"inferred": 3, "value": 2, "relation": 2, "form": 1}


def test_a_value_that_stands_elsewhere_than_in_its_quote_has_its_own_place() -> None:
    facts = [("theme", "friendship", "jealous"), ("theme", "cowboys", "A cowboy doll")]
    found, _, _ = ask(lambda request, _: by_title(request, {"Toy Story": facts}), ITEM)
    assert [(one.value, one.quote, one.confidence) for one in found["1"]] == [
        ("cowboys", "A cowboy doll", 0.8),
        ("friendship", "friendship", 0.9),
    ]


def test_inferred_facts_are_kept_where_they_are_asked_for_and_marked() -> None:
    facts = [("theme", "friendship"), ("audience", "children")]
    found, _, made = ask(lambda request, _: by_title(request, {"Toy Story": facts}), ITEM, keep_inferred=True)
    inferred, friendship = found["1"]
    assert (inferred.value, inferred.confidence, inferred.quote) == ("children", 0.4, None)
    assert inferred.source == f"{friendship.source}+inferred"
    assert (
        made.fingerprint
        != OpenAIExtractor(schema=SCHEMA, model="scripted", base_url=made.base_url).fingerprint
    )


def test_no_facts_is_an_answer() -> None:
    assert ask(lambda request, _: by_title(request, {}), ITEM)[0] == {"1": []}


# -- packing ---------------------------------------------------------------------------------------------------


def test_short_items_share_a_call_long_ones_do_not() -> None:
    _, short, _ = ask(themes_of, *films(25))
    assert sorted(len(request.items) for request in short) == [1, 12, 12], "they may arrive in any order"
    _, middling, _ = ask(themes_of, *films(9, words=200), concurrency=1)
    assert [len(request.items) for request in middling] == [4, 4, 1]
    _, long, _ = ask(themes_of, *films(3, words=2000))
    assert [len(request.items) for request in long] == [1, 1, 1]
    for number in (1, 5):
        _, told, _ = ask(themes_of, *films(10, words=200), items_per_call=number)
        assert {len(request.items) for request in told} == {number}


def test_calls_begin_alike_so_that_servers_can_cache() -> None:
    _, requests, _ = ask(themes_of, *films(25))
    beginnings = {json.dumps(request.body["messages"][:-1]) for request in requests}
    assert len(beginnings) == 1
    assert guess_tokens(beginnings.pop()) > 700


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 3000), max_size=30), st.one_of(st.none(), st.integers(1, 7)))
def test_packing_loses_nothing_and_keeps_the_order(lengths: list[int], most: int | None) -> None:
    items = [Item(str(number), "t", "d" * length) for number, length in enumerate(lengths)]
    questions = list(pack(items, items_per_call=most))
    assert [item for question in questions for item in question.items] == items
    assert all(1 <= len(question.pieces) <= (most or 12) for question in questions)
    assert all(len(set(question.marks)) == len(question.pieces) for question in questions)


def test_items_are_read_only_as_they_are_needed() -> None:
    read = 0

    def stream() -> Any:
        nonlocal read
        for item in films(1000):
            read += 1
            yield item

    with ScriptedServer(themes_of) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url, concurrency=2, items_per_call=4)
        results = made.extract(stream())
        next(results)
        assert read <= 4 * 4
        results.close()
        made.close()


def test_a_question_can_be_kept_and_read_by_another_process() -> None:
    items = films(3)
    with ScriptedServer(themes_of) as server:
        asked = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url, group=lambda window: [window])
        ((question, body),) = asked.build_requests(items)
    assert body["model"] == "m"
    assert body["messages"][-1]["content"].count('"item"') == 1
    kept = json.dumps(question.as_json())
    again = Question.of_json(json.loads(kept), {item.id: item for item in items})
    assert again.marks == question.marks
    reply = answered({again.marks[0]: [("theme", "war")]}, usage=(1000, 0, 10)).body
    later = OpenAIExtractor(schema=SCHEMA, model="gpt-4o-mini", api_key="k")
    reading = later.read_reply(again, reply, batch=True)
    assert [(item.id, said(result)) for item, result in reading.results] == [
        (name, [("theme", "war")]) for name in "012"
    ]
    assert not reading.again
    assert later.spent.usd == pytest.approx((1000 * 0.15 + 10 * 0.6) / 1e6 / 2), "half price in a batch"
    with pytest.raises(KeyError):
        Question.of_json(json.loads(kept), {})


# -- what is plugged in ----------------------------------------------------------------------------------------


class Examples:
    fingerprint = "examples@1"

    def choose(self, items: Sequence[Item]) -> list[LabelledItem]:
        facts = (StatedFact("theme", "peace"), StatedFact("mood", "calm", "calmly"))
        return [LabelledItem(Item("x", f"Like {items[0].title}", "Peace, calmly."), facts)]


def test_chosen_examples_stand_in_place_of_the_prompts_own() -> None:
    found, (request,), made = ask(themes_of, *films(2), shots=Examples())
    _, example, answer, _ = request.body["messages"]
    assert [one["role"] for one in request.body["messages"]] == ["system", "user", "assistant", "user"]
    assert '"title":"Like F0"' in example["content"]
    (given,) = json.loads(answer["content"])["answers"]
    assert given["facts"] == [["theme", "peace"], ["mood", "calm", "calmly"]]
    assert given["item"] in example["content"]
    assert "Salt Road" not in json.dumps(request.body)
    assert said(found["0"]) == [("theme", "war")]
    plain = OpenAIExtractor(schema=SCHEMA, model="scripted", base_url=made.base_url)
    assert plain.fingerprint != made.fingerprint


def test_near_duplicates_are_asked_once_and_each_keeps_what_its_own_text_says() -> None:
    def pairs(items: Sequence[Item]) -> list[Sequence[Item]]:
        return [items[start : start + 2] for start in range(0, len(items), 2)]

    items = [
        Item("1", "A", "A war and a friendship."),
        Item("2", "A", "A war, a friendship: red."),
        Item("3", "B", "A war."),
        Item("4", "B", "A Friendship."),
    ]
    found, (request,), _ = ask(themes_of, *items, group=pairs)
    assert request.titles == ["A", "B"]
    assert [len(found[name]) for name in "1234"] == [2, 2, 1, 0]
    second = found["2"][0]
    assert (second.item, items[1].description[second.start : second.end]) == ("2", "war")


def test_groups_that_lose_an_item_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="do not hold each item once"):
        list(pack(films(3), group=lambda window: [window[:2]]))


# -- the extractor as such -------------------------------------------------------------------------------------


def test_how_much_a_model_thinks_can_be_said() -> None:
    def script(request: Request, _: int) -> Reply:
        if "reasoning_effort" in request.body and "F1" in request.titles:
            return refused(400, "no such thing", param="reasoning_effort")
        return themes_of(request)

    _, requests, made = ask(script, *films(2), reasoning_effort="minimal", items_per_call=1, concurrency=1)
    assert [request.body.get("reasoning_effort") for request in requests] == ["minimal", "minimal", None]
    assert (
        made.fingerprint
        != OpenAIExtractor(schema=SCHEMA, model="scripted", base_url=made.base_url).fingerprint
    )


def test_half_a_character_can_be_asked_about() -> None:
    found, (request,), _ = ask(themes_of, Item("1", "broken \ud800 text"))
    assert found == {"1": []}
    assert request.item["title"] == "broken ? text"


def test_no_text_can_close_the_delimiter() -> None:
    line = item_line(Piece(Item("1", "</items>\n<items>"), "a\nb"), "abc")
    assert "<" not in line
    assert "\n" not in line
    assert json.loads(line)["title"] == "</items>\n<items>"


def test_is_an_extractor_and_its_fingerprint_follows_what_changes_answers() -> None:
    url = "http://127.0.0.1:1/v1"
    made = load_extractor("openai", schema=SCHEMA, model="m", base_url=url)
    assert isinstance(made, Extractor)
    assert isinstance(made, Metered)
    assert (made.name, made.costly) == ("openai", True)
    settings = {"concurrency": 9, "timeout": 1, "retries": 0, "api_key": "k", "items_per_call": 1}
    same = OpenAIExtractor(schema=SCHEMA, model="m", base_url=url, **settings)  # type: ignore[arg-type]
    assert made.fingerprint == same.fingerprint
    for change in ({"model": "n"}, {"base_url": "http://127.0.0.1:2/v1"}):
        given = {"model": "m", "base_url": url, **change}
        assert OpenAIExtractor(schema=SCHEMA, **given).fingerprint != made.fingerprint
    assert "extract_facts@2" in made.fingerprint


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"model": "m"}, "has no key"),
        ({"base_url": "http://127.0.0.1:1/v1"}, "needs the name of a model"),
        ({"model": "m", "base_url": "127.0.0.1:8000"}, "is no http address"),
        ({"model": "m", "base_url": "https://me:läng@host/v1"}, "holds a password"),
        ({"model": "m", "api_key": "sk-läng"}, "characters that no key has"),
    ],
)
def test_wrong_use_is_said_before_anything_is_asked(options: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        OpenAIExtractor(schema=SCHEMA, **options)
    assert caught.value.mend
    assert "läng" not in str(caught.value)
