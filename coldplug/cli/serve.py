"""`coldplug serve`: a model folder in, answers over HTTP out."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import click

from plugbase.console import Console, console_options
from plugbase.errors import UserError


@click.command(
    epilog="""\b
    Example:
      coldplug serve model/ --users users.db
      COLDPLUG_TOKEN=... coldplug serve model/ --host 0.0.0.0 --port 80"""
)
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes one that is free."
)
@click.option(
    "--users",
    metavar="FILE|redis://...",
    help="Where POST /observe keeps users: a file, made where there is none, or Redis.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Requests answered at once; more are told to come back.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    help="Seconds for an answer.",
)
@console_options
def serve(
    *,
    model: Path,
    host: str,
    port: int,
    users: str | None,
    concurrency: int,
    timeout: float,
    console: Console,
) -> None:
    """Answer over HTTP, with a page at / to try it.

    Clients send $COLDPLUG_TOKEN as a bearer token; without one only this machine is served. SIGTERM stops
    after the requests in flight; SIGHUP reads the model folder anew while requests go on.
    """
    try:
        import fastapi  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"serving needs {error.name}, which is not installed", mend="pip install 'coldplug[serve]'"
        ) from error

    from coldplug.serve import Limits
    from coldplug.serve import serve as serve_model

    # Only the server's own lines: what other libraries say at this level may quote a text.
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("coldplug.serve").setLevel(logging.WARNING if console.quiet else logging.INFO)
    limits = Limits(in_flight=concurrency, seconds=timeout)
    token = os.environ.get("COLDPLUG_TOKEN") or None
    serve_model(model, host, port, token, limits, users, console.note)
