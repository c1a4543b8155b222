"""A real language model on the hand-labelled items: facts found and tokens used, one item a call against several.

python benchmarks/llm_gold.py            # prints the table, writes benchmarks/llm-gold.json

The model runs on this machine (benchmarks/llm_server.py fetches and starts it); its replies are kept, so a second
run asks nothing. Both ways show the model the same worked examples, those of the prompt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
for _name, _value in (("OMP_WAIT_POLICY", "passive"), ("OMP_NUM_THREADS", "1"), ("HF_HUB_OFFLINE", "1")):
    os.environ.setdefault(_name, _value)

from llm_server import MODEL, SERVER, LocalModel, count_tokens, default_folder  # noqa: E402

from kgbuild.evaluate import GoldItem, ScoreTable, load_gold, score_facts  # noqa: E402
from kgbuild.extract import ExtractionFailure  # noqa: E402
from kgbuild.extract.llm import Question  # noqa: E402
from kgbuild.extract.llm.extractor import PROMPT, OpenAIExtractor  # noqa: E402
from kgbuild.extract.llm.questions import pack  # noqa: E402
from kgbuild.schema import load_schema  # noqa: E402
from kgbuild.types import Item, Mention  # noqa: E402
from prompts import load_prompt  # noqa: E402

COMMAND = "python benchmarks/llm_gold.py"
GOLD = ("books", "films", "games", "products")
ITEMS = 64
TOGETHER = 4
_ANSWER_TOKENS_AN_ITEM, _ANSWER_TOKENS = 300, 200
SEED = 0


def chosen(gold: Sequence[GoldItem], number: int) -> list[GoldItem]:
    """So many items, drawn with a fixed seed, by turns four of each category; fewer are the beginning of more."""
    by_category: dict[str, list[GoldItem]] = {}
    for entry in gold:
        by_category.setdefault(entry.item.category, []).append(entry)
    drawn = {
        name: random.Random(SEED).sample(entries, len(entries))
        for name, entries in sorted(by_category.items())
    }
    turns = [
        entry
        for at in range(0, max(map(len, drawn.values())), TOGETHER)
        for entries in drawn.values()
        for entry in entries[at : at + TOGETHER]
    ]
    return turns[:number]


def questions(items: Sequence[Item], together: int) -> Iterator[Question]:
    """The calls about these items, with ids that are the same in every run, so that kept replies are found."""
    for question in pack(items, items_per_call=together):
        name = "/".join(item.id for item in question.items)
        yield Question(question.pieces, hashlib.sha256(name.encode()).hexdigest()[:24])


def read_with_model(
    items: Sequence[Item], together: int, model: LocalModel
) -> tuple[list[Mention], dict[str, Any]]:
    """What the model finds, so many items a call, and what it took."""
    extractor = OpenAIExtractor(
        schema=load_schema(),
        model=MODEL,
        base_url=model.url,
        concurrency=1,
        items_per_call=together,
        answer_tokens=_ANSWER_TOKENS + _ANSWER_TOKENS_AN_ITEM * together,
        timeout=1800.0,
    )
    mentions: list[Mention] = []
    failed: list[str] = []
    for done, (item, result) in enumerate(extractor.ask(questions(items, together)), 1):
        if isinstance(result, ExtractionFailure):
            failed.append(f"{item.id}: {result.reason}")
        else:
            mentions += result
        print(f"  {done} of {len(items)} items, {together} a call", end="\r", file=sys.stderr)
    extractor.close()
    spent = extractor.spent
    taken = {
        "items_a_call": together,
        "calls": spent.calls,
        "prompt_tokens": spent.prompt,
        "completion_tokens": spent.completion,
        "tokens_an_item": round((spent.prompt + spent.completion) / len(items), 1),
        "failed": failed,
        "dropped": dict(sorted(extractor.dropped.items())),
    }
    return mentions, taken


def prompt_tokens(items: Sequence[Item], folder: Path) -> dict[str, float]:
    """Tokens an item that the prompts of all calls take, counted by the model's own tokenizer; nothing is asked."""
    counted = {}
    for together in (1, TOGETHER):
        extractor = OpenAIExtractor(
            schema=load_schema(), model=MODEL, base_url="http://unused", items_per_call=together
        )
        prompts = [body["messages"] for _, body in extractor.build_requests(items)]
        counted[f"{together} a call"] = round(sum(count_tokens(prompts, folder)) / len(items), 1)
    return counted


def read_locally(items: Sequence[Item]) -> list[Mention]:
    """What the local extractor finds."""
    from kgbuild.extract.local import LocalExtractor

    extractor = LocalExtractor(schema=load_schema())
    return [mention for _, found in extractor.extract(items) if isinstance(found, list) for mention in found]


def row(name: str, table: ScoreTable, taken: dict[str, Any]) -> dict[str, Any]:
    """Print one line of the table; give back what is stored of it."""
    counts = table.overall
    cost = f"{taken['tokens_an_item']:>8.0f}" if taken else " " * 8
    print(f"{name:<32}{counts.precision:>7.3f}{counts.recall:>7.3f}{counts.f1:>7.3f}{cost}")
    return {**taken, **table.as_json()}


def main() -> int:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=default_folder(), help="weights, server, kept replies")
    parser.add_argument("--url", help="a server with the model that runs already")
    parser.add_argument("--items", type=int, default=ITEMS, help="how many of the labelled items")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "benchmarks" / "llm-gold.json")
    parser.add_argument(
        "--together", type=int, nargs="*", default=[1, TOGETHER], help="items that share a call"
    )
    options = parser.parse_args()
    every = load_gold(ROOT / "tests" / "gold" / f"{name}.jsonl" for name in GOLD)
    gold = chosen(every, options.items)
    items = [entry.item for entry in gold]
    result: dict[str, Any] = {
        "command": f"{COMMAND} --items {len(items)} --together {' '.join(map(str, options.together))}",
        "model": MODEL,
        "server": SERVER,
        "openai": version("openai"),
        "prompt": {"name": PROMPT, "sha256": load_prompt(PROMPT).sha256},
        "items": [item.id for item in items],
        "prompt_tokens_an_item": prompt_tokens([entry.item for entry in every], options.folder),
    }
    print(f"{len(items)} items")
    print(f"{'':<32}{'P':>7}{'R':>7}{'F1':>7}{'tokens':>8}")
    with LocalModel(options.folder, url=options.url) as model:
        for together in options.together:
            mentions, taken = read_with_model(items, together, model)
            by_quote = score_facts(mentions, gold, accept_quotes=True).overall.f1
            way = row(f"{together} items a call", score_facts(mentions, gold), taken)
            result[f"{together}_a_call"] = {**way, "f1_by_value_or_quote": round(by_quote, 4)}
    result["local"] = row("local extractor", score_facts(read_locally(items), gold), {})
    for name, count in result["prompt_tokens_an_item"].items():
        print(f"prompt tokens an item, all {len(every)} items, {name}: {count}")
    options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"stored in {options.output}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
