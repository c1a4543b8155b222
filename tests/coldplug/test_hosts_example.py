"""The example of coldplug inside LensKit, run as it stands on the small world."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from plug_world import PYTHON, ROOT, environment, trained_world

pytest.importorskip("lenskit", reason="lenskit is not installed")


def test_the_example_keeps_old_scores_and_places_new_items(tmp_path_factory: pytest.TempPathFactory) -> None:
    world: Path = trained_world(tmp_path_factory)
    files = [str(world / name) for name in ("model", "interactions.csv", "users.csv")]
    done = subprocess.run(
        [PYTHON, str(ROOT / "examples" / "5_inside_lenskit.py"), *files],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "are the same, to the bit" in done.stdout
    assert done.stdout.count("   place ") == 3
    assert len(done.stdout.split("after two clicks")[1].splitlines()) == 6
