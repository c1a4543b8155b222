"""Reading what coldplug is given: the item graph, users, interactions."""

from coldplug.read.graph import evidence_beside, read_graph
from coldplug.read.people import (
    ReadInteractions,
    Users,
    find_beside,
    load_training_data,
    read_interactions,
    read_users,
)

__all__ = [
    "ReadInteractions",
    "Users",
    "evidence_beside",
    "find_beside",
    "load_training_data",
    "read_graph",
    "read_interactions",
    "read_users",
]
