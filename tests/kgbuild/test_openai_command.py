"""`kgbuild extract --backend openai` as a process against a scripted endpoint: the whole way, and the key
unseen."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from scripted_llm_server import Reply, Request, ScriptedServer, refused, themes_of

KEY = "sk-test-5f1c0ffee5f1c0ffee"
ITEMS: list[dict[str, object]] = [
    {
        "id": "1",
        "title": "One",
        "description": "A war in hard times.",
        "attributes": {"genre": ["Drama"]},
    },
    {"id": "2", "title": "Two", "description": "A war.", "attributes": {"genre": ["Drama"]}},
    {
        "id": "3",
        "title": "Three",
        "description": "A poisoned description.",
        "attributes": {"genre": ["Drama"]},
    },
]


def environment(key: str | None = KEY) -> dict[str, str]:
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return {
        **kept,
        "OPENAI_LOG": "debug",
        "OMP_WAIT_POLICY": "passive",
        **({"OPENAI_API_KEY": key} if key else {}),
    }


def command(folder: Path, items: list[dict[str, object]], *arguments: str) -> list[str]:
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    given = [sys.executable, "-m", "kgbuild", "extract", str(folder / "items.jsonl")]
    return [*given, "-o", str(folder / "graph.ttl"), "--backend", "openai", *arguments]


def run(folder: Path, *arguments: str, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    given = command(folder, ITEMS, *arguments)
    return subprocess.run(
        given, capture_output=True, text=True, env=environment(key), timeout=120, check=False
    )


def script(request: Request, _: int) -> Reply:
    """Reads two items and, of the third, throws the key back as some gateways do."""
    if any("poisoned" in item["description"] for item in request.items.values()):
        return refused(400, f"bad request with {request.headers['authorization']}")
    return themes_of(request)


def test_facts_reach_the_graph_and_the_key_reaches_nothing(tmp_path: Path) -> None:
    with ScriptedServer(script) as server:
        done = run(tmp_path, "--model", "gpt-x", "--base-url", server.url, "-v")
        assert done.returncode == 3, done.stderr
        assert {request.headers["authorization"] for request in server.requests} == {f"Bearer {KEY}"}
        asked = len(server.requests)
        evidence = [json.loads(line) for line in (tmp_path / "graph.evidence.jsonl").open()]
        read = {(one["item"], one["relation"], one["value"], one["source"]) for one in evidence}
        source = "openai:gpt-x/extract_facts@2"
        assert {("1", "theme", "war", source), ("2", "theme", "war", source)} <= read
        (rejected,) = tmp_path.glob("graph*rejected.jsonl")
        (reject,) = [json.loads(line) for line in rejected.open()]
        assert reject["line"] == 3
        assert "HTTP 400" in reject["reason"]

        again = run(tmp_path, "--model", "gpt-x", "--base-url", server.url, "-v")
        assert again.returncode == 3
        titles = {title for request in server.requests[asked:] for title in request.titles}
        assert titles == {"Three"}, "answers that were paid for are asked for again"

    said = done.stdout + done.stderr + again.stdout + again.stderr
    assert KEY not in said
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} >= {".ttl", ".jsonl"}
    assert len(files) >= 4
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("arguments", "key", "says"),
    [
        (["--model", "gpt-x"], None, "OPENAI_API_KEY"),
        (["--base-url", "http://127.0.0.1:9/v1"], None, "--model"),
    ],
)
def test_wrong_use_ends_at_once_with_the_mend(
    tmp_path: Path, arguments: list[str], key: str | None, says: str
) -> None:
    done = run(tmp_path, *arguments, key=key)
    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_model_is_said_once(tmp_path: Path) -> None:
    with ScriptedServer(lambda *_: refused(404, "no such model", code="model_not_found")) as server:
        done = run(tmp_path, "--model", "gpt-x", "--base-url", server.url)
    assert done.returncode == 2
    assert done.stderr.count("knows no model 'gpt-x'") == 1
    assert "Traceback" not in done.stderr


WORDS = ("war", "no war", "wars and a war", "a war and no end")
MANY: list[dict[str, object]] = [
    {"id": f"i{number}", "title": f"T{number}", "description": WORDS[number % 4]} for number in range(120)
]


def answered_in(work: Path) -> int:
    """How many answers the work file holds; a killed run has not closed it."""
    with closing(sqlite3.connect(work)) as db:
        return int(db.execute("select count(*) from answers").fetchone()[0])


def test_a_killed_run_loses_what_was_under_way_and_the_next_one_pays_for_that_alone(tmp_path: Path) -> None:
    workers, per_call = 3, 4
    options = ("--model", "m", "--workers", str(workers), "--items-per-call", str(per_call), "--json")

    def slow(request: Request, _: int) -> Reply:
        reply = themes_of(request)
        reply.delay = 0.03
        return reply

    with ScriptedServer(slow) as server:
        given = command(tmp_path, MANY, *options, "--base-url", server.url)
        replies = 0
        for stop_at in (8, 17):
            with subprocess.Popen(
                given, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            ) as process:
                deadline = time.monotonic() + 60
                while len(server.requests) < stop_at:
                    assert process.poll() is None, "ended before it could be killed"
                    assert time.monotonic() < deadline
                    time.sleep(0.002)
                process.kill()
            assert process.returncode == -signal.SIGKILL
            replies = len(server.requests)
            lost = per_call * replies - answered_in(tmp_path / "graph.work.sqlite")
            killed = 1 if stop_at == 8 else 2
            assert lost <= killed * workers * per_call
        assert not (tmp_path / "graph.ttl").exists()

        before = answered_in(tmp_path / "graph.work.sqlite")
        done = subprocess.run(
            given, env=environment(), capture_output=True, text=True, check=True, timeout=120
        )
        told = json.loads(done.stdout)
        assert (told["items"], told["reused"], told["failed"]) == (120, before, 0)
        asked = [title for request in server.requests[replies:] for title in request.titles]
        assert len(asked) == len(set(asked)) == 120 - before
        assert told["spending"]["this graph"]["items"] == 120, (
            "what was paid for before the kills is in the table"
        )

        n_requests = len(server.requests)
        graph = (tmp_path / "graph.ttl").read_bytes()
        again = subprocess.run(
            given, env=environment(), capture_output=True, text=True, check=True, timeout=120
        )
        assert len(server.requests) == n_requests, "a second run costs nothing"
        assert json.loads(again.stdout)["spending"]["this run"]["calls"] == 0
        assert (tmp_path / "graph.ttl").read_bytes() == graph


def test_an_interrupted_run_ends_at_once_and_carries_on(tmp_path: Path) -> None:
    def hangs_at_last(request: Request, number: int) -> Reply:
        reply = themes_of(request)
        reply.delay = 30.0 if number >= 6 else 0.0
        return reply

    with ScriptedServer(hangs_at_last) as server:
        given = command(tmp_path, MANY, "--model", "m", "--items-per-call", "4", "--base-url", server.url)
        with subprocess.Popen(
            given, env=environment(), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
        ) as process:
            deadline = time.monotonic() + 60
            while len(server.requests) < 9:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "the same command carries on" in errors
        assert "Traceback" not in errors
        assert answered_in(tmp_path / "graph.work.sqlite") == 6 * 4
