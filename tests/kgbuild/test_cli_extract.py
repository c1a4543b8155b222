"""`kgbuild extract` as a process: exit statuses, streams, what it prints and what it does not import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from kgbuild.cli import main
from plugbase.errors import UserError

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT}:{Path(__file__).parent}"}
TOY_STORY = {
    "id": "1",
    "title": "Toy Story",
    "description": "A toy rivalry",
    "director": "John Lasseter",
    "year": 1995,
}


def kgbuild(folder: Path, *options: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "kgbuild", *options]
    return subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, input=stdin, capture_output=True, timeout=60, check=False
    )


def extract(folder: Path, *options: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return kgbuild(
        folder, "extract", "items.jsonl", "-o", "graph.ttl", "--backend", "none", *options, stdin=stdin
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.jsonl").write_text(json.dumps(TOY_STORY) + "\n", encoding="utf-8")
    return tmp_path


def test_done_is_0_with_a_summary_on_standard_output(folder: Path) -> None:
    done = extract(folder)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert text.startswith("graph.ttl written in ")
    for part in ("items", "from catalogue", "director 1, year 1", "evidence: graph.evidence.jsonl"):
        assert part in text
    assert len(text.splitlines()) < 20
    assert sorted(path.name for path in folder.iterdir()) == [
        "graph.evidence.jsonl",
        "graph.ttl",
        "graph.work.sqlite",
        "items.jsonl",
    ]


def test_json_is_the_summary_and_nothing_else(folder: Path) -> None:
    summary = json.loads(extract(folder, "--json").stdout)
    assert (summary["items"], summary["rejected"], summary["facts"]) == (1, 0, 2)
    assert summary["facts_by_source"] == {"catalogue": 2}
    assert summary["files"] == {"graph": "graph.ttl", "evidence": "graph.evidence.jsonl"}


def test_quiet_prints_nothing(folder: Path) -> None:
    done = extract(folder, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_rejected_items_are_3_and_strict_is_2(folder: Path) -> None:
    with (folder / "items.jsonl").open("a", encoding="utf-8") as items:
        items.write('{"id": 2, "descripton": "x"}\n')
    done = extract(folder)
    assert done.returncode == 3
    assert ["rejected", "lines", "1"] in [line.split() for line in done.stdout.decode().splitlines()]
    assert b"graph.rejected.jsonl" in done.stdout
    strict = extract(folder, "--strict")
    assert strict.returncode == 2
    assert strict.stdout == b""
    assert b"items.jsonl:2: neither title nor description; key 'descripton'" in strict.stderr
    assert b"did you mean 'description'?" in strict.stderr


def test_a_text_that_gave_no_answer_is_3(folder: Path) -> None:
    with (folder / "items.jsonl").open("a", encoding="utf-8") as items:
        items.write('{"id": 3, "title": "Heat", "description": "A heist"}\n')
    done = kgbuild(folder, "extract", "items.jsonl", "-o", "graph.ttl", "--backend", "slow_extractor:Faulty")
    assert done.returncode == 3
    assert b"items whose text gave no answer  1" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["extrat", "items.jsonl"], "did you mean 'extract'?"),
        (["extract", "items.jsonl"], "Missing option '-o'"),
        (["extract", "-o", "graph.ttl"], "Missing argument 'ITEMS'"),
        (["extract", "no.jsonl", "-o", "graph.ttl", "--backend", "none"], "no.jsonl: cannot be read"),
        (["extract", "items.jsonl", "-o", "graph.ttl", "--backend", "lokal"], "did you mean 'local'?"),
        (["extract", "items.jsonl", "-o", "graph.ttl", "--workers", "0"], "0 is not in the range"),
        (["extract", "items.jsonl", "-o", "graph.ttl", "--model", "x"], "only with --backend openai"),
        (
            ["extract", "items.jsonl", "-o", "graph.ttl", "--schema", "no.yaml"],
            "no.yaml: cannot read the schema",
        ),
    ],
)
def test_wrong_use_is_2_and_says_what_to_do(folder: Path, options: list[str], message: str) -> None:
    done = kgbuild(folder, *options)
    assert done.returncode == 2
    assert done.stdout == b""
    assert message in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_standard_input(folder: Path) -> None:
    options = ["extract", "-", "-o", "graph.ttl", "--backend", "none", "--json"]
    done = kgbuild(folder, *options, stdin=b'\xef\xbb\xbf{"id": 1, "title": "A"}\n{"id": 2}\n')
    assert done.returncode == 3
    assert json.loads(done.stdout)["items"] == 1
    assert json.loads((folder / "graph.rejected.jsonl").read_text())["file"] == "-"


def test_corrections_to_merges_are_applied(folder: Path) -> None:
    lines = [
        {"id": "1", "title": "A", "director": "Alfred Hitchcock"},
        {"id": "2", "title": "B", "director": "A. Hitchcock"},
    ]
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    labels = ["Alfred Hitchcock", "A. Hitchcock"]
    for ruling, n_values in [("merge", 1), ("keep_apart", 2)]:
        (folder / "mine.jsonl").write_text(json.dumps({"range": "person", ruling: labels}), encoding="utf-8")
        done = json.loads(extract(folder, "--json", "--merges", "mine.jsonl").stdout)
        assert (done["values"], done["values_merged"]) == (n_values, 2 - n_values)
        assert (folder / "graph.merges.jsonl").exists() == (ruling == "merge")
    assert b'skos:altLabel "A. Hitchcock"' not in (folder / "graph.ttl").read_bytes()


def test_options_of_the_openai_backend_reach_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[dict[str, object]] = []

    def load(name: str, **options: object) -> None:
        made.append({"name": name, **options})
        raise UserError("far enough")

    monkeypatch.setattr("kgbuild.pipeline.load_extractor", load)
    monkeypatch.chdir(folder)
    options = ["--backend", "openai", "--model", "m", "--base-url", "http://127.0.0.1:1/v1", "--workers", "9"]
    done = CliRunner().invoke(main, ["extract", "items.jsonl", "-o", "graph.ttl", *options])
    assert (done.exit_code, done.stderr) == (2, "main: far enough\n")
    assert {"schema", "group"} <= made[0].keys()
    del made[0]["schema"], made[0]["group"]
    assert made == [{"name": "openai", "model": "m", "base_url": "http://127.0.0.1:1/v1", "concurrency": 9}]


def test_help_has_an_example_and_answers_at_once(folder: Path) -> None:
    began = time.monotonic()
    done = kgbuild(folder, "extract", "--help")
    took = time.monotonic() - began
    assert done.returncode == 0
    assert b"kgbuild extract items.jsonl -o graph.ttl" in done.stdout
    assert took < 5.0, "even on a busy machine"
    program = (
        "import sys; from kgbuild.cli import main\n"
        "try: main(['extract', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'spacy', 'numpy', 'pyarrow', 'openai', 'rich', 'yaml', 'rapidfuzz', 'pydantic'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    imports = subprocess.run(
        [sys.executable, "-c", program], env=ENVIRONMENT, capture_output=True, text=True, check=True
    )
    assert imports.stdout.splitlines()[-1] == "heavy: []"


def test_version(folder: Path) -> None:
    done = kgbuild(folder, "--version")
    assert done.returncode == 0
    assert done.stdout.startswith(b"kgbuild, ")


def test_the_entry_point_is_the_command_line() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert scripts["kgbuild"] == "kgbuild.cli:main"
