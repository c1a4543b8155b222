"""Tokens and money: prices, limits that stop a run, the dry run, the closing table across runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_llm_server import Reply, Request, ScriptedServer, answered, refused, themes_of

from kgbuild.cli import main
from kgbuild.extract import BudgetReachedError
from kgbuild.extract.llm import OpenAIExtractor
from kgbuild.extract.llm.prices import Price, load_prices, price_of
from kgbuild.extract.llm.spending import Budget, CallRecord, Spending
from kgbuild.extract.llm.tokens import guess_tokens
from kgbuild.schema import load_schema
from kgbuild.types import Item
from plugbase.errors import UserError

SCHEMA = load_schema()


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# -- prices ----------------------------------------------------------------------------------------------------


def test_prices_by_name_and_by_dated_name_and_unknown_ones() -> None:
    prices = load_prices()
    mini = price_of("gpt-4o-mini", prices)
    assert mini == Price(prompt=0.15, cached=0.075, completion=0.6, batch=0.5)
    assert price_of("gpt-4o-mini-2024-07-18", prices) == mini
    assert price_of("gpt-4o-mini-audio", prices) is None
    assert price_of("qwen", prices) is None
    assert all(0 <= price.cached <= price.prompt <= price.completion for price in prices.values())
    assert mini is not None
    assert mini.of(1_000_000, 400_000, 100_000) == pytest.approx((0.09, 0.03, 0.06))


def test_a_file_of_ones_own_goes_first() -> None:
    Path("mine.yaml").write_text(
        "models:\n  qwen: {prompt: 0, completion: 0}\n  gpt-4o: {prompt: 1, completion: 2}\n"
    )
    prices = load_prices("mine.yaml")
    assert price_of("qwen", prices) == Price(0, 0, 0)
    assert price_of("gpt-4o", prices) == Price(prompt=1, completion=2, cached=1)
    assert price_of("gpt-4o-mini", prices) == price_of("gpt-4o-mini", load_prices())


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("models: {a: {prompt: 1}}", "needs 'prompt' and 'completion'"),
        ("models: {a: {prompt: 1, completion: -1}}", "-1, no price"),
        ("models: {a: {prompt: .nan, completion: 1}}", "no price"),
        ("models: {a: {prompt: true, completion: 1}}", "no price"),
        ("models: {a: {prompt: 1, completion: 1, cache: 1}}", "did you mean 'cached'?"),
        ("models: [1]", "have no 'models'"),
        ("models: {a: {", "are not YAML"),
    ],
)
def test_wrong_prices_are_said_with_the_mend(text: str, says: str) -> None:
    Path("mine.yaml").write_text(text)
    with pytest.raises(UserError, match=r"mine\.yaml") as caught:
        load_prices("mine.yaml")
    assert says in str(caught.value)


def test_a_limit_in_dollars_needs_a_price() -> None:
    with pytest.raises(UserError, match="the price of 'qwen' is unknown") as caught:
        OpenAIExtractor(schema=SCHEMA, model="qwen", base_url="http://127.0.0.1:1/v1", max_usd=1.0)
    assert "--prices" in (caught.value.mend or "")


# -- counting --------------------------------------------------------------------------------------------------


def test_an_unknown_price_is_unknown_and_never_0() -> None:
    spending = Spending([CallRecord("qwen", 10, 100, 0, 50, 90, None)])
    assert spending.usd is None
    table = spending.as_json()
    assert {row["usd"] for row in [*table["stages"].values(), table["all"]]} == {"unknown"}
    spending.add(CallRecord("gpt", 10, 100, 0, 50, 90, (0.1, 0.0, 0.2)))
    assert spending.as_json()["all"]["usd"] == "unknown", "part of a price is no price"


def test_a_record_survives_json() -> None:
    for record in (
        CallRecord("m", 3, 100, 20, 50, 90, (0.1, 0.02, 0.3)),
        CallRecord("m", 0, 1, 0, 0, 0, None),
    ):
        assert CallRecord.of_json(json.loads(json.dumps(record.as_json()))) == record


costs = st.tuples(st.integers(0, 5000), st.integers(0, 5000))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(costs, st.floats(0, 1)), max_size=20), st.integers(1, 20_000), st.floats(0.0001, 0.1)
)
def test_a_budget_is_never_passed(calls: list[Any], max_tokens: int, max_usd: float) -> None:
    """Whatever calls are made at once, as long as none is longer than it was set aside for."""
    price = Price(prompt=1, completion=4, cached=0.5)
    budget = Budget(price, max_tokens=max_tokens, max_usd=max_usd)
    under_way = []
    for (prompt, completion), share in calls:
        cost = budget.worst_case(prompt, completion)
        if budget.hold(cost) is None:
            under_way.append((cost, prompt, int(completion * share)))
        if len(under_way) == 3:
            cost, prompt, completion = under_way.pop(0)
            usd = price.of(prompt, 0, completion)
            budget.spent.add(CallRecord("m", 1, prompt, 0, completion, prompt, usd))
            budget.release(cost)
        assert budget.spent.tokens <= max_tokens
        assert (budget.spent.usd or 0) <= max_usd + 1e-9


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=300), st.text(max_size=300))
def test_guesses_grow_with_the_text(one: str, other: str) -> None:
    assert max(guess_tokens(one), guess_tokens(other)) <= guess_tokens(one + other)
    assert guess_tokens(one + other) <= guess_tokens(one) + guess_tokens(other)


def run(
    script: Any, count: int, **options: Any
) -> tuple[OpenAIExtractor, int, int, BudgetReachedError | None]:
    """The extractor, items answered, requests made, and how it ended."""
    items = (Item(str(number), f"T{number}", "war and friendship") for number in range(count))
    with ScriptedServer(script) as server:
        made = OpenAIExtractor(
            schema=SCHEMA, **{"model": "gpt-4o-mini", "base_url": server.url, "backoff": 0.01, **options}
        )
        answers, ended = 0, None
        try:
            for _, result in made.extract(items):
                answers += isinstance(result, list)
        except BudgetReachedError as error:
            ended = error
        made.close()
        return made, answers, len(server.requests), ended


def test_tokens_are_counted_as_the_server_reports_them() -> None:
    def script(request: Request, _: int) -> Reply:
        return answered({mark: [("theme", "war")] for mark in request.items}, usage=(1000, 600, 100))

    made, answers, calls, ended = run(script, 24)
    assert (answers, calls, ended) == (24, 2, None)
    table = made.spent.as_json()
    assert {name: row["tokens"] for name, row in table["stages"].items()} == {
        "prompt": 800,
        "cached prompt": 1200,
        "completion": 200,
    }
    usd = (800 * 0.15 + 1200 * 0.075 + 200 * 0.6) / 1e6
    assert table["all"] == {
        "tokens": 2200,
        "usd": pytest.approx(usd, abs=1e-6),
        "usd_per_1000_items": pytest.approx(usd / 24 * 1000, abs=1e-6),
    }
    item = Item("x", "T1", "war and friendship")
    unlearned = OpenAIExtractor(schema=SCHEMA, model="gpt-4o-mini", base_url="http://127.0.0.1:1/v1")
    learned, guessed = (one.estimate([item]).tokens_by_stage[0] for one in (made, unlearned))
    assert learned == round(guessed * made.spent.correction) != guessed, "guesses learn from reports"


def test_a_call_without_report_is_counted_by_a_guess() -> None:
    made, _, calls, _ = run(
        lambda request, _: answered({mark: [("theme", "war")] for mark in request.items}), 24
    )
    assert made.spent.unreported == calls == 2
    assert made.spent.tokens > 1000


def test_calls_that_were_lost_on_the_way_are_counted() -> None:
    def script(request: Request, number: int) -> Reply:
        reply = themes_of(request)
        reply.delay = 2.5 if number == 0 else 0.0
        return reply

    made, answers, calls, _ = run(script, 1, timeout=1.0)
    assert (answers, calls) == (1, 2)
    assert (made.spent.calls, made.spent.unreported) == (2, 1)


@pytest.mark.parametrize("limit", [{"max_tokens": 20_000}, {"max_usd": 0.004}])
def test_a_limit_ends_the_run_before_it_is_passed(limit: dict[str, Any]) -> None:
    def script(request: Request, _: int) -> Reply:
        return answered({mark: [("theme", "war")] for mark in request.items}, usage=(900, 0, 500))

    made, answers, calls, ended = run(script, 2000, **limit)
    assert "the next call could pass" in str(ended)
    assert answers == 12 * calls
    if "max_tokens" in limit:
        assert 20_000 - 6_000 < made.spent.tokens <= 20_000
    else:
        assert 0.0005 < (made.spent.usd or 0) <= 0.004


def test_a_limit_too_small_for_a_call_asks_nothing() -> None:
    _, answers, calls, ended = run(themes_of, 10, max_tokens=100)
    assert (answers, calls) == (0, 0)
    assert "100 tokens (spent: 0)" in str(ended)


# -- the command -----------------------------------------------------------------------------------------------


def command(url: str, *options: str, count: int = 40) -> Result:
    with Path("items.jsonl").open("w") as file:
        for number in range(count):
            file.write(json.dumps({"id": f"i{number}", "title": f"T{number}", "description": "war"}) + "\n")
    given = ["extract", "items.jsonl", "-o", "graph.ttl", "--backend", "openai", "--base-url", url, *options]
    return CliRunner().invoke(main, given, catch_exceptions=False)


def paid(request: Request, _: int) -> Reply:
    return answered({mark: [("theme", "war")] for mark in request.items}, usage=(800, 0, 100))


def test_a_dry_run_prints_tokens_and_price_and_asks_nothing() -> None:
    with ScriptedServer(paid) as server:
        done = command(server.url, "--model", "gpt-4o-mini", "--dry-run")
        assert done.exit_code == 0, done.output
        assert not server.requests
        assert sorted(path.name for path in Path().iterdir()) == ["items.jsonl"]
        assert "4 calls would be made" in done.stdout
        assert "USD per 1,000 items" in done.stdout
        told = json.loads(command(server.url, "--model", "gpt-4o-mini", "--dry-run", "--json").stdout)
        assert (told["items"], told["to_ask"], told["spending"]["calls"]) == (40, 40, 4)
        assert 0.0001 < told["spending"]["all"]["usd"] < 0.01
        unknown = json.loads(command(server.url, "--model", "qwen", "--dry-run", "--json").stdout)
        assert unknown["spending"]["all"]["usd"] == "unknown"

        assert command(server.url, "--model", "gpt-4o-mini").exit_code == 0
        asked = len(server.requests)
        after = json.loads(
            command(server.url, "--model", "gpt-4o-mini", "--dry-run", "--json", count=52).stdout
        )
        assert (after["reused"], after["to_ask"], after["spending"]["calls"]) == (40, 12, 1)
        assert after["spending"]["stages"]["prompt"]["tokens"] == pytest.approx(800, abs=150)
        assert len(server.requests) == asked
        assert Path("graph.ttl").exists()


def test_a_dry_run_of_no_items_says_so() -> None:
    done = command("http://127.0.0.1:1/v1", "--model", "m", "--dry-run", count=0)
    assert done.exit_code == 2
    assert "there is no item in it" in done.stderr
    assert not Path("graph.work.sqlite").exists()


def test_a_dry_run_of_what_costs_nothing_says_so() -> None:
    Path("items.jsonl").write_text('{"id": "1", "title": "A"}\n')
    done = CliRunner().invoke(
        main, ["extract", "items.jsonl", "-o", "graph.ttl", "--backend", "none", "--dry-run"]
    )
    assert done.exit_code == 2
    assert "--dry-run: only with --backend openai" in done.stderr


def test_a_limit_leaves_a_graph_names_what_remains_and_the_same_command_carries_on() -> None:
    with ScriptedServer(paid) as server:
        options = ("--model", "gpt-4o-mini", "--items-per-call", "5", "--workers", "1")
        first = command(server.url, *options, "--max-tokens", "4000", "--json")
        assert first.exit_code == 4
        told = json.loads(first.stdout)
        answered_first = 40 - told["remaining"]
        assert 5 <= answered_first < 40
        assert told["stopped"].startswith("the next call could pass 4,000 tokens")
        assert told["remaining_first"] == [
            f"i{number}" for number in range(answered_first, answered_first + 10)
        ]
        named = [json.loads(line) for line in Path("graph.remaining.jsonl").read_text().splitlines()]
        assert [one["id"] for one in named] == [f"i{number}" for number in range(answered_first, 40)]
        assert named[0]["line"] == answered_first + 1
        assert Path("graph.ttl").read_text().count("rel:theme val:theme:war") == answered_first
        assert Path("graph.ttl").read_text().count("a kgb:Item") == 40

        second = command(server.url, *options, "--max-tokens", "3000")
        assert second.exit_code == 4, "a limit counts its own run"
        assert "stopped: the next call could pass 3,000 tokens" in second.stdout
        assert "with the runs before it" in second.stdout
        third = command(server.url, *options, "--json")
        assert third.exit_code == 0
        assert not Path("graph.remaining.jsonl").exists()
        asked = [title for request in server.requests for title in request.titles]
        assert sorted(asked) == sorted(f"T{number}" for number in range(40)), "each item once in three runs"
        spending = json.loads(third.stdout)["spending"]
        assert spending["this graph"]["calls"] == len(server.requests) == 8
        assert spending["this graph"]["all"]["tokens"] == 8 * 900
        assert spending["this run"]["calls"] < 8
        bytes_in_three_runs = Path("graph.ttl").read_bytes()

        Path("graph.work.sqlite").unlink()
        assert command(server.url, *options).exit_code == 0
        assert Path("graph.ttl").read_bytes() == bytes_in_three_runs


def test_rejected_items_and_a_limit_are_both_told() -> None:
    def script(request: Request, _: int) -> Reply:
        return refused(400, "filtered") if "T0" in request.titles else paid(request, 0)

    with ScriptedServer(script) as server:
        done = command(
            server.url,
            "--model",
            "m",
            "--items-per-call",
            "1",
            "--workers",
            "1",
            "--max-tokens",
            "9000",
            "--json",
        )
    assert done.exit_code == 4
    told = json.loads(done.stdout)
    assert told["failed"] == 1
    assert "i0" not in told["remaining_first"]
    assert told["spending"]["this run"]["all"]["usd"] == "unknown"
