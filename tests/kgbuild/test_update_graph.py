"""Updating: any sequence of changes ends in what a fresh build gives, values keep their names, kills lose nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import slow_extractor
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted_llm_server import Reply, Request, ScriptedServer, answered
from update_world import FILES, ROOT, Record, build, contents, in_folder, merges, put, update  # noqa: F401

from kgbuild.cli import main
from kgbuild.cli.extract import TEACHER
from kgbuild.maintain.names import kept_names
from kgbuild.maintain.update import UpdateSettings, update_graph
from kgbuild.read.graph import GraphFile, read_graph
from kgbuild.resolve import Resolution
from kgbuild.types import Item
from kgbuild.workfile import WorkFile
from plugbase.console import Console
from plugbase.errors import UserError

PEOPLE = [
    "J. Lasseter",
    "John Lasseter",
    "john lasseter",
    "Jane Lasseter",
    "J Lasseter",
    "Ann Lee",
    "Anne Lee",
]
WORDS = ["tales", "tale", "Tale", "theatre", "theater", "robot", "robots"]
contents_of_an_item = st.fixed_dictionaries(
    {
        "title": st.sampled_from(["A", "B"]),
        "description": st.sampled_from([f"a story of {word}" for word in WORDS]),
        "director": st.lists(st.sampled_from(PEOPLE), max_size=2),
        "theme": st.lists(st.sampled_from(WORDS), max_size=2),
        "year": st.sampled_from([1995, 1995.5, "1995-11-22"]),
    }
)
changes = st.lists(
    st.dictionaries(st.sampled_from("12345"), contents_of_an_item | st.none(), min_size=1, max_size=3),
    min_size=1,
    max_size=4,
)


@pytest.mark.parametrize("backend", ["none", "slow_extractor:Costly"])
@given(first=st.dictionaries(st.sampled_from("12345"), contents_of_an_item, min_size=1), later=changes)
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_any_changes_end_in_what_a_fresh_build_of_all_items_gives(
    backend: str, first: dict[str, Record], later: list[dict[str, Record | None]]
) -> None:
    for path in Path().glob("*graph*"):
        path.unlink()
    items = dict(first)
    graph = build([{"id": key, **record} for key, record in items.items()], backend)
    for step in later:
        # An item that is not there cannot be retracted; one has to be left.
        step = {key: record for key, record in step.items() if record is not None or key in items}
        if not {key for key in {*items, *step} if step.get(key, items.get(key)) is not None}:
            continue
        before = {value: graph.value_iri(value) for value in graph.values}
        labels_before = {value: [value[1], *others] for value, others in graph.values.items()}
        slow_extractor.LOG.unlink(missing_ok=True)
        update(
            [
                {"id": key, **({"retracted": True} if record is None else record)}
                for key, record in step.items()
            ],
            backend=backend,
        )
        changed = {key for key, record in step.items() if record is not None and items.get(key) != record}
        items = {key: record for key, record in {**items, **step}.items() if record is not None}
        graph = read_graph("graph.ttl")
        if backend != "none" and slow_extractor.LOG.exists():
            assert set(slow_extractor.LOG.read_text().split()) <= changed
        found_merges = merges()
        fresh = build([{"id": key, **record} for key, record in items.items()], backend, "fresh.graph.ttl")
        assert contents(graph) == contents(fresh)
        evidence = [Path(f"{name}graph.evidence.jsonl").read_text().splitlines() for name in ("", "fresh.")]
        assert sorted(evidence[0]) == sorted(evidence[1])
        fresh_merges = Path("fresh.graph.merges.jsonl")
        assert found_merges == (fresh_merges.read_text().splitlines() if fresh_merges.exists() else [])
        _check_names(graph, before, labels_before)


def _check_names(
    graph: GraphFile, before: dict[tuple[str, str], str], labels: dict[tuple[str, str], list[str]]
) -> None:
    """A value that was there and is there still has its name; one name stands for one value."""
    home = {
        (scope, one): (scope, label)
        for (scope, label), others in graph.values.items()
        for one in [label, *others]
    }
    names = [graph.value_iri(value) for value in graph.values]
    assert len(set(names)) == len(names)
    for value, iri in before.items():
        now = home.get(value)
        if now is None:
            continue
        rivals = {before[other] for other in before if home.get(other) == now}
        assert graph.value_iri(now) in rivals
        if rivals == {iri} or now == value:
            assert graph.value_iri(now) == iri
    assert labels.keys() == before.keys()


def test_a_value_keeps_its_name_when_it_gets_another_label() -> None:
    graph = build([{"id": "1", "title": "A", "mood": "Sad & low"}])
    name = graph.value_iri(("mood", "Sad & low"))
    update([{"id": key, "title": "B", "mood": "sad and low"} for key in "234"])
    graph = read_graph("graph.ttl")
    assert graph.values == {("mood", "sad and low"): ["Sad & low"]}
    assert graph.value_iri(("mood", "sad and low")) == name
    # The label that gave it its name is said no more, and the name stays all the same.
    update([{"id": "1", "retracted": True}])
    graph = read_graph("graph.ttl")
    assert graph.values == {("mood", "sad and low"): []}
    assert graph.value_iri(("mood", "sad and low")) == name


def test_of_values_that_become_one_the_name_of_the_label_that_stands_is_kept(tmp_path: Path) -> None:
    from kgbuild.write.iris import ValueNames

    names = ValueNames({("x", "a"): "x:1", ("x", "b"): "x:2", ("x", "c"): "x:3", ("x", "d"): "x:4"})
    values = {("x", "a"): [], ("x", "b"): [], ("x", "c"): ["e", "f"], ("x", "d"): ["g"]}
    earlier = GraphFile(tmp_path, "urn:x:", {}, values, names, None, [])
    now = Resolution(
        [], {}, {("x", "b"): ["a"], ("x", "e"): [], ("x", "f"): [], ("x", "g"): ["d"], ("x", "h"): []}
    )
    assert kept_names(earlier, now) == {("x", "b"): "x:2", ("x", "e"): "x:3", ("x", "g"): "x:4"}
    now = Resolution([], {}, {("x", "z"): ["a", "b"]})
    assert kept_names(earlier, now) == {("x", "z"): "x:1"}


def test_only_what_is_new_or_changed_is_read() -> None:
    records: list[Record] = [
        {"id": str(n), "title": f"Film {n}", "description": f"the tale {n}"} for n in range(30)
    ]
    build(records, "slow_extractor:Slow", workers=1)
    slow_extractor.LOG.unlink()
    changed = {"id": "3", "title": "Film 3", "description": "another ending"}
    summary = update(
        [
            *records[5:8],
            changed,
            {"id": "new", "title": "N", "description": "x"},
            {"id": "4", "retracted": True},
        ],
        backend="slow_extractor:Slow",
    )
    assert (summary.added, summary.changed, summary.retracted, summary.unchanged) == (1, 1, 1, 3)
    assert sorted(slow_extractor.LOG.read_text().split()) == ["3", "new"]
    assert summary.graph.items == 30


def test_what_cannot_be_changed_is_set_aside() -> None:
    build([{"id": "1", "title": "A"}, {"id": "2", "title": "B"}])
    Path("new.jsonl").write_text(
        '{"id": "9", "retracted": true}\n{"id": "1", "retracted": true}\n{"id": "1", "title": "C"}\n'
        '{"id": "1", "retracted": true}\n{"id": "3"}\n{"retracted": true}\n{\n'
    )
    given = UpdateSettings(Path("graph.ttl"), "new.jsonl")
    summary = update_graph(given, Console(quiet=True))
    assert (summary.retracted, summary.graph.rejected, summary.graph.items) == (1, 6, 1)
    rejects = [json.loads(line) for line in Path("graph.rejected.jsonl").read_text().splitlines()]
    assert [(reject["line"], reject["reason"].partition(":")[0]) for reject in rejects] == [
        (1, "there is no item of this id to retract"),
        (3, "the id is already used on line 2"),
        (4, "the id is already used on line 2"),
        (5, "neither title nor description"),
        (6, "no id"),
        (7, "not JSON"),
    ]
    before = {name: Path(name).read_bytes() for name in FILES if Path(name).exists()}
    with pytest.raises(UserError, match=r"new\.jsonl:1: there is no item of this id"):
        update_graph(UpdateSettings(Path("graph.ttl"), "new.jsonl", strict=True), Console(quiet=True))
    with pytest.raises(UserError, match="no item would be left"):
        update([{"id": "2", "retracted": True}])
    assert before == {name: Path(name).read_bytes() for name in FILES if Path(name).exists()}
    assert update([{"id": "3", "title": "C"}]).graph.items == 2


def test_an_item_that_gave_no_answer_before_is_asked_again() -> None:
    records: list[Record] = [{"id": str(n), "title": "F", "description": f"tale {n}"} for n in range(9)]
    build(records, "slow_extractor:Faulty", workers=1)
    summary = update([{"id": "new", "title": "N", "description": "x y"}], backend="slow_extractor:Faulty")
    rejects = [json.loads(line) for line in Path("graph.rejected.jsonl").read_text().splitlines()]
    assert [(reject["file"], reject["line"], reject["value"]) for reject in rejects] == [
        ("graph.ttl", 0, name) for name in ("3", "5", "7")
    ]
    assert summary.graph.failed == 3


def test_the_options_of_the_build_hold_for_the_update() -> None:
    Path("schema.yaml").write_text(
        "version: 1\nrelations:\n  mood:\n    definition: x\n    wordings: [feel]\n"
    )
    Path("merges.yaml").write_text("- {range: mood, merge: [sad, blue]}\n")
    options: dict[str, object] = {
        "schema": Path("schema.yaml"),
        "overrides": Path("merges.yaml"),
        "base": "https://example.org/",
        "evidence": "inline",
    }
    records: list[Record] = [
        {"id": "1", "title": "A", "feel": "blue"},
        {"id": "2", "title": "A", "mood": "sad"},
    ]
    build(records, **options)
    update([{"id": "3", "title": "A", "feel": "Blue"}])
    graph = read_graph("graph.ttl")
    assert graph.values == {("mood", "sad"): ["Blue", "blue"]}
    assert graph.base == "https://example.org/"
    assert not Path("graph.evidence.jsonl").exists()
    fresh = build([*records, {"id": "3", "title": "A", "feel": "Blue"}], graph="fresh.ttl", **options)
    assert Path("fresh.ttl").read_bytes() == Path("graph.ttl").read_bytes()
    assert contents(fresh) == contents(graph)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda: Path("graph.ttl").unlink(), "there is no such graph"),
        (lambda: Path("graph.work.sqlite").unlink(), "graph.ttl: what is kept of its items is gone: graph.work.sqlite"),
        (lambda: Path("new.jsonl").unlink(), "new.jsonl: there is no such file"),
        (lambda: Path("graph.ttl").write_bytes(b"# mine\n" + Path("graph.ttl").read_bytes()), "it was changed or replaced"),
        (lambda: setattr(slow_extractor.Costly, "fingerprint", "slow@2"), "'slow@1' is now 'slow@2'"),
    ],
)  # fmt: skip
def test_what_does_not_belong_together_is_refused(
    harm: object, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_extractor.Costly, "fingerprint", "slow@1")
    build([{"id": "1", "title": "A", "description": "x"}], "slow_extractor:Costly")
    put([{"id": "2", "title": "B"}], "new.jsonl")
    harm()  # type: ignore[operator]
    given = UpdateSettings(Path("graph.ttl"), "new.jsonl", backend="slow_extractor:Costly")
    with pytest.raises(UserError, match=message):
        update_graph(given, Console(quiet=True))


def test_an_extractor_of_ones_own_runs_only_where_it_is_named() -> None:
    build([{"id": "1", "title": "A", "description": "x"}], "slow_extractor:Costly")
    with pytest.raises(
        UserError, match=r"your own, slow_extractor:Costly\n  .*--backend slow_extractor:Costly"
    ):
        update([{"id": "2", "title": "B", "description": "y"}])
    assert update([{"id": "2", "title": "B", "description": "y"}], backend="slow_extractor:Costly").added == 1


def test_a_model_is_asked_about_what_is_new() -> None:
    def answer(request: Request, _: int) -> Reply:
        return answered({mark: [("theme", "war")] for mark in request.items})

    Path("items.jsonl").write_text('{"id": "1", "title": "A", "description": "a tale of war"}\n')
    Path("new.jsonl").write_text('{"id": "2", "title": "B", "description": "another war"}\n')
    with ScriptedServer(answer) as server:
        options = [
            "--backend",
            "openai",
            "--model",
            "m",
            "--base-url",
            server.url,
            "--max-tokens",
            "99999",
            "--quiet",
        ]
        done = CliRunner().invoke(main, ["extract", "items.jsonl", "-o", "graph.ttl", *options])
        assert done.exit_code == 0, done.output
        before = len(server.requests)
        done = CliRunner().invoke(main, ["update", "graph.ttl", "new.jsonl", "--workers", "2", "--quiet"])
        assert done.exit_code == 0, done.output
        asked = server.requests[before:]
    assert before == len(asked) == 1
    assert "another war" in str(asked[0].body)
    assert "a tale of war" not in str(asked[0].body)
    found = {item.id: [fact.value for fact in facts] for item, facts in read_graph("graph.ttl").items()}
    assert found == {"1": ["war"], "2": ["war"]}


def test_a_trial_leaves_what_is_kept_as_it_was() -> None:
    build([{"id": "1", "title": "A", "mood": "sad"}])
    with WorkFile(Path("graph.work.sqlite"), "") as work, work.trial():
        with work.filling():
            assert work.add_item(1, Item("x", "X")) is None
        assert [item.id for item in work.items()] == ["x"]
    assert update([{"id": "2", "title": "B"}]).graph.items == 2


def test_what_a_teacher_taught_is_built_anew() -> None:
    build([{"id": "1", "title": "A"}])
    with WorkFile(Path("graph.work.sqlite"), "") as work:
        work.memory["settings"] = {**work.memory["settings"], "backend": TEACHER}
    with pytest.raises(UserError, match="depends on the others"):
        update([{"id": "2", "title": "B"}])


def test_a_limit_where_nothing_costs_is_refused() -> None:
    build([{"id": "1", "title": "A"}])
    with pytest.raises(UserError, match="makes no calls that cost anything"):
        update([{"id": "2", "title": "B"}], limits={"max_usd": 1.0})


def test_the_command_prints_what_changed() -> None:
    build([{"id": "1", "title": "A"}])
    put([{"id": "1", "title": "B"}, {"id": "2", "title": "C"}], "new.jsonl")
    command = [sys.executable, "-m", "kgbuild", "update", "graph.ttl", "new.jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("  added    1\n  changed  1\ngraph.ttl written")
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["unchanged"] == 2
    Path("new.jsonl").write_text('{"id": "7", "retracted": true}\n')
    assert subprocess.run(command, capture_output=True, check=False).returncode == 3
