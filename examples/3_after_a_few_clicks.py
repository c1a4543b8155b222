"""A newcomer clicks four times: after each click the list is another one, and says why.

python examples/3_after_a_few_clicks.py     after `make demo`, which makes the graph and the model
"""

from pathlib import Path

import coldplug

CLICKS = [("f065", 5), ("f070", 4), ("b016", 5), ("b030", 1)]  # (item, rating): the last one disappoints
WHO = {"age": 27}

plug = coldplug.load(Path(__file__).parents[1] / "demo" / "model")
before: list[str] = []
for n_clicks in range(len(CLICKS) + 1):
    support = CLICKS[:n_clicks]
    if support:
        ident, rating = support[-1]
        print(f"\nClick {n_clicks}: {plug.explain(WHO, ident).title}, {rating} of 5 stars")
    else:
        print("No click yet; all that is known is an age")
    found = plug.recommend(WHO, k=5, support=support)
    for one in found:
        reasons = [reason.label for reason in one.reasons if reason.kind != "base"]
        because = f"  because of {', '.join(reasons)}" if reasons else ""
        print(f"   {' ' if one.item_id in before else '*'} {one.title}{because}")
    before = [one.item_id for one in found]

print("\n(* was not on the list before.) The way from the person to the first of them:")
for reason in plug.explain(WHO, found[0].item_id, support=CLICKS).reasons:
    if reason.path:
        way = [f"{step.by} {step.label}" if step.kind == "value" else step.label for step in reason.path]
        print(f"   {reason.share:+5.2f}  {' > '.join(way)}")
