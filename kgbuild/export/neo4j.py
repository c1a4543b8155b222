"""CSV for `neo4j-admin database import`: items.csv and values.csv are nodes, facts.csv relationships."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.export.delimited import row
from kgbuild.export.names import tail_name
from kgbuild.write.atomic import atomic_texts

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile

HEADERS = {
    "items.csv": ("id:ID(Item)", "title", "description"),
    "values.csv": ("name:ID(Value)", "label", "range", "number:double", "date:date"),
    "facts.csv": (
        ":START_ID(Item)",
        ":END_ID(Value)",
        ":TYPE",
        "confidence:double",
        "source",
        "field",
        "start:int",
        "end:int",
        "quote",
    ),
}


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write the three files into the folder `output`; a relationship's type is the relation's label."""
    paths = [output / name for name in HEADERS]
    counts = [0, len(graph.names.names), 0]
    literals: set[str] = set()
    with atomic_texts(paths) as (nodes, values, relationships):
        for stream, header in zip((nodes, values, relationships), HEADERS.values(), strict=True):
            stream.write(row(header, ","))
        for (scope, label), name in graph.names.names.items():
            values.write(row((f"val:{name}", label, scope, None, None), ","))
        for item, facts in items:
            nodes.write(row((item.id, item.title or None, item.description or None), ","))
            counts[0] += 1
            for fact in facts:
                tail, value, mention = tail_name(graph, fact), fact.value, fact.mention
                if not isinstance(value, str) and tail not in literals:
                    literals.add(tail)
                    typed = (None, value) if isinstance(value, date) else (value, None)
                    values.write(row((tail, value, fact.range, *typed), ","))
                    counts[1] += 1
                place = (mention.field, mention.start, mention.end, mention.quote)
                start = (item.id, tail, fact.relation, mention.confidence, mention.source)
                relationships.write(row((*start, *place), ","))
            counts[2] += len(facts)
    return dict(zip(paths, counts, strict=True))
