"""Finding the best 100 of 10,000 to 1,000,000 new items: recall, latency, build time and size, beside scoring everything.

    COLDPLUG_DATA=... python benchmarks/index.py            writes benchmarks/index.json
    python benchmarks/index.py --model model/               with a model that is there, trained on C1's cut at salt ""
    python benchmarks/index.py --sizes 1000000 --kinds faiss   adds to what is stored

One thread. The users are real: cold users of C1 on MovieLens-1M, with supports of 0, 1, 3, 5 and 10 likes. The items beyond
the model's own are made from its new items: each is a convex mixture of three of them (Dirichlet weights of 1/2), in all of
an item's vectors with the same weights, and half of a Gaussian draw with the covariance of the real ones, in its 64 leading
directions, is added. Recall is that among the new items alone: those learned from are scored one by one, and never missed.
"""

from __future__ import annotations

import os

# Before numpy starts its threads: one core is what is measured.
os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from c1 import prepared

from coldplug.catalogue import Catalogue
from coldplug.evaluate.split import Split, make_split
from coldplug.index import KINDS, index_class
from coldplug.index.coarse import Coarse, made_users, sampled
from coldplug.index.exact import highest
from coldplug.index.finder import Finder, Mask, restored, shared_out, shortened
from coldplug.learn import trainable_class
from coldplug.learn.posterior.learner import Posterior
from coldplug.learn.posterior.users import ItemVectors
from coldplug.plug import load
from coldplug.read import evidence_beside, load_training_data
from coldplug.store import save_folder
from coldplug.types import FloatArray, IntArray, Query
from coldplug.vectors import PosteriorVectors
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "index.json"
K = 100
QUERIES = 100
ASKED_EACH = 40
"""Of those, how many are timed where it takes long."""
DIRECTIONS = 64
MADE, JUDGES = 400, 64
SHARES = (0.01, 0.1, 0.5)
TOO_LONG = {("milvus", 1_000_000): "one row at a time over the wire: an hour"}
PACKAGES = {"faiss": "faiss-cpu", "usearch": "usearch", "hnswlib": "hnswlib", "milvus": "milvus-lite"}


def main() -> int:
    """Measure what is asked for, beside what is stored already."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--output", type=Path, default=STORED)
    asked = parser.parse_args()
    try:
        data = load_training_data(prepared(HERE.parent / "out" / "c1-ml-1m"))
    except UserError as error:
        print(f"index: {error}", file=sys.stderr)
        return 2
    split = make_split(data, "")
    learner = load(asked.model)._learner if asked.model else trained(split)
    assert isinstance(learner, Posterior)
    queries = [asked_by(split, row) for row in range(QUERIES)]
    stored = json.loads(asked.output.read_text("utf-8")) if asked.output.is_file() else {"sizes": {}}
    own = learner.items
    stored |= {
        "command": "python benchmarks/index.py",
        "k": K,
        "queries": QUERIES,
        "learned_items": int((own.column >= 0).sum()),
        "new_items_of_the_model": int((own.column < 0).sum()),
        "machine": f"{platform.machine()}, one thread of {os.cpu_count()} cores, shared with other work",
        "versions": {kind: metadata.version(name) for kind, name in PACKAGES.items()}
        | {"numpy": np.__version__, "python": platform.python_version()},
    }
    for size in asked.sizes:
        learner.items, new = grown(own, size)
        rows = stored["sizes"].setdefault(str(size), {})
        for name, row in measured(learner, new, queries, asked.kinds):
            rows[name] = row
            print(size, name, json.dumps(row), flush=True)
            asked.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return 0


def trained(split: Split) -> Posterior:
    """The default learner on the cut's training block, kept as a folder for a while, as a model is."""
    learner = trainable_class("posterior").fit(split.train, seed=0)
    meta, arrays, texts = learner.to_state()
    graph = HERE.parent / "out" / "c1-ml-1m" / "graph.ttl"
    kept, kept_texts = Catalogue.of(split.train.graph, evidence_beside(graph)).to_state()
    with tempfile.TemporaryDirectory() as scratch:
        told = {"method": "posterior", "seed": 0, "inputs": {}, "learner": meta}
        save_folder(Path(scratch) / "model", told, arrays | kept, texts | kept_texts)
        found = load(Path(scratch) / "model")._learner
    assert isinstance(found, Posterior)
    return found


