"""Wordings of one relation held together: the angles of a cluster are pulled to their circular mean."""

from __future__ import annotations

from typing import Any

import numpy as np

from coldplug.encode.rotate.facts import Triples
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError


class Clusters:
    """Which relations are wordings of one, and what it costs a relation to turn by other angles than its cluster.

    A fact whose relation has the angles a in a cluster of the mean m adds weight x mean_i |e^(i a_i) - e^(i m_i)|^2
    to the loss: the squared distance between where the relation and where its cluster would take a head of length
    1. The mean is that of directions, not of numbers (359 and 1 degrees have the mean 0), and counts each relation
    by its facts. It is where that sum is least, so the gradient through it is 0 and none is taken.
    """

    def __init__(self, clusters: IntArray, facts: Triples, weight: float) -> None:
        """
        Args:
            clusters: (n_relations,) a number for each relation, the same for those of one cluster.
            facts: of the training; they say how often a relation occurs.
            weight: of the cost, beside the loss of the fact itself.
        """
        import torch

        members = np.unique(clusters, return_inverse=True)[1]
        self.members = torch.from_numpy(members.astype(np.int64))
        self.n = int(members.max(initial=-1)) + 1
        counts = np.bincount(facts.relations, minlength=len(clusters)).astype(np.float32)
        self.counts = torch.from_numpy(counts)[:, None]
        self.weight = weight

    def pull(self, angles: Any, relations: Any, facts_of: Any) -> tuple[float, Any]:
        """The cost of a batch, a mean over its facts, and its slope by the angles of the relations it touches.

        Args:
            angles: (n_relations, dim) of all relations.
            relations: (m,) those of the batch, each once.
            facts_of: (n,) which of the m each fact of the batch has.
        """
        import torch

        ahead, up = (torch.zeros(self.n, angles.shape[1]) for _ in range(2))
        ahead.index_add_(0, self.members, self.counts * angles.cos())
        up.index_add_(0, self.members, self.counts * angles.sin())
        gap = angles[relations] - torch.atan2(up, ahead)[self.members[relations]]
        share = torch.bincount(facts_of, minlength=len(relations))[:, None] / len(facts_of)
        costs = self.weight * share * (2 - 2 * gap.cos()) / angles.shape[1]
        return float(costs.sum()), 2 * self.weight * share * gap.sin() / angles.shape[1]


def one_start(phases: FloatArray, clusters: IntArray) -> FloatArray:
    """(n_relations, dim) the angles with which training begins: every cluster has those of its first relation."""
    _, first, members = np.unique(clusters, return_index=True, return_inverse=True)
    return phases[first[members]]


def checked_clusters(clusters: IntArray, n_relations: int) -> IntArray:
    """The clusters, if there is one for every relation.

    Raises:
        UserError: there are more or fewer.
    """
    if np.shape(clusters) != (n_relations,):
        raise UserError(
            f"clusters has shape {np.shape(clusters)}, and there are {n_relations} relations",
            mend="give every relation the number of its cluster",
        )
    return np.asarray(clusters, np.int64)
