"""The SHACL shapes of a graph, run with pyshacl."""

from __future__ import annotations

import gzip
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kgbuild.check.problems import Problems
from kgbuild.write.iris import DEFAULT_BASE
from plugbase.errors import UserError

SHAPES = Path(__file__).with_name("shapes.ttl")


def missing_library() -> str | None:
    """Why the shapes cannot run here; None where they can."""
    return None if find_spec("pyshacl") else "SHACL needs the package pyshacl, which is not installed"


def shapes_for(base: str) -> str:
    """The shapes that ship with kgbuild, for a graph with that base."""
    return SHAPES.read_text(encoding="utf-8").replace(DEFAULT_BASE, base)


def check_shapes(path: Path, base: str, problems: Problems, own: Path | None = None) -> bool:
    """Whether the graph conforms to the shapes. What does not is noted, but for subjects that were noted already.

    Args:
        own: a file of further shapes, Turtle.

    Raises:
        UserError: the further shapes cannot be read.
    """
    import pyshacl
    import rdflib
    from rdflib.namespace import SH

    known = {each.subject for each in problems.found}
    ending = path.name.removesuffix(".gz").rpartition(".")[2]
    opened: Any = gzip.open if path.name.endswith(".gz") else open
    with opened(path, "rb") as stream:
        data = rdflib.Graph().parse(stream, format="nt" if ending == "nt" else "turtle")
    shapes = rdflib.Graph().parse(data=shapes_for(base), format="turtle")
    if own is not None:
        try:
            shapes.parse(own, format="turtle")
        except OSError as error:
            raise UserError(f"cannot read the shapes: {error.strerror}", file=str(own)) from error
        except Exception as error:  # rdflib's parser raises whatever it comes across
            reason = str(error).strip().splitlines()[0]
            raise UserError(f"the shapes are not Turtle: {reason}", file=str(own)) from error
    try:
        conforms, results, _ = pyshacl.validate(data, shacl_graph=shapes, inference="none", inplace=True)
    except pyshacl.errors.ShapeLoadError as error:
        raise UserError(f"pyshacl cannot use the shapes: {error}", file=str(own)) from error
    for result in results.subjects(rdflib.RDF.type, SH.ValidationResult):
        focus, about = str(results.value(result, SH.focusNode)), results.value(result, SH.resultPath)
        message, value = results.value(result, SH.resultMessage), results.value(result, SH.value)
        if focus not in known:
            shown = "" if value is None else f" (it is {value.n3()})"
            problems.add(
                "shacl",
                f"{focus}: {message}{shown}",
                f"the shapes are in {SHAPES.name}" + (f" and {own}" if own else ""),
                subject=focus,
                predicate=None if about is None else str(about),
            )
    return bool(conforms)
