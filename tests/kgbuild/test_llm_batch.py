"""The Batch API: sent by one process, collected by another, nothing sent twice, nothing lost."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_server import BatchServer

from kgbuild.extract import ExtractionFailure
from kgbuild.extract.llm.batch import BatchExtractor, BatchPendingError
from kgbuild.schema import load_schema
from kgbuild.types import Item
from plugbase.errors import UserError


def themes(body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """A model that finds the theme "war" where a text has the word; "BROKEN" in a text breaks its reply."""
    (found,) = re.findall(r"<items>\n(.*)\n</items>", body["messages"][-1]["content"], re.DOTALL)
    rows = [json.loads(line) for line in found.splitlines()]
    if any("REFUSED" in row["description"] for row in rows):
        return 400, {"error": {"message": "cannot be done", "type": "x", "param": None, "code": None}}
    answers = [
        {"item": row["item"], "facts": [["theme", "war"]] if "war" in row["description"] else []}
        for row in rows
    ]
    content = (
        "no JSON" if any("BROKEN" in row["description"] for row in rows) else json.dumps({"answers": answers})
    )
    message = {"role": "assistant", "content": content}
    return 200, {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    }


@pytest.fixture
def server() -> Iterator[BatchServer]:
    with BatchServer(themes) as running:
        yield running


ITEMS = [Item(f"i{number}", f"Title {number}", f"Story {number} of war.") for number in range(6)]


def run(extractor: BatchExtractor, items: list[Item]) -> tuple[dict[str, Any], str | None]:
    """Results by item id, and why the run ended before all were there."""
    results: dict[str, Any] = {}
    try:
        for item, result in extractor.extract(items):
            assert item.id not in results
            results[item.id] = result
    except BatchPendingError as error:
        return results, str(error)
    return results, None


def fresh(server: BatchServer, memory: dict[str, Any], **options: Any) -> BatchExtractor:
    """An extractor as a new process has it: all it knows is what was kept."""
    extractor = BatchExtractor(
        schema=load_schema(),
        model="m",
        base_url=server.url,
        items_per_call=1,
        backoff=0.01,
        retries=0,
        **options,
    )
    # What a work file keeps is JSON.
    kept = json.loads(json.dumps(memory))
    memory.clear()
    memory.update(kept)
    extractor.attach(tell=print, earlier=[], keep_call=lambda record: None, memory=memory)
    return extractor


def sent_and_left(server: BatchServer, memory: dict[str, Any], items: list[Item]) -> set[str]:
    """Run once; the ids that were answered at once."""
    results, pending = run(fresh(server, memory), items)
    assert pending is not None
    return set(results)


def test_sent_by_one_process_and_collected_by_another(server: BatchServer, tmp_path: Path) -> None:
    rows = [{"id": item.id, "title": item.title, "description": item.description} for item in ITEMS]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = [sys.executable, "-m", "kgbuild", "extract", "items.jsonl", "-o", "graph.ttl", "--json"]
    command += [
        "--backend",
        "openai",
        "--model",
        "m",
        "--base-url",
        server.url,
        "--items-per-call",
        "2",
        "--batch",
    ]
    paths = {"PYTHONPATH": str(Path(__file__).parents[2]), "OPENAI_API_KEY": "sk-test"}

    def process() -> tuple[int, dict[str, Any]]:
        done = subprocess.run(command, cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    status, first = process()
    assert status == 4
    assert "2 requests are with the server in 1 batches (batch_0)" in first["stopped"]
    assert first["remaining"] == 4
    assert process()[0] == 4, "not ready: nothing changes"
    assert list(server.batches) == ["batch_0"]
    server.finish("batch_0")
    asked = server.log.count("POST /chat/completions")
    status, last = process()
    assert status == 0
    assert last["facts_by_relation"] == {"theme": 6}
    assert last["spending"]["this run"]["calls"] == 2
    assert server.log.count("POST /chat/completions") == asked
    assert (tmp_path / "graph.ttl").read_text().count("rel:theme val:") == 6


def test_expired_requests_go_into_the_next_batch_and_fail_by_name_in_the_end(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    (asked_at_once,) = sent_and_left(server, memory, ITEMS)
    left = [item for item in ITEMS if item.id != asked_at_once]
    server.finish("batch_0", status="expired", expire=3)
    results, pending = run(fresh(server, memory), left)
    assert len(results) == 2
    assert pending is not None
    assert len(server.requests("batch_1")) == 3
    left = [item for item in left if item.id not in results]
    server.finish("batch_1", status="expired", expire=3)
    assert run(fresh(server, memory), left)[0] == {}
    server.finish("batch_2", status="expired", expire=1)
    results, pending = run(fresh(server, memory), left)
    assert pending is None
    failures = [result for result in results.values() if isinstance(result, ExtractionFailure)]
    assert [failure.reason for failure in failures] == ["no reply in 3 batches; the last: not done in time"]
    assert len(results) == 3


def test_unusable_replies_are_asked_again_at_once_and_rejected_by_name(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    items = [*ITEMS[:2], Item("bad", "", "BROKEN"), Item("no", "", "REFUSED")]
    sent_and_left(server, memory, items)
    server.finish("batch_0")
    results, pending = run(fresh(server, memory), items[1:])
    assert pending is None
    assert results["bad"].reason.startswith("two answers were not the JSON asked for")
    assert results["no"].reason == "HTTP 400: cannot be done"
    assert [mention.value for mention in results["i1"]] == ["war"]


def test_a_failed_batch_is_told_and_sent_again_by_the_next_run(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    sent_and_left(server, memory, ITEMS)
    server.finish("batch_0", status="failed")
    with pytest.raises(UserError, match="token_limit_exceeded: too much at once"):
        run(fresh(server, memory), ITEMS[1:])
    assert run(fresh(server, memory), ITEMS[1:])[1] is not None
    assert len(server.requests("batch_1")) == 5


def test_killed_between_starting_and_noting_it_starts_nothing_twice(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    sent_and_left(server, memory, ITEMS)
    (name,) = [name for name in memory if name.startswith("batches ")]
    memory[name][0]["batch"] = None
    assert run(fresh(server, memory), ITEMS[1:])[1] is not None
    assert list(server.batches) == ["batch_0"]


def test_killed_before_the_upload_sends_it_whole(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    server.refuse["POST /files"] = (503, "busy")
    with pytest.raises(UserError, match="Batch API: HTTP 503"):
        run(fresh(server, memory), ITEMS)
    assert run(fresh(server, memory), ITEMS[1:])[1] is not None
    assert len(server.requests("batch_0")) == 5


def test_killed_while_collecting_carries_on(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    sent_and_left(server, memory, ITEMS)
    server.finish("batch_0")
    stopped = fresh(server, memory).extract(ITEMS[1:])
    taken = {next(stopped)[0].id, next(stopped)[0].id}
    stopped.close()
    results, pending = run(fresh(server, memory), [item for item in ITEMS[1:] if item.id not in taken])
    assert pending is None
    assert taken | set(results) == {item.id for item in ITEMS[1:]}


def test_a_text_that_changed_in_the_meantime_is_asked_about_anew(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    sent_and_left(server, memory, ITEMS)
    changed = [*ITEMS[1:5], Item("i5", "Title 5", "Peace now.")]
    assert run(fresh(server, memory), changed)[1] is not None
    server.finish("batch_0")
    results, pending = run(fresh(server, memory), changed)
    assert set(results) == {"i1", "i2", "i3", "i4"}
    assert pending is not None
    assert "Peace now." in json.dumps(server.requests("batch_1"))


def test_an_unknown_batch_is_an_error_that_says_so(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    sent_and_left(server, memory, ITEMS)
    server.batches.clear()
    with pytest.raises(UserError, match="no such batch"):
        run(fresh(server, memory), ITEMS[1:])


def test_limits_hold_for_batches_too(server: BatchServer) -> None:
    memory: dict[str, Any] = {}
    _, pending = run(fresh(server, memory, max_tokens=2_000), ITEMS)
    assert pending is not None
    assert 0 < len(server.requests("batch_0")) < 5
