"""`coldplug serve` under load: requests a second, waiting times, errors, memory, beside an endpoint that does nothing.

    python benchmarks/serving.py                  trains a model on MovieLens-1M first, briefly
    python benchmarks/serving.py --model model/   takes a model that is there
    python benchmarks/serving.py --full           200,000 requests for the memory, instead of 20,000

A client of its own, one process with 1, 8 or 64 kept connections, each asking again as soon as it is answered, shares the
machine with the server. Questions are drawn with a fixed seed: users of random supports, 100 random items to score or the
best 10 of all; clicks of 200 users, kept in SQLite, and 100 scores for one of these. Waiting times are wall clock, as the
client sees them; the load of the machine is stored beside them. The peer is a FastAPI application on the same uvicorn that
answers a constant, with nothing in front of it. Needs the graph that benchmarks/c1.py leaves in out/c1-ml-1m unless --model
is given. Writes benchmarks/serving.json.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
STORED = HERE / "serving.json"
GRAPH = HERE.parent / "out" / "c1-ml-1m" / "graph.ttl"
CONNECTIONS = (1, 8, 64)
SECONDS = 6.0
STARTS = 3
PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "numpy")
CONSTANT = """
import sys, uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/constant")
async def constant() -> dict[str, bool]:
    return {"ok": True}
uvicorn.run(app, port=int(sys.argv[1]), log_level="critical", access_log=False)
"""
LOADED = """
import sys, time, re
began = time.perf_counter()
import coldplug
if sys.argv[2] == "torch":
    import torch
