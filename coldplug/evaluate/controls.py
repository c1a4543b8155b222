"""Controls: the same graph with parts taken away or mixed up, so that any learner can be run under each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from coldplug.types import ItemGraph
from plugbase.errors import UserError, did_you_mean

WHOLE = "whole graph"
_ROUNDS = 50


def _only(graph: ItemGraph, facts: NDArray[np.bool_], literals: NDArray[np.bool_], text: bool) -> ItemGraph:
    """The graph with only some of its facts; relations and values keep their numbers."""
    blank = [""] * graph.n_items
    return replace(
        graph,
        titles=graph.titles if text else blank,
        descriptions=graph.descriptions if text else blank,
        heads=graph.heads[facts],
        relations=graph.relations[facts],
        tails=graph.tails[facts],
        weights=graph.weights[facts],
        stated=graph.stated[facts],
        literal_items=graph.literal_items[literals],
        literal_relations=graph.literal_relations[literals],
        literal_numbers=graph.literal_numbers[literals],
        literal_stated=graph.literal_stated[literals],
    )


def _none(graph: ItemGraph, seed: int) -> ItemGraph:
    return _only(graph, np.zeros_like(graph.stated), np.zeros_like(graph.literal_stated), text=False)


def _catalogue(graph: ItemGraph, seed: int) -> ItemGraph:
    return _only(graph, graph.stated, graph.literal_stated, text=False)


def _text(graph: ItemGraph, seed: int) -> ItemGraph:
    return _only(graph, np.zeros_like(graph.stated), np.zeros_like(graph.literal_stated), text=True)


def _catalogue_and_text(graph: ItemGraph, seed: int) -> ItemGraph:
    return _only(graph, graph.stated, graph.literal_stated, text=True)


def _extracted(graph: ItemGraph, seed: int) -> ItemGraph:
    return _only(graph, ~graph.stated, ~graph.literal_stated, text=False)


def _whole(graph: ItemGraph, seed: int) -> ItemGraph:
    return graph


def _shuffled(graph: ItemGraph, seed: int) -> ItemGraph:
    return _shuffle(graph, seed, np.ones_like(graph.stated), np.ones_like(graph.literal_stated))


def _extracted_shuffled(graph: ItemGraph, seed: int) -> ItemGraph:
    return _shuffle(graph, seed, ~graph.stated, ~graph.literal_stated)


def _shuffle(graph: ItemGraph, seed: int, facts: NDArray[np.bool_], literals: NDArray[np.bool_]) -> ItemGraph:
    """Deal the chosen facts' values out anew within each relation: items keep how many they have of each."""
    random = np.random.default_rng(seed)
    source = _deal(graph, graph.relations, facts, random)
    numbers = np.arange(len(graph.literal_numbers))
    for relation in np.unique(graph.literal_relations[literals]):
        mine = np.flatnonzero(literals & (graph.literal_relations == relation))
        numbers[mine] = random.permutation(mine)
    return replace(
        graph,
        tails=graph.tails[source],
        weights=graph.weights[source],
        literal_numbers=graph.literal_numbers[numbers],
    )


def _random(graph: ItemGraph, seed: int) -> ItemGraph:
    """Deal all facts out anew: items keep how many facts they have, values how many items."""
    random = np.random.default_rng(seed)
    anything = np.zeros(len(graph.heads), np.int64)
    source = _deal(graph, anything, np.ones_like(graph.stated), random)
    numbers = random.permutation(len(graph.literal_numbers))
    return replace(
        graph,
        relations=graph.relations[source],
        tails=graph.tails[source],
        weights=graph.weights[source],
        stated=graph.stated[source],
        literal_relations=graph.literal_relations[numbers],
        literal_numbers=graph.literal_numbers[numbers],
        literal_stated=graph.literal_stated[numbers],
    )


def _deal(
    graph: ItemGraph, groups: NDArray[np.int64], chosen: NDArray[np.bool_], random: np.random.Generator
) -> NDArray[np.int64]:
    """For each fact the number of the fact whose value it gets, permuted within its group.

    A value that an item would get twice is dealt again, with a partner drawn from the group; what is still
    twice after fifty rounds (an item that holds nearly all of a relation) stays.
    """
    source = np.arange(len(graph.heads))
    members = {int(g): np.flatnonzero(chosen & (groups == g)) for g in np.unique(groups[chosen])}
    for mine in members.values():
        source[mine] = random.permutation(mine)
    width = np.int64(max(1, len(graph.value_iris)))
    n_relations = max(1, len(graph.relation_names))
    for _ in range(_ROUNDS):
        key = (graph.heads * n_relations + graph.relations[source]) * width + graph.tails[source]
        _, first = np.unique(key, return_index=True)
        again = np.ones(len(key), np.bool_)
        again[first] = False
        twice = np.flatnonzero(again & chosen)
        if not len(twice):
            break
        for fact in twice.tolist():
            partner = int(random.choice(members[int(groups[fact])]))
            source[fact], source[partner] = source[partner], source[fact]
    return source


CONTROLS: dict[str, Callable[[ItemGraph, int], ItemGraph]] = {
    "no graph": _none,
    "catalogue facts": _catalogue,
    "text": _text,
    "catalogue facts + text": _catalogue_and_text,
    "extracted facts": _extracted,
    WHOLE: _whole,
    "whole, objects shuffled": _shuffled,
    "whole, extracted objects shuffled": _extracted_shuffled,
    "random graph, same degrees": _random,
}
"""Name -> the view of the graph. The text goes with the last four; facts go with all but the first and third.

"no graph": ids only. "whole, objects shuffled": every relation's values dealt out anew among its items, and
"extracted ..." the same for extracted facts only, the catalogue's left in place. "random graph": relation and
value of every fact dealt out anew.
"""


def control(name: str, graph: ItemGraph, seed: int = 0) -> ItemGraph:
    """The graph under a control; the same seed gives the same graph.

    Raises:
        UserError: no control of that name.
    """
    if name not in CONTROLS:
        raise UserError(
            f"unknown control {name!r}",
            mend=did_you_mean(name, CONTROLS) or "controls: " + ", ".join(CONTROLS),
        )
    return CONTROLS[name](graph, seed)
