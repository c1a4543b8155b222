"""What `coldplug update` forgets and learns on MovieLens-1M: old users under 35, new ones from 35 on.

    COLDPLUG_DATA=... python benchmarks/update_ml1m.py     writes benchmarks/update-ml-1m.json

Needs the graph that benchmarks/c1.py leaves in out/c1-ml-1m (--work names another folder). A fifth of the users, those of
C1's first cut, are held out of everything; both groups of them are asked before and after. A model trained on the old users
is brought up to date with the new ones three ways: without the penalty, with it, and by training on everybody again. The
loss is the mean negative log-likelihood of a query item among all items but the support's. Seeds that are stored already
are not run again: remove the result to measure anew.
"""

from __future__ import annotations

import os

# Before numpy and torch start their threads: one core is what is measured.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import argparse
import csv
import json
import platform
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import log_softmax

import coldplug
from coldplug.evaluate.metrics import accuracy
from coldplug.evaluate.split import MIN_SUPPORT, POOL, cold, hashed
from coldplug.plug import Plug
from coldplug.read import read_users
from coldplug.store import load_folder, save_folder
from coldplug.train import train_model
from coldplug.types import Attributes
from coldplug.update import update_model

HERE = Path(__file__).resolve().parent
STORED = HERE / "update-ml-1m.json"
OLD_BELOW = 35
"""Age at which a user is one of the new ones."""
SIZES = (0, 1, 3, 5, 10)
WAYS = ("before", "fine-tuned", "update", "trained again")
BATCH = 128
Row = list[str]


@dataclass(frozen=True)
class Asked:
    """A held-out user: attributes, the pool of support items, and the likes to be found."""

    attributes: Attributes
    pool: list[str]
    targets: list[str]


def main() -> int:
    """Measure, store after each seed, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--again", type=int, default=3, help="seeds that are trained again on everybody too")
    parser.add_argument("--out", type=Path, default=STORED)
    chosen = parser.parse_args()
    if not (chosen.work / "graph.ttl").is_file():
        print(f"update: no {chosen.work / 'graph.ttl'}; run benchmarks/c1.py first", file=sys.stderr)
        return 2
    seeds = json.loads(chosen.out.read_text("utf-8"))["seeds"] if chosen.out.is_file() else []
    with tempfile.TemporaryDirectory() as scratch:
        tables, asked = prepared(chosen.work, Path(scratch))
        for seed in range(len(seeds), chosen.seeds):
            ways = WAYS if seed < chosen.again else WAYS[:-1]
            seeds.append(measured(chosen.work, tables, asked, Path(scratch), seed, ways))
            store(chosen.out, seeds, asked, f"--seeds {chosen.seeds} --again {chosen.again}")
    print(table(summary(seeds, np.mean), summary(seeds, np.std)))
    return 0


def store(out: Path, seeds: list[dict[str, Any]], asked: Mapping[str, list[Asked]], options: str) -> None:
    """Write what there is so far."""
    result = {
        "command": f"python benchmarks/update_ml1m.py {options}",
        "machine": f"{platform.machine()}, one core of {os.cpu_count()}",
        "versions": {"python": platform.python_version(), "numpy": np.__version__},
        "old_users": f"under {OLD_BELOW}",
        "asked": {group: len(users) for group, users in asked.items()},
        "support_sizes": SIZES,
        "mean": summary(seeds, np.mean),
        "sd_over_seeds": summary(seeds, np.std),
        "seeds": seeds,
    }
    out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def prepared(work: Path, scratch: Path) -> tuple[dict[str, Path], dict[str, list[Asked]]]:
    """Interactions of the old, the new and all users that are not held out, as tables; and those that are, by group."""
    users = read_users(work / "users.csv")
    attributes = dict(zip(users.ids, users.attributes, strict=True))
    old = {user for user, known in attributes.items() if float(str(known["age"])) < OLD_BELOW}
    held_out = {user for user, out in zip(users.ids, cold("user", users.ids, ""), strict=True) if out}
    with (work / "interactions.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    kept = [row for row in rows if row[0] not in held_out]
    tables = {
        "old": written(scratch / "old.csv", header, (row for row in kept if row[0] in old)),
        "new": written(scratch / "new.csv", header, (row for row in kept if row[0] not in old)),
        "all": written(scratch / "all.csv", header, kept),
    }
    likes: dict[str, list[str]] = {}
    for user, item, rating, *_ in rows:
        if user in held_out and float(rating) >= 4:
            likes.setdefault(user, []).append(item)
    asked: dict[str, list[Asked]] = {"old": [], "new": []}
    for user, items in likes.items():
        if len(items) >= MIN_SUPPORT:
            ordered = sorted(items, key=lambda item: hashed(f"s:{user}:{item}"))
            one = Asked(attributes[user], ordered[:POOL], ordered[POOL:])
            asked["old" if user in old else "new"].append(one)
    return tables, asked


def written(path: Path, header: Row, rows: Iterable[Row]) -> Path:
    """A table on disk."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([header, *rows])
    return path


