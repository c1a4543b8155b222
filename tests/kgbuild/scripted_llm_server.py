"""A chat completions endpoint on a loopback socket that answers as a test scripts it: well, badly or not at
all."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends: a status, headers and a body; `cut` sends half the body and drops the
    connection."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    delay: float = 0.0


@dataclass
class Request:
    """What the server got; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float

    @property
    def system(self) -> str:
        return str(self.body["messages"][0]["content"])

    @property
    def item(self) -> dict[str, str]:
        """The item that the user's message holds."""
        (found,) = re.findall(r"<item>(.*)</item>", self.body["messages"][1]["content"], re.DOTALL)
        item: dict[str, str] = json.loads(found)
        return item

    @property
    def form(self) -> str:
        return str(self.body.get("response_format", {}).get("type", "text"))


Script = Callable[[Request, int], Reply]
"""Given the request and how many came before it, what to send."""


def completion(content: str | None, *, finish: str = "stop", refusal: str | None = None) -> Reply:
    """A chat completion with that content."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    return Reply(
        {"id": "x", "object": "chat.completion", "created": 1, "model": "scripted", "choices": [choice]}
    )


def stated(*facts: tuple[str, str, str]) -> Reply:
    """A completion with facts of (relation, value, quote)."""
    named = [{"relation": relation, "value": value, "quote": quote} for relation, value, quote in facts]
    return completion(json.dumps({"facts": named}))


def refused(status: int, message: str, **more: Any) -> Reply:
    """An error in the form of OpenAI's."""
    headers = more.pop("headers", {})
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Reply({"error": error}, status, headers)


def themes_of(request: Request) -> Reply:
    """A model that finds the theme "Friendship" or "War" where the description has the word."""
    words = [word for word in ("friendship", "war") if word in request.item.get("description", "").lower()]
    return stated(*((("theme", word.title(), word)) for word in words))


class ScriptedServer:
    """The server, within a `with`; `requests` holds what came, in order."""

    def __init__(self, script: Script) -> None:
        self.script, self.requests, self.lock = script, list[Request](), threading.Lock()

    def __enter__(self) -> ScriptedServer:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.path, headers, body, time.monotonic())
                with server.lock:
                    number = len(server.requests)
                    server.requests.append(request)
                self.send(server.script(request, number))

            def send(self, reply: Reply) -> None:
                time.sleep(reply.delay)
                whole = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                payload = whole.encode()
                self.send_response(reply.status)
                kind = "text/html" if isinstance(reply.body, str) else "application/json"
                for name, value in {"Content-Type": kind, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                if reply.cut:
                    self.wfile.write(payload[: len(payload) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                else:
                    with suppress(BrokenPipeError, ConnectionResetError):
                        self.wfile.write(payload)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.thread = threading.Thread(
            target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_address[1]}/v1"
