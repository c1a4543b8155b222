"""Learning online on MovieLens-100k in time order: what live sessions bring for new items, and what observing costs.

    COLDPLUG_DATA=... python benchmarks/online.py     writes benchmarks/online.json

The default is trained on the first 40 % of the ratings by time. The other 60 % are replayed one by one: before each like
(a rating of 4 or 5) all films that the user has not rated yet are ranked, by the model with what the user rated before as
support, and by the others below; then it is observed. New films are those that nobody rated in the first 40 %. The weights
of the sessions are learned on the likes between 40 and 60 %, and the figures are of those after 60 %. Intervals are of a
paired bootstrap over users.
"""

from __future__ import annotations

import os

# Before numpy and torch start their threads: one core is what is measured.
os.environ |= {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import argparse
import csv
import json
import platform
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

import coldplug
from coldplug.datasets import prepare
from coldplug.evaluate.bootstrap import interval
from coldplug.online import Fsync, open_users
from coldplug.online.sessions import Sessions
from coldplug.online.weights import Moment, Weights, fit_weights
from coldplug.plug import Plug
from coldplug.read import read_users
from coldplug.train import train_model
from coldplug.types import FloatArray

HERE = Path(__file__).resolve().parent
TRAINED, LEARNED = 0.4, 0.6
LIKED, KEPT, RECENT = 4.0, 100, 1000
K = 10
OBSERVED, REPLICATES, BLOCK = 3000, 1000, 256
FSYNCS: tuple[Fsync, ...] = ("checkpoint", "always")
PAIRS = (
    ("model", "popularity so far"),
    ("model", "popularity lately"),
    ("model + counts", "model"),
    ("model + sessions", "model"),
    ("model + sessions", "model + counts"),
    ("model + sessions", "popularity lately"),
)
Floats = NDArray[np.float64]
Row = tuple[str, str, float, float]


@dataclass
class Replayed:
    """Likes of the replay: whose, whether of a new film, and by each way NDCG@10 and hit, among all films and the new."""

    users: list[str] = field(default_factory=list)
    new: list[bool] = field(default_factory=list)
    among_all: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    among_new: dict[str, list[tuple[float, float]]] = field(default_factory=dict)


def main() -> int:
    """Train where there is no model, replay, measure what observing costs, store, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "online")
    parser.add_argument("--out", type=Path, default=HERE / "online.json")
    chosen = parser.parse_args()
    if "COLDPLUG_DATA" not in os.environ:
        print("online: set COLDPLUG_DATA to the folder that holds ml-100k/", file=sys.stderr)
        return 2
    rows = trained(chosen.work)
    plug = coldplug.load(chosen.work / "model")
    replayed, weights, counts = replay(plug, rows, chosen.work)
    result = {
        "command": "python benchmarks/online.py",
        "machine": f"{platform.machine()}, one core of {os.cpu_count()}, shared",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "sqlite": sqlite3.sqlite_version,
        },
        "replay": counts | {"weights": weights.as_json()} | report(replayed),
        "observing, milliseconds": observing(chosen.work / "model", rows),
    }
    chosen.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: result[name] for name in list(result)[3:]}, indent=1))
    return 0


def trained(work: Path) -> list[Row]:
    """All ratings in time order as (user, item, rating, time); the model of the first of them is in `work`."""
    graph = work / "graph.ttl"
    if not graph.is_file():
        prepare("ml-100k", Path(os.environ["COLDPLUG_DATA"]) / "ml-100k", work)
        words = ["extract", str(work / "items.jsonl"), "-o", str(graph), "--backend", "none"]
        subprocess.run([sys.executable, "-m", "kgbuild", *words], check=True)
    with (work / "interactions.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    rows.sort(key=lambda row: (int(row[3]), row[0], row[1]))
    if not (work / "model").is_dir():
        with (work / "first.csv").open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([header, *rows[: round(TRAINED * len(rows))]])
        train_model(graph, work / "model", users=work / "users.csv", interactions=work / "first.csv")
    return [(user, item, float(rating), float(at)) for user, item, rating, at in rows]


def replay(plug: Plug, rows: list[Row], work: Path) -> tuple[Replayed, Weights, dict[str, int]]:
    """Walk through the ratings; the weights are fitted when the first part of the replay is over."""
    ids = plug.item_ids
    place = {item: number for number, item in enumerate(ids)}
    start, middle = (round(share * len(rows)) for share in (TRAINED, LEARNED))
    is_new = np.ones(len(ids), np.bool_)
    is_new[[place[item] for _, item, _, _ in rows[:start]]] = False
    new = np.flatnonzero(is_new)
    new_ids = [ids[number] for number in new]
    sessions = Sessions()
    popular, recent = np.zeros(len(ids)), np.zeros(len(ids))
    window: deque[int] = deque()
    met: dict[str, dict[str, float]] = {}
    replayed, by_model = Replayed(), asked(plug, rows, start, work)
    learning: list[Moment] = []
    weights: dict[str, Weights] = {}
    for number, (user, item, rating, at) in enumerate(rows):
        mine, target = met.setdefault(user, {}), place[item]
        if number >= start and rating >= LIKED:
            scores = next(by_model)
            allowed = np.ones(len(ids), np.bool_)
            allowed[[place[one] for one in mine]] = False
            counts = sessions.counts(new_ids)
            near = sessions.nearness([one for one, given in mine.items() if given >= LIKED], new_ids)
            if number < middle:
                lately = allowed[new] & (counts > 0)
                others = allowed.copy()
                others[new[lately]] = False
                place_of = np.flatnonzero(new[lately] == target)
                moment = Moment(
                    float(logsumexp(scores[others])),
                    scores[new[lately]].astype(np.float32),
                    counts[lately],
                    near[lately],
                    int(place_of[0]) if len(place_of) else -1,
                )
                learning.append(moment)
            else:
                if not weights:
                    weights = {
                        name: fit_weights(learning, walk=name == "sessions")
                        for name in ("counts", "sessions")
                    }
                ways = {"popularity so far": popular, "popularity lately": recent, "model": scores}
                for name, told in weights.items():
                    ways[f"model + {name}"] = scores.copy()
                    ways[f"model + {name}"][new] += told.added(counts, near)
                replayed.users.append(user)
                replayed.new.append(bool(is_new[target]))
                for name, values in ways.items():
                    replayed.among_all.setdefault(name, []).append(found(values, target, allowed))
                    if is_new[target]:
                        replayed.among_new.setdefault(name, []).append(
                            found(values, target, allowed & is_new)
                        )
        mine[item] = rating
        if rating >= LIKED:
            sessions.add(user, item, at)
            popular[target] += 1
            recent[target] += 1
            window.append(target)
            if len(window) > RECENT:
                recent[window.popleft()] -= 1
    taken = {
        "likes that weights were learned on": len(learning),
        "new films": len(new),
        "sessions": len(sessions),
    }
    return replayed, weights["sessions"], taken


def asked(plug: Plug, rows: list[Row], start: int, work: Path) -> Iterator[Floats]:
    """Before each like from `start` on, the model's scores of all films with what the user rated before as support."""
    people = read_users(work / "users.csv")
    attributes = dict(zip(people.ids, people.attributes, strict=True))
    items = plug.item_vectors()[1].T
    met: dict[str, dict[str, float]] = {}
    waiting: list[FloatArray] = []
    for number, (user, item, rating, _) in enumerate(rows):
        mine = met.setdefault(user, {})
        if number >= start and rating >= LIKED:
            waiting.append(plug.user_vector(attributes[user], list(mine.items())[-KEPT:]))
            if len(waiting) == BLOCK:
                yield from (np.stack(waiting) @ items).astype(np.float64)
                waiting = []
        mine[item] = rating
    if waiting:
        yield from (np.stack(waiting) @ items).astype(np.float64)


def found(scores: Floats, target: int, allowed: NDArray[np.bool_]) -> tuple[float, float]:
    """(NDCG@10, hit rate@10) of one film among those allowed, in expectation over the orders of ties."""
    told, mine = scores[allowed], scores[target]
    above, tied = int((told > mine).sum()), int((told == mine).sum())
    places = np.arange(above + 1, min(above + tied, K) + 1)
    return float((1 / np.log2(places + 1)).sum() / tied), len(places) / tied


def report(replayed: Replayed) -> dict[str, Any]:
    """Means over likes by way, and what sessions add, with the interval of a bootstrap over users."""
    users, owner = np.unique(replayed.users, return_inverse=True)
    new = np.array(replayed.new)
    told: dict[str, Any] = {}
    for name, chosen, values in (
        ("all likes, among all films", np.ones(len(new), np.bool_), replayed.among_all),
        ("likes of new films, among all films", new, replayed.among_all),
        ("likes of new films, among the new", new, replayed.among_new),
    ):
        whose = owner[chosen]
        by_way = {
            way: np.array(one)[chosen] if values is replayed.among_all else np.array(one)
            for way, one in values.items()
        }
        per_user = np.bincount(whose, minlength=len(users)).astype(np.float64)
        drawn = np.stack(
            [
                np.bincount(
                    np.random.default_rng(seed).integers(0, len(users), len(users)), minlength=len(users)
                )
                for seed in range(REPLICATES)
            ]
        )
        means: dict[str, Any] = {}
        draws: dict[str, Floats] = {}
        for way, both in by_way.items():
            means[way] = {"NDCG@10": round(both[:, 0].mean(), 4), "hit rate@10": round(both[:, 1].mean(), 4)}
            sums = np.bincount(whose, both[:, 0], len(users))
            draws[way] = drawn @ sums / np.maximum(drawn @ per_user, 1)
        gains = {
            f"{way} - {other}": [round(end, 4) for end in interval(draws[way], draws[other])]
            for way, other in PAIRS
        }
        told[name] = {"likes": int(chosen.sum()), "users": int((per_user > 0).sum()), "mean": means}
        told[name]["NDCG@10, 95 % interval of the difference"] = gains
    return told


def observing(model: Path, rows: list[Row]) -> dict[str, Any]:
    """Milliseconds to observe, kept as each policy says, to read the user, and to adapt to what was observed.

    `clock` has the waiting for the disk, and on a busy machine for the processor; `processor` has neither.
    """
    told: dict[str, Any] = {"load of the machine": os.getloadavg()[0]}
    with tempfile.TemporaryDirectory() as folder:
        for fsync in FSYNCS:
            store = open_users(Path(folder) / f"{fsync}.db", fsync=fsync)
            plug = coldplug.load(model, users=store)
            clock: dict[str, list[float]] = {"observe": [], "user": [], "user_vector": []}
            processor: dict[str, list[float]] = {name: [] for name in clock}

            def timed(name: str, do: Callable[[], Any]) -> Any:
                began, busy = time.perf_counter(), time.thread_time()
                found = do()
                processor[name].append(1000 * (time.thread_time() - busy))  # noqa: B023
                clock[name].append(1000 * (time.perf_counter() - began))  # noqa: B023
                return found

            for user, item, rating, _ in rows[:OBSERVED]:
                timed("observe", partial(plug.observe, user, item, rating))
                attributes, support = timed("user", partial(plug.user, user))
                timed("user_vector", partial(plug.user_vector, attributes, support))
            store.close()
            told[fsync] = {
                name: {"clock": quantiles(clock[name]), "processor": quantiles(processor[name])}
                for name in clock
            }
    return told


def quantiles(taken: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    return {f"p{q}": round(float(np.percentile(taken, q)), 3) for q in (50, 99)}


if __name__ == "__main__":
    sys.exit(main())
