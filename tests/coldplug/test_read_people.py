"""Reading users and interactions: formats, what is left out and counted, and the place of every mistake."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from c1_world import write_world

from coldplug.read import find_beside, load_training_data, read_interactions, read_users
from plugbase.errors import UserError

ITEMS = ["1", "007", "x y"]


def put(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_users_keep_numbers_lists_and_codes(tmp_path: Path) -> None:
    users = read_users(
        put(tmp_path / "users.csv", "user_id,age,zip,likes,note\n01,25,48067,a|b,\n2,,98107-21,c,x\n")
    )
    assert list(users.ids) == ["01", "2"]
    assert users.attributes[0] == {"age": 25, "zip": "48067", "likes": ["a", "b"]}
    assert users.attributes[1] == {"zip": "98107-21", "likes": "c", "note": "x"}


def test_users_from_jsonl_and_parquet_are_the_same(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    records = [
        {"user_id": "u1", "age": 30, "tags": ["x", "y"]},
        {"user_id": "u2", "age": None, "tags": ["z"]},
    ]
    lines = put(tmp_path / "u.jsonl", "".join(json.dumps(r) + "\n" for r in records))
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "u.parquet")
    assert read_users(lines) == read_users(tmp_path / "u.parquet")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("user_id,a\n1,x\n1,y\n", r"users\.csv:3: user '1' comes twice"),
        ("user,a\n1,x\n", r"users\.csv:2: no user_id"),
        ("user_id,a\n1,x,z\n", r"users\.csv:2: 3 cells"),
    ],
)
def test_a_wrong_user_names_file_line_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_users(put(tmp_path / "users.csv", text))


def test_interactions_number_users_and_items(tmp_path: Path) -> None:
    path = put(
        tmp_path / "i.csv",
        "user_id,item_id,rating,timestamp\nb,1,4,10\na,007,2.5,11\nc,x y,5,12\nb,nope,1,13\n",
    )
    found = read_interactions(path, ITEMS, ["a"])
    assert list(found.user_ids) == ["a", "b", "c"]
    assert found.interactions.users.tolist() == [1, 0, 2]
    assert found.interactions.items.tolist() == [0, 1, 2]
    assert found.interactions.ratings.tolist() == [4.0, 2.5, 5.0]
    assert found.interactions.timestamps is not None
    assert found.interactions.timestamps.tolist() == [10, 11, 12]
    assert dict(found.unknown_items) == {"nope": 1}


def test_without_ratings_every_row_is_a_positive(tmp_path: Path) -> None:
    found = read_interactions(put(tmp_path / "i.csv", "user_id,item_id\na,1\n"), ITEMS)
    assert np.isnan(found.interactions.ratings).all()
    assert found.interactions.timestamps is None


def test_of_rows_that_repeat_the_latest_counts(tmp_path: Path) -> None:
    timed = "user_id,item_id,rating,timestamp\na,1,5,20\na,1,1,10\nb,1,3,1\n"
    found = read_interactions(put(tmp_path / "i.csv", timed), ITEMS)
    assert found.interactions.ratings.tolist() == [5.0, 3.0]
    assert found.repeated == 1
    untimed = "user_id,item_id,rating\na,1,5\na,1,1\n"
    assert read_interactions(put(tmp_path / "j.csv", untimed), ITEMS).interactions.ratings.tolist() == [1.0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("user_id,item_id,rating\na,1,good\n", r"i\.csv:2: rating is 'good'"),
        ("user_id,item_id,rating\na,1,nan\n", r"i\.csv:2: rating is 'nan'"),
        ("user_id,item_id,timestamp\na,1,5\na,1,noon\n", r"i\.csv:3: timestamp is 'noon'"),
        ("user_id,item_id\na,1\n,1\n", r"i\.csv:3: user_id is missing"),
        ("user_id,itemid\na,1\n", r"i\.csv:2: no item_id .*(?s:.*)did you mean 'itemid'"),
    ],
)
def test_a_wrong_interaction_names_file_line_and_value(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_interactions(put(tmp_path / "i.csv", text), ITEMS)


def test_files_beside_the_graph_are_found(tmp_path: Path) -> None:
    graph = tmp_path / "graph.ttl"
    assert find_beside(graph) == (None, None)
    put(tmp_path / "interactions.jsonl", "")
    put(tmp_path / "users.csv", "")
    assert find_beside(graph) == (tmp_path / "users.csv", tmp_path / "interactions.jsonl")
    put(tmp_path / "users.jsonl", "")
    with pytest.raises(UserError, match=r"users\.jsonl, users\.csv"):
        find_beside(graph)


def test_training_data_is_one_id_space(tmp_path: Path) -> None:
    folder = write_world(tmp_path)
    with (folder / "interactions.csv").open("a") as stream:
        stream.write("stranger,i3,5\nu1,gone,5\n")
    remarks: list[str] = []
    data = load_training_data(folder / "graph.ttl", remarks=remarks)
    assert data.positive_at == pytest.approx(2 + 0.75 * 3)
    assert data.user_ids[-1] == "stranger"
    assert data.user_attributes[-1] == {}
    assert len(data.user_attributes) == len(data.user_ids)
    assert any("1 interactions left out: their 1 items are not in the graph ('gone')" in r for r in remarks)
    assert any("1 users have interactions but no row" in r for r in remarks)


def test_no_interactions_says_what_was_looked_for(tmp_path: Path) -> None:
    folder = write_world(tmp_path)
    (folder / "interactions.csv").unlink()
    with pytest.raises(UserError, match=r"looked for interactions\{.*\.parquet"):
        load_training_data(folder / "graph.ttl")


def test_interactions_of_another_catalogue_are_refused(tmp_path: Path) -> None:
    folder = write_world(tmp_path)
    put(folder / "interactions.csv", "user_id,item_id\na,b\n")
    with pytest.raises(UserError, match="none of its rows is about an item of the graph"):
        load_training_data(folder / "graph.ttl", remarks=[])
