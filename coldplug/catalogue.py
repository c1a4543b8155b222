"""What a model remembers of its items: ids, titles and facts with their quotes, so that a score can be explained."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from coldplug.errors import UnknownItemError
from coldplug.types import FloatArray, IntArray, ItemGraph


@dataclass(frozen=True)
class Fact:
    """One fact of an item: `quote` is the text that says so, empty where the catalogue knew it."""

    relation: str
    value: str
    weight: float
    quote: str


@dataclass(frozen=True)
class Catalogue:
    """Items by number, and their facts sorted by item, as parallel arrays."""

    item_ids: Sequence[str]
    titles: Sequence[str]
    relation_names: Sequence[str]
    value_iris: Sequence[str]
    value_labels: Sequence[str]
    quotes: Sequence[str]
    heads: IntArray
    relations: IntArray
    tails: IntArray
    weights: FloatArray

    @classmethod
    def of(cls, graph: ItemGraph, evidence: Path | None) -> Catalogue:
        """The items and facts of a graph, with the quotes that its evidence file has."""
        quoted = _quotes(evidence) if evidence else {}
        order = np.argsort(graph.heads, kind="stable")
        heads, relations, tails = graph.heads[order], graph.relations[order], graph.tails[order]
        quotes = [
            quoted.get((graph.item_ids[h], graph.relation_names[r], graph.value_labels[t]), "")
            for h, r, t in zip(heads.tolist(), relations.tolist(), tails.tolist(), strict=True)
        ]
        return cls(
            list(graph.item_ids),
            list(graph.titles),
            list(graph.relation_names),
            list(graph.value_iris),
            list(graph.value_labels),
            quotes,
            heads,
            relations,
            tails,
            graph.weights[order],
        )

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """Item id -> item number."""
        return {item: number for number, item in enumerate(self.item_ids)}

    @cached_property
    def tail_of(self) -> Mapping[str, int]:
        """Value IRI -> value number."""
        return {iri: number for number, iri in enumerate(self.value_iris)}

    @cached_property
    def value_names(self) -> Mapping[tuple[str, str], str]:
        """(relation, folded label) -> value IRI, of the values that some item has."""
        pairs = np.unique(np.stack([self.relations, self.tails]), axis=1)
        return {
            (self.relation_names[relation], self.value_labels[tail].casefold()): self.value_iris[tail]
            for relation, tail in pairs.T.tolist()
        }

    @cached_property
    def items_of_values(self) -> Sequence[Mapping[str, IntArray]]:
        """For each relation by its number: folded label of a value -> numbers of the items that have it."""
        found: list[dict[str, IntArray]] = [{} for _ in self.relation_names]
        order = np.lexsort((self.tails, self.relations))
        relations, tails, heads = self.relations[order], self.tails[order], self.heads[order]
        starts = np.flatnonzero(np.r_[True, (np.diff(relations) != 0) | (np.diff(tails) != 0)][: len(heads)])
        for start, end in zip(starts.tolist(), [*starts[1:].tolist(), len(heads)], strict=True):
            of_relation, label = found[relations[start]], self.value_labels[tails[start]].casefold()
            items = heads[start:end]
            of_relation[label] = (
                np.concatenate([of_relation[label], items]) if label in of_relation else items
            )
        return found

    @cached_property
    def sharing(self) -> IntArray:
        """(n_facts,) how many items have the same relation and value."""
        keys = self.relations * len(self.value_iris) + self.tails
        _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
        return np.asarray(counts[place], np.int64)

    def numbers_of(self, item_ids: Sequence[str]) -> IntArray:
        """(n,) numbers of items, -1 where an id is of none."""
        return np.fromiter(map(self.numbers.get, item_ids, repeat(-1)), np.int64, len(item_ids))

    def find(self, item_ids: Sequence[str]) -> IntArray:
        """(n,) numbers of items.

        Raises:
            UnknownItemError: some ids are of no item; it names up to ten of them.
        """
        found = self.numbers_of(item_ids)
        if (found < 0).any():
            raise UnknownItemError([item for item, number in zip(item_ids, found, strict=True) if number < 0])
        return found

    def facts(self, item: int) -> dict[tuple[str, str], Fact]:
        """(relation, value IRI) -> fact, of one item by its number."""
        rows = range(*np.searchsorted(self.heads, [item, item + 1]))
        found = {}
        for row in rows:
            relation, tail = self.relation_names[self.relations[row]], int(self.tails[row])
            fact = Fact(relation, self.value_labels[tail], float(self.weights[row]), self.quotes[row])
            found[relation, self.value_iris[tail]] = fact
        return found

    def extended(self, other: Catalogue) -> Catalogue:
        """This catalogue with another's items after its own."""
        relation_at = {name: n for n, name in enumerate(self.relation_names)}
        value_at = {iri: n for n, iri in enumerate(self.value_iris)}
        relations, values, labels = list(self.relation_names), list(self.value_iris), list(self.value_labels)
        for name in other.relation_names:
            if name not in relation_at:
                relation_at[name] = len(relations)
                relations.append(name)
        for iri, label in zip(other.value_iris, other.value_labels, strict=True):
            if iri not in value_at:
                value_at[iri] = len(values)
                values.append(iri)
                labels.append(label)
        relation_map = np.array([relation_at[name] for name in other.relation_names], np.int64)
        value_map = np.array([value_at[iri] for iri in other.value_iris], np.int64)
        has_facts = len(other.heads) > 0
        return Catalogue(
            [*self.item_ids, *other.item_ids],
            [*self.titles, *other.titles],
            relations,
            values,
            labels,
            [*self.quotes, *other.quotes],
            np.concatenate([self.heads, other.heads + len(self.item_ids)]),
            np.concatenate([self.relations, relation_map[other.relations] if has_facts else other.relations]),
            np.concatenate([self.tails, value_map[other.tails] if has_facts else other.tails]),
            np.concatenate([self.weights, other.weights]),
        )

    def to_state(self) -> tuple[dict[str, NDArray[Any]], dict[str, list[str]]]:
        """Arrays and lists of texts, for a model folder."""
        arrays = {
            f"catalogue.{name}": getattr(self, name) for name in ("heads", "relations", "tails", "weights")
        }
        texts = ("item_ids", "titles", "relation_names", "value_iris", "value_labels", "quotes")
        return arrays, {f"catalogue-{name}": list(getattr(self, name)) for name in texts}

    @classmethod
    def from_state(cls, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, list[str]]) -> Catalogue:
        """What `to_state` took apart."""
        names = ("item_ids", "titles", "relation_names", "value_iris", "value_labels", "quotes")
        found: dict[str, Any] = {name: texts[f"catalogue-{name}"] for name in names}
        found |= {name: arrays[f"catalogue.{name}"] for name in ("heads", "relations", "tails", "weights")}
        return cls(**found)


def _quotes(evidence: Path) -> dict[tuple[str, str, str], str]:
    found = {}
    with evidence.open(encoding="utf-8") as stream:
        for line in stream:
            record = json.loads(line)
            if record.get("quote"):
                found[record["item"], record["relation"], str(record["value"])] = record["quote"]
    return found
