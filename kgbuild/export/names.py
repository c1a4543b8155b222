"""Names of nodes outside RDF: short, of ASCII, one to one; what identifies an entity in RecBole, GraphML and Neo4j."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgbuild.write.iris import name_slug

if TYPE_CHECKING:
    from kgbuild.read.graph import GraphFile
    from kgbuild.types import Fact


def item_name(identifier: str) -> str:
    """The name of an item's node, as in the graph: "item:1"."""
    return f"item:{name_slug(identifier)}"


def relation_name(label: str) -> str:
    """The name of a relation, as in the graph: "rel:director"."""
    return f"rel:{name_slug(label)}"


def tail_name(graph: GraphFile, fact: Fact) -> str:
    """The name of what a fact points to: "val:person:john-lasseter", or "lit:year:1995" for a number or a date."""
    if isinstance(fact.value, str):
        return f"val:{graph.names[fact.range, fact.value]}"
    return f"lit:{name_slug(fact.relation)}:{name_slug(str(fact.value))}"
