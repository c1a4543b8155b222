"""Naive Bayes over attributes and support: shrunken log-odds of liking an item, summed over what is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from coldplug.learn.baselines.matrices import AttributeCoder, positive_matrix, support_matrix
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class NaiveBayes:
    """log p(item) + a * sum of log-lifts of the user's attribute values + b * sum of those of the support.

    The log-lift of a fact f for an item is log (n(f, item) + s p(f)) / ((n(item) + s) p(f)), where n counts
    users and s is how many users of average taste each item is given; p(f) is the share of likes that
    come from users with f. Facts are not independent, so b falls with the size of the support:
    b / size ** damping.
    """

    name = "naive-bayes"

    def __init__(
        self,
        coder: AttributeCoder,
        prior: FloatArray,
        by_attribute: FloatArray,
        by_item: FloatArray,
        positive_at: float,
        weights: tuple[float, float, float],
    ) -> None:
        self.coder, self.prior, self.by_attribute, self.by_item = coder, prior, by_attribute, by_item
        self.positive_at, self.weights = positive_at, weights

    @classmethod
    def fit(
        cls,
        data: TrainingData,
        *,
        seed: int = 0,
        shrink: float = 0.3,
        attribute_weight: float = 0.5,
        support_weight: float = 1.5,
        damping: float = 0.5,
        **settings: Any,
    ) -> Self:
        """Count; memory grows with the square of the number of items.

        Args:
            shrink: users of average taste added to each item's own, as a share of all training users.
            attribute_weight, support_weight, damping: a, b and the exponent of the formula above.
        """
        liked = positive_matrix(data)
        counts = np.asarray(liked.sum(axis=0), np.float64)
        users = liked.sum(axis=1) > 0
        prior = np.log((counts + 0.5) / (users.sum() + 1.0))
        coder = AttributeCoder(data.user_attributes)
        member = coder.encode(data.user_attributes)
        lift_of = _LogLift(counts, shrink * float(users.sum()))
        by_attribute = lift_of((member.T @ liked).toarray())
        together = (liked.T @ liked).toarray().astype(np.float32)
        np.fill_diagonal(together, 0.0)
        by_item = lift_of(together)
        weights = (attribute_weight, support_weight, damping)
        return cls(coder, np.asarray(prior, np.float32), by_attribute, by_item, data.positive_at, weights)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items)."""
        attribute_weight, support_weight, damping = self.weights
        member = self.coder.encode([q.attributes for q in queries])
        support = support_matrix(queries, len(self.prior), self.positive_at)
        size = np.maximum(np.asarray(support.sum(axis=1), np.float32), 1.0)[:, None]
        scores = self.prior[items] + attribute_weight * (member @ self.by_attribute[:, items])
        scores += support_weight * (support @ self.by_item[:, items]) / size**damping
        return np.asarray(scores, np.float32)


class _LogLift:
    """Turns counts of (fact, item) into shrunken log-lifts."""

    def __init__(self, counts: NDArray[np.float64], shrink: float) -> None:
        self.counts, self.shrink = counts, shrink

    def __call__(self, together: NDArray[Any]) -> FloatArray:
        """(n_facts, n_items) -> the same shape, float32; facts and items that were never met give zeros."""
        share = together.sum(1, keepdims=True) / max(float(self.counts.sum()), 1.0)
        share = np.maximum(share, 1e-12)
        lift = (together + self.shrink * share) / ((self.counts + self.shrink) * share)
        lift[together.sum(1) == 0] = 1.0
        lift[:, self.counts == 0] = 1.0
        # a fact that no one who liked the item has still leaves the shrunken share, so the log is finite
        return np.asarray(np.log(np.maximum(lift, 1e-6)), np.float32)
