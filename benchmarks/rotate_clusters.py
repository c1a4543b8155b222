"""What RotatE loses when one relation is worded in many ways, and what holding the wordings together brings back.

    COLDPLUG_DATA=... python benchmarks/rotate_clusters.py   writes benchmarks/rotate-clusters.json

Facts of FB15k-237 among its most connected entities. Every fact's relation is exchanged for one of its wordings, by
chance. The clusters given to the training are the true ones. Questions are asked in a wording drawn for each; what is true
in any wording is no competitor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from coldplug.encode.rotate import Triples, train_triples  # noqa: E402

STORED = ROOT / "benchmarks" / "rotate-clusters.json"
COMMAND = "COLDPLUG_DATA=... python benchmarks/rotate_clusters.py"
ENTITIES = 500
WORDINGS = 20
ASKED = 1000
SETTINGS: dict[str, Any] = {"dim": 32, "epochs": 20, "batch": 512, "negatives": 128}
ARMS = {
    "one wording a relation": None,
    "wordings, nothing known of them": None,
    "wordings that begin alike": 0.0,
    "wordings held together": 0.3,
}


def main() -> int:
    """Measure and store; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2], help="of wordings and trainings")
    parser.add_argument("--output", type=Path, default=STORED)
    chosen = parser.parse_args()
    if "COLDPLUG_DATA" not in os.environ:
        print("rotate_clusters: COLDPLUG_DATA is not set; name the folder of fb15k-237", file=sys.stderr)
        return 2
    train, asked, n_entities, n_relations = slice_of(Path(os.environ["COLDPLUG_DATA"]) / "fb15k-237")
    began = time.process_time()
    runs = [measure(train, asked, n_entities, n_relations, seed) for seed in chosen.seeds]
    result = {
        "command": COMMAND,
        "settings": SETTINGS,
        "data": {
            "entities": n_entities,
            "relations": n_relations,
            "wordings": n_relations * WORDINGS,
            "facts": len(train),
            "asked": len(asked),
        },
        "processor_seconds": round(time.process_time() - began, 1),
        "mrr": {
            arm: {
                "mean": round(float(np.mean([run[arm] for run in runs])), 4),
                "sd": round(float(np.std([run[arm] for run in runs], ddof=1)), 4) if len(runs) > 1 else None,
                "runs": [run[arm] for run in runs],
            }
            for arm in ARMS
        },
    }
    chosen.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))
    return 0


def slice_of(folder: Path) -> tuple[Triples, Triples, int, int]:
    """The facts among the most connected entities: to train on, to ask for, and how many entities and relations."""
    splits = [
        [tuple(line.split("\t")) for line in (folder / f"{split}.txt").read_text("utf-8").splitlines()]
        for split in ("train", "valid")
    ]
    names, counts = np.unique([end for h, _, t in splits[0] for end in (h, t)], return_counts=True)
    entities = {name: row for row, name in enumerate(names[np.argsort(-counts, kind="stable")[:ENTITIES]])}
    inside = [[fact for fact in split if fact[0] in entities and fact[2] in entities] for split in splits]
    relations = {name: row for row, name in enumerate(sorted({r for _, r, _ in inside[0]}))}
    train, valid = (
        Triples(
            *np.array([(entities[h], relations[r], entities[t]) for h, r, t in part if r in relations])
            .T.astype(np.int64)
            .copy()
        )
        for part in inside
    )
    return train, valid.chosen(slice(ASKED)), len(entities), len(relations)


def measure(train: Triples, asked: Triples, n_entities: int, n_relations: int, seed: int) -> dict[str, float]:
    """The filtered MRR of every arm, over both ends."""
    rng = np.random.default_rng(seed)
    worded, asked_worded = (
        Triples(part.heads, part.relations * WORDINGS + rng.integers(0, WORDINGS, len(part)), part.tails)
        for part in (train, asked)
    )
    known = Triples.joined([train, asked])
    spread = Triples(
        np.repeat(known.heads, WORDINGS),
        np.repeat(known.relations, WORDINGS) * WORDINGS + np.tile(np.arange(WORDINGS), len(known)),
        np.repeat(known.tails, WORDINGS),
    )
    clusters = np.arange(n_relations * WORDINGS) // WORDINGS
    found = {}
    for arm, weight in ARMS.items():
        whole = arm == "one wording a relation"
        told: dict[str, Any] = {}
        if weight is not None:
            told = {"clusters": clusters, "cluster_weight": weight}
        model = train_triples(
            train if whole else worded,
            n_entities=n_entities,
            n_relations=n_relations if whole else n_relations * WORDINGS,
            seed=seed,
            **SETTINGS,
            **told,
        )
        questions, truth = (asked, known) if whole else (asked_worded, spread)
        ranks: list[NDArray[np.float64]] = [
            model.rank(questions, truth, asked="heads"),
            model.rank(questions, truth, asked="tails"),
        ]
        found[arm] = round(float((1 / np.concatenate(ranks)).mean()), 4)
        print(seed, arm, found[arm], file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
