"""Are RotatE's guesses of facts that a new film lacks right, are their chances true, and do they help to recommend it?

    COLDPLUG_DATA=... python benchmarks/rotate_guesses.py   writes benchmarks/rotate-guesses.json

MovieLens-1M's catalogue: directors, writers, actors, genres. A tenth of the films is asked about; nothing of them
is trained on (see `guesses`). What guesses bring to recommending is measured within the training block of the
ranking protocol's first cut (see `recommending`).
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "benchmarks"))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402
from rotate_ml1m import films  # noqa: E402
from scipy import sparse  # noqa: E402

from coldplug.datasets import prepare  # noqa: E402
from coldplug.encode.rotate import Guesser, fit_guesser  # noqa: E402
from coldplug.encode.rotate.guess import answers, facts_of, questions  # noqa: E402
from coldplug.evaluate.metrics import accuracy  # noqa: E402
from coldplug.evaluate.split import cold  # noqa: E402
from coldplug.types import ItemGraph  # noqa: E402

STORED = ROOT / "benchmarks" / "rotate-guesses.json"
COMMAND = "COLDPLUG_DATA=... python benchmarks/rotate_guesses.py"
ASKED = 0.1
BINS = np.linspace(0, 1, 11)
TOLD = 10
"""Guesses of a relation that become features."""
RIDGE = 2.0
POSITIVE = 4

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def main() -> int:
    """Measure and store; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of splits and trainings")
    chosen = parser.parse_args()
    if "COLDPLUG_DATA" not in os.environ:
        print("rotate_guesses: COLDPLUG_DATA is not set; name the folder that holds ml-1m", file=sys.stderr)
        return 2
    raw = Path(os.environ["COLDPLUG_DATA"]) / "ml-1m"
    graph, began = films(raw), time.process_time()
    liked = positives(raw, graph)
    runs = []
    for seed in chosen.seeds:
        runs.append(one(graph, liked, seed))
        print(json.dumps(runs[-1]), file=sys.stderr, flush=True)
    result = {
        "command": COMMAND,
        "films": graph.n_items,
        "facts": len(graph.heads),
        "processor_seconds": round(time.process_time() - began, 1),
        "means": mean(runs),
        "runs": runs,
    }
    chosen.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result["means"], indent=1))
    return 0


def one(graph: ItemGraph, liked: sparse.csr_array, seed: int) -> dict[str, Any]:
    """Both measurements, with one training: films asked about are warm ones of the cut, none a test film."""
    warm = ~cold("item", graph.item_ids, "")
    asked = warm & (np.random.default_rng([seed, 1]).random(graph.n_items) < ASKED)
    guesser = fit_guesser(facts_of(graph, (warm & ~asked)[graph.heads]), seed=seed)
    return {
        "seed": seed,
        "guesses": guesses(guesser, graph, np.flatnonzero(asked)),
        "recommending": recommending(guesser, graph, liked, warm & ~asked, asked, seed),
    }


def guesses(guesser: Guesser, graph: ItemGraph, asked: NDArray[np.int64]) -> dict[str, Any]:
    """Each film is asked for one relation by its facts in the others; a value no trained film shares cannot be found.

    hits@k: questions with a true value among the k likeliest. ECE: over the ten likeliest of each question, the mean
    distance between chance and truth over ten bins of chance, weighted by the guesses in them.
    """
    found: dict[str, Any] = {}
    pooled: dict[str, list[tuple[Floats, Bools]]] = {"guesses": [], "commonest": []}
    for relation in sorted(guesser.weights):
        these = questions(guesser.model, graph, relation, asked)
        true = answers(guesser, graph, these.items, relation)
        by = {
            "guesses": guesser.chances(these.rows, relation),
            "commonest": np.tile(guesser.shares[relation].astype(np.float64), (len(true), 1)),
        }
        found[graph.relation_names[relation]] = {"questions": len(true)} | {
            who: hits(*ten(chances, true, pooled[who])) for who, chances in by.items()
        }
    found["all"] = {"questions": sum(row["questions"] for row in found.values())}
    for who, parts in pooled.items():
        chances, true = (np.concatenate([part[which] for part in parts]) for which in (0, 1))
        found["all"][who] = hits(chances, true) | {"ece": ece(chances.ravel(), true.ravel())}
    return found


def ten(chances: Floats, true: Bools, into: list[tuple[Floats, Bools]]) -> tuple[Floats, Bools]:
    """(n, 10) the likeliest values' chances and truths; kept in `into` as well."""
    best = np.argsort(-chances, axis=1, kind="stable")[:, :10]
    into.append((np.take_along_axis(chances, best, 1), np.take_along_axis(true, best, 1)))
    return into[-1]


def hits(chances: Floats, true: Bools) -> dict[str, float]:
    """hits@1, hits@10 and the mean of the first chance."""
    return {
        "hits@1": round(float(true[:, 0].mean()), 4),
        "hits@10": round(float(true.any(axis=1).mean()), 4),
        "first_chance": round(float(chances[:, 0].mean()), 4),
    }


def ece(chances: Floats, true: Bools) -> float:
    """The expected calibration error over ten bins of equal width."""
    which = np.clip(np.digitize(chances, BINS) - 1, 0, 9)
    gaps = [abs(float((chances - true)[which == b].sum())) for b in range(10)]
    return round(sum(gaps) / len(chances), 4)


