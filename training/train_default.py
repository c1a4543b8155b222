"""Trains what the local extractor ships with, on `training/labels` alone: the span model and the weights of claims.

python training/train_default.py -o training/out     # writes the span model, weights.json and the cross-validation
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "training")]
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

from markup import LABELS, read_labels  # noqa: E402

from kgbuild.evaluate import SCORED_RELATIONS, normalise  # noqa: E402
from kgbuild.extract.local.weighing import SHARED, Claim, Weights, select  # noqa: E402
from kgbuild.schema import load_schema  # noqa: E402
from kgbuild.types import Item  # noqa: E402

FOLDS = 2
SETTINGS = {
    "epochs": 10,
    "patience": 10,
    "batch": 8,
    "averaging": 0.95,
    "held_out": 0.07,
    "adapter_rank": 32,
    "members": 1,
}
STRENGTH = 0.3
"""Inverse strength of the penalty on the weights of claims."""
THRESHOLDS = (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7)

Entry = dict[str, Any]
Read = tuple[str, list[Claim]]


def fold_of(entry: Entry) -> int:
    """Which fold an item is held out in: by its title, the same in every run."""
    return int(hashlib.sha256(entry["title"].encode()).hexdigest(), 16) % FOLDS


def trained(entries: Sequence[Entry], folder: Path) -> Path:
    """A span model trained on these items."""
    import torch

    from kgbuild.extract.span import TrainingSettings, train_extractor
    from plugbase.console import Console

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "items.jsonl"
        file.write_text("".join(json.dumps(entry) + "\n" for entry in entries), encoding="utf-8")
        summary = train_extractor(
            file,
            folder,
            schema=load_schema(),
            settings=TrainingSettings(**SETTINGS),
            console=Console(quiet=True),
        )
    print(
        f"{folder.name}: {summary.items} items, {summary.seconds:.0f} s, held out {summary.held_out}",
        flush=True,
    )
    return folder


def read_fold(fold: int, entries: Sequence[Entry], folder: Path) -> list[Read]:
    """The claims about the items of one fold, by a span model that was trained on the others."""
    from kgbuild.extract.local import LocalExtractor

    trained([entry for entry in entries if fold_of(entry) != fold], folder)
    extractor = LocalExtractor(schema=load_schema(), folder=folder)
    return [(entry["id"], extractor.claims(item_of(entry))) for entry in entries if fold_of(entry) == fold]


def item_of(entry: Entry) -> Item:
    """The item without its labels."""
    return Item(entry["id"], entry["title"], entry["description"], entry["category"])


def words(claim: Claim, entry: Entry) -> str:
    """The words that a claim is made of."""
    return str(entry[claim.field])[claim.start : claim.end]


@dataclass
class Labelled:
    """Claims of labelled items with whether they are right."""

    entries: dict[str, Entry]
    claims: dict[str, list[Claim]]

    def said(self, name: str) -> set[tuple[str, str]]:
        """The labels of an item."""
        return {(fact["relation"], normalise(fact["value"])) for fact in self.entries[name]["facts"]}

    def right(self, name: str, claim: Claim) -> bool:
        """Whether a claim's words, or the label that a construction gives them, are labelled."""
        entry = self.entries[name]
        texts = {normalise(words(claim, entry)), normalise(claim.value or words(claim, entry))}
        return any((claim.relation, text) in self.said(name) for text in texts)

    def fit(self, names: Sequence[str]) -> Weights:
        """Weights by logistic regression on the claims of these items."""
        import numpy as np
        from sklearn.linear_model import LogisticRegression

        rows, outcomes = [], []
        for name in names:
            for claim in self.claims[name]:
                own = [[x * (claim.relation == r) for x in claim.own] for r in SCORED_RELATIONS]
                rows.append([*claim.shared, *(x for part in own for x in part)])
                outcomes.append(self.right(name, claim))
        model = LogisticRegression(C=STRENGTH, max_iter=5000, tol=1e-6).fit(
            np.array(rows), np.array(outcomes)
        )
        found = [round(float(weight), 4) for weight in model.coef_[0]]
        constant, base = float(model.intercept_[0]), len(SHARED)
        return Weights(
            dict(zip(SHARED, found[:base], strict=True)),
            {
                relation: (round(found[at] + constant, 4), found[at + 1], found[at + 2])
                for at, relation in zip(range(base, len(found), 3), SCORED_RELATIONS, strict=True)
            },
        )


