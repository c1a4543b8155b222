"""The whole way once: descriptions into a graph, a model trained on it, scores for a user and items it never met.

python examples/demo.py          what `make demo` runs; everything is written into demo/
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import coldplug
from coldplug.plug import Plug

DATA = Path("examples/films_and_books")
OUT = Path("demo")
USER = {"age": 27, "occupation": "engineer"}
CLICKS = ["b020", "b024"]  # Murder on the Orient Express and The Maltese Falcon, the books
SHOWN = 5


def main() -> None:
    """Run the commands, score, and say after each step what came out."""
    began = time.monotonic()
    os.chdir(Path(__file__).resolve().parent.parent)
    items = {item["id"]: item for item in map(json.loads, lines(DATA / "items.jsonl"))}
    ratings = list(csv.DictReader(lines(DATA / "interactions.csv")))
    people = {row["user_id"] for row in ratings}
    new = sorted(items.keys() - {row["item_id"] for row in ratings})
    OUT.mkdir(exist_ok=True)
    print(f"""\
{len(items)} real films and books, each described in a few sentences, with {len(ratings):,} ratings by {len(people)} people.
The people are simulated: a script drew them. What follows shows how things work, not how well they
would work for real people. {len(new)} of the items have no rating at all; they stand for new ones.""")

    print("\n1. Read the descriptions into a knowledge graph")
    graph = run(f"kgbuild extract {DATA}/items.jsonl -o {OUT}/graph.ttl")
    known = graph["facts_by_source"]["catalogue"]
    print(
        f"   {known:,} facts the catalogue knew; {graph['facts'] - known:,} more come from the texts, such as"
    )
    for fact in some_facts():
        item = items[fact["item"]]
        print(f"   - {item['title']}: {fact['relation']} {fact['value']}")
        print(f'     from "{words_around(item, fact["quote"])}"')

    print("\n2. Train a model on the graph and the ratings")
    files = f"--interactions {DATA}/interactions.csv --users {DATA}/users.csv"
    run(f"coldplug train --graph {OUT}/graph.ttl {files} -o {OUT}/model")

    print("\n3. Score the new items for somebody new")
    plug = coldplug.load(OUT / "model")
    before, after = ranked(plug, new, []), ranked(plug, new, CLICKS)
    print(f"   All that is known of them: {USER}. The best of the {len(new)} new items, with their scores:")
    show(before, items)
    clicked = " and ".join(items[ident]["title"] for ident in CLICKS)
    print(f"   Then they like two books, {clicked}, and at once it is")
    show(after, items, {ident: place for place, (ident, _) in enumerate(before, start=1)})

    print("\n4. Ask why")
    chosen = explain(plug, [ident for ident, _ in after], items)

    told = " ".join(f"--user {name}={value}" for name, value in USER.items())
    print(f"""
That took {time.monotonic() - began:.0f} seconds. To try next, after `source .venv/bin/activate`:
   coldplug recommend {OUT}/model {told} --support f065=5,f070=4
   coldplug explain {OUT}/model {told} --support {",".join(CLICKS)} {chosen}
   kgbuild extract YOUR_ITEMS.jsonl -o graph.ttl
YOUR_ITEMS.jsonl holds one item a line with id, title and description; docs/kgbuild-extract.md says more.""")


def run(command: str) -> dict[str, Any]:
    """Show a command, run it, and give back its JSON summary."""
    print(f"   $ {command}", flush=True)
    began = time.monotonic()
    words = [sys.executable, "-m", *command.split(), "--json"]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"demo: that ended with status {done.returncode}")
    print(f"   done in {time.monotonic() - began:.0f} seconds")
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def some_facts() -> list[dict[str, Any]]:
    """One fact each of three relations, from the texts alone."""
    found: dict[str, dict[str, Any]] = {}
    for fact in map(json.loads, lines(OUT / "graph.evidence.jsonl")):
        if fact["relation"] in ("based_on", "setting", "award") and fact.get("quote"):
            found.setdefault(fact["relation"], fact)
    return list(found.values())


def ranked(plug: Plug, item_ids: list[str], support: list[str]) -> list[tuple[str, float]]:
    """Item ids and scores for USER, best first."""
    scores = plug.score(USER, item_ids, support).tolist()
    return sorted(zip(item_ids, scores, strict=True), key=lambda pair: -pair[1])


def show(
    ranking: list[tuple[str, float]], items: dict[str, Any], before: dict[str, int] | None = None
) -> None:
    """The head of a ranking, with the places that items had before."""
    for ident, score in ranking[:SHOWN]:
        was = f", place {before[ident]} before" if before else ""
        print(f"   {score:6.2f}  {items[ident]['title']} ({items[ident]['category']}{was})")


def explain(plug: Plug, item_ids: list[str], items: dict[str, Any]) -> str:
    """Take the best score apart that a fact from a text stands behind; returns the item's id."""
    for ident in item_ids:
        why = plug.explain(USER, ident, CLICKS)
        quoted = [fact for reason in why.reasons if reason.share > 0 for fact in reason.facts if fact.quote]
        if quoted:
            break
    print(f"   {why.title} ({items[ident]['category']}) scores {why.score:.2f}, which is the sum of")
    for reason in why.reasons:
        liked = "liking " if reason.kind == "support" else ""
        shared = ", ".join(f"{fact.relation} {fact.value}" for fact in reason.facts)
        print(
            f"   {reason.share:+6.2f}  {liked}{reason.label}" + (f"; in common: {shared}" if shared else "")
        )
    for fact in quoted[:1]:
        print(f"   The catalogue did not say {fact.relation} {fact.value}; the description does:")
        print(f'     "{words_around(items[ident], fact.quote)}"')
    return ident


def words_around(item: dict[str, Any], quote: str) -> str:
    """A quote with some words of its sentence on either side."""
    text = item["description"] if quote in item["description"] else item["title"]
    before, _, after = text.partition(quote)
    left = re.split(r"[.!?] ", before)[-1].split(" ")
    right = re.split(r"[.!?]( |$)", after)[0].split(" ")
    head, tail = "... " * (len(left) > 8), " ..." * (len(right) > 8)
    return head + " ".join(left[-8:]) + quote + " ".join(right[:8]) + tail


def lines(path: Path) -> list[str]:
    """The lines of a text file."""
    return path.read_text(encoding="utf-8").splitlines()


if __name__ == "__main__":
    main()
