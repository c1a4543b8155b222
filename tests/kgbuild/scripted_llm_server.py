"""A chat completions server on a loopback socket that answers as a test scripts it: well, badly or not at all."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Fact = Sequence[str]


@dataclass
class Reply:
    """What the server sends: a status, headers and a body. `cut` sends half the body and drops the connection,
    `flood` goes on sending for so many bytes, `drip` sends a byte every tenth of a second."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    flood: int = 0
    drip: bool = False
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
    def items(self) -> dict[str, dict[str, str]]:
        """The items that the last message holds, by their marks."""
        (found,) = re.findall(r"<items>\n(.*)\n</items>", self.body["messages"][-1]["content"], re.DOTALL)
        lines = [json.loads(line) for line in found.split("\n")]
        return {line.pop("item"): line for line in lines}

    @property
    def item(self) -> dict[str, str]:
        """The only item of the call."""
        (item,) = self.items.values()
        return item

    @property
    def titles(self) -> list[str]:
        return [item.get("title", "") for item in self.items.values()]

    @property
    def form(self) -> str:
        wanted = self.body.get("response_format", {})
        return str(wanted.get("type", "text")) + ("+schema" if "schema" in wanted else "")


Script = Callable[[Request, int], Reply]
"""Given the request and how many came before it, what to send."""


def completion(
    content: str | None,
    *,
    finish: str = "stop",
    refusal: str | None = None,
    usage: tuple[int, int, int] | None = None,
) -> Reply:
    """A chat completion with that content; `usage` is (prompt, of it cached, completion)."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    body: dict[str, Any] = {"id": "x", "object": "chat.completion", "created": 1, "model": "scripted"}
    if usage is not None:
        prompt, cached, answer = usage
        body["usage"] = {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
    return Reply({**body, "choices": [choice]})


def answered(facts: Mapping[str, Sequence[Fact]], **more: Any) -> Reply:
    """A completion with facts by mark."""
    answers = [{"item": mark, "facts": list(stated)} for mark, stated in facts.items()]
    return completion(json.dumps({"answers": answers}), **more)


def stated(request: Request, *facts: Fact, **more: Any) -> Reply:
    """A completion that states the same facts of every item of the request."""
    return answered(dict.fromkeys(request.items, facts), **more)


def refused(status: int, message: str, **more: Any) -> Reply:
    """An error in the form of OpenAI's."""
    headers = more.pop("headers", {})
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": None, **more}
    return Reply({"error": error}, status, headers)


def themes_of(request: Request, _: int = 0) -> Reply:
    """A model that finds the theme "friendship" or "war" where a description has the word."""
    facts = {
        mark: [
            ("theme", word) for word in ("friendship", "war") if word in item.get("description", "").lower()
        ]
        for mark, item in request.items.items()
    }
    return answered(facts, usage=(100 + 50 * len(facts), 0, 10 * len(facts)))


class ScriptedServer:
    """The server, within a `with`; `requests` holds what came, in order; `most_at_once` how many it had."""

    def __init__(self, script: Script) -> None:
        self.script, self.requests, self.lock = script, list[Request](), threading.Lock()
        self.at_once = self.most_at_once = 0

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
                    server.at_once += 1
                    server.most_at_once = max(server.most_at_once, server.at_once)
                reply = server.script(request, number)
                time.sleep(reply.delay)
                with server.lock:
                    server.at_once -= 1
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.send(reply)

            def send(self, reply: Reply) -> None:
                whole = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
                payload = whole.encode()
                self.send_response(reply.status)
                kind = "text/html" if isinstance(reply.body, str) else "application/json"
                for name, value in {"Content-Type": kind, **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload) + reply.flood))
                self.end_headers()
                if reply.cut:
                    self.wfile.write(payload[: len(payload) // 2])
                    self.wfile.flush()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                elif reply.drip:
                    for byte in payload:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        time.sleep(0.1)
                else:
                    self.wfile.write(payload)
                    for _ in range(reply.flood // 65536):
                        self.wfile.write(b" " * 65536)

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
