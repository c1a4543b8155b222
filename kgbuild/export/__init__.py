"""Export: a graph as the files that other tools read. One file a format; the registry maps its name to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, cast

from plugbase.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from kgbuild.read.graph import GraphFile
    from kgbuild.types import Fact, Item
    from plugbase.console import Console

__all__ = ["FORMATS", "ExportSummary", "Format", "export_graph"]

Described = tuple["Item", list["Fact"]]
Write = Callable[["GraphFile", Iterable[Described], Path], Mapping[Path, int]]
"""Writes the items of a graph to a path and returns the rows of each file it wrote."""


@dataclass(frozen=True)
class Format:
    """A format: the module whose function `write` makes it, and what `-o` names."""

    module: str
    is_folder: bool
    evidence: bool
    """Whether it says how sure a fact is; otherwise the evidence file is left unread."""


FORMATS: Mapping[str, Format] = {
    "recbole": Format("kgbuild.export.recbole", is_folder=True, evidence=False),
    "tsv": Format("kgbuild.export.tsv", is_folder=False, evidence=True),
    "ntriples": Format("kgbuild.export.ntriples", is_folder=False, evidence=False),
    "parquet": Format("kgbuild.export.parquet", is_folder=False, evidence=True),
    "graphml": Format("kgbuild.export.graphml", is_folder=False, evidence=True),
    "neo4j": Format("kgbuild.export.neo4j", is_folder=True, evidence=True),
}


@dataclass(frozen=True)
class ExportSummary:
    """What an export wrote: rows by file (triples for RDF, nodes and edges for GraphML)."""

    format: str
    rows: Mapping[str, int]
    seconds: float


def export_graph(path: Path, name: str, output: Path, console: Console) -> ExportSummary:
    """Write the graph at `path` in the format of that name; items stream, files appear whole or not at all.

    Raises:
        UserError: no such format, the graph cannot be read, or the output cannot be written.
    """
    from kgbuild.read.graph import read_graph

    began = time.monotonic()
    form = FORMATS.get(name)
    if form is None:
        mend = did_you_mean(name, FORMATS) or f"there are: {', '.join(FORMATS)}"
        raise UserError(f"no format is called {name!r}", mend=mend)
    graph = read_graph(path)
    _check_output(graph, output, form)
    write = cast(Write, import_module(form.module).write)
    with console.progress("exporting") as progress:

        def items() -> Iterator[Described]:
            for described in graph.items(evidence=form.evidence):
                yield described
                progress.advance()

        rows = write(graph, items(), output)
    written = {str(file): count for file, count in rows.items()}
    return ExportSummary(name, written, round(time.monotonic() - began, 3))


def _check_output(graph: GraphFile, output: Path, form: Format) -> None:
    folder = output if form.is_folder else output.parent
    if output.is_dir() and not form.is_folder:
        raise UserError(
            "is a folder, and this format is one file", file=str(output), mend="name a file with -o"
        )
    if output.is_file() and form.is_folder:
        raise UserError(
            "is a file, and this format is a folder", file=str(output), mend="name a folder with -o"
        )
    if output.resolve() in {each.resolve() for each in (graph.path, graph.evidence) if each}:
        raise UserError(
            "this file is read, and the export would write over it", file=str(output), mend="name another -o"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot be made: {error.strerror}", file=str(folder)) from error
