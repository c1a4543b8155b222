"""Facts as tab-separated text: one row a fact, with its labels, how sure it is and where it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.export.delimited import row
from kgbuild.write.atomic import atomic_text

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile

HEADER = ("item", "relation", "value", "range", "confidence", "source")


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write the facts to the file `output`, in the order of the graph."""
    count = 0
    with atomic_text(output) as stream:
        stream.write(row(HEADER, "\t"))
        for item, facts in items:
            for fact in facts:
                mention = fact.mention
                cells = (item.id, fact.relation, fact.value, fact.range, mention.confidence, mention.source)
                stream.write(row(cells, "\t"))
            count += len(facts)
    return {output: count}
