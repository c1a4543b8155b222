"""The made-up catalogue with MeLU's eight files beside it: ratings that follow genre, level and quality."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from c1_world import write_world

N_ITEMS, N_USERS = 90, 110
COLD_ITEMS = range(72, N_ITEMS)
COLD_USERS = range(80, N_USERS)


def write_rating_world(folder: Path) -> Path:
    """The files of `write_world`, and in `melu-split` four states of ratings drawn anew; returns the folder."""
    write_world(folder, N_ITEMS, N_USERS)
    random = np.random.default_rng(3)
    level = random.normal(0, 0.5, N_USERS)
    # a director's films are alike in quality, so that a new film's is told by its facts
    quality = random.normal(0, 0.6, 11)[np.arange(N_ITEMS) % 11] + random.normal(0, 0.2, N_ITEMS)
    split = folder / "melu-split"
    split.mkdir()
    states = {
        "warm": (range(80), range(72), 45),
        "user_cold": (COLD_USERS, range(72), 30),
        "item_cold": (range(80), COLD_ITEMS, 16),
        "user_and_item_cold": (COLD_USERS, COLD_ITEMS, 16),
    }
    for name, (users, items, count) in states.items():
        met: dict[str, list[str]] = {}
        rated: dict[str, list[int]] = {}
        for user in users:
            chosen = random.choice(np.array(items), count, replace=False)
            taste = np.where(chosen % 3 == user % 3, 0.9, -0.4)
            exact = 3.4 + level[user] + quality[chosen] + taste + random.normal(0, 0.5, count)
            met[f"u{user}"] = [f"i{item}" for item in chosen]
            rated[f"u{user}"] = np.clip(np.rint(exact), 1, 5).astype(int).tolist()
        (split / f"{name}_state.json").write_text(json.dumps(met))
        (split / f"{name}_state_y.json").write_text(json.dumps(rated))
    return folder
