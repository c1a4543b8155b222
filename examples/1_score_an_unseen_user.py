"""Score items for people the model has never met, by what is known of them: nothing, or an age and an occupation.

python examples/1_score_an_unseen_user.py     after `make demo`, which makes the graph and the model
"""

from pathlib import Path

import coldplug

ITEMS = {"f075": "Aliens", "b030": "Mrs Dalloway", "f016": "Pinocchio", "b018": "A Study in Scarlet"}
PEOPLE: list[dict[str, object]] = [
    {},
    {"age": 19, "occupation": "student"},
    {"age": 27, "occupation": "engineer"},
    {"age": 44, "occupation": "teacher"},
    {"age": 61, "occupation": "retired"},
]


plug = coldplug.load(Path(__file__).parents[1] / "demo" / "model")


def named(person: dict[str, object]) -> str:
    """Somebody in a few words."""
    return ", ".join(map(str, person.values())) or "nothing is known"


print("Nobody has rated the last one: it is scored by its facts alone. Higher is better, within a line.\n")
print(f"{'':16}", *(f"{title:>20}" for title in ITEMS.values()))
scores = plug.score_batch([(person, None) for person in PEOPLE], list(ITEMS))
for person, row in zip(PEOPLE, scores, strict=True):
    print(f"{named(person):16}", *(f"{score:20.2f}" for score in row))

print("\nThe best five of everything, for each of them:")
for person in PEOPLE:
    print(f"- {named(person)}:", ", ".join(found.title for found in plug.recommend(person, k=5)))
