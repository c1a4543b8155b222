"""What `make` sets up: a lock that pins every dependency and brings no CUDA, and clear words where Python is too old."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pinned() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.]+", pin) for pin in pins), "no paths, no local builds"
    found = dict(pin.split("==") for pin in pins)
    assert list(found) == sorted(found)
    return found


def test_the_lock_pins_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = pinned()
    extras = project["optional-dependencies"]
    for line in [
        *project["dependencies"],
        *(line for name in ("dev", "serve", "tune") for line in extras[name]),
    ]:
        wanted = Requirement(line)
        assert wanted.specifier.contains(pins[canonicalize_name(wanted.name)]), line


def test_the_lock_brings_no_cuda() -> None:
    assert not [name for name in pinned() if re.match("nvidia|cuda|triton", name)]


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_alone_says_what_there_is(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    told = make(tmp_path).stdout
    for target in ("demo", "test", "lint", "bench-c1", "bench-extraction", "test-slow", "clean"):
        assert re.search(rf"^{target} +\w", told, re.MULTILINE)
    assert list(tmp_path.iterdir()) == [tmp_path / "Makefile"]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_without_a_python_that_is_new_enough_says_so(tmp_path: Path) -> None:
    for name in ("Makefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    done = make(tmp_path, "demo", "PYTHON=")
    assert done.returncode != 0
    assert "no Python 3.11 or later" in done.stderr
    assert not (tmp_path / ".venv").exists()
