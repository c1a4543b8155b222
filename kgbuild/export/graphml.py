"""GraphML: items, values, numbers and dates as nodes, facts as edges; for Gephi, yEd, Cytoscape and NetworkX."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from kgbuild.export.names import item_name, tail_name
from kgbuild.write.atomic import atomic_text

if TYPE_CHECKING:
    from kgbuild.export import Described
    from kgbuild.read.graph import GraphFile

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="kind" for="node" attr.name="kind" attr.type="string"/>
<key id="label" for="node" attr.name="label" attr.type="string"/>
<key id="range" for="node" attr.name="range" attr.type="string"/>
<key id="relation" for="edge" attr.name="relation" attr.type="string"/>
<key id="confidence" for="edge" attr.name="confidence" attr.type="double"/>
<graph edgedefault="directed">
"""
_TAIL = "</graph>\n</graphml>\n"
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})


def write(graph: GraphFile, items: Iterable[Described], output: Path) -> Mapping[Path, int]:
    """Write nodes and edges to the file `output`. Descriptions and other labels stay behind.

    The names of the numbers and dates met are held in memory, as are the graph's values anyway.
    """
    nodes = edges = 0
    literals: set[str] = set()
    with atomic_text(output) as stream:
        stream.write(_HEAD)
        for value, name in graph.names.names.items():
            stream.write(_node(f"val:{name}", "value", value[1], value[0]))
            nodes += 1
        for item, facts in items:
            head = item_name(item.id)
            stream.write(_node(head, "item", item.title or item.id))
            nodes += 1
            for fact in facts:
                tail = tail_name(graph, fact)
                if not isinstance(fact.value, str) and tail not in literals:
                    literals.add(tail)
                    stream.write(_node(tail, "literal", str(fact.value), fact.range))
                    nodes += 1
                stream.write(
                    f'<edge id="e{edges}" source="{head}" target="{text(tail)}"><data key="relation">'
                    f'{text(fact.relation)}</data><data key="confidence">{fact.mention.confidence!r}</data></edge>\n'
                )
                edges += 1
        stream.write(_TAIL)
    return {output: nodes + edges}


def _node(name: str, kind: str, label: str, scope: str | None = None) -> str:
    ranged = "" if scope is None else f'<data key="range">{text(scope)}</data>'
    return f'<node id="{text(name)}"><data key="kind">{kind}</data><data key="label">{text(label)}</data>{ranged}</node>\n'


def text(raw: str) -> str:
    """The text between two tags. A character that XML 1.0 cannot hold becomes U+FFFD, for no escape of it is
    allowed either; a carriage return is escaped, for a parser reads a raw one as a line feed."""
    return _NOT_IN_XML.sub("\ufffd", raw).translate(_ESCAPES)
