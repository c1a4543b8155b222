"""The marked-up training labels become items whose facts quote their text, or an error that names the line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from plugbase.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "training" / "markup.py"
_spec = importlib.util.spec_from_file_location("training_markup", SCRIPT)
assert _spec is not None
assert _spec.loader is not None
markup = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(markup)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "films.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_marks_become_facts_with_their_place(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "# Salt [series:Road] 2 | movie\nIn [period:1830s] [setting:Norway], a ferryman\n"
        "[theme~smuggling:smuggles letters].\n\n"
        "# Café | book\nNothing is said — nothing.\n",
    )
    first, second = markup.read_labels(path)
    assert (first["id"], first["title"], first["category"]) == ("films-001", "Salt Road 2", "movie")
    assert first["description"] == "In 1830s Norway, a ferryman smuggles letters."
    assert [(fact["relation"], fact["value"], fact["field"]) for fact in first["facts"]] == [
        ("series", "Road", "title"),
        ("period", "1830s", "description"),
        ("setting", "Norway", "description"),
        ("theme", "smuggling", "description"),
    ]
    words = [first[fact["field"]][fact["start"] : fact["end"]] for fact in first["facts"]]
    assert words == ["Road", "1830s", "Norway", "smuggles letters"]
    assert second["facts"] == []
    assert second["id"] == "films-002"


@pytest.mark.parametrize(
    ("text", "said", "line"),
    [
        ("# A | movie\nA [mod:bleak] film.\n", "did you mean 'mood'?", 1),
        ("# A | movie\nFine.\n\n# B | movie\nA [mood:bleak film.\n", "a bracket that is no mark", 4),
        ("# A | movie\nA [mood: bleak] film.\n", "space at the edge", 1),
        ("# A\nText.\n", "no category", 1),
        ("# A | movie\n\n# B | book\nText.\n", "no text under", 1),
        ("Text.\n", "text before the first title", 1),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path: Path, text: str, said: str, line: int) -> None:
    path = written(tmp_path, text)
    with pytest.raises(UserError) as caught:
        list(markup.read_labels(path))
    assert said in str(caught.value)
    assert f"{path}:{line}:" in str(caught.value)


def test_all_labels_are_read_and_quote_their_text(tmp_path: Path) -> None:
    output = tmp_path / "items.jsonl"
    subprocess.run([sys.executable, str(SCRIPT), "-o", str(output)], check=True)
    items = [json.loads(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert len({item["id"] for item in items}) == len(items) > 100
    assert len({item["title"] for item in items}) == len(items)
    for item in items:
        for fact in item["facts"]:
            words = item[fact["field"]][fact["start"] : fact["end"]]
            assert words == words.strip() != "", (item["id"], fact)


def test_the_table_counts_what_was_read(tmp_path: Path) -> None:
    path = written(tmp_path, "# A | movie\nA [mood:bleak], [mood:slow] film.\n\n# B | movie\nNothing.\n")
    lines = markup.table(markup.read_labels(path)).splitlines()
    assert "| items | 2 | 2 |" in lines
    assert "| mood | 2 | 2 |" in lines
    assert "| theme | 0 | 0 |" in lines
    assert lines[-1] == "| facts | 2 | 2 |"
