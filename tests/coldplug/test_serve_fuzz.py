"""`coldplug serve` against requests that nobody would write: made by schemathesis from the server's own description."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from serve_world import needs_server, serving, small_model

pytestmark = [
    needs_server,
    pytest.mark.skipif(find_spec("schemathesis") is None, reason="needs schemathesis"),
]
# A body of more than ten thousand items may be turned away for its size before anybody counts.
CONFIG = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 404, 405, 413, 415, 422]
"""


def test_no_request_is_answered_but_as_described(tmp_path: Path) -> None:
    """No 500, no status or shape that is not described, nothing right refused, nothing wrong accepted."""
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    options = ("--timeout", "60", "--users", str(tmp_path / "users.db"))
    with serving(small_model(tmp_path), tmp_path / "log", *options) as server:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{server.address}/openapi.json"]
        command += ["--max-examples", "15", "--seed", "1", "--phases", "examples,coverage,fuzzing"]
        command += ["--generation-database", "none", "--request-timeout", "120", "--no-color"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-4000:]
        assert "is a bug" not in server.log.read_text("utf-8")
