"""Make the SIMULATED readers and viewers of this example, whose tastes follow facts about the items.

Nobody in users.csv exists. Run `python simulate_people.py` in this folder to write items.jsonl, users.csv and
interactions.csv anew: the same seed gives the same bytes. README.md tells the whole recipe.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
NEW_SHARE = 0.15
FEWEST, MOST = 12, 60
FIRST_DAY = 1_672_531_200  # 2023-01-01, in seconds since 1970
DAY = 86_400

Taste = dict[str, float]

# The tables that follow are inventions for this example and describe no real occupation, country or age.


@dataclass(frozen=True)
class Leaning:
    """How common an attribute value is, what it likes, and which circles it is found in."""

    share: float
    likes: dict[str, float]
    circles: dict[str, float] = field(default_factory=dict)


def _tags(text: str, weight: float = 1.0) -> dict[str, float]:
    """Likings of equal weight for comma-separated tags."""
    return {f"tag:{tag.strip()}": weight for tag in text.split(",")}


# People of one circle like the same things: this is what makes neighbours of a person informative.
CIRCLES: dict[str, dict[str, float]] = {
    "stargazers": _tags("space, robots, dystopia, science gone wrong, desert")
    | {"genre:Science fiction": 1.2},
    "sleuths": _tags("detective, murder plot, secrets, femme fatale, trains") | {"genre:Mystery": 0.8},
    "outlaws": _tags("underworld, heist, greed, gunfighters, revenge, betrayal, chase, ambition")
    | {"genre:Crime": 0.8},
    "romantics": _tags("romance, heartbreak, marriage, melancholy, sisters, lyrical, envy")
    | {"genre:Romance": 1.0},
    "witnesses": _tags("wartime, genocide, politics, injustice, conscience, colonialism, exile, bleak"),
    "dreamers": _tags("magic, quest, whimsical, fairy tale, school, animals") | {"genre:Fantasy": 1.0},
    "night owls": _tags("dread, monsters, gothic, haunting, madness, obsession") | {"genre:Horror": 1.0},
    "householders": _tags("family, fathers, mothers, childhood, memory, grief, tender, ageing"),
    "wanderers": _tags("sea, island, survival, wilderness, treasure, quest, desert")
    | {"genre:Adventure": 0.8},
    "jesters": _tags("satire, dark comedy, slapstick, show business, class divide") | {"genre:Comedy": 1.0},
}

OCCUPATIONS: dict[str, Leaning] = {
    "teacher": Leaning(
        10, _tags("school, coming of age, childhood, orphans"), {"dreamers": 2, "householders": 2}
    ),
    "engineer": Leaning(
        10, _tags("space, robots, science gone wrong, survival"), {"stargazers": 5, "wanderers": 1}
    ),
    "nurse": Leaning(
        9, _tags("grief, family, conscience, despair and hope"), {"householders": 4, "romantics": 2}
    ),
    "lawyer": Leaning(
        7, _tags("courtroom, justice, injustice, prison, power"), {"sleuths": 3, "witnesses": 3}
    ),
    "journalist": Leaning(
        7, _tags("journalists, politics, secrets, surveillance"), {"witnesses": 4, "sleuths": 2}
    ),
    "artist": Leaning(
        8, _tags("artists, lyrical, outsiders, obsession, music"), {"romantics": 3, "night owls": 2}
    ),
    "farmer": Leaning(6, _tags("animals, countryside, work, community"), {"wanderers": 3, "householders": 2}),
    "shopkeeper": Leaning(8, _tags("class divide, greed, slapstick, work"), {"jesters": 3, "outlaws": 2}),
    "police officer": Leaning(
        6, _tags("detective, underworld, chase, justice"), {"outlaws": 4, "sleuths": 3}
    ),
    "soldier": Leaning(5, _tags("wartime, sacrifice, friendship, spies"), {"witnesses": 3, "outlaws": 3}),
    "librarian": Leaning(
        6, _tags("books and reading, gothic, medieval, faith"), {"sleuths": 2, "romantics": 2, "dreamers": 2}
    ),
    "student": Leaning(
        10, _tags("coming of age, rebellion, school, identity"), {"stargazers": 2, "night owls": 3}
    ),
    "retired": Leaning(2, _tags("memory, ageing, marriage, postwar"), {"householders": 3, "witnesses": 2}),
}

COUNTRIES: dict[str, Leaning] = {
    "United Kingdom": Leaning(16, _tags("royalty, class divide, spies", 0.8) | {"maker:Jane Austen": 0.8}),
    "United States": Leaning(18, _tags("gunfighters, courtroom, space", 0.8)),
    "France": Leaning(11, _tags("romance, lyrical, rebellion", 0.8) | {"maker:Victor Hugo": 0.8}),
    "Germany": Leaning(11, _tags("wartime, surveillance, fairy tale", 0.8) | {"maker:Fritz Lang": 0.8}),
    "Italy": Leaning(10, _tags("family, faith, friendship", 0.8) | {"maker:Sergio Leone": 0.8}),
    "Japan": Leaning(11, _tags("swordsmen, magic, ageing", 0.8) | {"maker:Akira Kurosawa": 0.8}),
    "India": Leaning(10, _tags("family, childhood, colonialism, identity", 0.8)),
    "Nigeria": Leaning(6, _tags("colonialism, immigrants, fathers", 0.8)),
    "Brazil": Leaning(7, _tags("underworld, music, magic", 0.8)),
}

MEDIA: dict[str, Leaning] = {
    "mostly films": Leaning(40, {"category:film": 2.2}),
    "mostly books": Leaning(30, {"category:book": 2.2}),
    "both": Leaning(30, {}),
}

YOUNGER = _tags("magic, school, robots, coming of age, rebellion, dystopia, monsters", 0.6) | {
    "age:recent": 1.0
}
OLDER = _tags("memory, ageing, postwar, faith, melancholy, wartime, marriage", 0.6) | {"age:old": 1.0}


@dataclass(frozen=True)
class Person:
    """One simulated person: the attributes that are written out and the taste that is not."""

    user_id: str
    age: int
    occupation: str
    country: str
    medium: str
    taste: Taste


def read_items(folder: Path) -> list[dict[str, Any]]:
    """The films, then the books, as they lie in the folder."""
    lines = [
        line for name in ("films.jsonl", "books.jsonl") for line in (folder / name).open(encoding="utf-8")
    ]
    return [json.loads(line) for line in lines]


def facts_of(item: dict[str, Any], tags: list[str]) -> list[str]:
    """The facts that a taste can weigh: tags, genres, makers, category, and whether it is old or recent."""
    known = item["attributes"]
    facts = [f"tag:{tag}" for tag in tags] + [f"genre:{genre}" for genre in known["genre"]]
    facts += [f"maker:{name}" for name in known.get("director", []) + known.get("author", [])]
    facts.append(f"category:{item['category']}")
    if known["year"] < 1950:
        facts.append("age:old")
    elif known["year"] >= 1990:
        facts.append("age:recent")
    return facts


def is_new(item_id: str) -> bool:
    """Whether an item is one of those that nobody has rated yet: decided by a hash of its id alone."""
    digest = hashlib.sha256(f"fresh:{item_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") < NEW_SHARE * 2**64


def add(taste: Taste, likes: Taste, weight: float) -> None:
    """Add `weight` times `likes` to a taste, in place."""
    for fact, liking in likes.items():
        taste[fact] = taste.get(fact, 0.0) + weight * liking


def draw(rng: np.random.Generator, weights: dict[str, float]) -> str:
    """One key of a table, with probability proportional to its weight."""
    names = list(weights)
    edges = np.cumsum([weights[name] for name in names])
    return names[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def make_person(number: int, seed: int, fact_counts: Counter[str]) -> Person:
    """Draw one person: attributes first, then the taste that they lean towards, then what is theirs alone."""
    rng = np.random.default_rng([seed, number])
    age = int(np.clip(np.round(16 + 62 * rng.random() ** 1.4), 16, 78))
    occupations = {name: row.share for name, row in OCCUPATIONS.items()}
    if age < 24:
        occupations["student"] *= 12
    if age > 62:
        occupations["retired"] *= 40
    occupation = draw(rng, occupations)
    country = draw(rng, {name: row.share for name, row in COUNTRIES.items()})
    medium = draw(rng, {name: row.share for name, row in MEDIA.items()})

    taste: Taste = {}
    for row in (OCCUPATIONS[occupation], COUNTRIES[country], MEDIA[medium]):
        add(taste, row.likes, 1.0 + 0.3 * rng.standard_normal())
    youth = (42 - age) / 22
    add(taste, YOUNGER if youth > 0 else OLDER, abs(youth) + 0.2 * rng.standard_normal())

    chances = {name: 1.0 + OCCUPATIONS[occupation].circles.get(name, 0.0) for name in CIRCLES}
    for weight in (1.0, 0.6):
        add(taste, CIRCLES[draw(rng, chances)], weight)

    # Personal likings fall on facts that several items share, as often as items share them.
    shared = {
        fact: float(count)
        for fact, count in sorted(fact_counts.items())
        if count >= 2 and not fact.startswith("category:")
    }
    for liking in (1.2, 1.0, 0.8, 0.8, 0.6, -0.8, -1.0):
        add(taste, {draw(rng, shared): liking}, 1.0)
    return Person(f"u{number:03d}", age, occupation, country, medium, taste)


def popularity(items: list[dict[str, Any]], seed: int) -> np.ndarray:
    """Log of how often each item is met, shape (n_items,): a long tail over a random order of the items."""
    ranks = np.random.default_rng([seed, 10_000_001]).permutation(len(items))
    return -0.9 * np.log(ranks + 6.0)


def interactions_of(
    person: Person, facts: list[list[str]], met: np.ndarray, new: np.ndarray, seed: int
) -> list[tuple[int, int, int]]:
    """What one person has rated, as (timestamp, index of the item, rating) with the timestamps increasing.

    Items are drawn without replacement (Gumbel top-k), with probability proportional to how often an item is
    met times exp(1.1 liking); the rating is the person's liking of the item against their others, with noise.
    """
    rng = np.random.default_rng([seed, 1, int(person.user_id[1:])])
    liking = np.array([sum(person.taste.get(fact, 0.0) for fact in row) for row in facts])
    liking = np.round(liking / max(float(np.std(liking)), 1e-9), 6)
    gumbel = -np.log(-np.log(rng.random(len(facts))))
    keys = np.where(new, -np.inf, met + 1.1 * liking + gumbel)
    many = int(FEWEST + (MOST - FEWEST + 1) * rng.random() ** 2.2)
    chosen = np.argsort(-keys, kind="stable")[:many]
    chosen = chosen[rng.permutation(many)]

    stars = 3.0 + 0.75 * (liking[chosen] - np.mean(liking)) + 0.55 * rng.standard_normal(many)
    ratings = np.clip(np.round(stars), 1, 5).astype(int)
    joined = FIRST_DAY + int(500 * DAY * rng.random())
    times = joined + np.cumsum(3600 + (9 * DAY * rng.random(many) ** 2).astype(np.int64))
    return [(int(t), int(i), int(r)) for t, i, r in zip(times, chosen, ratings, strict=True)]


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write rows below a header, with line ends that are the same on every system."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def main() -> None:
    """Read the items and their tags, simulate, and write the three files."""
    parser = argparse.ArgumentParser(description="Simulate the readers and viewers of this example.")
    parser.add_argument("--seed", type=int, default=7, help="another seed makes other people (default: 7)")
    parser.add_argument("--people", type=int, default=400, help="how many people to make (default: 400)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write to (default: this one)")
    asked = parser.parse_args()

    items = read_items(HERE)
    tags = json.loads((HERE / "tastes.json").read_text(encoding="utf-8"))["items"]
    untagged = [item["id"] for item in items if not tags.get(item["id"])]
    if untagged:
        parser.error(f'tastes.json has no tags for {", ".join(untagged[:10])}: add them under "items"')
    facts = [facts_of(item, tags[item["id"]]) for item in items]
    new = np.array([is_new(item["id"]) for item in items])
    met = popularity(items, asked.seed)
    fact_counts = Counter(fact for row in facts for fact in row)

    people = [make_person(number, asked.seed, fact_counts) for number in range(1, asked.people + 1)]
    log = [
        (time, person.user_id, items[index]["id"], rating)
        for person in people
        for time, index, rating in interactions_of(person, facts, met, new, asked.seed)
    ]
    log.sort()

    asked.out.mkdir(parents=True, exist_ok=True)
    with (asked.out / "items.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    write_csv(
        asked.out / "users.csv",
        ["user_id", "age", "occupation", "country", "medium"],
        [[p.user_id, p.age, p.occupation, p.country, p.medium] for p in people],
    )
    write_csv(
        asked.out / "interactions.csv",
        ["user_id", "item_id", "rating", "timestamp"],
        [[user, item, rating, time] for time, user, item, rating in log],
    )
    print(
        f"{len(items)} items ({int(new.sum())} of them new, with no interaction), "
        f"{len(people)} simulated people, {len(log)} interactions -> {asked.out}"
    )


if __name__ == "__main__":
    main()
