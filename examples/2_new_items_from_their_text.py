"""New items: read their descriptions into a graph, add them to a model that is running, and ask why one suits.

python examples/2_new_items_from_their_text.py     after `make demo`, which makes the graph and the model
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import coldplug

NEW = [
    {
        "id": "new1",
        "title": "The Last Tram to Leith",
        "category": "book",
        "description": "A private detective is hired to find a missing heiress in Edinburgh in the 1930s. "
        "What begins as a routine case turns into a murder mystery full of blackmail.",
    },
    {
        "id": "new2",
        "title": "Cold Orbit",
        "category": "film",
        "description": "The crew of a spaceship wakes to find a stranger on board. "
        "A tense story of survival, set in the future, about artificial intelligence.",
    },
]
LIKED = ["b020", "b024"]  # Murder on the Orient Express and The Maltese Falcon, the books

plug = coldplug.load(Path(__file__).parents[1] / "demo" / "model")
with tempfile.TemporaryDirectory() as folder:
    items, graph = Path(folder, "items.jsonl"), Path(folder, "graph.ttl")
    items.write_text("".join(json.dumps(item) + "\n" for item in NEW), encoding="utf-8")
    command = [sys.executable, "-m", "kgbuild", "extract", str(items), "-o", str(graph), "--quiet"]
    subprocess.run(command, check=True)
    print(f"{plug.add_items(graph)} new items, of {len(plug.item_ids)} now; nothing was trained again.\n")

print("To somebody who liked two detective stories:")
for ident, score in zip(("new1", "new2"), plug.score({}, ["new1", "new2"], support=LIKED), strict=True):
    print(f"   {score:6.2f}  {plug.explain({}, ident).title}")

why = plug.explain({}, "new1", support=LIKED)
print(f"\nWhy {why.title} scores {why.score:.2f}:")
for reason in why.reasons:
    print(f"   {reason.share:+6.2f}  {reason.label}")
    for fact in reason.facts[:3]:
        said = f', for its text says "{fact.quote}"' if fact.quote else ""
        print(f"           both have {fact.relation} {fact.value}{said}")
