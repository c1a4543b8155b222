"""scikit-learn: a decomposition of the matrix as a host, and coldplug as an estimator with fit and predict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from coldplug.hosts.matrix import MatrixHost
from coldplug.types import Attributes, FloatArray, IntArray
from plugbase.errors import UserError


class SklearnHost(MatrixHost):
    """A fitted `TruncatedSVD`, `NMF` or `PCA`: a score is what is left of an entry of the matrix.

    A newcomer is one more row to transform.

    Args:
        estimator: fitted on `user_items`, with `transform` and `inverse_transform`.
        user_ids, item_ids, user_items: as for `MatrixHost`.
    """

    name = "sklearn"

    def __init__(
        self, estimator: Any, user_ids: Sequence[str], item_ids: Sequence[str], user_items: Any
    ) -> None:
        super().__init__(user_ids, item_ids, user_items)
        check_is_fitted(estimator)
        # All at once: where `transform` iterates, as that of NMF does, a row's result depends on the rows beside it.
        self.estimator, self.users = estimator, estimator.transform(self.user_items)

    def known(self, users: IntArray, items: IntArray) -> FloatArray:
        """Rows of the matrix, transformed and back."""
        return self._back(self.users[users], items)

    def newcomers(self, rows: sparse.csr_matrix, items: IntArray) -> FloatArray:
        """The same for other rows."""
        return self._back(self.estimator.transform(rows), items)

    def _back(self, users: Any, items: IntArray) -> FloatArray:
        return np.asarray(self.estimator.inverse_transform(users), np.float32)[:, items]


class ColdplugEstimator(BaseEstimator):
    """coldplug as scikit-learn has it: pairs in, scores out, settings as arguments, so that `clone` works.

    Args:
        graph: path of graph.ttl, which describes the items, also those without interactions.
        users: user id -> attributes; None where nothing is known.
        method: as for `coldplug train --method`.
        positive_at: ratings from here on are likes.
        seed: of every random draw.
        settings: of the method.
    """

    def __init__(
        self,
        graph: str | PathLike[str] = "graph.ttl",
        *,
        users: Mapping[str, Attributes] | None = None,
        method: str = "posterior",
        positive_at: float = 4.0,
        seed: int = 0,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.graph, self.users, self.method = graph, users, method
        self.positive_at, self.seed, self.settings = positive_at, seed, settings

    def fit(self, X: Any, y: Any = None) -> Self:
        """Train on pairs.

        Args:
            X: (n, 2) user ids and item ids.
            y: (n,) ratings; without them every pair is a like.

        Raises:
            UserError: X is no such array, or names items that the graph does not have.
        """
        from coldplug.catalogue import Catalogue
        from coldplug.errors import UnknownItemError
        from coldplug.learn import trainable_class
        from coldplug.plug import Plug
        from coldplug.read import read_graph
        from coldplug.types import Interactions, TrainingData

        pairs, graph = _pairs(X), read_graph(self.graph)
        ratings = np.full(len(pairs), np.nan, np.float32) if y is None else np.asarray(y, np.float32)
        catalogue = Catalogue.of(graph, None)
        missing = sorted({item for _, item in pairs} - set(graph.item_ids))
        if missing:
            raise UnknownItemError(missing)
        user_ids = list(dict.fromkeys(user for user, _ in pairs))
        place = {user: number for number, user in enumerate(user_ids)}
        known = self.users or {}
        rows = Interactions(
            np.array([place[user] for user, _ in pairs], np.int64),
            catalogue.find([item for _, item in pairs]),
            ratings,
        )
        attributes = [known.get(user, {}) for user in user_ids]
        data = TrainingData(graph, user_ids, attributes, rows, self.positive_at)
        learner = trainable_class(self.method).fit(data, seed=self.seed, **(self.settings or {}))
        self.plug_ = Plug(learner, catalogue, {"method": self.method})
        self.supports_: dict[str, list[tuple[str, float]]] = {user: [] for user in user_ids}
        for (user, item), rating in zip(pairs, ratings.tolist(), strict=True):
            self.supports_[user].append((item, rating))
        return self

    def predict(self, X: Any) -> FloatArray:
        """(n,) float32 scores of pairs, comparable for one user; a user that `fit` did not see is their attributes.

        Raises:
            UserError: X is no array of pairs.
            UnknownItemError: items that the graph does not have.
        """
        check_is_fitted(self)
        pairs, known = _pairs(X), self.users or {}
        out = np.empty(len(pairs), np.float32)
        rows: dict[str, list[int]] = {}
        for row, (user, _) in enumerate(pairs):
            rows.setdefault(user, []).append(row)
        for user, mine in rows.items():
            told, support = known.get(user, {}), self.supports_.get(user)
            out[mine] = self.plug_.score(told, [pairs[row][1] for row in mine], support)
        return out


def _pairs(given: Any) -> list[tuple[str, str]]:
    """Ids as texts."""
    found = np.asarray(given, object)
    if found.ndim != 2 or found.shape[1] != 2:
        raise UserError(
            f"X has the shape {found.shape}",
            mend="pass an array of two columns: user ids and item ids",
        )
    return [(str(user), str(item)) for user, item in found.tolist()]
