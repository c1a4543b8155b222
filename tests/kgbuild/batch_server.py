"""A server with the files and batches of OpenAI's API beside chat completions, on a loopback socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
"""From the body of a chat completion request to a status and the body of the reply."""


class BatchServer:
    """The server, within a `with`. A batch stays under way until `finish`; `log` holds what came, as "POST /path"."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.log: list[str] = []
        self.refuse: dict[str, tuple[int, str]] = {}
        """"POST /batches" -> (status, message): what to answer instead, once."""

    def __enter__(self) -> BatchServer:
        handler = type("Handler", (_Handler,), {"server_of": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"

    def requests(self, batch: str) -> list[dict[str, Any]]:
        """The requests that a batch holds."""
        lines = self.files[self.batches[batch]["input_file_id"]].splitlines()
        return [json.loads(line) for line in lines]

    def finish(self, batch: str, *, status: str = "completed", expire: int = 0) -> None:
        """End a batch: every request answered, but the last `expire` of them expired."""
        good, bad = [], []
        requests = self.requests(batch)
        answered = len(requests) - expire if status != "failed" else 0
        for at, request in enumerate(requests):
            row: dict[str, Any] = {"id": f"r{at}", "custom_id": request["custom_id"], "error": None}
            if at < answered:
                code, body = self.answer(request["body"])
                row["response"] = {"status_code": code, "request_id": "x", "body": body}
                (good if code == 200 else bad).append(row)
            elif status != "failed":
                row["response"] = None
                row["error"] = {"code": "batch_expired", "message": "not done in time"}
                bad.append(row)
        state = self.batches[batch]
        state["status"] = status
        if status == "failed":
            errors = [
                {"code": "token_limit_exceeded", "message": "too much at once", "param": None, "line": None}
            ]
            state["errors"] = {"object": "list", "data": errors}
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            if rows:
                # Replies come in any order.
                self.files[f"{batch}-{name}"] = b"".join(
                    json.dumps(row).encode() + b"\n" for row in rows[::-1]
                )
                state[name] = f"{batch}-{name}"

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, Any]:
        """The status and the reply: JSON-able, or bytes."""
        if f"{method} {path}" in self.refuse:
            status, message = self.refuse.pop(f"{method} {path}")
            return status, _error(message)
        if (method, path) == ("POST", "/chat/completions"):
            return self.answer(json.loads(body))
        if (method, path) == ("POST", "/files"):
            name = f"file-{len(self.files)}"
            # The part of a multipart form that is a file: between an empty line and the boundary.
            part = next(part for part in body.split(body.split(b"\r\n")[0]) if b"filename=" in part)
            self.files[name] = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
            told = {"object": "file", "bytes": 1, "created_at": 1, "filename": "x", "purpose": "batch"}
            return 200, {"id": name, "status": "processed", **told}
        if (method, path) == ("POST", "/batches"):
            asked = json.loads(body)
            name = f"batch_{len(self.batches)}"
            files = {"errors": None, "output_file_id": None, "error_file_id": None}
            told = {"id": name, "object": "batch", "created_at": 1, "status": "in_progress"}
            self.batches[name] = {**told, **files, **asked}
            return 200, self.batches[name]
        if path.startswith("/batches?"):
            return 200, {"object": "list", "data": list(self.batches.values())[::-1], "has_more": False}
        if path.startswith("/batches/"):
            found = self.batches.get(path.removeprefix("/batches/"))
            return (200, found) if found else (404, _error("no such batch"))
        if path.startswith("/files/") and path.endswith("/content"):
            return 200, self.files[path.split("/")[2]]
        return 404, _error(f"nothing at {path}")


def _error(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "x", "param": None, "code": None}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_of: BatchServer

    def do_POST(self) -> None:
        self._reply(self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self) -> None:
        self._reply(b"")

    def _reply(self, body: bytes) -> None:
        path = self.path.removeprefix("/v1")
        self.server_of.log.append(f"{self.command} {path.partition('?')[0]}")
        status, answer = self.server_of.handle(self.command, path, body)
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format: str, *args: Any) -> None:
        pass
