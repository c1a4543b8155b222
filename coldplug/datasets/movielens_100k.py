"""MovieLens-100K with timestamps: u.data, u.item, u.user, or the csv and json edition with plots."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coldplug.datasets import films, raw
from coldplug.datasets.writing import Prepared, write_items, write_table
from plugbase.errors import UserError

# Order of the nineteen flags at the end of a row of u.item (u.genre in the release).
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama"),
    *(
        "Fantasy",
        "Film-Noir",
        "Horror",
        "Musical",
        "Mystery",
        "Romance",
        "Sci-Fi",
        "Thriller",
        "War",
        "Western",
    ),
)
ITEM_FIELDS = 5 + len(GENRES)
UNNAMED = "unknown"
"""The release's own title for a film that it cannot name."""
BILLED = 10
"""Actors taken from a cast list, which runs to sixty names of extras."""


def prepare(raw_dir: Path, out_dir: Path) -> Prepared:
    """Write the three files; where both lie there, titles and genres of u.item win over items_info.json's."""
    info_path = raw.first_of(raw_dir, ["items_info.json"])
    item_path = raw.first_of(raw_dir, ["u.item"])
    items_path = info_path or item_path or raw.require(raw_dir, ["u.item", "items_info.json"])
    users_path = raw.require(raw_dir, ["u.user", "users_info.csv"])
    ratings_path = raw.require(raw_dir, ["u.data", "ratings.csv"])

    items = dict(_published_items(item_path)) if item_path else {}
    for ident, extra in _described_items(info_path) if info_path else ():
        items[ident] = _merged(items.get(ident), extra)
    users = list(_users(users_path))
    remarks = []
    unnamed = [ident for ident, item in items.items() if item["title"] == UNNAMED]
    if unnamed:
        remarks.append(
            f"{len(unnamed)} films without a title are called {UNNAMED!r}: {', '.join(unnamed[:5])}"
        )

    files = (out_dir / "items.jsonl", out_dir / "users.csv", out_dir / "interactions.csv")
    n_items = write_items(files[0], items.values())
    n_users = write_table(files[1], ["user_id", "gender", "age", "occupation", "region", "zip"], users)
    header = ["user_id", "item_id", "rating", "timestamp"]
    rows = (
        raw.csv_rows(ratings_path, header)
        if ratings_path.suffix == ".csv"
        else raw.split_rows(ratings_path, "\t", 4, "latin-1")
    )
    checked = raw.ratings(ratings_path, rows, {u[0] for u in users}, set(items), users_path, items_path)
    n_ratings = write_table(files[2], header, checked)
    described = sum("description" in item for item in items.values())
    return Prepared("ml-100k", n_items, n_users, n_ratings, described, files, tuple(remarks))


def _published_items(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for _, parts in raw.split_rows(path, "|", ITEM_FIELDS, "latin-1"):
        title, year = films.split_title(parts[1])
        genres = [
            name for name, flag in zip(GENRES, parts[5:], strict=True) if flag == "1" and name != UNNAMED
        ]
        yield parts[0], _item(parts[0], title, "", {"genre": genres, "year": year})


def _described_items(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """items_info.json, less its IMDb score, which is what an audience thought later, no fact of the film."""
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        raise UserError(f"not JSON: {error}", file=str(path), line=line) from error
    if not isinstance(records, list):
        raise UserError("expected a list of films", file=str(path))
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict) or not str(record.get("movielens_id", "")).strip():
            raise UserError(f"film {number} of the list has no movielens_id", file=str(path))
        ident = str(record["movielens_id"])

        def text(name: str, record: dict[str, Any] = record) -> str:
            value = str(record.get(name) or "").strip()
            return "" if value == "N/A" else value

        year = text("year")[:4]
        attributes = {
            "genre": films.split_names(text("genres")),
            "year": int(year) if year.isdecimal() else None,
            "director": films.split_names(text("directors")),
            "actor": films.split_names(text("cast"))[:BILLED],
        }
        yield ident, _item(ident, text("title"), text("plot"), attributes)


def _item(ident: str, title: str, description: str, attributes: dict[str, Any]) -> dict[str, Any]:
    item: dict[str, Any] = {"id": ident, "title": title or UNNAMED}
    if description:
        item["description"] = description
    return item | {"category": "movie", "attributes": {n: v for n, v in attributes.items() if v}}


def _merged(published: dict[str, Any] | None, extra: dict[str, Any]) -> dict[str, Any]:
    if published is None:
        return extra
    item = {**extra, **published, "attributes": {**extra["attributes"], **published["attributes"]}}
    if published["title"] == UNNAMED:
        item["title"] = extra["title"]
    return {
        name: item[name] for name in ("id", "title", "description", "category", "attributes") if name in item
    }


def _users(path: Path) -> Iterator[list[str]]:
    columns = ["user_id", "age", "gender", "occupation", "zip_code"]
    rows = raw.csv_rows(path, columns) if path.suffix == ".csv" else raw.split_rows(path, "|", 5, "latin-1")
    for line, (ident, age, gender, occupation, zip_code) in rows:
        raw.number(age, "the age", path, line)
        yield [ident, gender, age, occupation, films.region(zip_code), zip_code]
