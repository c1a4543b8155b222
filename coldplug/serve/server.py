"""Where a server listens and who may reach it; how it starts, takes a new model, and stops."""

from __future__ import annotations

import contextlib
import gc
import ipaddress
import logging
import signal
import socket
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from coldplug.online import Swappable
from coldplug.serve.app import create_app
from coldplug.serve.guard import Guard, Limits, log
from coldplug.serve.metrics import Metrics
from coldplug.serve.told import n_items
from plugbase.errors import UserError

SHORTEST_TOKEN = 16
_QUEUE = 2048
"""Connections that the system holds until they are accepted."""


def serve(
    model: Path,
    host: str,
    port: int,
    token: str | None,
    limits: Limits,
    users: str | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> None:
    """Serve a model folder until SIGTERM or SIGINT; requests in flight are finished. SIGHUP reads the folder anew.

    Args:
        model: the model folder.
        host: an address; one beyond loopback needs a token.
        port: 0 for any that is free.
        token: what clients have to send; None for none.
        limits: how much one client can have.
        users: where users are kept, as for `coldplug.load`; nowhere where None.
        note: called with the address once connections are taken.

    Raises:
        UserError: no token beyond loopback, or one too short; the address or the place of the users cannot be had.
        ModelFormatError: the folder is no model.
    """
    listening = _listening(host, port, token)
    held = Swappable(model, users)
    metrics = Metrics()
    metrics.items.set(n_items(held.plug))
    # What the model warns of, unknown attributes, is told to who asked; their words are not for the log.
    warnings.simplefilter("ignore", UserWarning)
    # Threads take turns at the interpreter: in small steps a short answer does not wait for a long one.
    sys.setswitchinterval(0.001)
    # What is loaded now stays: the collector need not look through a catalogue again and again.
    gc.collect()
    gc.freeze()
    guard = Guard(create_app(held, metrics), limits, token, metrics)
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    config = uvicorn.Config(
        guard,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="none",
        timeout_graceful_shutdown=round(limits.seconds) + 1,
        timeout_keep_alive=60,
    )
    server = _Server(config, held, metrics)
    name, bound = listening.getsockname()[:2]
    note(f"serving {model} on http://{f'[{name}]' if ':' in name else name}:{bound}")
    server.run(sockets=[listening])


def check_token(host: str, address: str, token: str | None) -> None:
    """Raise a UserError where there is no token and the address is not loopback, or the token is easily guessed."""
    if token is None and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise UserError(
            f"{host} can be reached from other machines, and there is no token",
            mend="set $COLDPLUG_TOKEN, or serve on 127.0.0.1",
        )
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise UserError(
            f"$COLDPLUG_TOKEN is no token: it needs {SHORTEST_TOKEN} printable ASCII characters or more",
            mend='make one: python -c "import secrets; print(secrets.token_urlsafe())"',
        )


def _listening(host: str, port: int, token: str | None) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        check_token(host, str(address[0]), token)
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_QUEUE)
    except OSError as error:
        raise UserError(
            f"cannot listen on {host}, port {port}: {error.strerror}",
            mend="choose another with --host and --port",
        ) from error
    return listening


class _Server(uvicorn.Server):
    """uvicorn's server with signals of its own: a stop that was asked for is no failure, and SIGHUP swaps the model."""

    def __init__(self, config: uvicorn.Config, held: Swappable, metrics: Metrics) -> None:
        super().__init__(config)
        self.held, self.metrics = held, metrics

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {stop: signal.signal(stop, self.handle_exit) for stop in (signal.SIGTERM, signal.SIGINT)}
        if hasattr(signal, "SIGHUP"):
            before[signal.SIGHUP] = signal.signal(signal.SIGHUP, self._hang_up)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hang_up(self, *_: object) -> None:
        # Loading takes a second or more: requests are answered from the old model meanwhile.
        threading.Thread(target=self._swap, name="swap", daemon=True).start()

    def _swap(self) -> None:
        try:
            plug = self.held.swap()
        except Exception as error:
            self.metrics.swaps.labels("refused").inc()
            told = str(error).replace("\n", ";") if isinstance(error, UserError) else type(error).__name__
            log.error("the model is as it was: %s", told)
            return
        self.metrics.swaps.labels("done").inc()
        self.metrics.items.set(n_items(plug))
        log.info("the model was read anew: %s, %d items", plug.meta["method"], n_items(plug))
