"""N-Triples: every triple of the graph on a line of its own, labels and inline evidence included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgbuild.read.rdf import open_bytes
from kgbuild.write.atomic import part_of
from plugbase.errors import UserError

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write the triples to the file `output` in the order of the graph. What a parser reads goes to the writer
    as it is; `items` stay unread.

    Raises:
        UserError: the graph is not RDF (with the line), or the file cannot be written.
    """
    from pyoxigraph import RdfFormat, parse, serialize

    count = 0

    def counted(quads: Iterable[Any]) -> Iterator[Any]:
        nonlocal count
        for quad in quads:
            count += 1
            yield quad.triple

    ending = graph.path.name.removesuffix(".gz").rpartition(".")[2]
    part = part_of(output)
    try:
        with open_bytes(graph.path) as source, part.open("wb") as stream:
            form = RdfFormat.from_extension(ending) or RdfFormat.TURTLE
            serialize(counted(parse(source, format=form)), stream, format=RdfFormat.N_TRIPLES)
        part.replace(output)
    except SyntaxError as error:
        raise UserError(f"not RDF: {error.msg}", file=str(graph.path), line=error.lineno) from error
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", file=str(output)) from error
    finally:
        part.unlink(missing_ok=True)
    return {output: count}