def asked_by(split: Split, row: int) -> Query:
    """A cold user with as many likes as their turn has it."""
    items, ratings = split.support(row, (0, 1, 3, 5, 10)[row % 5], whole=True)
    return Query(split.train.user_attributes[int(split.users[row])], items, ratings)


def grown(own: ItemVectors, size: int) -> tuple[ItemVectors, FloatArray]:
    """The model's item vectors with so many new items in all; and the block of the new items' vectors for the score.

    The made items lie in one block of memory, of which the vectors are views, so that scoring them all is one product.
    """
    rng = np.random.default_rng(size)
    real = np.flatnonzero(own.column < 0)
    order = ("rows", "likings", "values", "links", "bias")
    names = [name for name in order if hasattr(own, name)]
    names += [one.name for one in fields(own) if one.name not in (*names, "column")]
    parts = {name: np.reshape(getattr(own, name), (len(own.column), -1)) for name in names}
    ends = np.cumsum([part.shape[1] for part in parts.values()])
    base = np.hstack([part[real] for part in parts.values()])
    spread, directions = np.linalg.eigh(np.cov(base.T))
    root = (directions * np.sqrt(np.maximum(spread, 0)))[:, -DIRECTIONS:].astype(np.float32)
    known = len(own.column)
    block = np.empty((known + size - len(real), base.shape[1]), np.float32)
    block[:known] = np.hstack(list(parts.values()))
    for start in range(known, len(block), 10_000):
        count = min(10_000, len(block) - start)
        weights = rng.dirichlet([0.5] * 3, count).astype(np.float32)
        drawn = base[rng.integers(0, len(base), (count, 3))]
        noise = rng.standard_normal((count, DIRECTIONS), dtype=np.float32) @ root.T
        block[start : start + count] = np.einsum("nm,nmd->nd", weights, drawn) + 0.5 * noise
    spans = dict(zip(names, zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True), strict=True))
    views = {name: block[:, start:end] for name, (start, end) in spans.items()}
    views["bias"] = views["bias"][:, 0]
    column = np.concatenate([own.column, np.full(len(block) - known, -1)])
    scored = block[:, : spans["bias"][1]]
    return ItemVectors(**views, column=column), scored


