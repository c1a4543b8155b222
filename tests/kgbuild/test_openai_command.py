"""`kgbuild extract --backend openai` as a process against a scripted endpoint: the whole way, and the key
unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_llm_server import Reply, Request, ScriptedServer, refused, themes_of

KEY = "sk-test-5f1c0ffee5f1c0ffee"
ITEMS = [
    {
        "id": "1",
        "title": "One",
        "description": "Friendship in hard times.",
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


def run(folder: Path, *arguments: str, key: str | None = KEY) -> subprocess.CompletedProcess[str]:
    (folder / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in ITEMS))
    hidden = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"OPENAI_LOG": "debug", "OMP_WAIT_POLICY": "passive"}
    if key:
        environment["OPENAI_API_KEY"] = key
    command = [sys.executable, "-m", "kgbuild", "extract", str(folder / "items.jsonl")]
    command += ["-o", str(folder / "graph.ttl"), "--backend", "openai", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)


def script(request: Request, _: int) -> Reply:
    """Reads two items and, of the third, throws the key back as some gateways do."""
    if "poisoned" in request.item["description"]:
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
        source = "openai:gpt-x/extract_facts@1"
        assert {("1", "theme", "Friendship", source), ("2", "theme", "War", source)} <= read
        (rejected,) = tmp_path.glob("graph*rejected.jsonl")
        (reject,) = [json.loads(line) for line in rejected.open()]
        assert reject["line"] == 3
        assert "HTTP 400" in reject["reason"]

        again = run(tmp_path, "--model", "gpt-x", "--base-url", server.url, "-v")
        assert again.returncode == 3
        forms = {request.item["title"] for request in server.requests[asked:]}
        assert forms == {"Three"}, "answers that were paid for are asked for again"

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
