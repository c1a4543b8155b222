"""What other people's programs may call, what importing costs, and that the two packages meet in a file only."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]

# A name that goes or comes is a change of the public surface: it belongs in CHANGELOG.md, then here.
NAMES = {
    "coldplug": ["ColdStartSolver", "ModelFormatError", "UnknownItemError", "load", "score"],
    "coldplug.datasets": ["ALIASES", "DATASETS", "Prepared", "prepare"],
    "coldplug.evaluate": [
        "CONTROLS",
        "SALTS",
        "Accuracy",
        "accuracy",
        "control",
        "expected_gains",
        "run_c1",
    ],
    "kgbuild.extract": [
        "BudgetReachedError",
        "EXTRACTORS",
        "ExtractionFailure",
        "ExtractionResult",
        "Extractor",
        "Metered",
        "load_extractor",
    ],
    "kgbuild.write": [
        "DEFAULT_BASE",
        "EvidenceStyle",
        "OutputPaths",
        "check_base",
        "evidence_record",
        "write_graph",
        "write_records",
    ],
}
PLUG = {
    "add_items": ["items"],
    "describe": ["user_id", "user_attrs"],
    "explain": ["user_attrs", "item_id", "support"],
    "forget": ["user_id"],
    "item_ids": [],
    "item_vectors": [],
    "observe": ["user_id", "item_id", "reward"],
    "recommend": ["user_attrs", "k", "support", "exclude", "candidates", "where", "diversity"],
    "recommend_to": ["user_id", "k", "exclude", "options"],
    "score": ["user_attrs", "item_ids", "support", "unknown"],
    "score_batch": ["users", "item_ids", "unknown"],
    "user": ["user_id"],
    "user_vector": ["user_attrs", "support"],
}
CONSOLE = ["--json", "--quiet", "--verbose"]
OPTIONS = {
    "kgbuild": ["--version"],
    "kgbuild extract": [
        "--backend",
        "--base",
        "--base-url",
        "--batch",
        "--budget",
        "--dry-run",
        "--evidence",
        "--extractor",
        "--items-per-call",
        "--keep-inferred",
        "--max-tokens",
        "--max-usd",
        "--merges",
        "--model",
        "--output",
        "--prices",
        "--reasoning-effort",
        "--relations",
        "--schema",
        "--shots",
        "--strict",
        "--student",
        "--teacher",
        "--timeout",
        "--workers",
        *CONSOLE,
    ],
    "kgbuild report": ["--interactions", "--output", *CONSOLE],
    "kgbuild explore": ["--output", *CONSOLE],
    "kgbuild train-extractor": ["--epochs", "--output", "--schema", "--seed", "--small", *CONSOLE],
    "kgbuild update": [
        "--backend",
        "--max-tokens",
        "--max-usd",
        "--shots",
        "--strict",
        "--workers",
        *CONSOLE,
    ],
    "kgbuild merge": ["--base", "--evidence", "--output", *CONSOLE],
    "kgbuild export": ["--output", "--to", *CONSOLE],
    "kgbuild validate": ["--shacl", "--shapes", *CONSOLE],
    "kgbuild eval": ["--again", *CONSOLE],
    "coldplug": ["--version"],
    "coldplug train": [
        *(
            "--graph",
            "--interactions",
            "--method",
            "--output",
            "--positive-at",
            "--seed",
            "--set",
            "--settings",
        ),
        *("--users", *CONSOLE),
    ],
    "coldplug tune": [
        *("--graph", "--interactions", "--method", "--output", "--plot", "--positive-at", "--seed", "--set"),
        *("--study", "--timeout", "--trials", "--users", *CONSOLE),
    ],
    "coldplug update": ["--graph", "--interactions", "--output", "--seed", "--users", *CONSOLE],
    "coldplug serve": ["--concurrency", "--host", "--port", "--timeout", "--users", *CONSOLE],
    "coldplug score": ["--support", "--unknown", "--user", *CONSOLE],
    "coldplug index": ["--kind", "--place", "--seed", *CONSOLE],
    "coldplug recommend": [
        *("--candidates", "--diversity", "--exclude", "--support", "--user", "--where", "-k"),
        *CONSOLE,
    ],
    "coldplug explain": ["--support", "--user", *CONSOLE],
    "coldplug evidence": ["--by", "--candidates", "--support", "--user", "-k", *CONSOLE],
    "coldplug evaluate": [
        *(
            "--jobs",
            "--methods",
            "--no-controls",
            "--output",
            "--protocol",
            "--salts",
            "--seed",
            "--seeds",
            "--split",
            "--split-by",
            "--work",
        ),
        *CONSOLE,
    ],
    "coldplug datasets": [],
    "coldplug datasets prepare": CONSOLE,
}
HEAVY = ("torch", "spacy", "transformers", "sentence_transformers", "openai", "matplotlib")


@pytest.mark.parametrize("module", NAMES)
def test_names_of_a_package(module: str) -> None:
    loaded = importlib.import_module(module)
    assert sorted(loaded.__all__) == sorted(NAMES[module])
    for name in NAMES[module]:
        assert hasattr(loaded, name)


def test_methods_of_a_loaded_model() -> None:
    from coldplug.plug import Plug

    found = {}
    for name, member in inspect.getmembers(Plug):
        if not name.startswith("_"):
            parameters = inspect.signature(member).parameters if inspect.isfunction(member) else ()
            found[name] = [parameter for parameter in parameters if parameter != "self"]
    assert found == PLUG


@pytest.mark.parametrize("program", ["kgbuild", "coldplug"])
def test_commands_and_options(program: str) -> None:
    found: dict[str, list[str]] = {}

    def walk(command: click.Command, name: str) -> None:
        options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
        found[name] = sorted(max(option.opts, key=len) for option in options)
        for child, below in getattr(command, "commands", {}).items():
            walk(below, f"{name} {child}")

    walk(importlib.import_module(f"{program}.cli").main, program)
    expected = {name: sorted(options) for name, options in OPTIONS.items() if name.split()[0] == program}
    assert found == expected


@pytest.mark.parametrize(
    "statement",
    [
        "import coldplug",
        "import kgbuild",
        *(f"from {program}.cli import main; main(['--help'])" for program in ("coldplug", "kgbuild")),
        *(
            f"from {name.split()[0]}.cli import main; main({[*name.split()[1:], '--help']})"
            for name in OPTIONS
            if " " in name
        ),
    ],
)
def test_no_heavy_import_before_it_is_needed(statement: str) -> None:
    program = (
        f"import atexit, sys\n"
        f"atexit.register(lambda: print('\\nheavy:', sorted(set(sys.modules) & set({HEAVY!r}))))\n"
        f"{statement}"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "heavy: []"


@pytest.mark.parametrize(
    ("package", "strangers"),
    [
        ("coldplug", {"kgbuild"}),
        ("kgbuild", {"coldplug"}),
        ("plugbase", {"coldplug", "kgbuild"}),
        ("prompts", {"coldplug", "kgbuild"}),
    ],
)
def test_the_packages_meet_in_a_file_only(package: str, strangers: set[str]) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported = [name.name for name in node.names]
            elif isinstance(node, ast.ImportFrom):
                imported = [node.module or ""]
            else:
                continue
            found = {name.partition(".")[0] for name in imported} & strangers
            assert not found, f"{file.relative_to(ROOT)}:{node.lineno} imports {found}"
