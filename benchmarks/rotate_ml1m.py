"""How well RotatE finds left-out facts of MovieLens-1M's films: who directed, plays, wrote, and which genre.

    COLDPLUG_DATA=... python benchmarks/rotate_ml1m.py   writes benchmarks/rotate-ml-1m.json, prints a table

5 % of the facts are left out; each is asked as (film, relation, ?) among all values that two films share.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "2")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from coldplug.datasets import prepare  # noqa: E402
from coldplug.encode import rotate  # noqa: E402
from coldplug.encode.rotate import RotatE, Triples, fit_rotate, shared_values  # noqa: E402
from coldplug.encode.rotate.guess import facts_of  # noqa: E402
from coldplug.types import ItemGraph  # noqa: E402

STORED = ROOT / "benchmarks" / "rotate-ml-1m.json"
COMMAND = "COLDPLUG_DATA=... python benchmarks/rotate_ml1m.py"
RELATIONS = {"director": "person", "writer": "person", "actor": "person", "genre": "genre"}
LEFT_OUT = 0.05


def main() -> int:
    """Measure and store; exit status 0, or 2 where the data is not there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=STORED)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="of splits and trainings")
    for name, default in (("dim", rotate.DIM), ("epochs", rotate.EPOCHS), ("negatives", rotate.NEGATIVES)):
        parser.add_argument(f"--{name}", type=int, default=default)
    for name, start in (
        ("margin", rotate.MARGIN),
        ("temperature", rotate.TEMPERATURE),
        ("learning-rate", rotate.LEARNING_RATE),
    ):
        parser.add_argument(f"--{name}", type=float, default=start)
    settings = vars(parser.parse_args())
    output, seeds = settings.pop("output"), settings.pop("seeds")
    if "COLDPLUG_DATA" not in os.environ:
        print("rotate_ml1m: COLDPLUG_DATA is not set; name the folder that holds ml-1m", file=sys.stderr)
        return 2
    graph = films(Path(os.environ["COLDPLUG_DATA"]) / "ml-1m")
    runs = [measure(graph, {**settings, "seed": seed}) for seed in seeds]
    means = {
        method: {
            figure: round(float(np.mean([run["methods"][method][figure] for run in runs])), 4)
            for figure in figures
        }
        for method, figures in runs[0]["methods"].items()
    }
    result = {"command": COMMAND, "settings": settings, "means": means, "runs": runs}
    output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"| who ranks | MRR | Hits@10 | {' | '.join(RELATIONS)} |\n|---|{'---|' * (2 + len(RELATIONS))}")
    for method, figures in means.items():
        print(
            f"| {method} | "
            + " | ".join(f"{figures[name]:.3f}" for name in ("mrr", "hits@10", *RELATIONS))
            + " |"
        )
    for run in runs:
        print({name: run[name] for name in ("facts", "seconds", "first_loss", "last_loss")})
    return 0


def films(raw: Path) -> ItemGraph:
    """The people and genres that the catalogue names, as a graph without text."""
    with tempfile.TemporaryDirectory() as folder:
        prepare("movielens-1m", raw, folder)
        lines = (Path(folder) / "items.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    facts = {
        (number, relation, f"{kind}:{value}")
        for number, item in enumerate(items)
        for relation, kind in RELATIONS.items()
        for value in _listed(item["attributes"].get(relation))
    }
    names, iris = sorted(RELATIONS), sorted({iri for _, _, iri in facts})
    name_of = {name: number for number, name in enumerate(names)}
    iri_of = {iri: number for number, iri in enumerate(iris)}
    rows = np.array(sorted((h, name_of[r], iri_of[t]) for h, r, t in facts), np.int64)
    none = np.empty(0, np.int64)
    return ItemGraph(
        item_ids=[item["id"] for item in items],
        titles=[item["title"] for item in items],
        descriptions=[""] * len(items),
        relation_names=names,
        value_iris=iris,
        value_labels=[iri.partition(":")[2] for iri in iris],
        heads=rows[:, 0],
        relations=rows[:, 1],
        tails=rows[:, 2],
        weights=np.ones(len(rows), np.float32),
        stated=np.ones(len(rows), np.bool_),
        literal_items=none,
        literal_relations=none,
        literal_numbers=none.astype(np.float32),
        literal_stated=none.astype(np.bool_),
    )


def measure(graph: ItemGraph, settings: dict[str, Any]) -> dict[str, Any]:
    """Train without the left-out facts, then rank them; ranks are filtered and realistic."""
    left_out = np.random.default_rng(settings["seed"]).random(len(graph.heads)) < LEFT_OUT
    kept = facts_of(graph, ~left_out)
    started = time.perf_counter()
    training = fit_rotate(kept, **settings)
    seconds = time.perf_counter() - started
    model = training.model
    # A fact can be asked if training met what it is about: a film with some other fact, a shared value.
    connected = np.isin(kept.tails, model.trained)
    askable = left_out & np.isin(graph.tails, model.trained) & np.isin(graph.heads, kept.heads[connected])
    asked, known = Triples.of(facts_of(graph, askable)), Triples.of(graph)
    closed = model.closed_form(kept.heads, kept.relations, kept.tails, kept.weights, kept.n_items)
    ranks = {
        "chance": np.full(len(asked.heads), (1 + len(model.trained)) / 2),
        "commonest of the relation": _popular(model, kept, asked, known),
        "RotatE, items as trained": model.rank(training.items, asked, known),
        "RotatE, items in closed form": model.rank(closed, asked, known),
    }
    return {
        "seed": settings["seed"],
        "facts": {
            "films": graph.n_items,
            "all": len(graph.heads),
            "trained": int(connected.sum()),
            "entities": len(np.unique(kept.heads[connected])) + len(shared_values(kept)),
            "asked": len(asked.heads),
        },
        "seconds": round(seconds, 1),
        "first_loss": round(training.losses[0], 4),
        "last_loss": round(training.losses[-1], 4),
        "methods": {name: _figures(found, asked, graph) for name, found in ranks.items()},
    }


def _figures(ranks: NDArray[np.float64], asked: Triples, graph: ItemGraph) -> dict[str, float]:
    """MRR and the share of facts in the first ten over all facts, and the MRR a relation."""
    figures = {"mrr": float((1 / ranks).mean()), "hits@10": float((ranks <= 10).mean())}
    for number, name in enumerate(graph.relation_names):
        figures[name] = float((1 / ranks[asked.relations == number]).mean())
    return {name: round(figure, 4) for name, figure in figures.items()}


def _popular(model: RotatE, kept: ItemGraph, asked: Triples, known: Triples) -> NDArray[np.float64]:
    """Ranks by how many films have the value in that relation, whatever the film."""
    counts = np.zeros((len(kept.relation_names), len(kept.value_iris)))
    np.add.at(counts, (kept.relations, kept.tails), 1)
    others: dict[tuple[int, int], list[int]] = {}
    for h, r, t in zip(known.heads, known.relations, known.tails, strict=True):
        others.setdefault((int(h), int(r)), []).append(int(t))
    ranks = np.empty(len(asked.heads))
    for row, (h, r, t) in enumerate(zip(asked.heads, asked.relations, asked.tails, strict=True)):
        scores = counts[r].copy()
        scores[others[int(h), int(r)]] = -1
        scores = scores[model.trained]
        ranks[row] = 1 + (scores > counts[r, t]).sum() + (scores == counts[r, t]).sum() / 2
    return ranks


def _listed(value: object) -> list[str]:
    return [] if value is None else [str(v) for v in value] if isinstance(value, list) else [str(value)]


if __name__ == "__main__":
    sys.exit(main())
