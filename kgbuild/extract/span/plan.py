"""What a training asks of which item: the relations with their definitions, where they are asked, what is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kgbuild.extract.span.examples import cut_forms_of
from kgbuild.extract.span.labels import LabelledFile, LabelledItem, relation_text
from kgbuild.extract.span.memory import Known, Memory
from kgbuild.extract.span.spans import Window, label_pieces
from kgbuild.schema import Schema, load_schema
from plugbase.errors import UserError, did_you_mean

_SEVERAL_AT = 0.02
"""Share of labelled relations with more than one value from which on several are looked for."""


@dataclass
class Plan:
    """What is asked of which item: all that turns labelled items into examples."""

    relations: list[str]
    definitions: dict[str, str]
    categories: dict[str, list[str]]
    """Category -> relations that were labelled in it; empty where labels are complete."""
    cut_forms: tuple[str, ...]
    several: bool
    memory: Memory = field(default_factory=Memory)
    vectors: Any = field(init=False)
    """(K, HIDDEN) sentence vectors of the relations."""

    def __post_init__(self) -> None:
        from kgbuild.extract.span.network import sentence_vectors

        self.vectors = sentence_vectors(
            [label_pieces(relation_text(name, self.definitions[name])) for name in self.relations]
        )

    def asked(self, category: str) -> list[str]:
        """The relations that are asked of an item of that category; all of them if it was never seen."""
        return self.categories.get(category) or self.relations

    def known(self, category: str, window: Window) -> list[Known]:
        """What training's values say of a window's spans."""
        places = [self.relations.index(name) for name in self.asked(category)]
        return list(self.memory.signs(window, places))


def split(
    items: Sequence[LabelledItem], share: float, part: int = 0
) -> tuple[list[LabelledItem], list[LabelledItem]]:
    """Items to train on and items held out, decided by a hash of their text: the same in every run.

    Parts 0, 1, ... up to 1 / share hold out items of which no two have any in common.
    """

    def draw(entry: LabelledItem) -> str:
        text = f"{entry.item.category}\n{entry.item.title}\n{entry.item.description}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    order = sorted(range(len(items)), key=lambda at: (draw(items[at]), at))
    size = max(1, round(share * len(items)))
    held = set(order[part * size : (part + 1) * size])
    return (
        [entry for at, entry in enumerate(items) if at not in held],
        [entry for at, entry in enumerate(items) if at in held],
    )


def make_plan(kept: Sequence[LabelledItem], source: LabelledFile, schema: Schema | None, file: str) -> Plan:
    """The relations, their definitions and where they are asked."""
    relations = source.relations
    defined = (schema or load_schema()).relations
    for name in relations if schema else ():
        if name not in defined:
            line = next(entry.line for entry in source.items if name in entry.facts)
            mend = did_you_mean(name, defined) or "define it there, or leave --schema out"
            raise UserError(
                f"relation {name!r} is not in the schema", file=file, line=line or None, mend=mend
            )
    definitions = {name: defined[name].definition if name in defined else "" for name in relations}
    said = [values for entry in source.items for values in entry.facts.values() if values]
    if not said:
        raise UserError("no item has a value that its text holds", file=file, mend="label spans of the text")
    several = sum(len(values) > 1 for values in said) > _SEVERAL_AT * len(said)
    categories: dict[str, list[str]] = {}
    if not any(entry.complete for entry in source.items):
        for entry in source.items:
            known = categories.setdefault(entry.item.category, [])
            known.extend(name for name in entry.facts if name not in known)
        categories = {category: sorted(known) for category, known in sorted(categories.items()) if category}
    return Plan(relations, definitions, categories, cut_forms_of(kept), several)
