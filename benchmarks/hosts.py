"""coldplug inside other recommenders on MovieLens-1M: host alone, with popularity, and with coldplug, on C1's cuts.

    COLDPLUG_DATA=... python benchmarks/hosts.py   writes benchmarks/hosts.json; needs the libraries of host_libraries.py
    python benchmarks/hosts.py --table             prints the tables of docs/hosts.md from the stored result

The cuts are C1's, but for one thing: one like in ten of the warm users is taken out of the training block, by its
hash, so that warm users on warm items can be measured too. Hosts and coldplug are trained on the same rest. The weights of
the blends are learned on what `hold_out` takes out of that rest once more. Models and finished hosts stay in `--models`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from c1 import prepared
from host_libraries import LIBRARIES_BY_ROW
from host_scenarios import PEOPLE_AT_ONCE, Scenario, Score, figures, scenarios, training
from host_tables import tables

from coldplug.catalogue import Catalogue
from coldplug.evaluate import SALTS, bootstrap
from coldplug.evaluate.split import make_split
from coldplug.hosts import Host, Person
from coldplug.hosts.blend import Blend
from coldplug.hosts.fallback import Fallback
from coldplug.hosts.scale import plug_scores
from coldplug.hosts.validation import HeldOut, hold_out
from coldplug.learn.posterior import Posterior
from coldplug.plug import Plug, load
from coldplug.read import load_training_data
from coldplug.store import save_folder
from coldplug.types import FloatArray, TrainingData
from plugbase.errors import UserError

HERE = Path(__file__).resolve().parent
STORED = HERE / "hosts.json"


def main() -> int:
    """Run the benchmark or print its stored tables; exit status 0, or 2 where data or a library is missing."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--table", action="store_true", help="print the stored result as Markdown")
    parser.add_argument("--work", type=Path, default=HERE.parent / "out" / "c1-ml-1m")
    parser.add_argument("--models", type=Path, default=HERE.parent / "out" / "hosts")
    parser.add_argument("--hosts", nargs="*", default=list(LIBRARIES_BY_ROW))
    parser.add_argument("--salts", nargs="*", default=list(SALTS), help="cuts to measure")
    parser.add_argument("--output", type=Path, default=STORED)
    asked = parser.parse_args()
    if asked.table:
        print(tables(json.loads(asked.output.read_text(encoding="utf-8"))))
        return 0
    try:
        result = measure(asked)
    except UserError as error:
        print(f"hosts: {error}", file=sys.stderr)
        return 2
    asked.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(tables(result))
    return 0


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Every cut, one after the other."""
    data = load_training_data(prepared(asked.work))
    packages = {"coldplug", "numpy", "scipy", *(LIBRARIES_BY_ROW[name].package for name in asked.hosts)}
    return {
        "command": "python benchmarks/hosts.py",
        "versions": {"python": platform.python_version()} | {p: version(p) for p in sorted(packages)},
        "cuts": [
            cut(data, salt, asked.hosts, asked.models / (salt.rstrip(":") or "first")) for salt in asked.salts
        ],
    }


def cut(data: TrainingData, salt: str, hosts: Sequence[str], folder: Path) -> dict[str, Any]:
    """Train what is not there, run every host that is not there."""
    split = make_split(data, salt)
    train = training(split)
    fewer, held = hold_out(train)
    plug, earlier = (
        model(folder / name, rows) for name, rows in (("training", train), ("validation", fewer))
    )
    told = scenarios(data, split)
    counts = np.bincount(train.interactions.items[train.positives()], minlength=data.graph.n_items)
    popular = dict(zip(data.graph.item_ids, counts.tolist(), strict=True))
    # what was measured with another model is not read
    cells = folder / f"cells-{fingerprint(folder)}"
    cells.mkdir(exist_ok=True)

    def cell(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        kept = cells / f"{name}.json"
        if not kept.is_file():
            kept.write_text(json.dumps(work()))
            print(f"{salt!r}: {name} done", file=sys.stderr, flush=True)
        found: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        return found

    return {
        "salt": salt,
        "training_interactions": len(train.interactions.users),
        "warm_likes_taken_out": len(split.train.interactions.users) - len(train.interactions.users),
        "held_out_people": len(held),
        "scenarios": {one.name: len(one.people) for one in told},
        "coldplug": cell("coldplug", lambda: ours(plug, told, popular, data)),
        "hosts": {
            name: cell(name, partial(run, name, train, fewer, held, plug, earlier, told, popular, data))
            for name in hosts
        },
    }


def version(package: str) -> str:
    """Of an installed package; of a checkout, that it is one."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "checkout"


def fingerprint(models: Path) -> str:
    """Of the two models."""
    files = [models / name / "model.json" for name in ("training", "validation")]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]


