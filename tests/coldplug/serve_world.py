"""A small model behind a real server: started as its users start it, asked over a real socket."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from c1_world import write_world

from coldplug.train import train_model

ROOT = Path(__file__).parents[2]
HOSTILE = "</script><img src=x onerror=\"window.broken=1\"><!-- & 'ß' \U0001f9f8"
MISSING = [name for name in ("fastapi", "uvicorn", "prometheus_client") if find_spec(name) is None]
needs_server = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: install coldplug[serve]"
)
SETTINGS = {"steps": 8, "batch": 16, "kernel_steps": 2, "rank": 8, "dim": 4}


def small_model(folder: Path) -> Path:
    """A model folder of 45 items, i40 to i44 without interactions; i0 has a title that tries to break out."""
    import torch

    write_world(folder, 45, 48)
    torch.set_num_threads(1)
    graph = (folder / "graph.ttl").read_text("utf-8")
    (folder / "graph.ttl").write_text(
        graph.replace('"Title 0"', json.dumps(HOSTILE, ensure_ascii=False)), encoding="utf-8"
    )
    rows = (folder / "interactions.csv").read_text().splitlines(keepends=True)
    kept = [row for row in rows[1:] if int(row.split(",")[1][1:]) < 40]
    (folder / "interactions.csv").write_text(rows[0] + "".join(kept))
    evidence = folder / "graph.evidence.jsonl"
    records = [json.loads(line) for line in evidence.read_text().splitlines()]
    quoted = [r | ({"quote": HOSTILE} if r["relation"] == "theme" else {}) for r in records]
    evidence.write_text("".join(json.dumps(record) + "\n" for record in quoted))
    train_model(folder / "graph.ttl", folder / "model", settings=SETTINGS)
    return folder / "model"


@dataclass
class Server:
    """A running server."""

    process: subprocess.Popen[str]
    address: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2])

    def ask(
        self, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, dict[str, str]]:
        """Status, JSON (or text) and headers; `body` is JSON-able, or bytes to be sent as they are."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        asked = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.address + path, data, asked | (headers or {}))
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, _content(answer), dict(answer.headers)
        except urllib.error.HTTPError as answer:
            return answer.code, _content(answer), dict(answer.headers)

    def wait_for(self, words: str) -> None:
        """Wait until the log says so."""
        for _ in range(600):
            if words in self.log.read_text("utf-8"):
                return
            time.sleep(0.05)
        raise AssertionError(f"no {words!r} in the log:\n{self.log.read_text('utf-8')}")


def _content(answer: Any) -> Any:
    text = answer.read().decode()
    return json.loads(text) if answer.headers["content-type"] == "application/json" else text


@contextlib.contextmanager
def serving(
    model: Path, log: Path, *options: str, token: str | None = None, ends: int = 0
) -> Iterator[Server]:
    """`coldplug serve` on a free port, stopped with SIGTERM; that it stops well is part of every test.

    `ends` is the status that it has to end with, -9 where the test kills it.
    """
    environment = {name: value for name, value in os.environ.items() if name != "COLDPLUG_TOKEN"}
    environment |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= {"COLDPLUG_TOKEN": token} if token else {}
    command = [sys.executable, "-m", "coldplug", "serve", str(model), "--port", "0", *options]
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, text=True)
    server = Server(process, "", log)
    try:
        server.wait_for("serving ")
        found = re.search(r"http://\S+", log.read_text("utf-8"))
        assert found
        server.address = found[0].replace("0.0.0.0", "127.0.0.1")
        yield server
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == ends
    finally:
        process.kill()
        process.wait()
