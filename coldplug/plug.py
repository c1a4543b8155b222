"""The plug: a trained model that scores any user on any items, known or new."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from coldplug.asking import Support, Unknown, ids_of, numbers_among, query_of
from coldplug.catalogue import Catalogue
from coldplug.errors import ModelFormatError, UnknownItemError
from coldplug.explaining import Explanation, Reason, explained, speaking_for
from coldplug.learn import TRAINABLE, ExplainingLearner, TrainableLearner, trainable_class
from coldplug.store import load_folder
from coldplug.types import Attributes, FloatArray, ItemGraph
from coldplug.vectors import vectors_of
from plugbase.errors import UserError

_DECIMALS_THAT_ORDER = 5
_REASONS = 3
"""That a recommendation comes with, at most."""


@dataclass(frozen=True)
class Recommendation:
    """An item to show, its score, and the reasons that speak for it, strongest first.

    `reasons` is empty where the model's method cannot say what its scores are made of.
    """

    item_id: str
    title: str
    score: float
    reasons: list[Reason]

    def as_json(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


class Plug:
    """A loaded model. Scoring is thread-safe and allocates nothing but what the items asked for need."""

    def __init__(self, learner: TrainableLearner, catalogue: Catalogue, meta: Mapping[str, Any]) -> None:
        """Made by `coldplug.load`."""
        self._learner, self._catalogue, self.meta = learner, catalogue, meta
        self._explains = learner if isinstance(learner, ExplainingLearner) else None
        self._adding = threading.Lock()

    @property
    def item_ids(self) -> list[str]:
        """All items that can be scored."""
        return list(self._catalogue.item_ids)

    def score(
        self,
        user_attrs: Attributes,
        item_ids: Sequence[str],
        support: Support | None = None,
        *,
        unknown: Unknown = "raise",
    ) -> FloatArray:
        """Score items for one user.

        Args:
            user_attrs: attribute name -> text, number or list of texts; {} where nothing is known. Names and values
                that training never met count as missing, and are warned of once.
            item_ids: ids of items of the graph or of `add_items`; may repeat, may be empty.
            support: what the user has met. A rating of NaN counts as none; of an item named twice the last counts.
            unknown: "raise", or "nan" to score ids that the model has never been told of NaN and to leave them out of the
                support.

        Returns:
            (n_items,) float32 in the order of `item_ids`; higher is better; comparable within the call. Logits, or
            ratings where the method was trained with loss=ratings.

        Raises:
            UnknownItemError: ids that are of no item, unless unknown="nan".
            UserError: an argument of the wrong type.
        """
        return self.score_batch([(user_attrs, support)], item_ids, unknown=unknown)[0]

    def score_batch(
        self,
        users: Sequence[tuple[Attributes, Support | None]],
        item_ids: Sequence[str],
        *,
        unknown: Unknown = "raise",
    ) -> FloatArray:
        """(n_users, n_items) float32: as `score`, for many (attributes, support) pairs on the same items."""
        catalogue = self._catalogue
        for user in users:
            if not isinstance(user, tuple | list) or len(user) != 2:
                raise UserError(
                    f"users holds {user!r}"[:200], mend="each user is a pair: (attributes, support or None)"
                )
        ids = ids_of(item_ids, "item_ids")
        out = np.full((len(users), len(ids)), np.nan, np.float32)
        known = np.array([item in catalogue.numbers for item in ids], np.bool_)
        if unknown not in ("raise", "nan"):
            raise UserError(f"unknown={unknown!r}", mend='pass "raise" or "nan"')
        if not known.all() and unknown == "raise":
            raise UnknownItemError([item for item, is_known in zip(ids, known, strict=True) if not is_known])
        numbers = catalogue.find([item for item, is_known in zip(ids, known, strict=True) if is_known])
        queries = [query_of(attrs, support, catalogue, unknown) for attrs, support in users]
        if queries and len(numbers):
            out[:, known] = self._learner.score(queries, numbers)
        return out

    def item_vectors(self) -> tuple[list[str], FloatArray]:
        """All item ids, and (n_items, d) float32, of which `user_vector` gives the scores: for a host with two towers.

        The measure is the inner product, not the cosine: `vectors @ plug.user_vector(attrs, support)` is what `score`
        gives, to the rounding of float32. New items are in it; after `add_items` ask again, d stays.

        Raises:
            UserError: the scores of the model's method are no inner products.
        """
        catalogue = self._catalogue  # before the vectors, which may grow meanwhile
        return list(catalogue.item_ids), vectors_of(self._learner).items(np.arange(len(catalogue.item_ids)))

    def user_vector(self, user_attrs: Attributes, support: Support | None = None) -> FloatArray:
        """(d,) float32: the user as a vector to be multiplied with `item_vectors`; arguments as for `score`.

        Raises:
            UserError: the scores of the model's method are no inner products.
        """
        query = query_of(user_attrs, support, self._catalogue, "raise")
        return np.asarray(vectors_of(self._learner).users([query])[0])

    def recommend(
        self,
        user_attrs: Attributes,
        k: int = 10,
        support: Support | None = None,
        exclude: Collection[str] | None = None,
        candidates: Sequence[str] | None = None,
    ) -> list[Recommendation]:
        """The k best items, best first; ties go by item id.

        Args:
            user_attrs: as for `score`.
            k: how many; fewer come back where there are fewer candidates.
            support: as for `score`; its items are never recommended.
            exclude: ids that are not to be shown; unknown ones are passed over.
            candidates: ids to choose from; all items where None.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UserError(f"k={k!r}", mend="k must be a whole number from 1 up")
        catalogue = self._catalogue
        query = query_of(user_attrs, support, catalogue, "raise")
        barred = numbers_among(exclude, "exclude", catalogue) | set(query.items.tolist())
        pool = (
            np.arange(len(catalogue.item_ids), dtype=np.int64)
            if candidates is None
            else np.unique(catalogue.find(ids_of(candidates, "candidates")))
        )
        pool = pool[~np.isin(pool, list(barred))] if barred else pool
        if not len(pool):
            return []
        scores = self._learner.score([query], pool)[0]
        # The last bits of a product depend on where an item stands in it: they make no order.
        order = np.round(scores, _DECIMALS_THAT_ORDER)
        few = min(k, len(pool))
        least = np.partition(order, len(order) - few)[len(order) - few]
        maybe = np.flatnonzero(order >= least)
        best = sorted(maybe.tolist(), key=lambda n: (-float(order[n]), catalogue.item_ids[int(pool[n])]))
        best = best[:few]
        found = []
        for place in best:
            item = int(pool[place])
            helpful = speaking_for(self._explains, catalogue, query, item, _REASONS) if self._explains else []
            ident, title = catalogue.item_ids[item], catalogue.titles[item]
            found.append(Recommendation(ident, title, float(scores[place]), helpful))
        return found

    def explain(self, user_attrs: Attributes, item_id: str, support: Support | None = None) -> Explanation:
        """What a score is made of: the shares of base, attributes and support items, which sum to it, and shared facts.

        Raises:
            UnknownItemError: the id is of no item.
            UserError: the model's method cannot say what its scores are made of; `posterior` can.
        """
        if self._explains is None:
            raise UserError(
                f"a model of method {self.meta['method']!r} cannot say what its scores are made of",
                mend="train one that can: coldplug train --method posterior",
            )
        catalogue = self._catalogue
        item = int(catalogue.find(ids_of([item_id], "item_id"))[0])
        return explained(self._explains, catalogue, query_of(user_attrs, support, catalogue, "raise"), item)

    def add_items(self, items: str | PathLike[str] | ItemGraph | Sequence[Mapping[str, Any]]) -> int:
        """Make new items scorable from their facts and text, without retraining.

        Args:
            items: graph.ttl of the new items, as kgbuild writes it, with the facts that it read out of their texts; or
                records as in items.jsonl, whose catalogue attributes and text alone are used. Items that the model has
                already keep what it has of them.

        Returns:
            How many items were added.

        Raises:
            UserError: neither of these, or a record without an id or a text.
        """
        from coldplug.read import evidence_beside, read_graph
        from coldplug.read.items import graph_of_items
        from coldplug.read.select import only_items

        evidence = None
        if isinstance(items, ItemGraph):
            read = items
        elif isinstance(items, str | PathLike):
            read, evidence = read_graph(items), evidence_beside(items)
        elif isinstance(items, Sequence) and not isinstance(items, str):
            read = graph_of_items(items, self._catalogue.value_names)
        else:
            raise UserError(
                f"items is a {type(items).__name__}",
                mend="pass the path of a graph.ttl (`kgbuild extract` makes one) or a list of records",
            )
        with self._adding:
            fresh = np.array([item not in self._catalogue.numbers for item in read.item_ids], np.bool_)
            added = only_items(read, fresh)
            if added.n_items:
                grown = self._catalogue.extended(Catalogue.of(added, evidence))
                # Vectors first, names second: whoever finds a name beside us finds its vectors too.
                self._learner.add_items(added)
                self._catalogue = grown
        return added.n_items


def load(path: str | PathLike[str]) -> Plug:
    """Load a model folder.

    Raises:
        ModelFormatError: it is no model, of an unknown format version, or was truncated or altered.
    """
    meta, arrays, texts = load_folder(Path(path))
    try:
        method = meta["method"]
        if method not in TRAINABLE:
            raise ModelFormatError(
                f"{path} is of method {method!r}, which this version of coldplug does not know",
                mend="install the version of coldplug that wrote it, or train the model again",
            )
        learner = trainable_class(method).from_state(meta["learner"], arrays, texts)
        return Plug(learner, Catalogue.from_state(arrays, texts), meta)
    except KeyError as error:
        raise ModelFormatError(f"{path} has no {error}", mend="train the model again") from error
