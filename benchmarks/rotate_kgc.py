"""Link prediction on FB15k-237 and WN18RR: speed and accuracy of our RotatE, beside PyKEEN's for equal wall time.

    COLDPLUG_DATA=... python benchmarks/rotate_kgc.py --pykeen PYTHON   writes benchmarks/rotate_kgc.json

PYTHON is an interpreter that has PyKEEN (`pip install pykeen==1.11.1`); without one it is left out, by name. `--parts`
runs some of the parts and keeps what is stored of the others. Ranks are filtered and realistic, over questions for
heads and for tails. Settings were chosen on the valid split; the test split is measured once a run.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from coldplug.encode.rotate import GraphEmbedding, Triples, Truth, train_triples  # noqa: E402

STORED = ROOT / "benchmarks" / "rotate_kgc.json"
COMMAND = "COLDPLUG_DATA=... python benchmarks/rotate_kgc.py --pykeen PYTHON"
BEST: dict[str, dict[str, Any]] = {
    "fb15k-237": {"dim": 400, "negatives": 1024, "epochs": 6},
    "wn18rr": {"dim": 100, "negatives": 1024, "epochs": 10},
}
SHORT: dict[str, Any] = {"dim": 50, "negatives": 256, "epochs": 5}
SAME: dict[str, Any] = {"dim": 200, "negatives": 64, "epochs": 1}
PEER_RATE = 0.01
SHARES = ((1, 0, 1), (1, 1, 1))
HELD_OUT = 0.05
ENDS = ("heads", "tails")


class Dataset:
    """The three splits of a set in numbers, and all their facts for the filter."""

    def __init__(self, name: str) -> None:
        folder = Path(os.environ["COLDPLUG_DATA"]) / name
        entities: dict[str, int] = {}
        relations: dict[str, int] = {}
        self.splits: dict[str, Triples] = {}
        for split in ("train", "valid", "test"):
            lines = (folder / f"{split}.txt").read_text(encoding="utf-8").splitlines()
            rows = [
                (
                    entities.setdefault(h, len(entities)),
                    relations.setdefault(r, len(relations)),
                    entities.setdefault(t, len(entities)),
                )
                for h, r, t in (line.split("\t") for line in lines)
            ]
            self.splits[split] = Triples(*np.array(rows, np.int64).T.copy())
        self.n_entities, self.n_relations = len(entities), len(relations)
        self.all = Triples.joined(self.splits.values())

    def train(self, facts: Triples | None = None, **settings: Any) -> tuple[GraphEmbedding, dict[str, float]]:
        """An embedding of the train split (or of `facts`), and how long it took."""
        facts = self.splits["train"] if facts is None else facts
        wall, processor = time.perf_counter(), time.process_time()
        model = train_triples(facts, n_entities=self.n_entities, n_relations=self.n_relations, **settings)
        n = len(facts) * settings["epochs"]
        return model, pace(n, time.perf_counter() - wall, time.process_time() - processor)

    def figures(self, model: GraphEmbedding, asked: Triples) -> dict[str, float]:
        """MRR and hits over both ends."""
        return figures(np.concatenate([model.rank(asked, self.all, asked=end) for end in ENDS]))


class Peer:
    """PyKEEN's training at the side of ours: with `with` it begins and, at the end, is told to stop."""

    def __init__(self, python: Path, data: Dataset) -> None:
        self.python, self.data = python, data

    def __enter__(self) -> Peer:
        self.folder = tempfile.TemporaryDirectory()
        self.place = Path(self.folder.name)
        train = self.data.splits["train"]
        np.savez(
            self.place / "train.npz",
            triples=np.stack([train.heads, train.relations, train.tails], axis=1),
            n_entities=self.data.n_entities,
            n_relations=self.data.n_relations,
        )
        program = [str(self.python), str(ROOT / "benchmarks" / "rotate_peer.py")]
        files = [str(self.place / name) for name in ("train.npz", "stop", "out.npz")]
        settings = [
            "--dim",
            str(SAME["dim"]),
            "--negatives",
            str(SAME["negatives"]),
            "--rate",
            str(PEER_RATE),
        ]
        self.process = subprocess.Popen(
            [*program, *files, *settings], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self.process.stdout
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"rotate_kgc: {self.python} cannot run PyKEEN")
        return self

    def __exit__(self, *error: object) -> None:
        (self.place / "stop").touch()
        self.process.wait()
        with np.load(self.place / "out.npz") as found:
            self.found = dict(found)
        self.folder.cleanup()

    def pace(self) -> dict[str, float]:
        """How fast it was."""
        return pace(int(self.found["facts"]), float(self.found["wall"]), float(self.found["processor"]))

    def figures(self, asked: Triples) -> dict[str, float]:
        """MRR and hits by its own score, the sum of the moduli of h o r - t."""
        dim = self.found["relations"].shape[1] // 2
        entities = self.found["entities"][:, :dim] + 1j * self.found["entities"][:, dim:]
        turns = self.found["relations"][:, :dim] + 1j * self.found["relations"][:, dim:]
        known, ranks = self.data.all, []
        for end in ENDS:
            given, wanted = (asked.tails, asked.heads) if end == "heads" else (asked.heads, asked.tails)
            ends = (known.tails, known.heads) if end == "heads" else (known.heads, known.tails)
            truth = Truth.of(ends[0], known.relations, ends[1])
            for e, r, own in zip(given, asked.relations, wanted, strict=True):
                turn = turns[r].conj() if end == "heads" else turns[r]
                far = np.abs(entities[e] * turn - entities).sum(axis=1)
                _, also = truth.pairs(truth.rows(np.array([e]), np.array([r])))
                mine = far[own]
                far[also] = np.inf
                far[own] = mine
                ranks.append(1 + (far < mine).sum() + ((far == mine).sum() - 1) / 2)
        return figures(np.array(ranks))