def measured(
    learner: Posterior, block: FloatArray, queries: list[Query], kinds: list[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of the table for one size: scoring everything, the short space made, and each kind of index."""
    vectors = PosteriorVectors(learner)
    new = np.flatnonzero(~vectors.learned())
    users = vectors.users(queries)
    # Of the vectors handed out the block has those of new items, but for the last, which is 1 in all of them.
    tail = users[:, -block.shape[1] - 1 : -1]
    learned = vectors.learned()
    masks = {f"{share:.0%}": np.random.default_rng(5).random(len(block)) < share for share in SHARES}
    masks["the tenth liked least"] = far(block, tail)
    truth = best_of_all(block, tail, {"": ~learned} | {name: mask & ~learned for name, mask in masks.items()})
    slow = ASKED_EACH if len(new) > 500_000 else QUERIES
    whole = timed(lambda at: best_of(block, tail[at], learned), slow)
    yield "scoring everything", whole | {"memory_mib": round(len(new) * block.shape[1] * 4 / 2**20)}
    began, cpu = time.perf_counter(), time.process_time()
    made = made_users(vectors, MADE + JUDGES, 0)
    direct, rows = shared_out(learned)
    coarse = Coarse.fit(sampled(vectors, rows, 0), made[:MADE])
    short, best = shortened(vectors, coarse, rows, made[MADE:])
    coarse = coarse.around(short)
    yield (
        "short space",
        {
            "columns": short.shape[1],
            "of": int(vectors.width),
            "mib": round(short.nbytes / 2**20, 1),
            "seconds": round(time.perf_counter() - began, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        },
    )
    bare = np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    for kind in kinds:
        if (kind, len(new)) in TOO_LONG:
            yield kind, {"skipped": TOO_LONG[kind, len(new)]}
            continue
        before, wall, cpu = resident(), time.perf_counter(), time.process_time()
        index = index_class(kind).build(short)
        row: dict[str, Any] = {
            "build_seconds": round(time.perf_counter() - wall, 1),
            "build_cpu_seconds": round(time.process_time() - cpu, 1),
            "memory_mib": round(resident() - before),
        }
        with tempfile.TemporaryDirectory() as scratch:
            index.save(Path(scratch))
            files = [file for file in Path(scratch).rglob("*") if file.is_file()]
            row["disk_mib"] = round(sum(file.stat().st_size for file in files) / 2**20, 1)
        found = restored(Finder(kind, index, coarse, rows, short, len(rows), direct, *bare, 0.0), vectors)
        found = found.tuned(made[MADE:], best)
        row |= {"effort": index.effort, "recall_when_built": round(found.recall, 4)}
        row |= ask(found, learner, queries, users, truth[""], None)
        row["filters"] = {
            name: ask(found, learner, queries, users, truth[name], mask) for name, mask in masks.items()
        }
        yield kind, row


def best_of(block: FloatArray, user: FloatArray, barred: Mask) -> IntArray:
    """Numbers of the K items with the highest scores, all of them scored, but for those that are barred."""
    scores = block @ user
    scores[barred] = -np.inf
    found = highest(scores, K)
    return found[scores[found] > -np.inf]


def best_of_all(block: FloatArray, users: FloatArray, masks: dict[str, Mask]) -> dict[str, list[IntArray]]:
    """For each mask and user the K items let through that score highest, a part of the items after the other."""
    part = 50_000
    found = {name: [(np.empty(0, np.int64), np.empty(0, np.float32))] * len(users) for name in masks}
    for start in range(0, len(block), part):
        scores = users @ block[start : start + part].T
        for name, mask in masks.items():
            let = np.flatnonzero(mask[start : start + part])
            for row, (items, best) in enumerate(found[name]):
                items, best = np.append(items, let + start), np.append(best, scores[row, let])
                top = highest(best, K)
                found[name][row] = items[top], best[top]
    return {name: [items for items, _ in rows] for name, rows in found.items()}


def far(block: FloatArray, users: FloatArray) -> Mask:
    """(n_items,) True for the tenth that scores lowest by the mean user."""
    scores = block @ users.mean(0)
    return scores <= np.quantile(scores, 0.1)


def ask(
    found: Finder,
    learner: Posterior,
    queries: list[Query],
    users: FloatArray,
    truth: list[IntArray],
    mask: Mask | None,
) -> dict[str, Any]:
    """Recall among the new items, and the time to find candidates and to score them."""
    hits = [
        np.isin(right, found.candidates(user, K, mask)).mean()
        for user, right in zip(users, truth, strict=True)
        if len(right)
    ]

    def once(at: int) -> object:
        pool = found.candidates(users[at], K, mask)
        scores = learner.score([queries[at]], pool)[0]
        return pool[highest(scores, K)]

    return {"recall": round(float(np.mean(hits)), 4), "worst": round(float(np.min(hits)), 2)} | timed(
        once, QUERIES if mask is None else ASKED_EACH
    )


def timed(once: Callable[[int], object], count: int) -> dict[str, float]:
    """Median and 99th percentile in milliseconds: by the clock, and of the thread's own time on a core."""
    once(0)
    wall, cpu = [], []
    for at in range(count):
        began, own = time.perf_counter(), time.thread_time()
        once(at)
        cpu.append(1000 * (time.thread_time() - own))
        wall.append(1000 * (time.perf_counter() - began))
    told = {}
    for name, taken in (("ms", wall), ("cpu_ms", cpu)):
        told |= {
            f"{name}_p50": round(float(np.median(taken)), 2),
            f"{name}_p99": round(float(np.quantile(taken, 0.99)), 2),
        }
    return told


def resident() -> float:
    """Resident memory of this process in MiB."""
    with open("/proc/self/statm", encoding="ascii") as stream:
        return int(stream.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    sys.exit(main())
