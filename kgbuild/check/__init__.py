"""Validation: does a graph hold to the format that docs/graph-format.md describes, and where does it not."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.check.problems import Problem, Problems
from plugbase.errors import UserError

if TYPE_CHECKING:
    from plugbase.console import Console

__all__ = ["SHACL_TRIPLES", "Problem", "Validation", "validate_graph"]

SHACL_TRIPLES = 100_000
"""Triples up to which the SHACL shapes run unasked; docs/kgbuild-validate.md has the measurement behind it."""


@dataclass(frozen=True)
class Validation:
    """What was found in a graph.

    `problems` holds the first of every rule, `counts` all of them by rule. `shacl` says what became of the
    shapes: "conforms", "does not conform", or why they did not run.
    """

    conforms: bool
    triples: int
    items: int
    values: int
    relations: int
    facts: int
    evidence: int | None
    counts: Mapping[str, int]
    problems: Sequence[Problem]
    notes: Sequence[str]
    shacl: str
    seconds: float


def validate_graph(
    path: Path, console: Console, *, shacl: bool | None = None, shapes: Path | None = None
) -> Validation:
    """Check a graph, its evidence and, where it is not too large, the SHACL shapes that ship with kgbuild.

    The structural check streams: beside the file it holds the IRIs of subjects and of values. A graph whose
    triples are not together by subject is read into memory as a whole.

    Args:
        shacl: run the shapes whatever the size (True), or never (False); None goes by `SHACL_TRIPLES`.
        shapes: a file of shapes that the graph must also conform to; with it the shapes run whatever the size.

    Raises:
        UserError: no such graph or shapes, no graph of kgbuild, or SHACL was asked for without pyshacl.
    """
    from kgbuild.check.beside import check_evidence
    from kgbuild.check.places import place
    from kgbuild.check.shacl import check_shapes, missing_library
    from kgbuild.check.structure import check_structure

    began = time.monotonic()
    if not path.is_file():
        raise UserError("there is no such graph", file=str(path), mend="`kgbuild extract` writes it")
    wanted = shacl is True or shapes is not None
    if wanted and (missing := missing_library()):
        raise UserError(missing, mend="pip install pyshacl")
    problems = Problems(str(path))
    found = check_structure(path, problems, console)
    evidence = None
    if not problems.counts:
        evidence = check_evidence(path, problems)
    outcome = "not run: asked not to"
    if found.broken:
        outcome = "not run: the graph is not RDF"
    elif wanted or shacl is None:
        if not wanted and found.triples > SHACL_TRIPLES:
            outcome = (
                f"not run: it takes minutes for {found.triples:,} triples; the structural check "
                "covers the same rules in one pass (--shacl runs the shapes all the same)"
            )
        elif missing := missing_library():
            outcome = f"not run: {missing}"
        else:
            console.detail("running the SHACL shapes")
            conforms = check_shapes(path, found.base, problems, shapes)
            outcome = "conforms" if conforms else "does not conform"
    place(path, problems)
    return Validation(
        conforms=not problems.counts,
        triples=found.triples,
        items=found.items,
        values=found.values,
        relations=found.relations,
        facts=found.facts,
        evidence=evidence,
        counts=dict(sorted(problems.counts.items())),
        problems=problems.shown(),
        notes=found.notes,
        shacl=outcome,
        seconds=round(time.monotonic() - began, 3),
    )