def main() -> int:
    """Measure and store; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pykeen", type=Path, help="an interpreter that has PyKEEN")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--output", type=Path, default=STORED)
    chosen = parser.parse_args()
    if "COLDPLUG_DATA" not in os.environ:
        print(
            "rotate_kgc: COLDPLUG_DATA is not set; name the folder that holds fb15k-237 and wn18rr",
            file=sys.stderr,
        )
        return 2
    if chosen.pykeen is None:
        print("rotate_kgc: PyKEEN is skipped: no --pykeen PYTHON", file=sys.stderr)
    for part in chosen.parts:
        found = PARTS[part](chosen.pykeen)
        stored = json.loads(chosen.output.read_text(encoding="utf-8")) if chosen.output.exists() else {}
        stored |= {"command": COMMAND, "versions": versions(), part: found}
        chosen.output.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
        print(part, json.dumps(found), flush=True)
    return 0


def speed(pykeen: Path | None) -> dict[str, Any]:
    """Facts a second on FB15k-237 with the same dimension, negatives a fact and batch, one thread each."""
    data = Dataset("fb15k-237")
    result: dict[str, Any] = {"settings": SAME}
    if pykeen is None:
        _, result["ours"] = data.train(**SAME, temperature=1.0)
        return result
    with Peer(pykeen, data) as peer:
        _, result["ours"] = data.train(**SAME, temperature=1.0)
    result["pykeen"] = peer.pace() | {"version": str(peer.found["version"])}
    result["times"] = {
        name: round(result["ours"][name] / result["pykeen"][name], 1)
        for name in ("facts_per_second", "facts_per_processor_second")
    }
    return result


def accuracy(name: str) -> Callable[[Path | None], dict[str, Any]]:
    """Our own settings on a set, and PyKEEN at their side for the same wall time, one thread each."""

    def run(pykeen: Path | None) -> dict[str, Any]:
        data, settings = Dataset(name), BEST[name]
        course: list[dict[str, float]] = []
        few = some(data.splits["valid"], 1000)
        asked = some(data.splits["test"], 500)

        def watch(epoch: int, model: GraphEmbedding, loss: float) -> None:
            if epoch % 3 == 0:
                course.append({"epoch": epoch, "loss": round(loss, 4)} | data.figures(model, few))
                print(name, course[-1], file=sys.stderr, flush=True)

        def ours() -> GraphEmbedding:
            model, result["pace"] = data.train(watch=watch, **settings)
            return model

        result: dict[str, Any] = {"settings": settings}
        if pykeen is None:
            model = ours()
        else:
            with Peer(pykeen, data) as peer:
                model = ours()
            result["equal_wall_time_on_500_test_facts"] = {
                "ours": data.figures(model, asked),
                "pykeen": peer.figures(asked) | peer.pace() | {"version": str(peer.found["version"])},
            }
        result["course_on_1000_valid_facts"] = course
        result["valid"] = data.figures(model, data.splits["valid"])
        result["test"] = data.figures(model, data.splits["test"])
        return result

    return run


def shares(_: Path | None) -> dict[str, Any]:
    """Corrupted heads : relations : tails, on FB15k-237's valid split, with short trainings."""
    data = Dataset("fb15k-237")
    asked = some(data.splits["valid"], 3000)
    result: dict[str, Any] = {"settings": SHORT, "on": "3000 valid facts"}
    for share in SHARES:
        model, spent = data.train(**SHORT, shares=share)
        result[":".join(map(str, share))] = data.figures(model, asked) | spent
    return result


