"""Relation wordings of WebNLG's development texts clustered, and how well the clusters agree with WebNLG's
own relation names, beside plain embedding clustering.

COLDPLUG_DATA=... python benchmarks/relations_webnlg.py    # writes benchmarks/relations_webnlg.json

Thresholds are chosen on the wordings of items.yaml (which wordings belong to one relation is known there)
with values from tests/gold and the bundled items. WebNLG is read once, to measure.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

import numpy as np  # noqa: E402

from kgbuild.evaluate import load_gold  # noqa: E402
from kgbuild.resolve import clusters, meaning, resolve  # noqa: E402
from kgbuild.resolve.phrases import relation_phrase  # noqa: E402
from kgbuild.schema import load_schema  # noqa: E402
from kgbuild.types import Mention  # noqa: E402

COMMAND = "COLDPLUG_DATA=... python benchmarks/relations_webnlg.py"
THRESHOLDS = [round(0.40 + 0.02 * step, 2) for step in range(28)]
LEAST_PRECISION = 0.95
_EMPTY = frozenset(
    {"is", "was", "are", "were", "be", "been", "the", "a", "an", "s", "it", "its", "has", "have", "had"}
)
_LAST = frozenset({"of", "in", "for", "at"})
_LONGEST = 6


@dataclass(frozen=True)
class Stated:
    """One triple as a text states it; `relation` is WebNLG's name of it, which nothing but the score sees."""

    subject: str
    wording: str
    value: str
    relation: str


def stated_in(folder: Path) -> Iterator[Stated]:
    """The single triples whose text names subject and object, with the words that connect the two.

    "S is located in O" says "is located in"; "The leader of S is O" and "O is the leader of S" say "leader";
    "S is 13 metres above sea level" says "metres above sea level". Other inverted texts are left out.
    """
    for file in sorted(folder.glob("*.xml")):
        for entry in ElementTree.parse(file).getroot().iter("entry"):
            triple = entry.findtext("modifiedtripleset/mtriple") or ""
            subject, relation, value = (
                part.strip().strip('"').replace("_", " ") for part in triple.split(" | ")
            )
            for lex in entry.findall("lex"):
                wording = wording_between(subject, value, lex.text or "")
                if wording:
                    yield Stated(subject, wording, value, relation)


def wording_between(subject: str, value: str, text: str) -> str | None:
    """What the text says between subject and value, in lower case; None where it cannot be told."""
    text = text.casefold()
    first, second = text.find(subject.casefold()), text.find(value.casefold())
    if min(first, second) < 0:
        return None
    if first > second:
        match = re.fullmatch(
            r"\W*(?:is|was|are|were) the (.+) of(?: the)?\W*", text[second + len(value) : first]
        )
        return match[1] if match and len(match[1].split()) <= _LONGEST else None
    between = _words(text[first + len(subject) : second])
    if set(between) <= _EMPTY:
        before, after = _words(text[:first]), _words(text[second + len(value) :])
        while before and before[-1] in _LAST | _EMPTY:
            before = before[:-1]
        between = before or after
    wording = [word for at, word in enumerate(between) if at or word != "s"]
    return " ".join(wording) if wording and len(wording) <= _LONGEST and not set(wording) <= _EMPTY else None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def bcubed(found: Sequence[Hashable], wanted: Sequence[Hashable]) -> dict[str, float]:
    """B-cubed precision, recall and F1 of one clustering of the same elements against another (Bagga and
    Baldwin 1998)."""
    cells, in_found, in_wanted = Counter(zip(found, wanted, strict=True)), Counter(found), Counter(wanted)
    precision = sum(n * n / in_found[f] for (f, _), n in cells.items()) / len(found)
    recall = sum(n * n / in_wanted[w] for (_, w), n in cells.items()) / len(found)
    return {
        "precision": round(precision, 4),
        "recall": round(recall, 4),
        "f1": round(2 * precision * recall / (precision + recall), 4),
    }


def entropy(labels: Sequence[Hashable]) -> float:
    """Shannon entropy of the labels, in bits."""
    counts = Counter(labels).values()
    return round(-sum(n / len(labels) * math.log2(n / len(labels)) for n in counts), 3)


