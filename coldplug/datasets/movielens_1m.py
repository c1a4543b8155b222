"""MovieLens-1M as published, with plots and people from movies_extrainfos.dat where that lies beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from coldplug.datasets import films, raw
from coldplug.datasets.writing import Prepared, write_items, write_table
from plugbase.errors import UserError

# The code book in the release's README; the names keep its slashes.
OCCUPATIONS = (
    *("other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service"),
    *("doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer"),
    *("programmer", "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer"),
    *("tradesman/craftsman", "unemployed", "writer"),
)
EXTRA_FIELDS = 11


def prepare(raw_dir: Path, out_dir: Path) -> Prepared:
    """Write the three files; ratings come from ratings.dat, else from ratings_notime.csv."""
    movies_path = raw.require(raw_dir, ["movies.dat"])
    users_path = raw.require(raw_dir, ["users.dat"])
    ratings_path = raw.require(raw_dir, ["ratings.dat", "ratings_notime.csv"])
    extra, remarks = _extra_facts(raw_dir)
    items = list(_items(movies_path, extra))
    users = list(_users(users_path))
    files = (out_dir / "items.jsonl", out_dir / "users.csv", out_dir / "interactions.csv")
    n_items = write_items(files[0], items)
    n_users = write_table(files[1], ["user_id", "gender", "age", "occupation", "region", "zip"], users)
    timed = ratings_path.suffix == ".dat"
    rows = (
        raw.split_rows(ratings_path, "::", 4, "latin-1")
        if timed
        else raw.csv_rows(ratings_path, ["user_id", "movie_id", "rating"])
    )
    checked = raw.ratings(
        ratings_path, rows, {u[0] for u in users}, {str(i["id"]) for i in items}, users_path, movies_path
    )
    header = ["user_id", "item_id", "rating"] + ["timestamp"] * timed
    n_ratings = write_table(files[2], header, checked)
    described = sum("description" in item for item in items)
    return Prepared("movielens-1m", n_items, n_users, n_ratings, described, files, tuple(remarks))


def _items(path: Path, extra: dict[str, dict[str, object]]) -> Iterator[dict[str, object]]:
    seen: set[str] = set()
    for line, (ident, raw_title, genres) in raw.split_rows(path, "::", 3, "latin-1"):
        if ident in seen:
            raise UserError(f"movie {ident!r} comes twice", file=str(path), line=line)
        seen.add(ident)
        title, year = films.split_title(raw_title)
        more = dict(extra.get(ident, {}))
        description = more.pop("description", None)
        attributes: dict[str, object] = {"genre": [g for g in genres.split("|") if g]}
        if year is not None:
            attributes["year"] = year
        item: dict[str, object] = {"id": ident, "title": title}
        if description:
            item["description"] = description
        yield item | {"category": "movie", "attributes": attributes | more}


def _users(path: Path) -> Iterator[list[str]]:
    for line, (ident, gender, age, occupation, zip_code) in raw.split_rows(path, "::", 5, "latin-1"):
        raw.number(age, "the age", path, line)
        if not (occupation.isdecimal() and int(occupation) < len(OCCUPATIONS)):
            raise UserError(
                f"occupation {occupation!r} is not a code from 0 to {len(OCCUPATIONS) - 1}",
                file=str(path),
                line=line,
            )
        yield [ident, gender, age, OCCUPATIONS[int(occupation)], films.region(zip_code), zip_code]


def _extra_facts(raw_dir: Path) -> tuple[dict[str, dict[str, object]], list[str]]:
    """Facts by movie id. The file is a third party's: rows that do not parse are counted, not fatal."""
    path = raw.first_of(raw_dir, ["movies_extrainfos.dat"])
    if path is None:
        return {}, ["no movies_extrainfos.dat: the items have no descriptions, only titles, genres and years"]
    facts: dict[str, dict[str, object]] = {}
    odd: list[int] = []
    with path.open(encoding="utf-8", errors="replace") as stream:
        for line, text in enumerate(stream, start=1):
            parts = text.rstrip("\r\n").split("::")
            if not text.strip():
                continue
            if len(parts) < EXTRA_FIELDS:
                odd.append(line)
                continue
            # a plot may hold the separator; the nine fields before it and the poster after it do not
            plot = "::".join(parts[9:-1]).strip()
            found: dict[str, object] = {}
            if plot not in ("", "N/A"):
                found["description"] = plot
            writers, credits = films.split_credits(parts[7])
            for name, values in [
                ("director", films.split_names(parts[6])),
                ("writer", writers),
                ("writer_credit", credits),
                ("actor", films.split_names(parts[8])),
                ("rated", films.split_names(parts[3])),
            ]:
                if values:
                    found[name] = values
            facts[parts[0]] = found
    remarks = []
    if odd:
        remarks.append(
            f"{path.name}: {len(odd)} rows without {EXTRA_FIELDS} fields left out, first at line {odd[0]}"
        )
    return facts, remarks
