"""The openai backend against a server that answers well, badly or not at all, over a real socket."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from asked_model import ITEM, SCHEMA, numbered, reason, values
from asked_model import ask_singly as ask
from scripted_llm_server import Reply, Request, ScriptedServer, completion, refused, stated, themes_of

from kgbuild.extract.llm import OpenAIExtractor
from kgbuild.types import Item
from plugbase.errors import UserError

FACT = ("theme", "friendship")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# -- trouble that passes, trouble that stays -------------------------------------------------------------------


def test_retry_after_is_kept_by_every_call() -> None:
    def script(request: Request, number: int) -> Reply:
        if number == 2:
            return refused(429, "slow down", headers={"Retry-After": "1.0"})
        reply = stated(request, FACT)
        reply.delay = 0.1 if number > 2 else 0.0
        return reply

    found, requests = ask(script, *numbered(8), concurrency=2)
    assert all(values(result) == ["friendship"] for result in found.values())
    told = requests[2].at
    assert not [one for one in requests if told + 0.5 < one.at < told + 1.0]


def test_retry_after_may_be_a_date() -> None:
    from email.utils import formatdate

    def script(request: Request, number: int) -> Reply:
        if number == 0:
            when = formatdate(time.time() + 2, usegmt=True)
            return refused(503, "slow down", headers={"Retry-After": when})
        return stated(request, FACT)

    _, (first, second) = ask(script)
    assert 0.9 < second.at - first.at < 3


def test_a_long_retry_after_ends_the_run() -> None:
    with pytest.raises(UserError, match="asks to wait 7200 s"):
        ask(lambda *_: refused(429, "come back later", headers={"Retry-After": "7200"}))


@pytest.mark.parametrize("status", [429, 502, 503, 529])
def test_trouble_that_passes_is_waited_out(status: int) -> None:
    found, requests = ask(lambda one, number: stated(one, FACT) if number >= 3 else refused(status, "busy"))
    assert values(found["1"]) == ["friendship"]
    assert len(requests) == 4


def test_trouble_that_stays_with_one_item_fails_it_by_name_and_no_other() -> None:
    def script(request: Request, _: int) -> Reply:
        if "chokes" in request.item["description"]:
            return refused(503, "overloaded")
        return stated(request, FACT)

    found, _ = ask(script, ITEM, Item("2", "", "it chokes on this"), *numbered(1), retries=2)
    assert reason(found["2"]) == "3 tries; the last: HTTP 503: overloaded"
    assert values(found["1"]) == values(found["0"]) == ["friendship"]


def test_a_cut_connection_is_tried_again_and_named_where_it_stays_cut() -> None:
    def script(request: Request, number: int) -> Reply:
        reply = stated(request, FACT)
        reply.cut = number < 2 or "cut me" in request.item["description"]
        return reply

    found, requests = ask(script, ITEM, Item("2", "", "please cut me"), retries=2)
    assert values(found["1"]) == ["friendship"]
    assert "the connection broke" in reason(found["2"])
    assert len(requests) == 3 + 3


@pytest.mark.parametrize("how", ["hangs", "drips"])
def test_an_answer_that_does_not_come_in_time_fails_the_item(how: str) -> None:
    def script(request: Request, _: int) -> Reply:
        reply = stated(request, FACT)
        reply.delay, reply.drip = (2.0, False) if how == "hangs" else (0.0, True)
        return reply

    found, requests = ask(script, timeout=0.3, retries=1)
    assert "no answer within 0.3 s" in reason(found["1"])
    assert len(requests) == 2, "a byte now and then does not keep a call alive"


def test_a_flood_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kgbuild.extract.llm.client.LONGEST_REPLY", 200_000)

    def script(request: Request, number: int) -> Reply:
        reply = stated(request, FACT)
        reply.flood = 1 << 30 if number == 0 else 0
        return reply

    found, requests = ask(script)
    assert values(found["1"]) == ["friendship"]
    assert len(requests) == 2


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"answers": [{"item": "x", "facts": [["theme", "fri', "there is no JSON in it"),
        ('{"result": []}', "its JSON has no answers"),
        ('{"answers": []}', "its JSON has no answers"),
        ('{"answers": "none"}', "its JSON has no answers"),
        ("[]", "its JSON has no answers"),
        ("I am sorry.", "there is no JSON in it"),
        ("", "it is empty"),
        (None, "it is empty"),
        ({"choices": []}, "no choices"),
        ({}, "no choices"),
        ({"choices": [{"index": 0, "finish_reason": "stop"}]}, "no choices"),
    ],
)
def test_a_malformed_answer_is_asked_for_again_once(body: Any, says: str) -> None:
    reply = Reply(body) if isinstance(body, dict) else completion(body)
    found, requests = ask(lambda *_: reply)
    assert reason(found["1"]) == f"two answers were not the JSON asked for: {says}"
    assert len(requests) == 2
    found, _ = ask(lambda request, number: reply if number == 0 else stated(request, FACT))
    assert values(found["1"]) == ["friendship"]


@pytest.mark.parametrize("body", ["<html>hello</html>", '{"choices": [{"mess', "[1]"])
def test_a_body_that_is_no_completion_is_a_broken_call(body: str) -> None:
    found, requests = ask(lambda *_: Reply(body), retries=1)
    assert reason(found["1"]) == "2 tries; the last: the reply is not JSON"
    assert len(requests) == 2


@pytest.mark.parametrize(
    "reply", [completion("", finish="content_filter"), completion(None, refusal="I cannot")]
)
def test_a_refusal_is_named(reply: Reply) -> None:
    found, requests = ask(lambda *_: reply)
    assert reason(found["1"]) == "the model refused to answer"
    assert len(requests) == 1


# -- the circuit breaker ---------------------------------------------------------------------------------------


def test_the_breaker_opens_sends_one_probe_and_closes() -> None:
    told: list[tuple[float, str]] = []

    def script(request: Request, number: int) -> Reply:
        return refused(503, "down") if number >= 4 and len(told) < 3 else stated(request, FACT)

    found, requests = ask(
        script,
        *numbered(30),
        concurrency=4,
        backoff=0.01,
        retries=9,
        tell=lambda text: told.append((time.monotonic(), text)),
    )
    assert len(found) == 30
    assert all(values(result) == ["friendship"] for result in found.values())
    assert "5 failures in a row (HTTP 503: down): all calls wait" in told[0][1]
    assert [text for _, text in told[3:]] == ["the server answers again"]
    between = [request for request in requests if told[1][0] < request.at < told[2][0]]
    assert len(between) == 1, "one probe, whoever else waits"


def test_a_server_that_does_not_recover_ends_the_run_and_no_item_is_to_blame() -> None:
    told: list[str] = []
    with ScriptedServer(
        lambda request, number: stated(request, FACT) if number < 3 else refused(503, "down")
    ) as server:
        made = OpenAIExtractor(
            schema=SCHEMA, model="m", base_url=server.url, items_per_call=1, backoff=0.002, tell=told.append
        )
        results = []
        with pytest.raises(UserError, match="the server does not recover; the last: HTTP 503") as caught:
            results += made.extract(numbered(500))
        made.close()
    assert caught.value.mend
    assert len(server.requests) < 60, "500 items were not each tried"
    assert len(told) >= 6


# -- what no item can mend -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (
            refused(404, "The model `scripted` does not exist", code="model_not_found"),
            "knows no model 'scripted'",
        ),
        (refused(404, "model 'scripted' not found, try pulling it first"), "knows no model 'scripted'"),
        (refused(400, "Invalid model name passed in model=scripted"), "knows no model 'scripted'"),
        (refused(404, "Not Found"), "no chat completions there"),
        (refused(401, "Incorrect API key provided: sk-secret"), "refuses the key"),
        (refused(403, "no"), "refuses the key"),
        (refused(429, "You exceeded your quota", code="insufficient_quota"), "credit is used up"),
    ],
)
def test_what_no_item_can_mend_is_said_once(reply: Reply, says: str) -> None:
    with ScriptedServer(lambda *_: reply) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="scripted", base_url=server.url, items_per_call=1)
        with pytest.raises(UserError, match=says) as caught:
            list(made.extract(numbered(3)))
    assert caught.value.mend
    assert "sk-secret" not in str(caught.value)
    assert len(server.requests) <= 4


def test_a_server_that_is_not_there_is_named_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=url, retries=2, backoff=0.01)
        with pytest.raises(UserError, match="cannot be reached, 3 tries") as caught:
            list(made.extract(numbered(20)))
    assert url in str(caught.value)
    assert "--base-url" in (caught.value.mend or "")


def test_answers_that_came_before_the_end_are_given() -> None:
    def script(request: Request, _: int) -> Reply:
        return stated(request) if request.item["title"] != "last" else refused(401, "expired")

    with ScriptedServer(script) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url, items_per_call=1, concurrency=1)
        results = made.extract([Item("1", "a"), Item("2", "b"), Item("3", "last")])
        got = [next(results)[0].id, next(results)[0].id]
        with pytest.raises(UserError, match="refuses the key"):
            next(results)
    assert got == ["1", "2"]


# -- concurrency -----------------------------------------------------------------------------------------------


def test_calls_run_side_by_side_and_no_more_than_were_allowed() -> None:
    def script(request: Request, _: int) -> Reply:
        reply = themes_of(request)
        reply.delay = 0.2
        return reply

    with ScriptedServer(script) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url, items_per_call=1, concurrency=3)
        assert len(list(made.extract(numbered(13)))) == 13
        made.close()
    assert server.most_at_once == 3


def test_a_place_is_given_on_only_when_its_result_was_taken() -> None:
    with ScriptedServer(themes_of) as server:
        made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url, items_per_call=1, concurrency=2)
        results = made.extract(numbered(50))
        for taken in range(1, 6):
            next(results)
            time.sleep(0.05)
            assert len(server.requests) <= taken + 2, "answers pile up that a kill would lose"
        results.close()
        made.close()


def test_it_works_inside_a_running_event_loop() -> None:
    import asyncio

    async def notebook() -> int:
        return len(ask(themes_of, *numbered(3))[0])

    assert asyncio.run(notebook()) == 3