def chosen_on_our_own_wordings() -> dict[str, dict[str, float]]:
    """Each way's lowest threshold that keeps B-cubed precision at 0.95 on the wordings of items.yaml."""
    values = _values_by_relation()
    wordings = [
        (wording, spec.name, values[spec.name][at :: len(spec.wordings) + 1])
        for spec in load_schema().relations.values()
        for at, wording in enumerate((spec.name, *spec.wordings))
    ]
    names = [wording for wording, _, _ in wordings]
    wanted = [relation for _, relation, _ in wordings]
    phrases = [" ".join(relation_phrase(name)) for name in names]
    told = [
        clusters.definition_in_words(p, found) for p, (_, _, found) in zip(phrases, wordings, strict=True)
    ]
    space = clusters.WordingSpace(names, told)
    rows = meaning.encode(phrases)
    ways = {
        "kgbuild": (space.nearness, space.apart),
        "definitions without guards": (space.nearness, lambda i, j: False),
        "plain": (rows @ rows.T, lambda i, j: False),
    }
    best: dict[str, dict[str, float]] = {}
    for way, (nearness, apart) in ways.items():
        for threshold in THRESHOLDS:
            groups = clusters.average_link(nearness, threshold, apart)
            score = bcubed(_group_of(groups, len(names)), wanted)
            if score["precision"] >= LEAST_PRECISION and way not in best:
                best[way] = {"threshold": threshold, **score}
    return best


def _values_by_relation() -> dict[str, list[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    gold = [ROOT / f"tests/gold/{name}.jsonl" for name in ("books", "films", "games", "products")]
    for entry in load_gold(gold):
        for fact in entry.facts:
            found[fact.relation][fact.value] += 1
    lines = (ROOT / "examples/films_and_books/items.jsonl").read_text(encoding="utf-8").splitlines()
    for attributes in (json.loads(line).get("attributes", {}) for line in lines):
        for relation, values in attributes.items():
            for value in values if isinstance(values, list) else [values]:
                found[relation][str(value)] += 1
    return defaultdict(
        list, {relation: sorted(counts, key=lambda v: (-counts[v], v)) for relation, counts in found.items()}
    )


def _group_of(groups: Sequence[Sequence[int]], rows: int) -> list[int]:
    found = np.zeros(rows, int)
    for number, group in enumerate(groups):
        found[list(group)] = number
    return [int(one) for one in found]


def main() -> None:
    """Choose the settings, measure every way once, print and store."""
    data = os.environ.get("COLDPLUG_DATA")
    if not data:
        sys.exit("set COLDPLUG_DATA to the folder that holds webnlg/")
    settings = chosen_on_our_own_wordings()
    print(json.dumps(settings, indent=1))
    stated = list(stated_in(Path(data) / "webnlg/en/dev/1triples"))
    raw = [one.wording for one in stated]
    wanted = [one.relation for one in stated]
    distinct = sorted(set(raw))
    rows = meaning.encode(distinct)
    plain = _group_of(clusters.average_link(rows @ rows.T, settings["plain"]["threshold"]), len(distinct))
    mentions = [Mention(one.subject, one.wording, one.value, 0.7, "webnlg") for one in stated]
    ways: dict[str, list[Hashable]] = {
        "raw wordings": list(raw),
        "plain embedding clustering": [plain[distinct.index(wording)] for wording in raw],
    }
    for mode in ("open", "guided"):
        resolution = resolve(mentions, load_schema(), mode=mode)
        name = {raw: name for name, others in resolution.relations.items() for raw in (name, *others)}
        ways[f"kgbuild, {mode}"] = [name[wording] for wording in raw]
    table = {
        way: {"relations": len(set(found)), "entropy_bits": entropy(found), **bcubed(found, wanted)}
        for way, found in ways.items()
    }
    result = {
        "command": COMMAND,
        "versions": {name: version(name) for name in ("numpy", "sentence-transformers")},
        "chosen_on_items_yaml": settings,
        "shipped_threshold": clusters.ALIKE,
        "statements": len(stated),
        "distinct_wordings": len(distinct),
        "webnlg_relations": len(set(wanted)),
        "webnlg_entropy_bits": entropy(wanted),
        "rows": table,
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
