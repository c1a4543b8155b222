"""A recommender that is there already, LensKit's, gets coldplug behind its scorer: nothing that it said changes.

python examples/5_inside_lenskit.py     after `make demo`; needs `pip install lenskit`
python examples/5_inside_lenskit.py model/ interactions.csv users.csv     the same with your own
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from lenskit.als import ImplicitMFScorer
from lenskit.data import ItemList, RecQuery, from_interactions_df
from lenskit.pipeline import topn_pipeline
from lenskit.training import TrainingOptions

import coldplug
from coldplug.hosts.lenskit import ColdplugFallback

HERE = Path(__file__).parent
DEMO = (
    HERE.parent / "demo" / "model",
    *(HERE / "films_and_books" / f"{name}.csv" for name in ("interactions", "users")),
)
model, interactions, users = map(Path, sys.argv[1:4]) if len(sys.argv) == 4 else DEMO

plug = coldplug.load(model)
rows = pd.read_csv(interactions, dtype={"user_id": str, "item_id": str})[["user_id", "item_id"]]
somebody, new = rows["user_id"].iloc[0], sorted(set(plug.item_ids) - set(rows["item_id"]))
# Items without interactions are named too, so that LensKit has them among its candidates.
data = from_interactions_df(rows, items=sorted(plug.item_ids))

pipe = topn_pipeline(ImplicitMFScorer(embedding_size=16)).modify()
filled = pipe.add_component(
    *("coldplug", ColdplugFallback, {"model": model, "users": users}),
    query=pipe.node("history-lookup"),
    primary=pipe.node("scorer"),
)
pipe.connect("ranker", items=filled)
recommender = pipe.build()
recommender.train(data, TrainingOptions(rng=0))

before, after = recommender.run(("scorer", "coldplug"), query=somebody)
old = ~np.isin(after.ids(), new)
same = np.array_equal(before.scores()[old], after.scores()[old])
print(
    f"User {somebody} was trained on. Scores of {old.sum()} old items are {'the same' if same else 'others'}, to the bit."
)
print(f"{(~old).sum()} new items had no interactions; the best of them now, by LensKit's own ranking:")
found = recommender.run("recommender", query=somebody, n=len(after))
shown = [item for item in found.ids().tolist() if item in new][:3]
for item in shown:
    print(f"   place {found.ids().tolist().index(item) + 1} of {len(found)}: {plug.explain({}, item).title}")

clicks = rows["item_id"].value_counts().index[:2].tolist()
newcomer = RecQuery(user_id="never met", history_items=ItemList(item_ids=clicks))
print(
    f"\nSomebody that nobody has met, after two clicks ({', '.join(plug.explain({}, i).title for i in clicks)}):"
)
for item in recommender.run("recommender", query=newcomer, n=5).ids().tolist():
    print(f"   {plug.explain({}, item).title}")
