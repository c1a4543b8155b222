"""Tables: every format gives the same records, and every bad line is named by its number."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugbase.errors import UserError
from plugbase.tables import BadRecord, Record, cell_value, read_table

RECORDS: list[Record] = [
    {"id": "1", "title": 'Say "Hello",\nGoodbye', "genre": ["Drama", "War"], "year": 1994},
    {"id": "2", "title": "Amélie — κόσμε", "year": 2001, "score": 8.5},
]


def write_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS), encoding="utf-8")
    return path


def write_csv(path: Path) -> Path:
    lines = [
        "id,title,genre,year,score",
        '1,"Say ""Hello"",\nGoodbye",Drama|War,1994,',
        "2,Amélie — κόσμε,,2001,8.5",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_jsonl_plain_gzipped_and_with_bom_give_the_same_records(tmp_path: Path) -> None:
    plain = write_jsonl(tmp_path / "a.jsonl")
    zipped, marked = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    expected = list(enumerate(RECORDS, start=1))
    assert list(read_table(plain)) == expected
    assert list(read_table(zipped)) == expected
    assert list(read_table(marked)) == expected


def test_csv_numbers_lists_and_the_line_after_a_quoted_newline(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv")
    rows = list(read_table(path, text_columns=("id", "title")))
    assert rows == [(2, RECORDS[0]), (4, RECORDS[1])]
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert list(read_table(path, text_columns=("id", "title"))) == rows
    zipped = tmp_path / "a.csv.gz"
    zipped.write_bytes(gzip.compress(path.read_bytes()))
    assert list(read_table(zipped, text_columns=("id", "title"))) == rows


def test_parquet_keeps_types_and_leaves_nulls_out(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist([*RECORDS, {"id": "3"}]), tmp_path / "a.parquet")
    rows = list(read_table(tmp_path / "a.parquet"))
    assert rows[0] == (1, RECORDS[0])
    assert rows[2] == (3, {"id": "3"})


def test_parquet_that_is_none_is_a_user_error(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 but not really")
    with pytest.raises(UserError, match="parquet"):
        list(read_table(tmp_path / "a.parquet"))


def test_standard_input_is_json_lines() -> None:
    program = "from plugbase.tables import read_table\nfor row in read_table('-'): print(row)"
    done = subprocess.run(
        [sys.executable, "-c", program], input=b'{"a": 1}\n\n{"a": 2}\n', capture_output=True, check=True
    )
    assert done.stdout.decode().splitlines() == ["(1, {'a': 1})", "(3, {'a': 2})"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": ', "not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": -Infinity}', "-Infinity is not a JSON number"),
        (b"[1, 2]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a": "\xff"}', "not UTF-8: byte 0xff at position 8"),
        (b'{"a": %s}' % (b"[" * 100_000), "not JSON"),
        (b'{"a": %s}' % (b"9" * 5_000), "not JSON"),
    ],
)
def test_a_bad_json_line_is_named_and_the_next_is_read(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n' + line + b'\n{"a": 3}')
    first, bad, last = read_table(path)
    assert first == (1, {"a": 1})
    assert bad[0] == 2
    assert isinstance(bad[1], BadRecord)
    assert reason in bad[1].reason
    assert len(bad[1].text) <= 200
    assert last == (3, {"a": 3})


def test_a_line_without_end_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("plugbase.tables.MAX_LINE_BYTES", 100)
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": "' + b"x" * 1_000 + b'"}\n{"a": 2}\n')
    (number, bad), after = read_table(path)
    assert number == 1
    assert isinstance(bad, BadRecord)
    assert after == (2, {"a": 2})


def test_a_cut_gzip_file_gives_what_is_whole_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    lines = b"".join(b'{"a": "%032x"}\n' % (number * 2**100 // 7) for number in range(50_000))
    path.write_bytes(gzip.compress(lines)[:-2_000])
    rows = list(read_table(path))
    assert len(rows) > 1_000
    assert isinstance(rows[-1][1], BadRecord)
    assert "damaged" in rows[-1][1].reason


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        (b"id,n\n1,2,3\n4,5\n", 2, "3 cells where the header names 2"),
        (b"id,n\n1\n4,5\n", 2, "1 cells where the header names 2"),
        (b"id,n\n\xff,2\n4,5\n", 2, "not UTF-8 in column 'id'"),
        (b'id,n\n"a"b,2\n4,5\n', 2, "not CSV"),
    ],
)
def test_a_bad_csv_record_is_named_and_the_next_is_read(
    tmp_path: Path, content: bytes, line: int, reason: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    (number, bad), (_, last) = read_table(path)
    assert number == line
    assert isinstance(bad, BadRecord)
    assert reason in bad.reason
    assert last == {"id": 4, "n": 5}


def test_a_quote_that_is_never_closed_is_named_where_it_opens(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('id,n\n1,2\n2,"open\n3,4\n5,6\n', encoding="utf-8")
    good, (line, bad) = read_table(path)
    assert good == (2, {"id": 1, "n": 2})
    assert line == 3
    assert isinstance(bad, BadRecord)
    assert "never closed" in bad.reason


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "id,,n\n", "column 2 has no name"),
        ("a.csv", "id,n,id\n", "two columns are called 'id'"),
        ("a.csv", "id;n\n1;2\n", "separate columns by commas"),
        ("a.jsonl", '[{"id": 1}]', "one JSON array"),
        ("a.jsonl", "[\n", "one JSON array"),
        ("a.xlsx", "", "known endings"),
    ],
)
def test_what_is_wrong_with_a_whole_file(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        list(read_table(tmp_path / name))


def test_missing_file_folder_and_utf16_are_user_errors(tmp_path: Path) -> None:
    (tmp_path / "d.jsonl").mkdir()
    (tmp_path / "u.jsonl").write_text('{"a": 1}', encoding="utf-16")
    for name, message in [("no.jsonl", "No such file"), ("d.jsonl", "directory"), ("u.jsonl", "UTF-16")]:
        with pytest.raises(UserError, match=message):
            list(read_table(tmp_path / name))
    with pytest.raises(UserError, match="no such file"):
        list(read_table(tmp_path / "no.parquet"))


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7),
        ("-2", -2),
        ("3.50", 3.5),
        ("007", "007"),
        ("1e5", "1e5"),
        ("1,000", "1,000"),
        ("nan", "nan"),
        ("٣", "٣"),
        ("9" * 30, "9" * 30),
        ("a|b", ["a", "b"]),
        (" a | 2 |", ["a", 2]),
    ],
)
def test_cell_value(cell: str, value: object) -> None:
    assert cell_value(cell) == value


@given(st.lists(st.dictionaries(st.text(min_size=1), st.text() | st.integers(-(2**60), 2**60)), max_size=5))
def test_any_json_record_comes_back(tmp_path_factory: pytest.TempPathFactory, records: list[Record]) -> None:
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    assert [record for _, record in read_table(path)] == records
