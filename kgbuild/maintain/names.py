"""Values keep the names that an earlier graph gave them, whatever resolution now calls them."""

from __future__ import annotations

from kgbuild.read.graph import GraphFile
from kgbuild.resolve import Resolution

Value = tuple[str, str]
"""(range, label)"""


def kept_names(earlier: GraphFile, resolution: Resolution) -> dict[Value, str]:
    """(range, label) of each value that was there already -> the end of its prefixed name.

    A value is the one of before that has the label it had then, now as its label or among its other labels.
    Where several of before have become one, the name of the one whose label stands is kept, else the first in
    code point order. Where the label of before is said no more, the first of the other labels that is still
    said takes the name along, unless its value has a name already.
    """
    home: dict[Value, Value] = {}
    for value, labels in resolution.values.items():
        home[value] = value
        home.update(((value[0], label), value) for label in labels)
    kept: dict[Value, str] = {}
    gone = []
    for value, name in sorted(earlier.names.names.items(), key=lambda named: named[1]):
        found = home.get(value)
        if found is None:
            gone.append((value, name))
        elif found not in kept or found == value:
            kept[found] = name
    for value, name in gone:
        others = [(value[0], other) for other in earlier.values[value]]
        found = next((home[other] for other in others if other in home), None)
        if found is not None and found not in kept:
            kept[found] = name
    return kept
