"""Reading what coldplug is given: the item graph, users, interactions."""

from coldplug.read.graph import evidence_beside, read_graph

__all__ = ["evidence_beside", "read_graph"]