def recommending(
    guesser: Guesser, graph: ItemGraph, liked: sparse.csr_array, known: Bools, asked: Bools, seed: int
) -> dict[str, Any]:
    """NDCG@10 of ranking the films asked about for the warm users, some of their facts hidden, by ridge on facts.

    Ridge regression from a film's facts to who liked it, fitted to the other warm films with all their facts. A film's
    values of a relation make a row of length 1; guessed ones have their chances for numbers.
    """
    known_rows, asked_rows = np.flatnonzero(known), np.flatnonzero(asked)
    everyone = features(graph)
    train = sparse.vstack([everyone[known_rows]])
    gram = (train @ train.T).toarray() + RIDGE * np.eye(len(known_rows))
    target = liked[:, known_rows].T.toarray().astype(np.float32)
    mean_of = target.mean(axis=0)
    solved = np.linalg.solve(gram.astype(np.float32), target - mean_of)
    wanted = liked[:, asked_rows].toarray() > 0
    rng = np.random.default_rng([seed, 2])
    at_random = rng.random((graph.n_items, len(graph.relation_names))) < 0.5
    cases = {"half of the relations": at_random}
    for relation, name in enumerate(graph.relation_names):
        cases[name] = np.zeros_like(at_random)
        cases[name][:, relation] = True
    found: dict[str, Any] = {}
    for case, hidden in cases.items():
        seen = facts_of(graph, ~(hidden[graph.heads, graph.relations] & asked[graph.heads]))
        told = guesser.guess(facts_of(seen, asked[seen.heads]), k=TOLD)
        value = {iri: number for number, iri in enumerate(graph.value_iris)}
        name = {text: number for number, text in enumerate(graph.relation_names)}
        rows = np.array([(g.item, name[g.relation], value[g.value]) for g in told], np.int64).reshape(-1, 3)
        hid = hidden[rows[:, 0], rows[:, 1]]
        chances = np.array([g.weight for g in told])
        left = features(seen)
        arms = {
            "without them": left,
            "guessed, weighted": left + extra(graph, rows[hid], chances[hid]),
            "the commonest, weighted": left + commonest(guesser, graph, hidden & asked[:, None]),
            "with them": everyone,
        }
        found[case] = {}
        for arm, table in arms.items():
            scores = (table[asked_rows] @ train.T).toarray().astype(np.float32) @ solved
            ndcg = accuracy(scores.T, wanted).ndcg
            found[case][arm] = round(float(np.nanmean(ndcg)), 4)
    return found


def commonest(guesser: Guesser, graph: ItemGraph, hidden: Bools) -> sparse.csr_array:
    """The commonest values of each hidden relation, the same for every film, by their shares."""
    value = {iri: number for number, iri in enumerate(graph.value_iris)}
    rows: list[tuple[int, int, int]] = []
    weights: list[float] = []
    for relation in guesser.weights:
        best = np.argsort(-guesser.shares[relation], kind="stable")[:TOLD]
        for item in np.flatnonzero(hidden[:, relation]).tolist():
            for at in best.tolist():
                rows.append((item, relation, value[guesser.model.value_iris[guesser.values[relation][at]]]))
                weights.append(float(guesser.shares[relation][at]))
    return extra(graph, np.array(rows, np.int64), np.array(weights))


def features(graph: ItemGraph) -> sparse.csr_array:
    """(n_items, n_relations x n_values) the values of each relation, rows of length 1 a relation."""
    n = len(graph.relation_names)
    counts = np.zeros((graph.n_items, n))
    np.add.at(counts, (graph.heads, graph.relations), 1)
    rows = np.stack([graph.heads, graph.relations, graph.tails], axis=1)
    return extra(graph, rows, counts[graph.heads, graph.relations] ** -0.5)


def extra(graph: ItemGraph, rows: NDArray[np.int64], weights: Floats) -> sparse.csr_array:
    """The same table of (item, relation, value) rows with these numbers in it."""
    shape = (graph.n_items, len(graph.relation_names) * len(graph.value_iris))
    columns = rows[:, 1] * len(graph.value_iris) + rows[:, 2]
    return sparse.csr_array((weights, (rows[:, 0], columns)), shape=shape)


def positives(raw: Path, graph: ItemGraph) -> sparse.csr_array:
    """(n_users, n_items) 1 where a warm user of the first cut liked a film."""
    number = {ident: row for row, ident in enumerate(graph.item_ids)}
    with tempfile.TemporaryDirectory() as folder:
        prepare("movielens-1m", raw, folder)
        with (Path(folder) / "interactions.csv").open(encoding="utf-8", newline="") as file:
            rows = [
                (row["user_id"], number[row["item_id"]])
                for row in csv.DictReader(file)
                if float(row["rating"]) >= POSITIVE
            ]
    names, users = np.unique([user for user, _ in rows], return_inverse=True)
    warm = ~cold("user", names.tolist(), "")
    keep = warm[users]
    items = np.array([item for _, item in rows])[keep]
    shape = (len(names), graph.n_items)
    table = sparse.csr_array((np.ones(len(items), np.float32), (users[keep], items)), shape=shape)
    return sparse.csr_array(table[np.flatnonzero(warm)])


def mean(runs: list[Any]) -> Any:
    """The same tree with the means of its numbers."""
    if isinstance(runs[0], dict):
        return {name: mean([run[name] for run in runs]) for name in runs[0] if name != "seed"}
    return round(float(np.mean(runs)), 4)


if __name__ == "__main__":
    sys.exit(main())