class Asked:
    """A host that every arm asks the same questions; it works each of a scenario out once."""

    def __init__(self, host: Host) -> None:
        self.host, self.name, self.memory = host, host.name, dict[Any, FloatArray]()
        self.user_counts, self.item_counts = host.user_counts, host.item_counts

    def scores(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) as the host's."""
        key = (tuple(map(id, people)), tuple(item_ids))
        if key not in self.memory:
            self.memory[key] = self.host.scores(people, item_ids)
        return self.memory[key].copy()


class Remembering(Plug):
    """A model that gives the same answer to the same question without working it out again: every host asks the same."""

    def score_batch(self, users: Any, item_ids: Any, *, unknown: Any = "raise") -> FloatArray:
        memory = self.__dict__.setdefault("memory", {})
        # people live as long as the benchmark, so their parts are known by where they lie
        key = (tuple((id(told), id(support)) for told, support in users), tuple(item_ids))
        if key not in memory:
            memory[key] = super().score_batch(users, item_ids, unknown=unknown)
        return np.array(memory[key])


def model(folder: Path, data: TrainingData) -> Plug:
    """The default learner trained on the data, once."""
    if not (folder / "model.json").is_file():
        learner = Posterior.fit(data, note=lambda stage: print(stage, file=sys.stderr, flush=True))
        meta, arrays, texts = learner.to_state()
        more, names = Catalogue.of(data.graph, None).to_state()
        about = {"method": "posterior", "seed": 0, "inputs": {}, "learner": meta}
        save_folder(folder, about, arrays | more, texts | names)
    read = load(folder)
    return Remembering(read._learner, read._catalogue, read.meta)


def run(
    name: str,
    train: TrainingData,
    fewer: TrainingData,
    held: Sequence[HeldOut],
    plug: Plug,
    earlier: Plug,
    told: Sequence[Scenario],
    popular: dict[str, int],
    data: TrainingData,
) -> dict[str, Any]:
    """One host: its weight, learned with an earlier self, and every arm in every scenario."""
    library = LIBRARIES_BY_ROW[name]
    began = time.perf_counter()
    weight = Blend.learn(library.make(fewer), earlier, held).weight
    learned = time.perf_counter() - began
    host = Asked(library.make(train))

    def with_popularity(people: Sequence[Person], ids: Sequence[str]) -> FloatArray:
        found = host.scores(people, ids)
        # below everything that the host has a score for
        last = np.array([popular[item] - 1e6 for item in ids], np.float32)
        return np.where(np.isnan(found), last, found)

    arms: dict[str, Score] = {
        "alone": host.scores,
        "popularity": with_popularity,
        "fallback": Fallback(host, plug).score_batch,
        "blend": Blend(host, plug, weight).score_batch,
    }
    found = {}
    for one in told:
        by_arm = {arm: figures(score, one, data, intervals=arm != "alone") for arm, score in arms.items()}
        plain = by_arm["popularity"].pop("replicates")
        for arm in ("fallback", "blend"):
            low, high = bootstrap.interval(by_arm[arm].pop("replicates"), plain)
            by_arm[arm]["over_popularity"] = [round(low, 5), round(high, 5)]
        found[one.name] = by_arm
        host.memory.clear()
    return {
        "settings": library.settings,
        "weight": asdict(weight),
        "learn_seconds": round(learned, 1),
        "unchanged": unchanged(host, plug, told),
        "scenarios": found,
    }


def unchanged(host: Host, plug: Plug, told: Sequence[Scenario]) -> dict[str, int]:
    """Of the host's scores in the list of all items, how many the fallback left as they were, to the bit."""
    one = told[-1]
    ids = [str(item) for item in np.array(plug.item_ids)[one.items]]
    people = list(one.people[:PEOPLE_AT_ONCE])
    before, after = host.scores(people, ids), Fallback(host, plug).score_batch(people, ids)
    said = ~np.isnan(before)
    same = before[said].view(np.uint32) == after[said].view(np.uint32)
    return {"scores": int(said.sum()), "same_bits": int(same.sum())}


def ours(
    plug: Plug, told: Sequence[Scenario], popular: dict[str, int], data: TrainingData
) -> dict[str, dict[str, Any]]:
    """coldplug without a host, and popularity."""
    counts: Score = lambda people, ids: np.tile(  # noqa: E731
        np.array([popular[item] for item in ids], np.float32), (len(people), 1)
    )
    mine: Score = lambda people, ids: plug_scores(plug, people, ids)  # noqa: E731
    return {
        one.name: {
            "coldplug": figures(mine, one, data, intervals=False),
            "popularity": figures(counts, one, data, intervals=False),
        }
        for one in told
    }


if __name__ == "__main__":
    sys.exit(main())
