"""A graph of items given as plain records, for those who add items without running an extraction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from coldplug.types import ItemGraph
from plugbase.errors import UserError

_OWN = ("id", "title", "description", "category", "attributes")


def graph_of_items(items: Sequence[Mapping[str, Any]], known: Mapping[tuple[str, str], str]) -> ItemGraph:
    """The catalogue facts of the records; what only the text says is not read here.

    Args:
        items: records as in items.jsonl: `id`, `title`, `description`, `category`, `attributes`; other keys count as
            attributes.
        known: (relation, folded label) -> IRI of the values that the model knows.

    Raises:
        UserError: a record without an id or without title and description, or an id twice; it names the place.
    """
    ids: list[str] = []
    relations: dict[str, int] = {}
    values: dict[str, int] = {}
    labels: list[str] = []
    facts: dict[tuple[int, int, int], None] = {}
    literals: list[tuple[int, int, float]] = []
    for place, record in enumerate(items):
        head = len(ids)
        ids.append(_id(record, place, ids))
        for name, value in _statements(record):
            relation = relations.setdefault(name, len(relations))
            if isinstance(value, int | float) and not isinstance(value, bool):
                literals.append((head, relation, float(value)))
                continue
            label = str(value).strip()
            if label:
                iri = known.get((name, label.casefold()), f"urn:coldplug:value:{name}:{label.casefold()}")
                if iri not in values:
                    values[iri] = len(labels)
                    labels.append(label)
                facts[head, relation, values[iri]] = None
    heads, rows, tails = np.array(list(facts), np.int64).reshape(-1, 3).T
    return ItemGraph(
        ids,
        [str(record.get("title") or "") for record in items],
        [str(record.get("description") or "") for record in items],
        list(relations),
        list(values),
        labels,
        heads,
        rows,
        tails,
        np.ones(len(heads), np.float32),
        np.ones(len(heads), np.bool_),
        np.array([head for head, _, _ in literals], np.int64),
        np.array([relation for _, relation, _ in literals], np.int64),
        np.array([number for _, _, number in literals], np.float32),
        np.ones(len(literals), np.bool_),
    )


def _id(record: object, place: int, before: Sequence[str]) -> str:
    if not isinstance(record, Mapping):
        raise UserError(
            f"items[{place}] is a {type(record).__name__}",
            mend='pass records such as {"id": "9", "title": "Nine"}, or the path of a graph.ttl',
        )
    found = record.get("id")
    if isinstance(found, bool) or not isinstance(found, str | int) or str(found) == "":
        raise UserError(f"items[{place}] has id {found!r}", mend="an id is a text that is not empty")
    if str(found) in before:
        raise UserError(f"items[{place}] has the id {found!r} of another item", mend="ids are unique")
    if not (record.get("title") or record.get("description")):
        raise UserError(
            f"items[{place}] (id {found!r}) has no title and no description", mend="give one of them"
        )
    return str(found)


def _statements(record: Mapping[str, Any]) -> list[tuple[str, object]]:
    given = {name: value for name, value in record.items() if name not in _OWN}
    given |= dict(record.get("attributes") or {})
    if record.get("category"):
        given["category"] = record["category"]
    found: list[tuple[str, object]] = []
    for name, value in given.items():
        several = value if isinstance(value, list | tuple | set) else [value]
        found += [(str(name), one) for one in several if one is not None]
    return found
