"""Exploring newcomers of MovieLens-100k in time order: the regret of each policy, and estimates of one from others' logs.

    COLDPLUG_DATA=... python benchmarks/exploring.py   writes benchmarks/exploring.json
    python benchmarks/exploring.py --table             prints the tables of docs/exploring.md

The default learner is trained on what happened before the last fifth of the users came (C1's cut by time). Those users then
come in order, and a policy chooses among what each is known to have rated; see coldplug/explore/replay.py for what is
simulated and what is not. The regret of a choice is 1 where something liked was left and something else was shown.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.datasets import prepare
from coldplug.evaluate.split import make_split
from coldplug.explore import doubly_robust, ips, policy_of, snips
from coldplug.explore.policies import UCB, EpsilonGreedy, Policy
from coldplug.explore.replay import Log, Session, play, sessions_of
from coldplug.learn.posterior import Posterior
from coldplug.read import load_training_data
from coldplug.read.items import graph_of_items
from coldplug.store import load_folder, save_folder
from coldplug.types import IntArray, TrainingData
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "exploring.json"
ROUNDS = 20
SEEDS = 3
AFTER = (1, 5, 10, 20)
"""Rounds after which the table shows the regret."""
PLAYED: tuple[tuple[str, Policy], ...] = (
    ("random", policy_of("random")),
    ("greedy", policy_of("greedy")),
    ("epsilon-greedy .05", EpsilonGreedy(0.05)),
    ("epsilon-greedy .2", EpsilonGreedy(0.2)),
    ("ucb .3", UCB(0.3)),
    ("ucb 1", UCB(1.0)),
    ("thompson", policy_of("thompson")),
)
LOGGED = (("random", policy_of("random")), ("epsilon-greedy .2", EpsilonGreedy(0.2)))
JUDGED = "thompson"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "exploring")
    parser.add_argument("--output", type=Path, default=STORED)
    asked = parser.parse_args()
    if asked.table:
        print(tables(json.loads(asked.output.read_text(encoding="utf-8"))))
        return 0
    try:
        result = measure(asked.work)
    except UserError as error:
        print(f"exploring: {error}", file=sys.stderr)
        return 2
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))
    return 0


def newcomers(work: Path) -> tuple[TrainingData, TrainingData, IntArray]:
    """All data, what may be trained on, and the users who came later, in the order in which they came.

    Raises:
        UserError: $COLDPLUG_DATA is not set.
    """
    if "COLDPLUG_DATA" not in os.environ:
        raise UserError("COLDPLUG_DATA is not set", mend="set it to the folder that holds ml-100k/")
    if not (work / "items.jsonl").is_file():
        prepare("ml-100k", Path(os.environ["COLDPLUG_DATA"]) / "ml-100k", work)
    with (work / "items.jsonl").open(encoding="utf-8") as stream:
        graph = graph_of_items([json.loads(line) for line in stream], {})
    data = load_training_data(graph, work / "users.csv", work / "interactions.csv")
    split = make_split(data, "", "time")
    times = data.interactions.timestamps
    assert times is not None
    came = [times[data.interactions.users == user].min() for user in split.users]
    return data, split.train, split.users[np.argsort(came, kind="stable")]


def trained(data: TrainingData, folder: Path) -> Posterior:
    """The default learner, from the folder where it lies there."""
    if not (folder / "model.json").is_file():
        meta, arrays, texts = Posterior.fit(data, seed=0).to_state()
        save_folder(folder, {"method": "posterior", "seed": 0, "learner": meta}, arrays, texts)
    told, arrays, texts = load_folder(folder)
    return Posterior.from_state(told["learner"], arrays, texts)


def measure(work: Path) -> dict[str, Any]:
    """Train, play every policy with every seed, and judge one policy by the logs of others."""
    began = time.monotonic()
    data, train, users = newcomers(work)
    learner = trained(train, work / "model")
    sessions = sessions_of(data, users, ROUNDS)
    rows = []
    for name, policy in PLAYED:
        played = [play(learner, sessions, policy, ROUNDS, seed=seed) for seed in range(SEEDS)]
        curves = np.stack([one.regrets.mean(0).cumsum() for one in played])
        users_total = np.mean([one.regrets.sum(1) for one in played], axis=0)
        error = float(users_total.std(ddof=1) / np.sqrt(len(users_total)))
        rows.append(
            {
                "policy": name,
                "regret": curves.mean(0).tolist(),
                "sd_of_seeds": curves.std(0, ddof=1).tolist(),
                "standard_error_over_users": error,
            }
        )
        print(
            f"{time.monotonic() - began:.0f} s: {name} {curves.mean(0)[-1]:.2f}", file=sys.stderr, flush=True
        )
    return {
        "command": "python benchmarks/exploring.py",
        "sessions": len(sessions),
        "items_a_session": float(np.mean([len(one.items) for one in sessions])),
        "liked_share": float(np.mean([one.liked.mean() for one in sessions])),
        "training_interactions": len(train.interactions.users),
        "rounds": ROUNDS,
        "seeds": SEEDS,
        "policies": rows,
        "judged": JUDGED,
        "estimates": [judged(learner, sessions, name, policy) for name, policy in LOGGED],
        "seconds": round(time.monotonic() - began, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "torch")},
        },
    }


def judged(learner: Posterior, sessions: list[Session], name: str, policy: Policy) -> dict[str, Any]:
    """The judged policy's reward a round in the places that a log comes to: true, and estimated from that log.

    The model of the reward is a straight line through the standing of the score, fitted on a log of another seed.
    """
    other = play(learner, sessions, policy, ROUNDS, seed=SEEDS + 1, judged=policy_of(JUDGED)).log
    slope, base = np.polyfit(other.standing, other.rewards, 1)
    log: Log = play(learner, sessions, policy, ROUNDS, seed=SEEDS, judged=policy_of(JUDGED)).log
    told = (log.rewards, log.propensities, log.chances)
    found = {
        "ips": ips(*told),
        "self-normalised ips": snips(*told),
        "doubly robust": doubly_robust(
            *told, base + slope * np.array(log.standing), base + slope * np.array(log.hoped)
        ),
    }
    return {
        "log": name,
        "events": len(log.rewards),
        "earned_by_the_log": float(np.mean(log.rewards)),
        "truth": float(np.mean(log.truth)),
        "estimates": {key: [one.value, one.standard_error] for key, one in found.items()},
    }


def tables(result: dict[str, Any]) -> str:
    """Regret by policy and round, then estimates beside the truth."""
    lines = [
        "| policy | " + " | ".join(f"after {n}" for n in AFTER) + " | sd of seeds | s.e. over users |",
        "|---|" + "---|" * (len(AFTER) + 2),
    ]
    for row in result["policies"]:
        cells = [f"{row['regret'][n - 1]:.2f}" for n in AFTER]
        spread = [f"{row['sd_of_seeds'][-1]:.2f}", f"{row['standard_error_over_users']:.2f}"]
        lines.append(f"| {row['policy']} | " + " | ".join([*cells, *spread]) + " |")
    lines += [
        "",
        "| log | estimate | value | standard error | truth | the log earned |",
        "|---|---|---|---|---|---|",
    ]
    for row in result["estimates"]:
        for name, (value, error) in row["estimates"].items():
            ends = f"{row['truth']:.3f} | {row['earned_by_the_log']:.3f}"
            lines.append(f"| {row['log']} | {name} | {value:.3f} | {error:.3f} | {ends} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
