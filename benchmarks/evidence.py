"""How much better a newcomer is served after a quiz of n items, by which items it shows, on MovieLens-1M.

    COLDPLUG_DATA=... python benchmarks/evidence.py   writes benchmarks/evidence.json
    python benchmarks/evidence.py --table             prints the tables of docs/coldplug-evidence.md

The cold users of C1 at salt "" (coldplug.evaluate) are shown the first n items of each list; who rated an item answers with
the rating, who did not says 'not seen'. All lists are made of warm items, from training users alone. For each user
every item that any list showed them within the longest n is out of the ranking and out of the targets, for all lists alike,
n = 0 included. What is left of their likes among the warm items is to be found: NDCG@10.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from c1 import prepared
from numpy.typing import NDArray

from coldplug.evaluate.metrics import accuracy
from coldplug.evaluate.split import Split, grouped, make_split
from coldplug.explore.evidence import questions
from coldplug.learn.posterior import Posterior
from coldplug.read import load_training_data
from coldplug.store import load_folder, save_folder
from coldplug.types import FloatArray, IntArray, Query, TrainingData
from coldplug.vectors import PosteriorVectors
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "evidence.json"
SHOWN = (0, 3, 5, 10, 20)
FAMILIAR = 500
"""The adaptive quiz chooses among so many items, those that most know."""
RANDOM_LISTS = 5
REPLICATES = 2000
OURS = "information"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--model", type=Path, help="kept here, and used if it is there already")
    parser.add_argument(
        "--users", type=int, default=400, help="cold users measured, the first in order of hash"
    )
    parser.add_argument("--output", type=Path, default=STORED)
    asked = parser.parse_args()
    if asked.table:
        print(tables(json.loads(asked.output.read_text(encoding="utf-8"))))
        return 0
    try:
        result = measure(prepared(asked.work), asked.model or asked.work / "evidence-model", asked.users)
    except UserError as error:
        print(f"evidence: {error}", file=sys.stderr)
        return 2
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))
    return 0


def trained(data: TrainingData, folder: Path) -> Posterior:
    """The default learner on this training block, from the folder where it lies there.

    Raises:
        UserError: the model there was trained on something else.
    """
    if not (folder / "model.json").is_file():
        meta, arrays, texts = Posterior.fit(data, seed=0).to_state()
        save_folder(folder, {"method": "posterior", "seed": 0, "learner": meta}, arrays, texts)
    told, arrays, texts = load_folder(folder)
    learner = Posterior.from_state(told["learner"], arrays, texts)
    likes = np.bincount(data.interactions.items[data.positives()], minlength=data.graph.n_items)
    if not np.array_equal(learner.items.column >= 0, likes >= learner.settings.least_positives):
        raise UserError(f"the model in {folder} was trained on other interactions", mend="remove it")
    return learner


def measure(graph: Path, folder: Path, most_users: int) -> dict[str, Any]:
    """Make the lists, put the quizzes to the users, and rank for them."""
    began = time.monotonic()
    data = load_training_data(graph)
    split = make_split(data, "")
    say(began, "read")
    learner = trained(split.train, folder)
    warm = np.flatnonzero(learner.items.column >= 0)
    rows = np.arange(min(most_users, len(split.users)))
    ratings = ratings_of(data, split, rows)
    lists = static_lists(learner, split.train, warm)
    say(began, "lists")
    familiar = lists["popular"][:FAMILIAR]
    shown: dict[str, IntArray] = {
        name: np.tile(found[: SHOWN[-1]], (len(rows), 1)) for name, found in lists.items()
    }
    shown["information, adaptive"] = np.stack(
        [quiz(learner, data.user_attributes[split.users[row]], ratings[row], familiar) for row in rows]
    )
    say(began, "adaptive quiz")
    hidden = np.zeros((len(rows), data.graph.n_items), np.bool_)
    for found in shown.values():
        hidden[np.arange(len(rows))[:, None], found] = True
    relevant = np.nan_to_num(ratings, nan=0.0) >= data.positive_at
    towers = PosteriorVectors(learner)
    items = towers.items(warm)
    values: dict[str, dict[int, NDArray[np.float64]]] = {}
    answers: dict[str, dict[int, float]] = {}
    for name, found in shown.items():
        values[name], answers[name] = {}, {}
        for n in SHOWN:
            told = [answered(ratings[row], found[row, :n]) for row in rows]
            queries = [Query(data.user_attributes[split.users[row]], *told[row]) for row in rows]
            scores = towers.users(queries) @ items.T
            values[name][n] = accuracy(scores, relevant[:, warm], hidden[:, warm]).ndcg
            answers[name][n] = float(np.mean([len(items_told) for items_told, _ in told]))
        say(began, name)
    return {
        "command": f"python benchmarks/evidence.py --users {most_users}",
        "users": len(rows),
        "warm_items": len(warm),
        "hidden_items_a_user": float(hidden.sum(1).mean()),
        "shown": list(SHOWN),
        "familiar": FAMILIAR,
        "random_lists": RANDOM_LISTS,
        "rows": summaries(values, answers),
        "first_questions": {
            name: [data.graph.titles[item] for item in found[:10].tolist()]
            for name, found in lists.items()
            if not name.startswith("random")
        },
        "seconds": round(time.monotonic() - began, 1),
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in ("numpy", "torch")},
        },
    }


def static_lists(learner: Posterior, train: TrainingData, warm: IntArray) -> dict[str, IntArray]:
    """Name -> items in the order to show them; from training users and the model alone."""
    met, n_items = train.interactions, train.graph.n_items
    count = np.bincount(met.items, minlength=n_items).astype(np.float64)
    by_star = np.stack(
        [np.bincount(met.items[met.ratings == star], minlength=n_items) for star in range(1, 6)]
    )
    share = by_star / np.maximum(by_star.sum(0), 1)
    entropy = -(share * np.log2(np.where(share > 0, share, 1.0))).sum(0)
    longest = SHOWN[-1]
    lists = {
        "popular": warm[np.argsort(-count[warm], kind="stable")],
        # Rashid et al. 2002, section 3.1.3: the logarithm, for popularity alone would drown the entropy.
        "popularity x entropy": warm[np.argsort(-(np.log1p(count) * entropy)[warm], kind="stable")][:longest],
    }
    for way, name in (("information", OURS), ("gradient", "gradient norm x familiarity")):
        found = questions(learner, Query(), warm, longest, way)
        lists[name] = np.array([item for item, *_ in found], np.int64)
    for seed in range(RANDOM_LISTS):
        lists[f"random {seed}"] = np.random.default_rng(seed).choice(warm, longest, replace=False)
    return lists


def quiz(learner: Posterior, attributes: Any, ratings: FloatArray, items: IntArray) -> IntArray:
    """(longest,) the items an adaptive quiz shows to a user whose ratings of all items are these, NaN where unseen."""
    shown: list[int] = []
    for _ in range(SHOWN[-1]):
        told = answered(ratings, np.array(shown, np.int64))
        left = items[~np.isin(items, shown)]
        shown.append(questions(learner, Query(attributes, *told), left, 1)[0][0])
    return np.array(shown, np.int64)


def answered(ratings: FloatArray, shown: IntArray) -> tuple[IntArray, FloatArray]:
    """The items among those shown that the user has seen, and their ratings."""
    seen = shown[~np.isnan(ratings[shown])]
    return seen, ratings[seen]


def ratings_of(data: TrainingData, split: Split, rows: IntArray) -> FloatArray:
    """(n_rows, n_items) true ratings of the measured users, NaN where there are none."""
    by_user = grouped(data.interactions.users, len(data.user_ids))
    out = np.full((len(rows), data.graph.n_items), np.nan, np.float32)
    for row in rows:
        mine = by_user[split.users[row]]
        out[row, data.interactions.items[mine]] = data.interactions.ratings[mine]
    return out


def summaries(
    values: dict[str, dict[int, NDArray[np.float64]]], answers: dict[str, dict[int, float]]
) -> list[dict[str, Any]]:
    """One row a list: NDCG@10 by n, answers given, and the difference of ours to it with a paired interval over users."""
    named = {name: found for name, found in values.items() if not name.startswith("random")}
    randoms = [name for name in values if name.startswith("random")]
    named["random"] = {n: np.mean([values[name][n] for name in randoms], axis=0) for n in SHOWN}
    n_users = len(named[OURS][SHOWN[0]])
    draws = np.random.default_rng(0).integers(0, n_users, (REPLICATES, n_users))
    rows = []
    for name, found in named.items():
        row: dict[str, Any] = {"list": name, "ndcg": {}, "answers": {}, "ours_minus_it": {}}
        for n in SHOWN:
            counted = ~np.isnan(found[n])
            row["ndcg"][str(n)] = float(found[n][counted].mean())
            asked = randoms if name == "random" else [name]
            row["answers"][str(n)] = float(np.mean([answers[one][n] for one in asked]))
            gap = named[OURS][n] - found[n]
            ends = np.nanquantile(np.nanmean(gap[draws], axis=1), [0.025, 0.975])
            row["ours_minus_it"][str(n)] = [float(np.nanmean(gap)), float(ends[0]), float(ends[1])]
        if name == "random":
            means = [[float(np.nanmean(values[one][n])) for one in randoms] for n in SHOWN]
            row["sd_of_lists"] = {str(n): float(np.std(m, ddof=1)) for n, m in zip(SHOWN, means, strict=True)}
        rows.append(row)
    return rows


def tables(result: dict[str, Any]) -> str:
    """NDCG@10 by list and n; then answers given; then differences with their intervals."""
    shown = [str(n) for n in result["shown"]]
    head = "| list | " + " | ".join(f"n={n}" for n in shown) + " |\n|---|" + "---|" * len(shown)
    parts = []
    for title, cell in (
        ("NDCG@10", lambda row, n: f"{row['ndcg'][n]:.4f}"),
        ("answers given, of n shown", lambda row, n: f"{row['answers'][n]:.1f}"),
        (
            "information minus the list, with its 95 % interval",
            lambda row, n: "{:+.4f} ({:+.4f} to {:+.4f})".format(*row["ours_minus_it"][n]),
        ),
    ):
        lines = [
            f"| {row['list']} | " + " | ".join(cell(row, n) for n in shown) + " |" for row in result["rows"]
        ]
        parts.append("\n".join([title, "", head, *lines]))
    return "\n\n".join(parts)


def say(began: float, what: str) -> None:
    """A line on how far it is."""
    print(f"{time.monotonic() - began:.0f} s: {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
