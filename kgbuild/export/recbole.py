"""RecBole's atomic files: NAME.kg with the triples and NAME.link from item ids to entities, NAME being the folder's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.export.delimited import row
from kgbuild.export.names import item_name, relation_name, tail_name
from kgbuild.write.atomic import atomic_texts

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write the two files into the folder `output`. An item without a fact is in neither."""
    name = output.resolve().name
    paths = [output / f"{name}.kg", output / f"{name}.link"]
    triples = links = 0
    with atomic_texts(paths) as (kg, link):
        kg.write("head_id:token\trelation_id:token\ttail_id:token\n")
        link.write("item_id:token\tentity_id:token\n")
        for item, facts in items:
            if not facts:
                continue
            head = item_name(item.id)
            link.write(row((item.id, head), "\t"))
            links += 1
            for fact in facts:
                kg.write(f"{head}\t{relation_name(fact.relation)}\t{tail_name(graph, fact)}\n")
            triples += len(facts)
    return dict(zip(paths, (triples, links), strict=True))