def measured(
    work: Path,
    tables: Mapping[str, Path],
    asked: Mapping[str, list[Asked]],
    scratch: Path,
    seed: int,
    chosen: Sequence[str],
) -> dict[str, Any]:
    """One seed: the models made the chosen ways, timed and asked."""
    graph, users = work / "graph.ttl", work / "users.csv"
    model, free = scratch / "model", scratch / "free"
    taken = {}
    began = time.process_time()
    train_model(graph, model, users=users, interactions=tables["old"], seed=seed)
    taken["before"] = time.process_time() - began
    sizes = unheld(model, free)
    folders = {"before": model, "fine-tuned": scratch / "tuned", "update": scratch / "updated"}
    for way, start in (("fine-tuned", free), ("update", model)):
        began = time.process_time()
        update_model(start, tables["new"], users=users, out=folders[way], seed=seed)
        taken[way] = time.process_time() - began
    if WAYS[-1] in chosen:
        folders[WAYS[-1]] = scratch / "again"
        began = time.process_time()
        train_model(graph, folders[WAYS[-1]], users=users, interactions=tables["all"], seed=seed)
        taken[WAYS[-1]] = time.process_time() - began
    ways: dict[str, Any] = {}
    for way in chosen:
        plug = coldplug.load(folders[way])
        ways[way] = {group: answers(plug, people) for group, people in asked.items()}
        ways[way]["cpu_seconds"] = round(taken[way], 1)
        print(seed, way, json.dumps(ways[way]), flush=True)
    return {"seed": seed, **sizes, "ways": ways}


def unheld(model: Path, out: Path) -> dict[str, float]:
    """The same model as if no user had settled anything; returns the sizes of the model with and without what it keeps."""
    meta, arrays, texts = load_folder(model)
    kept = [name for name in arrays if name.startswith(("precisions.", "fisher."))]
    size = sum(file.stat().st_size for file in model.iterdir())
    without = size - sum(arrays[name].nbytes for name in kept)
    for name in kept:
        if name == "precisions.rest":
            arrays[name] = arrays["precisions.penalty"]
        elif name not in ("precisions.sizes", "precisions.penalty"):
            arrays[name] = np.zeros_like(arrays[name])
    told = {name: value for name, value in meta.items() if name not in ("format", "files")}
    save_folder(out, told, arrays, texts)
    return {"model_mib": round(size / 2**20, 1), "model_mib_without": round(without / 2**20, 1)}


def answers(plug: Plug, people: list[Asked]) -> dict[str, Any]:
    """NDCG@10 and loss for each support size, means over the users."""
    ids = plug.item_ids
    place = {item: number for number, item in enumerate(ids)}
    found: dict[str, Any] = {"ndcg": {}, "loss": {}}
    for size in SIZES:
        ndcg: list[float] = []
        loss: list[float] = []
        for start in range(0, len(people), BATCH):
            some = people[start : start + BATCH]
            scores = plug.score_batch([(one.attributes, one.pool[:size]) for one in some], ids)
            wanted, out = (np.zeros(scores.shape, np.bool_) for _ in range(2))
            for row, one in enumerate(some):
                wanted[row, [place[item] for item in one.targets]] = True
                out[row, [place[item] for item in one.pool]] = True
            ndcg += accuracy(scores, wanted, out).ndcg.tolist()
            told = log_softmax(np.where(out, -np.inf, scores).astype(np.float64), axis=1)
            loss += [-float(row[mine].mean()) for row, mine in zip(told, wanted, strict=True)]
        found["ndcg"][str(size)] = round(float(np.mean(ndcg)), 4)
        found["loss"][str(size)] = round(float(np.mean(loss)), 4)
    return found


def summary(seeds: list[dict[str, Any]], of: Any) -> dict[str, Any]:
    """Over the seeds, of each way: NDCG and loss by group and size and over the sizes, seconds."""
    out: dict[str, Any] = {}
    for way in WAYS:
        ran = [s["ways"][way] for s in seeds if way in s["ways"]]
        spent = [one["cpu_seconds"] for one in ran if one["cpu_seconds"] is not None]
        told: dict[str, Any] = {"seeds": len(ran)}
        if spent:
            told["cpu_seconds"] = round(float(of(spent)), 1)
        for group in ("old", "new"):
            for what in ("ndcg", "loss"):
                by_size = [[one[group][what][str(k)] for k in SIZES] for one in ran]
                means = {str(k): of([row[n] for row in by_size]) for n, k in enumerate(SIZES)}
                means["all sizes"] = of([np.mean(row) for row in by_size])
                told[f"{group} {what}"] = {k: round(float(v), 4) for k, v in means.items()}
        out[way] = told
    return out


def table(means: Mapping[str, Any], deviations: Mapping[str, Any]) -> str:
    """NDCG@10 and loss over all sizes, with the deviation over seeds."""
    lines = ["way             old NDCG@10     old loss        new NDCG@10     new loss        CPU seconds"]
    for way in WAYS:
        cells = [
            f"{means[way][name]['all sizes']:.4f} ({deviations[way][name]['all sizes']:.4f})"
            for name in ("old ndcg", "old loss", "new ndcg", "new loss")
        ]
        lines.append(f"{way:14s}  " + "  ".join(cells) + f"  {means[way].get('cpu_seconds', '')}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
