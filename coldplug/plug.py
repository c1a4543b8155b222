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
from coldplug.index.diversity import POOL, checked, diversified
from coldplug.index.filters import Mask, Where, allowed_of
from coldplug.index.finder import Finder, best_places
from coldplug.index.folder import load_finder
from coldplug.learn import TRAINABLE, ExplainingLearner, TrainableLearner, trainable_class
from coldplug.online.live import Live, User
from coldplug.online.store import UserStore, open_users
from coldplug.store import load_folder
from coldplug.types import Attributes, FloatArray, ItemGraph
from coldplug.vectors import vectors_of
from plugbase.errors import UserError

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

    def __init__(
        self,
        learner: TrainableLearner,
        catalogue: Catalogue,
        meta: Mapping[str, Any],
        finder: Finder | None = None,
        live: Live | None = None,
    ) -> None:
        """Made by `coldplug.load`."""
        self._learner, self._catalogue, self.meta, self._finder = learner, catalogue, meta, finder
        self._explains = learner if isinstance(learner, ExplainingLearner) else None
        self._adding, self._live = threading.Lock(), live

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
        numbers = catalogue.numbers_of(ids)
        known = numbers >= 0
        if unknown not in ("raise", "nan"):
            raise UserError(f"unknown={unknown!r}", mend='pass "raise" or "nan"')
        if not known.all() and unknown == "raise":
            raise UnknownItemError([item for item, is_known in zip(ids, known, strict=True) if not is_known])
        queries = [query_of(attrs, support, catalogue, unknown) for attrs, support in users]
        if queries and known.any():
            out[:, known] = self._learner.score(queries, numbers[known])
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
        candidates: Sequence[str] | Mask | None = None,
        *,
        where: Where | None = None,
        diversity: float = 0.0,
    ) -> list[Recommendation]:
        """The k best items, best first; ties go by item id.

        Where the model folder has an index (`coldplug index`) it finds the items that are scored, nearly always the best;
        without one every item is scored.

        Args:
            user_attrs: as for `score`.
            k: how many; fewer come back where there are fewer candidates.
            support: as for `score`; its items are never recommended.
            exclude: ids that are not to be shown; unknown ones are passed over.
            candidates: ids to choose from, or True and False for each of `item_ids`; all items where None.
            where: facts that an item must have: relation -> a value or several, one of which will do.
            diversity: from 0, the best, to 1: how much it counts that an item is unlike those before it. The scores stay,
                but are in no order then.
        """
        if isinstance(k, bool) or not isinstance(k, int) or k < 1:
            raise UserError(f"k={k!r}", mend="k must be a whole number from 1 up")
        spread = checked(diversity)
        finder, catalogue = (
            self._finder,
            self._catalogue,
        )  # in this order: a finder knows no item before the catalogue
        query = query_of(user_attrs, support, catalogue, "raise")
        barred = numbers_among(exclude, "exclude", catalogue) | set(query.items.tolist())
        allowed = allowed_of(candidates, where, catalogue)
        depth = POOL * k if spread else k
        if finder is None:
            pool = np.arange(len(catalogue.item_ids)) if allowed is None else np.flatnonzero(allowed)
        else:
            user = vectors_of(self._learner).users([query])[0]
            pool = finder.candidates(user, depth + len(barred), allowed)
        pool = pool[~np.isin(pool, list(barred))] if barred else pool
        if not len(pool):
            return []
        scores = self._learner.score([query], pool)[0]
        best = best_places(scores, pool, depth, catalogue)
        if spread:
            chosen = diversified(catalogue, pool[best], scores[best], k, spread)
            best = [best[place] for place in chosen]
        shown = pool[best]
        explains = self._explains
        reasons = (
            speaking_for(explains, catalogue, query, shown, _REASONS) if explains else [[] for _ in best]
        )
        return [
            Recommendation(catalogue.item_ids[item], catalogue.titles[item], float(scores[place]), why)
            for item, place, why in zip(shown.tolist(), best, reasons, strict=True)
        ]

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

    def observe(self, user_id: str, item_id: str, reward: float | bool) -> None:
        """Keep what a user thought of an item: it is in their support from the next question on, here and elsewhere.

        Args:
            user_id: anybody; who was never heard of begins here.
            item_id: an item of the model. Of an item observed twice the last counts.
            reward: a rating on the scale of the training, or True for a like and False for none; 0 or 1 where the training
                had no ratings. Of more than 100 items of one user the newest are kept.

        Raises:
            UnknownItemError: the id is of no item.
            UserError: the reward is NaN or off the scale, or the model was loaded without users.
        """
        self._users().observe(user_id, item_id, reward, self._catalogue)

    def describe(self, user_id: str, user_attrs: Attributes) -> None:
        """Keep a user's attributes, in place of those there were; as for `score`, but a dict that JSON can hold."""
        self._users().describe(user_id, user_attrs)

    def user(self, user_id: str) -> User:
        """What is kept of a user, as (attributes, support): `score_batch` takes it so, and `score` its halves."""
        return self._users().user(user_id, self._catalogue)[0]

    def recommend_to(
        self, user_id: str, k: int = 10, exclude: Collection[str] | None = None, **options: Any
    ) -> list[Recommendation]:
        """`recommend` to a user by id; what they have observed is never recommended. Options as there."""
        (attributes, support), refused = self._users().user(user_id, self._catalogue)
        barred = [*ids_of(() if exclude is None else exclude, "exclude"), *refused]
        return self.recommend(attributes, k, support, barred, **options)

    def forget(self, user_id: str) -> None:
        """Remove all that is kept of a user."""
        self._users().forget(user_id)

    def _users(self) -> Live:
        if self._live is None:
            raise UserError(
                "the model was loaded without users", mend='coldplug.load("model/", users="users.db")'
            )
        return self._live

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
                grown_finder = self._finder and self._finder.extended(
                    vectors_of(self._learner), added.n_items
                )
                self._catalogue = grown
                self._finder = grown_finder
        return added.n_items


def load(path: str | PathLike[str], users: str | PathLike[str] | UserStore | None = None) -> Plug:
    """Load a model folder.

    Args:
        path: the folder.
        users: where `observe` keeps users: a file, redis://..., or an open store; see `coldplug.online.open_users`.

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
        finder = load_finder(Path(path), learner)
        store = open_users(users) if isinstance(users, str | PathLike) else users
        live = None if store is None else Live(store, meta)
        return Plug(learner, Catalogue.from_state(arrays, texts), meta, finder, live)
    except KeyError as error:
        raise ModelFormatError(f"{path} has no {error}", mend="train the model again") from error
