"""Which items may be shown: those that the caller names, and those that have the facts asked for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from coldplug.asking import ids_of
from coldplug.catalogue import Catalogue
from plugbase.errors import UserError, did_you_mean

Mask = NDArray[np.bool_]
Where = Mapping[str, str | Collection[str]]
"""Relation -> a value or several: items that have one of the values, and that for every relation named."""


def allowed_of(
    candidates: Collection[str] | Mask | None, where: Where | None, catalogue: Catalogue
) -> Mask | None:
    """(n_items,) True where an item may be shown; None where all may.

    Args:
        candidates: ids to choose from, or a mask over all items in the order of the model's ids.
        where: facts that an item must have.
        catalogue: of the items.

    Raises:
        UnknownItemError: an id of no item.
        UserError: a mask of another length, or a relation or value that no item has.
    """
    count = len(catalogue.item_ids)
    allowed: Mask | None = None
    if isinstance(candidates, np.ndarray) and candidates.dtype == np.bool_:
        if candidates.shape != (count,):
            raise UserError(
                f"candidates is a mask of {len(candidates)} items; the model has {count}",
                mend="one entry an item, in the order of plug.item_ids; ask for those again after add_items",
            )
        allowed = candidates
    elif candidates is not None:
        allowed = np.zeros(count, np.bool_)
        allowed[catalogue.find(ids_of(candidates, "candidates"))] = True
    if where is None:
        return allowed
    if not isinstance(where, Mapping):
        raise UserError(
            f"where is a {type(where).__name__}: {where!r}"[:200],
            mend='pass a dict, such as {"genre": "Drama"}',
        )
    for relation, values in where.items():
        have = having(catalogue, relation, [values] if isinstance(values, str) else list(values))
        allowed = have if allowed is None else allowed & have
    return allowed


def having(catalogue: Catalogue, relation: str, values: Collection[str]) -> Mask:
    """(n_items,) True where an item has one of the values, by label whatever its case, under the relation.

    Raises:
        UserError: no item has such a relation, or such a value.
    """
    if relation not in catalogue.relation_names:
        raise UserError(
            f"no item has a relation {relation!r}",
            mend=did_you_mean(relation, catalogue.relation_names)
            or f"relations: {', '.join(catalogue.relation_names)}"[:300],
        )
    of_relation = catalogue.items_of_values[catalogue.relation_names.index(relation)]
    allowed = np.zeros(len(catalogue.item_ids), np.bool_)
    for value in values:
        items = of_relation.get(str(value).casefold())
        if items is None:
            raise UserError(
                f"no item has {relation}={value!r}"[:200],
                mend=did_you_mean(str(value).casefold(), of_relation) or "values are the labels in the graph",
            )
        allowed[items] = True
    return allowed