def unseen(_: Path | None) -> dict[str, Any]:
    """Entities left out of the training and embedded from their facts, beside a training that knew them.

    A twentieth of FB15k-237's entities are left out, with all their facts. The rest is trained; each of them is placed in
    closed form by its facts in the train split. The retrained embedding goes on from the same one, with all facts. Asked
    are the facts of the test split on one of them: for the other end, and for it itself among all entities.
    """
    data = Dataset("fb15k-237")
    train, test = data.splits["train"], data.splits["test"]
    new = np.random.default_rng(0).random(data.n_entities) < HELD_OUT
    without, spent = data.train(train.chosen(~new[train.heads] & ~new[train.tails]), **SHORT)
    as_heads = train.chosen(new[train.heads] & ~new[train.tails])
    as_tails = train.chosen(~new[train.heads] & new[train.tails])
    began = time.process_time()
    rows = without.place(as_heads, as_tails, data.n_entities)
    took = time.process_time() - began
    counts = np.bincount(np.concatenate([train.heads, train.tails]), minlength=data.n_entities)
    old = np.flatnonzero(~new & (counts > 0))
    slope, base = np.polyfit(np.log(counts[old]), without.biases[old], 1)
    guessed = (base + slope * np.log(np.maximum(counts, 1))).astype(np.float32)
    embeddings = {
        "never trained": without,
        "closed form": replace(
            without,
            entities=np.where(new[:, None], rows, without.entities),
            biases=np.where(new, guessed, without.biases),
        ),
        "retrained": data.train(**SHORT, start=without)[0],
    }
    placed = new & (np.bincount(np.concatenate([as_heads.heads, as_tails.tails]), minlength=len(new)) > 0)
    head, tail = placed[test.heads], placed[test.tails]
    for_other = {"tails": test.chosen(head & ~new[test.tails]), "heads": test.chosen(tail & ~new[test.heads])}
    for_new = {"heads": for_other["tails"], "tails": for_other["heads"]}
    result: dict[str, Any] = {
        "settings": SHORT,
        "entities": int(placed.sum()),
        "facts_asked": sum(map(len, for_other.values())),
        "microseconds_an_entity": round(1e6 * took / int(placed.sum()), 1),
        "training": spent,
    }
    for name, model in embeddings.items():
        result[name] = {
            question: figures(
                np.concatenate([model.rank(facts, data.all, asked=end) for end, facts in by_end.items()])  # type: ignore[arg-type]
            )
            for question, by_end in (("for the other end", for_other), ("for the new entity", for_new))
        }
    retrained = embeddings["retrained"].entities
    other = np.random.default_rng(1).permutation(np.flatnonzero(placed))
    result["cosine"] = {
        "closed form and retrained": cosine(rows[placed], retrained[placed]),
        "closed form and another's retrained": cosine(rows[placed], retrained[other]),
    }
    return result


def figures(ranks: NDArray[np.float64]) -> dict[str, float]:
    """MRR and the shares of first ranks and of ranks up to ten."""
    found = {"mrr": (1 / ranks).mean(), "hits@1": (ranks <= 1).mean(), "hits@10": (ranks <= 10).mean()}
    return {name: round(float(figure), 4) for name, figure in found.items()}


def pace(facts: int, wall: float, processor: float) -> dict[str, float]:
    """Facts by wall and processor time."""
    return {
        "facts": facts,
        "seconds": round(wall, 1),
        "processor_seconds": round(processor, 1),
        "facts_per_second": round(facts / wall),
        "facts_per_processor_second": round(facts / processor),
    }


def some(facts: Triples, n: int) -> Triples:
    """At most `n` facts, always the same."""
    return facts.chosen(np.random.default_rng(0).permutation(len(facts))[:n])


def cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The mean over rows."""
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return round(float(((left * right).sum(axis=1) / lengths).mean()), 4)


def versions() -> dict[str, str]:
    """What the figures were made with."""
    import torch

    return {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__}


PARTS: dict[str, Callable[[Path | None], dict[str, Any]]] = {
    "speed": speed,
    "fb15k-237": accuracy("fb15k-237"),
    "wn18rr": accuracy("wn18rr"),
    "shares": shares,
    "unseen": unseen,
}


if __name__ == "__main__":
    sys.exit(main())