coldplug.load(sys.argv[1])
taken = time.perf_counter() - began
print(taken, re.search(r"VmRSS:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
ENVIRONMENT = os.environ | {
    "OMP_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "passive",
    "PYTHONPATH": str(HERE.parent),
}


def main() -> int:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--full", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        model = chosen.model or trained(Path(scratch) / "model")
        result = measured(model, 200_000 if chosen.full else 20_000)
    command = "python benchmarks/serving.py" + (" --full" if chosen.full else "")
    STORED.write_text(json.dumps({"command": command} | result, indent=1) + "\n", encoding="utf-8")
    print(STORED.read_text(encoding="utf-8"))
    return 0


def trained(folder: Path) -> Path:
    """The default model on MovieLens-1M, trained briefly: how long it learned does not change how long it answers."""
    from coldplug.train import train_model

    if not GRAPH.is_file():
        sys.exit(f"serving: no {GRAPH}; run benchmarks/c1.py first, or name a model with --model")
    train_model(GRAPH, folder, settings={"steps": 60, "kernel_steps": 10})
    return folder


def measured(model: Path, many: int) -> dict[str, Any]:
    """All figures."""
    ids = [json.loads(line) for line in (model / "catalogue-item_ids.txt").read_text("utf-8").splitlines()]
    asked = {
        "/score": score_bodies(ids),
        "/recommend": recommend_bodies(ids),
        "/observe": observe_bodies(ids),
        "/score by user_id": known_bodies(ids),
        "/constant": [b"{}"],
    }
    starts, rows = [], []
    for _ in range(STARTS):
        with served(model) as (_, process, seconds):
            starts.append((seconds, memory_mib(process.pid)))
    with (
        tempfile.TemporaryDirectory() as scratch,
        served(model, "--users", str(Path(scratch) / "users.db")) as (port, process, _),
        constant() as (other_port, other),
    ):
        for name, bodies in asked.items():
            path = name.split()[0]
            where, whose = (other_port, other.pid) if path == "/constant" else (port, process.pid)
            asyncio.run(load(where, path, bodies, 8, seconds=1.0))  # the first requests fill caches
            for connections in CONNECTIONS:
                before = cpu_seconds(whose)
                row = asyncio.run(load(where, path, bodies, connections, seconds=SECONDS))
                spent = cpu_seconds(whose) - before
                rows.append(
                    {"asked": name}
                    | row
                    | {"server_cpu_ms_a_request": round(1000 * spent / row["requests"], 2)}
                )
                print(rows[-1], flush=True)
        before = memory_mib(process.pid)
        steady = asyncio.run(load(port, "/score", asked["/score"], 8, requests=many * 19 // 20))
        middle = memory_mib(process.pid)
        steady_too = asyncio.run(load(port, "/recommend", asked["/recommend"], 8, requests=many // 20))
        after = memory_mib(process.pid)
    return {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores shared by server and client",
        "load_average": [round(one, 1) for one in os.getloadavg()],
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in PACKAGES if find_spec(name)},
        "items": len(ids),
        "start": {
            "seconds_to_first_answer": round(statistics.median(seconds for seconds, _ in starts), 2),
            "memory_mib": round(statistics.median(size for _, size in starts)),
            "loading_alone": loaded(model, "none"),
            "loading_with_torch_imported": loaded(model, "torch"),
        },
        "in_process_ms": in_process(model, asked["/score"]),
        "load": rows,
        "memory_mib": {
            "requests": many,
            "before": round(before, 1),
            "after_scores": round(middle, 1),
            "after_recommendations": round(after, 1),
            "of_them_recommendations": many // 20,
            "errors": steady["errors"] + steady_too["errors"],
        },
    }


def score_bodies(ids: list[str]) -> list[bytes]:
    """500 questions for 100 scores, with supports of 0 to 10 items."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(500):
        drawn = [ids[n] for n in rng.choice(len(ids), 110, replace=False)]
        support = [{"item_id": ident, "rating": 5} for ident in drawn[100 : 100 + rng.integers(11)]]
        found.append(json.dumps({"user": {"age": 25}, "support": support, "item_ids": drawn[:100]}).encode())
    return found


def recommend_bodies(ids: list[str]) -> list[bytes]:
    """500 questions for the best 10 of all, with supports of 0 to 10 items."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(500):
        support = [
            {"item_id": ids[n], "rating": 5} for n in rng.choice(len(ids), rng.integers(11), replace=False)
        ]
        found.append(json.dumps({"user": {"age": 25}, "support": support, "k": 10}).encode())
    return found


def observe_bodies(ids: list[str]) -> list[bytes]:
    """5,000 clicks of 200 users."""
    rng = np.random.default_rng(2)
    drawn = zip(rng.integers(200, size=5000), rng.integers(len(ids), size=5000), strict=True)
    return [
        json.dumps({"user_id": f"u{user}", "item_id": ids[item], "reward": int(1 + item % 5)}).encode()
        for user, item in drawn
    ]


def known_bodies(ids: list[str]) -> list[bytes]:
    """500 questions for 100 scores for the users of the clicks."""
    rng = np.random.default_rng(3)
    return [
        json.dumps(
            {
                "user_id": f"u{rng.integers(200)}",
                "item_ids": [ids[n] for n in rng.choice(len(ids), 100, replace=False)],
            }
        ).encode()
        for _ in range(500)
    ]


async def load(
    port: int,
    path: str,
    bodies: list[bytes],
    connections: int,
    seconds: float = 3600.0,
    requests: int = 10**9,
) -> dict[str, Any]:
    """Ask over so many kept connections until the time is up or the requests are done."""
    taken: list[float] = []
    errors, next_body = 0, 0
    began = time.perf_counter()

    async def one_connection() -> None:
        nonlocal errors, next_body
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() - began < seconds and next_body < requests:
            body = bodies[next_body % len(bodies)]
            next_body += 1
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            asked_at = time.perf_counter()
            writer.write(head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", answer, re.IGNORECASE)
            assert length is not None
            await reader.readexactly(int(length[1]))
            taken.append(time.perf_counter() - asked_at)
            errors += not answer.startswith(b"HTTP/1.1 200")
        writer.close()

    ended = await asyncio.gather(*(one_connection() for _ in range(connections)), return_exceptions=True)
    whole = time.perf_counter() - began
    milliseconds = 1000 * np.array(taken)
    return {
        "connections": connections,
        "requests": len(taken),
        "errors": errors + sum(one is not None for one in ended),
        "requests_a_second": round(len(taken) / whole),
        "p50_ms": round(float(np.quantile(milliseconds, 0.5)), 2),
        "p99_ms": round(float(np.quantile(milliseconds, 0.99)), 2),
    }


@contextlib.contextmanager
def served(model: Path, *options: str) -> Iterator[tuple[int, subprocess.Popen[str], float]]:
    """The server in a process of its own: port, process, seconds until it answered."""
    port, began = free_port(), time.perf_counter()
    command = [sys.executable, "-m", "coldplug", "serve", str(model), "--port", str(port), *options]
    with (
        open(os.devnull, "w") as nowhere,
        subprocess.Popen(command, env=ENVIRONMENT, stderr=nowhere) as process,
    ):
        try:
            answering(port)
            yield port, process, time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@contextlib.contextmanager
def constant() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The peer: an application that answers a constant."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", CONSTANT, str(port)], env=ENVIRONMENT) as process:
        try:
            answering(port)
            yield port, process
        finally:
            process.terminate()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answering(port: int) -> None:
    """Wait until there is an answer, of whatever kind."""
    for _ in range(3000):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5).close()
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.02)
        else:
            return
    sys.exit(f"nothing answers on port {port}")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(model: Path, what: str) -> dict[str, float]:
    """A process that loads the model and nothing else, with torch imported or without."""
    command = [sys.executable, "-c", LOADED, str(model), what]
    runs = [subprocess.check_output(command, env=ENVIRONMENT, text=True).split() for _ in range(STARTS)]
    return {
        "seconds": round(statistics.median(float(seconds) for seconds, _ in runs), 2),
        "memory_mib": round(statistics.median(int(size) / 1024 for _, size in runs)),
    }


def in_process(model: Path, bodies: list[bytes]) -> dict[str, float]:
    """The same questions for 100 scores, asked of the model without HTTP."""
    import coldplug

    plug, taken = coldplug.load(model), []
    for body in map(json.loads, bodies):
        support = [(met["item_id"], met["rating"]) for met in body["support"]]
        began = time.perf_counter()
        plug.score(body["user"], body["item_ids"], support)
        taken.append(1000 * (time.perf_counter() - began))
    return {"p50": round(statistics.median(taken), 2), "p99": round(float(np.quantile(taken, 0.99)), 2)}


if __name__ == "__main__":
    sys.exit(main())