def cross_validated(data: Labelled) -> dict[str, Any]:
    """Precision and recall of claims weighed by weights of other items, at several thresholds."""
    folds: dict[int, list[str]] = defaultdict(list)
    for name in sorted(data.claims):
        folds[int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5].append(name)
    weighed: dict[str, list[tuple[float, Claim]]] = {}
    for fold, names in folds.items():
        weights = data.fit([name for other, rest in folds.items() if other != fold for name in rest])
        for name in names:
            weighed[name] = [(weights.probability(claim), claim) for claim in data.claims[name]]
    result: dict[str, Any] = {
        "by_threshold": {str(least): counted(data, weighed, least)["all"] for least in THRESHOLDS}
    }
    result["at_0.5"] = counted(data, weighed, 0.5)
    result["calibration_error"] = calibration_error(data, weighed, 0.5)
    return result


def counted(data: Labelled, weighed: dict[str, list[tuple[float, Claim]]], least: float) -> dict[str, Any]:
    """Precision, recall and F1 of what would be said at a threshold: of all, by kind of item and by relation."""
    tallies: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for name, claims in weighed.items():
        entry = data.entries[name]
        gold = data.said(name)
        found = {
            (claim.relation, normalise(words(claim, entry)), normalise(claim.value or words(claim, entry)))
            for _, claim in select(claims, least)
        }
        met = {label for label in gold if any(r == label[0] and label[1] in (a, b) for r, a, b in found)}
        for relation in SCORED_RELATIONS:
            row = (
                sum(label[0] == relation for label in met),
                sum(claim[0] == relation for claim in found),
                sum(label[0] == relation for label in gold),
            )
            for key in ("all", name.rpartition("-")[0], relation):
                tallies[key] = [a + b for a, b in zip(tallies[key], row, strict=True)]
    return {
        key: {
            "precision": round(right / max(1, said), 3),
            "recall": round(right / max(1, labels), 3),
            "f1": round(2 * right / max(1, said + labels), 3),
            "labels": labels,
        }
        for key, (right, said, labels) in tallies.items()
    }


def calibration_error(data: Labelled, weighed: dict[str, list[tuple[float, Claim]]], least: float) -> float:
    """Expected calibration error of what is said, over ten bins."""
    import numpy as np

    from kgbuild.extract.span.calibration import expected_calibration_error

    rows = [
        (sure, data.right(name, claim))
        for name, claims in weighed.items()
        for sure, claim in select(claims, least)
    ]
    sures, outcomes = np.array([sure for sure, _ in rows]), np.array([float(right) for _, right in rows])
    return round(expected_calibration_error(sures, outcomes), 4)


def main() -> None:
    """Cross-fit, fit, train; two processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="a folder for all that is made")
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    entries = [entry for path in sorted(LABELS.glob("*.txt")) for entry in read_labels(path)]
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        last = pool.submit(trained, entries, output / "default")
        jobs = [pool.submit(read_fold, fold, entries, output / f"fold-{fold}") for fold in range(FOLDS)]
        claims = dict(read for job in jobs for read in job.result())
        data = Labelled({entry["id"]: entry for entry in entries}, claims)
        result = cross_validated(data)
        weights = data.fit(sorted(claims))
        last.result()
    told = {"shared": weights.shared, "own": {name: list(row) for name, row in weights.own.items()}}
    (output / "weights.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    summary = {
        "figures": "cross-validated on the training labels; by words or by the label a construction gives them",
        "command": "python training/train_default.py -o training/out",
        "items": len(entries),
        "facts": sum(len(entry["facts"]) for entry in entries),
        "folds": FOLDS,
        "settings": SETTINGS,
        **result,
    }
    (output / "cross-validation.json").write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    for least, row in result["by_threshold"].items():
        print(least, row)


if __name__ == "__main__":
    main()
