"""The form of answer that a server takes: found once, and remembered."""

from __future__ import annotations

import json
from typing import Any

import pytest
from asked_model import ITEM, SCHEMA, numbered, reason, values
from asked_model import ask_singly as ask
from scripted_llm_server import Reply, Request, ScriptedServer, completion, refused, stated

from kgbuild.extract.llm import OpenAIExtractor
from kgbuild.types import Item

FACT = ("theme", "friendship")


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("status", [400, 404, 415, 422, 500])
def test_a_refused_form_falls_back_and_the_run_remembers(status: int) -> None:
    def script(request: Request, _: int) -> Reply:
        if request.form == "json_schema":
            return refused(status, "response_format json_schema is not supported")
        return stated(request, FACT)

    found, requests = ask(script, *numbered(6), concurrency=3)
    assert all(values(result) == ["friendship"] for result in found.values())
    forms = [request.form for request in requests]
    assert forms.count("json_schema") == (2 if status == 500 else 1), "one call finds it out for all"
    assert forms[-6:] == ["json_object+schema"] * 6
    assert requests[-1].body["response_format"]["schema"]["required"] == ["answers"]


def test_a_server_like_llama_cpp_is_asked_for_a_json_object_with_the_schema() -> None:
    """It answers json_schema with HTTP 500 and knows a `schema` beside "json_object"."""

    def script(request: Request, _: int) -> Reply:
        if request.form == "json_schema":
            return refused(500, "[{'type': 'literal_error', 'loc': ('body', 'response_format', 'type')}]")
        return stated(request, FACT)

    found, requests = ask(script)
    assert values(found["1"]) == ["friendship"]
    assert [request.form for request in requests] == ["json_schema"] * 2 + ["json_object+schema"]
    assert "JSON schema" not in requests[-1].system, "the server sees to the form"


def test_the_last_form_is_plain_text_with_the_json_found_in_it() -> None:
    def script(request: Request, _: int) -> Reply:
        if request.form != "text":
            return refused(400, "unknown field response_format")
        (mark,) = request.items
        said = {"answers": [{"item": mark, "facts": [FACT]}]}
        return completion(
            f"<think>{{so}}</think>Here {{you}} are:\n```json\n{json.dumps(said)[:-1]},}}\n```\nMore?"
        )

    found, requests = ask(script, *numbered(2))
    assert [values(found[name]) for name in "01"] == [["friendship"]] * 2
    forms = ["json_schema", "json_object+schema", "json_object", "text", "text"]
    assert [request.form for request in requests] == forms
    assert "JSON schema" in requests[-1].system
    assert "JSON schema" not in requests[0].system


def test_a_server_that_takes_a_form_and_does_not_heed_it_is_asked_in_the_next_one() -> None:
    def script(request: Request, _: int) -> Reply:
        return completion("Gladly!") if request.form == "json_schema" else stated(request, FACT)

    found, requests = ask(script, *numbered(3))
    forms = [request.form for request in requests]
    assert forms == ["json_schema"] * 2 + ["json_object+schema"] * 2
    assert "not the JSON asked for" in reason(found["0"])
    assert values(found["1"]) == values(found["2"]) == ["friendship"]


def test_a_mishap_after_the_form_worked_is_no_refusal() -> None:
    def script(request: Request, number: int) -> Reply:
        busy = Reply({"error": {"message": "busy"}}, 500)
        return busy if number in (1, 2, 3) else stated(request, FACT)

    found, requests = ask(script, *numbered(2))
    assert values(found["1"]) == ["friendship"]
    assert {request.form for request in requests} == {"json_schema"}


def test_an_item_that_is_refused_in_every_form_does_not_lower_the_form_for_others() -> None:
    def script(request: Request, _: int) -> Reply:
        if "poison" in request.item["description"]:
            return refused(400, "this request is not wanted")
        return stated(request, FACT)

    found, requests = ask(script, Item("bad", "", "poison"), *numbered(2))
    assert "HTTP 400: this request is not wanted" in reason(found["bad"])
    assert values(found["0"]) == ["friendship"]
    assert [request.form for request in requests][-2:] == ["json_schema"] * 2


def test_parameters_that_a_model_does_not_take_are_left_out() -> None:
    def script(request: Request, _: int) -> Reply:
        for name in ("max_tokens", "temperature"):
            if name in request.body:
                text = f"Unsupported parameter: '{name}'"
                return refused(400, text, param=name, code="unsupported_parameter")
        return stated(request, FACT)

    found, requests = ask(script, *numbered(2))
    assert values(found["1"]) == ["friendship"]
    assert len(requests) == 4
    assert 300 < requests[-1].body["max_completion_tokens"] < 500
    assert requests[-1].form == "json_schema"


def test_what_was_learnt_about_a_server_is_remembered_across_runs() -> None:
    def script(request: Request, _: int) -> Reply:
        return refused(400, "no") if request.form == "json_schema" else stated(request, FACT)

    memory: dict[str, Any] = {}
    with ScriptedServer(script) as server:
        for _ in range(2):
            made = OpenAIExtractor(schema=SCHEMA, model="m", base_url=server.url)
            made.attach(tell=print, earlier=(), keep_call=lambda record: None, memory=memory)
            assert len(list(made.extract([ITEM]))) == 1
            made.close()
        forms = [request.form for request in server.requests]
    assert forms == ["json_schema", "json_object+schema", "json_object+schema"]
    ((name, _),) = memory.items()
    assert server.url in name
