"""Which relations read out of texts help with new items, and which hurt: on folds inside a training block of MovieLens-1M.

    python benchmarks/facts_by_relation.py     needs the work folder of benchmarks/c1.py (out/c1-ml-1m)

Films are held out of the training block of C1's first cut; no test row of C1 is seen. The default learner's kernel is
fitted to the other films and predicts the held-out films' rows of ratings, from the catalogue and the text alone, with
each relation added, with all of them, with all but one, and with all of them shuffled, three times. The score of a film
for a user is the predicted direction of its row times the root of its predicted popularity, each by a kernel of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402
from scipy import sparse  # noqa: E402

from coldplug.encode.text import encode_texts, item_texts  # noqa: E402
from coldplug.evaluate.controls import control  # noqa: E402
from coldplug.evaluate.metrics import accuracy  # noqa: E402
from coldplug.evaluate.split import hashed, make_split  # noqa: E402
from coldplug.learn.posterior.features import LENGTH, TEXT, ItemFeatures, item_features, learn_vocabulary  # noqa: E402
from coldplug.learn.posterior.relevance import ItemMap, learn_relevance, predict  # noqa: E402
from coldplug.read import load_training_data  # noqa: E402
from coldplug.types import FloatArray, IntArray, ItemGraph, TrainingData  # noqa: E402

HERE = Path(__file__).resolve().parent
WORK = HERE.parent / "out" / "c1-ml-1m"
STORED = HERE / "facts-by-relation.json"
FOLDS = 6
_DIRECTIONS = 64
_COARSE, _COARSE_WEIGHT = 32, 2.0
_SHUFFLES = 3
_LEAST = 100
"""Facts that a relation must have to be looked at by itself."""


@dataclass
class Fold:
    """Films kept and films held out, with the grades of all users for the first and their likes of the second."""

    kept: IntArray
    held: IntArray
    grades: FloatArray
    """(n_kept, n_users)"""
    likes: FloatArray
    """(n_held, n_users) 1 where the rating is 4 or 5."""
    directions: FloatArray
    """(n_users, _DIRECTIONS) leading directions of the grades."""


def folds(data: TrainingData) -> Iterator[Fold]:
    """Each a fifth of the films that someone rated, by a hash of their ids."""
    from scipy.sparse.linalg import svds

    met = data.interactions
    rated = np.unique(met.items)
    shape = (data.graph.n_items, len(data.user_ids))
    grade = np.select([met.ratings >= 5, met.ratings >= 4, met.ratings >= 3], [1.0, 0.8, 0.2], 0.0)
    grades = sparse.csr_matrix((grade.astype(np.float32), (met.items, met.users)), shape=shape)
    likes = sparse.csr_matrix(((met.ratings >= 4).astype(np.float32), (met.items, met.users)), shape=shape)
    for number in range(FOLDS):
        ids = (f"fold {number}:{data.graph.item_ids[item]}" for item in rated)
        held = rated[[hashed(text) % 5 == 0 for text in ids]]
        kept = np.setdiff1d(rated, held)
        mine = grades[kept]
        _, _, right = svds(mine, k=_DIRECTIONS, random_state=0)
        yield Fold(
            kept,
            held,
            np.asarray(mine.todense()),
            np.asarray(likes[held].todense()),
            np.ascontiguousarray(right[::-1].T),
        )


def measured(fold: Fold, features: ItemFeatures, read: frozenset[str]) -> float:
    """NDCG@10 over the users who like one of the held-out films."""
    popularity = fold.grades.sum(1)
    rows = fold.grades / np.sqrt(popularity + 3)[:, None]

    def foretold(wanted: FloatArray, guide: FloatArray, seen: ItemFeatures) -> FloatArray:
        anchors = seen.rows(fold.kept)
        relevance = learn_relevance(anchors, guide, read=read, steps=30, seed=0)
        found = ItemMap(relevance, anchors, wanted)
        return predict(relevance, seen.rows(fold.held), anchors, found.weights, found.mean)

    counts = np.log1p(popularity)[:, None]
    popular = foretold(counts, counts - counts.mean(), features)
    likings = foretold(rows, rows @ fold.directions, features.without(LENGTH))
    coarse = fold.directions[:, :_COARSE]
    likings = (likings + _COARSE_WEIGHT * (likings @ coarse) @ coarse.T) * np.exp(popular / 2)
    users = fold.likes.any(0) & fold.grades.any(0)
    liked = fold.likes[:, users].T > 0
    return float(np.nanmean(accuracy(likings[:, users].T, liked, np.zeros_like(liked)).ndcg))


def views(graph: ItemGraph, texts: FloatArray) -> Iterator[tuple[str, ItemFeatures, frozenset[str]]]:
    """The features under each name: the base, each relation added, all, all but one, all shuffled."""
    vocabulary = learn_vocabulary(graph)
    whole = item_features(graph, vocabulary, {TEXT: texts})
    counts = {name: int(whole.facts[name].nnz) for name in vocabulary.read if name in whole.facts}
    looked_at = sorted((name for name in counts if counts[name] >= _LEAST), key=lambda name: -counts[name])

    def without(left_out: frozenset[str]) -> ItemFeatures:
        facts = {name: rows for name, rows in whole.facts.items() if name not in left_out}
        return ItemFeatures(whole.count, facts, whole.numbers, whole.embeddings)

    yield "catalogue + text", without(vocabulary.read), vocabulary.read
    for name in looked_at:
        yield f"+ {name}", without(vocabulary.read - {name}), vocabulary.read
    yield "+ all", whole, vocabulary.read
    for name in looked_at:
        yield f"+ all but {name}", without(frozenset({name})), vocabulary.read
    for seed in range(_SHUFFLES):
        shuffled = control("whole, extracted objects shuffled", graph, seed)
        mixed = learn_vocabulary(shuffled)
        yield f"+ all, shuffled ({seed})", item_features(shuffled, mixed, {TEXT: texts}), mixed.read


def main() -> int:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("-o", "--output", type=Path, default=STORED)
    asked = parser.parse_args()
    began = time.monotonic()
    if not (asked.work / "graph.ttl").is_file():
        print(f"there is no graph in {asked.work}: run benchmarks/c1.py first", file=sys.stderr)
        return 2
    data = load_training_data(*(asked.work / name for name in ("graph.ttl", "users.csv", "interactions.csv")))
    block = make_split(data, "").train
    texts = encode_texts(item_texts(block.graph))
    prepared = list(folds(block))
    results: dict[str, Any] = {}
    base = np.empty(0)
    for name, features, read in views(block.graph, texts):
        found = np.array([measured(fold, features, read) for fold in prepared])
        base = found if name == "catalogue + text" else base
        gain = found - base
        error = float(gain.std(ddof=1) / np.sqrt(len(gain)))
        results[name] = {
            "ndcg@10": round(float(found.mean()), 4),
            "gain": round(float(gain.mean()), 4),
            "standard error": round(error, 4),
            "folds": found.round(4).tolist(),
        }
        print(f"{name:34}{found.mean():.4f}  {gain.mean():+.4f} ± {error:.4f}", flush=True)
    stored = {
        "command": "python benchmarks/facts_by_relation.py",
        "data": "MovieLens-1M, training block of C1's first cut",
        "folds": FOLDS,
        "held_out_films": [len(fold.held) for fold in prepared],
        "seconds": round(time.monotonic() - began),
        "results": results,
    }
    asked.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
