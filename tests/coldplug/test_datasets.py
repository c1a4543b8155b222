"""Preparing published data sets, from raw files written here in their format and from the real ones."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coldplug.datasets import prepare
from coldplug.datasets.films import region, split_credits, split_names, split_title
from coldplug.read import read_users
from plugbase.errors import UserError

MOVIES = (
    "1::Toy Story (1995)::Animation|Children's|Comedy\n50::Usual Suspects, The (1995)::Crime|Thriller\n"
    "73::Misérables, Les (1995)::Drama|Musical\n80::White Balloon, The (Badkonake Sefid ) (1995)::Drama\n"
)
USERS = "1::F::1::10::48067\n2::M::56::16::V3N4P\n"
RATINGS = "1::50::5::978300760\n1::1::3::978302109\n2::73::4::978301968\n"
EXTRA = (
    "1::Toy Story::1995::G::22 Nov 1995::Animation::John Lasseter::"
    "Pete Docter (story), Pete Docter (screenplay)"
    "::Tom Hanks, Tim Allen::A boy :: and his toys.::http://x\n"
    "50::The Usual Suspects::1995::N/A::N/A::Crime::N/A::N/A::N/A::N/A::N/A\n"
    "73::torn off\n"
)


def movielens_1m(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "movies.dat").write_text(MOVIES, encoding="latin-1")
    (folder / "users.dat").write_text(USERS)
    (folder / "ratings.dat").write_text(RATINGS)
    (folder / "movies_extrainfos.dat").write_text(EXTRA, encoding="utf-8")
    return folder


def movielens_100k(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    flags = ["0"] * 19
    flags[1] = flags[5] = "1"
    row = ["1", "Postino, Il (1994)", "01-Jan-1994", "", "http://x", *flags]
    (folder / "u.item").write_text(
        "|".join(row) + "\n" + "|".join(["2", "unknown", "", "", "", "1", *["0"] * 18]), encoding="latin-1"
    )
    (folder / "u.user").write_text("1|24|M|technician|85711\n")
    (folder / "u.data").write_text("1\t1\t3\t881250949\n1\t2\t5\t881250950\n")
    return folder


def items_of(folder: Path) -> dict[str, dict[str, Any]]:
    lines = (folder / "items.jsonl").read_text(encoding="utf-8").splitlines()
    return {item["id"]: item for item in map(json.loads, lines)}


def test_movielens_1m_as_published(tmp_path: Path) -> None:
    done = prepare("movielens-1m", movielens_1m(tmp_path / "raw"), tmp_path / "out")
    assert (done.items, done.users, done.interactions, done.described) == (4, 2, 3, 1)
    items = items_of(tmp_path / "out")
    assert items["1"] == {
        "id": "1",
        "title": "Toy Story",
        "description": "A boy :: and his toys.",
        "category": "movie",
        "attributes": {
            "genre": ["Animation", "Children's", "Comedy"],
            "year": 1995,
            "director": ["John Lasseter"],
            "writer": ["Pete Docter"],
            "writer_credit": ["Pete Docter (story)"],
            "actor": ["Tom Hanks", "Tim Allen"],
            "rated": ["G"],
        },
    }
    assert items["50"]["title"] == "The Usual Suspects"
    assert items["50"]["attributes"] == {"genre": ["Crime", "Thriller"], "year": 1995}
    assert items["73"]["title"] == "Les Misérables"
    assert items["80"]["title"] == "The White Balloon (Badkonake Sefid)"
    assert any("1 rows" in remark and "line 3" in remark for remark in done.remarks)
    users = read_users(tmp_path / "out" / "users.csv")
    assert users.attributes[0]["occupation"] == "K-12 student"
    assert users.attributes[1]["region"] == "other"
    rows = list(csv.reader((tmp_path / "out" / "interactions.csv").open()))
    assert rows[:2] == [["user_id", "item_id", "rating", "timestamp"], ["1", "50", "5", "978300760"]]
    assert not list((tmp_path / "out").glob("*.part"))


def test_ratings_without_times_and_no_extra_facts_serve_too(tmp_path: Path) -> None:
    raw = movielens_1m(tmp_path / "raw")
    (raw / "ratings.dat").unlink()
    (raw / "movies_extrainfos.dat").unlink()
    (raw / "ratings_notime.csv").write_text("user_id,movie_id,rating\n1,50,5\n")
    done = prepare("ml-1m", raw, tmp_path / "out")
    assert (done.interactions, done.described) == (1, 0)
    assert (tmp_path / "out" / "interactions.csv").read_text() == "user_id,item_id,rating\n1,50,5\n"


def test_movielens_100k_as_published_and_with_plots(tmp_path: Path) -> None:
    raw = movielens_100k(tmp_path / "raw")
    done = prepare("ml-100k", raw, tmp_path / "out")
    assert (done.items, done.users, done.interactions) == (2, 1, 2)
    assert items_of(tmp_path / "out")["1"]["title"] == "Il Postino"
    assert items_of(tmp_path / "out")["1"]["attributes"] == {"genre": ["Action", "Comedy"], "year": 1994}
    film = {
        "movielens_id": "1",
        "title": "The Postman",
        "plot": "Letters.",
        "genres": "Drama",
        "rating": "7.8",
    }
    film |= {"directors": "Michael Radford", "cast": "Massimo Troisi, Philippe Noiret", "year": "1994"}
    (raw / "items_info.json").write_text(json.dumps([film]))
    prepare("ml-100k", raw, tmp_path / "out")
    item = items_of(tmp_path / "out")["1"]
    assert (item["title"], item["description"]) == ("Il Postino", "Letters.")
    assert item["attributes"]["director"] == ["Michael Radford"]
    assert "7.8" not in json.dumps(item)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("movies.dat", "1::Toy Story (1995)\n", r"movies\.dat:1: expected 3 fields"),
        ("movies.dat", MOVIES + "1::Again (1995)::Drama\n", r"movies\.dat:5: movie '1' comes twice"),
        ("users.dat", "1::F::1::10::48067\n2::M::56::99::1\n", r"users\.dat:2: occupation '99'"),
        ("ratings.dat", RATINGS + "1::50::five::1\n", r"ratings\.dat:4: the rating is 'five'"),
        ("ratings.dat", RATINGS + "1::51::5::1\n", r"ratings\.dat:4: movie '51' is not in movies\.dat"),
        ("ratings.dat", "9::50::5::1\n", r"ratings\.dat:1: user '9' is not in users\.dat"),
    ],
)
def test_a_bad_raw_row_names_file_and_line(tmp_path: Path, name: str, content: str, complaint: str) -> None:
    raw = movielens_1m(tmp_path / "raw")
    (raw / name).write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=complaint):
        prepare("movielens-1m", raw, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*.part"))


def test_unknown_names_and_missing_files_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'movielens-1m'"):
        prepare("movielens-1n", tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match=r"found none of movies\.dat"):
        prepare("movielens-1m", tmp_path, tmp_path / "out")
    with pytest.raises(UserError, match="no such folder"):
        prepare("ml-100k", tmp_path / "nowhere", tmp_path / "out")


@pytest.mark.parametrize(
    ("raw", "title", "year"),
    [
        ("Usual Suspects, The (1995)", "The Usual Suspects", 1995),
        ("Postino, Il (The Postman) (1994)", "Il Postino (The Postman)", 1994),
        ("Hate (Haine, La) (1995)", "Hate (La Haine)", 1995),
        ("Enfer, L' (1994)", "L'Enfer", 1994),
        ("301, 302 (1995)", "301, 302", 1995),
        ("Paris, Texas (1984)", "Paris, Texas", 1984),
        ("unknown", "unknown", None),
    ],
)
def test_titles_are_put_in_reading_order(raw: str, title: str, year: int | None) -> None:
    assert split_title(raw) == (title, year)


def test_people_and_credits() -> None:
    assert split_names("Robert Downey, Jr., N/A, Ann B (x, y), Ann B (x, y)") == [
        "Robert Downey, Jr.",
        "Ann B (x, y)",
    ]
    names, sources = split_credits(
        "Chris Van Allsburg (book), Greg Taylor (screen story), Jim Strain, Al (play)"
    )
    assert names == ["Chris Van Allsburg", "Greg Taylor", "Jim Strain", "Al"]
    assert sources == ["Chris Van Allsburg (book)", "Al (play)"]
    assert [region("02138"), region("V3N4P"), region("")] == ["0xxxx", "other", ""]


@pytest.mark.data
@pytest.mark.skipif("COLDPLUG_DATA" not in os.environ, reason="COLDPLUG_DATA names no data folder")
@pytest.mark.parametrize(
    ("name", "folder", "counts"),
    [
        ("movielens-1m", "ml-1m", (3883, 6040, 1_000_209, 3845)),
        ("ml-100k", "ml-100k", (1682, 943, 100_000, 1674)),
    ],
)
def test_the_real_files(tmp_path: Path, name: str, folder: str, counts: tuple[int, ...]) -> None:
    done = prepare(name, Path(os.environ["COLDPLUG_DATA"]) / folder, tmp_path)
    assert (done.items, done.users, done.interactions, done.described) == counts
    titles: Callable[[dict[str, Any]], bool] = lambda item: bool(item["title"])  # noqa: E731
    assert all(map(titles, items_of(tmp_path).values()))
