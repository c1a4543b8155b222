"""The whole way from items to graph: order, workers, failures, carrying on after a real kill -9."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import slow_extractor

from kgbuild.pipeline import ExtractSettings, ExtractSummary, extract_graph
from plugbase.console import Console
from plugbase.errors import UserError

ROOT = Path(__file__).parents[2]
OUTPUTS = ("graph.ttl", "graph.evidence.jsonl", "graph.merges.jsonl", "graph.rejected.jsonl")
ADJECTIVES = ("brave", "lonely", "golden", "silent", "hidden", "last", "first", "broken")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{ROOT}:{Path(__file__).parent}")


def items(count: int) -> list[dict[str, object]]:
    return [
        {
            "id": str(number),
            "title": f"Film {number}",
            "description": f"{ADJECTIVES[number % 8]} {ADJECTIVES[number // 8 % 8]} tale of bot{number % 13}",
            "genre": ["Drama", "War"][: 1 + number % 2],
            "year": 1950 + number % 60,
        }
        for number in range(count)
    ]


def put(records: list[dict[str, object]], name: str = "items.jsonl") -> str:
    Path(name).write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return name


def run(source: str, backend: str = "none", **options: object) -> ExtractSummary:
    settings = ExtractSettings(source, Path("graph.ttl"), backend, **options)  # type: ignore[arg-type]
    return extract_graph(settings, Console(quiet=True))


def written() -> dict[str, bytes]:
    return {name: Path(name).read_bytes() for name in OUTPUTS if Path(name).exists()}


def begun() -> list[str]:
    return slow_extractor.LOG.read_text().split() if slow_extractor.LOG.exists() else []


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "kgbuild", "extract", "items.jsonl", "-o", "graph.ttl", *options]


def test_workers_order_of_lines_and_format_do_not_change_a_byte() -> None:
    import pyarrow
    from pyarrow import parquet

    records = items(70)
    summary = run(put(records), "slow_extractor:Costly")
    expected = written()
    assert summary.items == 70
    assert summary.facts_by_source["slow:last@1"] == 70
    Path("graph.work.sqlite").unlink()
    assert run(put(records), "slow_extractor:Costly", workers=2).reused == 0
    assert written() == expected
    random.Random(1).shuffle(records)
    Path("graph.work.sqlite").unlink()
    Path("items.jsonl.gz").write_bytes(gzip.compress(Path(put(records)).read_bytes()))
    run("items.jsonl.gz", "slow_extractor:Costly")
    assert written() == expected
    parquet.write_table(pyarrow.Table.from_pylist(records), "items.parquet")
    run("items.parquet", "slow_extractor:Costly")
    assert written() == expected


def test_hash_seed_and_standard_input_do_not_change_a_byte() -> None:
    run(put(items(30)))
    expected = written()
    for seed in ("1", "2"):
        with open("items.jsonl", "rb") as stream:
            environment = {**os.environ, "PYTHONHASHSEED": seed}
            options = ["extract", "-", "-o", "graph.ttl", "--backend", "none"]
            subprocess.run(
                [sys.executable, "-m", "kgbuild", *options], stdin=stream, env=environment, check=True
            )
        assert written() == expected


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_run_that_is_killed_carries_on_and_ends_in_the_same_bytes(workers: str) -> None:
    put(items(150))
    options = ("--backend", "slow_extractor:Slow", "--workers", workers)
    with subprocess.Popen(command(*options), stderr=subprocess.DEVNULL, start_new_session=True) as process:
        deadline = time.monotonic() + 20
        while len(begun()) < 60:
            assert process.poll() is None, "ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    time.sleep(1.0)  # workers notice that their parent is gone
    before = len(begun())
    time.sleep(0.3)
    assert len(begun()) == before, "a worker outlived its parent"
    assert not Path("graph.ttl").exists()

    done = subprocess.run(command(*options, "--json"), capture_output=True, text=True, check=True)
    reused = json.loads(done.stdout)["reused"]
    in_flight = 1 if workers == "1" else 2 * 2 * 16
    assert reused >= before - in_flight
    assert len(begun()) == before + 150 - reused
    assert "carrying on" in done.stderr
    resumed = written()
    assert run("items.jsonl", "slow_extractor:Slow", workers=1).reused == 0
    assert written() == resumed


def test_interrupt_is_130_and_carries_on_too() -> None:
    put(items(100))
    options = ("--backend", "slow_extractor:Slow", "--workers", "2")
    with subprocess.Popen(
        command(*options), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        while len(begun()) < 40:
            assert process.poll() is None
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert run("items.jsonl", "slow_extractor:Slow", workers=1).reused > 0


def test_costly_answers_are_kept_and_only_what_changed_is_asked_again() -> None:
    records = items(10)
    assert run(put(records), "slow_extractor:Costly").reused == 0
    records[3]["description"] = "An altogether different ending"
    records.append({"id": "new", "title": "New", "description": "Something new"})
    assert run(put(records), "slow_extractor:Costly").reused == 9
    assert begun()[10:] == ["new", "3"]
    assert '"raw_value": "ending"' in Path("graph.evidence.jsonl").read_text()


def test_another_fingerprint_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run(put(items(5)), "slow_extractor:Costly")
    monkeypatch.setattr(slow_extractor.Costly, "fingerprint", "slow@2")
    assert run("items.jsonl", "slow_extractor:Costly").reused == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_that_fails_is_named_and_stays_with_what_the_catalogue_knows(workers: int) -> None:
    summary = run(put(items(40)), "slow_extractor:Faulty", workers=workers)
    assert (summary.items, summary.rejected, summary.failed) == (40, 0, 3)
    rejects = [json.loads(line) for line in Path("graph.rejected.jsonl").read_text().splitlines()]
    assert [(reject["line"], reject["value"]) for reject in rejects] == [(4, "3"), (6, "5"), (8, "7")]
    assert [reject["reason"] for reject in rejects] == [
        "no facts from the text: the model refused",
        "no facts from the text: KeyError: 'no such word'",
        "no facts from the text: the extractor gave no result",
    ]
    assert 'dcterms:identifier "5"' in Path("graph.ttl").read_text()
    assert summary.facts_by_source["slow:last@1"] == 37
    # What failed is tried again, what did not is not.
    assert run("items.jsonl", "slow_extractor:Slow", workers=1).reused == 37
    assert not Path("graph.rejected.jsonl").exists()
    with pytest.raises(UserError, match=r"items.jsonl:4: no facts from the text: the model refused"):
        run("items.jsonl", "slow_extractor:Faulty", strict=True, workers=1)


def test_half_a_character_from_a_model_does_not_stop_the_run() -> None:
    run(put(items(2)), "slow_extractor:HalfCharacter")
    assert "rivalry \ufffd" in Path("graph.ttl").read_text(encoding="utf-8")


def test_bad_lines_and_repeated_ids_are_set_aside() -> None:
    lines = [
        '{"id": 1, "title": "A"}',
        "{",
        '{"id": "1", "title": "B"}',
        '{"id": 2}',
        '{"id": 3, "title": "C"}',
    ]
    Path("items.jsonl").write_text("\n".join(lines))
    summary = run("items.jsonl")
    assert (summary.items, summary.rejected) == (2, 3)
    rejects = [json.loads(line) for line in Path("graph.rejected.jsonl").read_text().splitlines()]
    assert [reject["line"] for reject in rejects] == [2, 3, 4]
    assert rejects[1] == {
        "file": "items.jsonl",
        "line": 3,
        "reason": "the id is already used on line 1",
        "value": "1",
    }
    with pytest.raises(UserError, match=r"items\.jsonl:2: not JSON"):
        run("items.jsonl", strict=True)
    put(items(1))
    assert run("items.jsonl").rejected == 0
    assert not Path("graph.rejected.jsonl").exists()


def test_nothing_to_read_is_an_error_that_leaves_the_graph_alone() -> None:
    run(put(items(2)))
    before = Path("graph.ttl").read_bytes()
    Path("items.jsonl").write_text("{\n{\n")
    with pytest.raises(UserError, match=r"items\.jsonl:1: all 2 lines were rejected; the first: not JSON"):
        run("items.jsonl")
    Path("items.jsonl").write_text("")
    with pytest.raises(UserError, match="there is no item in it"):
        run("items.jsonl")
    assert Path("graph.ttl").read_bytes() == before


def test_inline_evidence_takes_the_place_of_the_file() -> None:
    run(put(items(2)))
    assert Path("graph.evidence.jsonl").exists()
    run("items.jsonl", evidence="inline")
    assert not Path("graph.evidence.jsonl").exists()
    assert "rdf:Statement" in Path("graph.ttl").read_text()


def test_two_runs_do_not_write_one_graph() -> None:
    put(items(200))
    with subprocess.Popen(
        command("--backend", "slow_extractor:Slow", "--workers", "1"), stderr=subprocess.DEVNULL
    ) as process:
        while not begun():
            assert process.poll() is None
            time.sleep(0.005)
        with pytest.raises(UserError, match="another run is writing this graph"):
            run("items.jsonl")
        process.kill()


def test_a_full_disk_is_no_bug_and_leaves_no_half_graph() -> None:
    put(items(150))
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from kgbuild.cli import main\n"
        f"main({command('--backend', 'none')[3:]}, prog_name='kgbuild')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "cannot be written: " in done.stderr
    assert not Path("graph.ttl").exists()
    run("items.jsonl")


def test_a_work_file_that_is_none_is_named() -> None:
    Path("graph.work.sqlite").write_text("this is a text file, and long enough to be looked at " * 100)
    with pytest.raises(UserError, match=r"graph.work.sqlite: this is no work file"):
        run(put(items(1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": Path("graph.nt")}, "end in .ttl"),
        ({"output": Path()}, "the output is a folder"),
        ({"base": "kg"}, "cannot be the base"),
        ({"overrides": Path("none.jsonl")}, "no such file of merges"),
        ({"overrides": Path("./graph.merges.jsonl")}, "would write over it"),
        ({"backend": "lokal"}, "did you mean 'local'"),
        ({"backend": "no_such_module:Class"}, "cannot be loaded"),
        ({"items": "none.jsonl"}, "none.jsonl: cannot be read"),
    ],
)
def test_wrong_settings(options: dict[str, object], message: str) -> None:
    put(items(1))
    given = {"items": "items.jsonl", "output": Path("graph.ttl"), "backend": "none", **options}
    with pytest.raises(UserError, match=message):
        extract_graph(ExtractSettings(**given), Console(quiet=True))  # type: ignore[arg-type]


def test_the_output_folder_is_made() -> None:
    put(items(1))
    extract_graph(ExtractSettings("items.jsonl", Path("a/b/graph.ttl"), "none"), Console(quiet=True))
    names = sorted(path.name for path in Path("a/b").iterdir())
    assert names == ["graph.evidence.jsonl", "graph.ttl", "graph.work.sqlite"]
