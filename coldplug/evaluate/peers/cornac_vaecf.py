"""cornac's variational autoencoder for collaborative filtering (Liang et al. 2018): ids alone, the support encoded.

It knows the items of its training only, so cold items tie.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from cornac.data import Dataset
from cornac.models import VAECF

from coldplug.learn.baselines.matrices import positive_matrix, support_matrix
from coldplug.learn.threads import one_thread
from coldplug.types import FloatArray, IntArray, Query, TrainingData


class CornacVAECF:
    """What the decoder makes of the mean of the support's code."""

    name = "cornac-vaecf"

    def __init__(self, model: Any, column: IntArray, counts: FloatArray, positive_at: float) -> None:
        self.model, self.column, self.counts, self.positive_at = model, column, counts, positive_at

    @classmethod
    def fit(cls, data: TrainingData, *, seed: int = 0, **settings: Any) -> Self:
        """`settings` are those of `VAECF`; its own defaults but for wider layers, as the paper has them."""
        liked = positive_matrix(data)
        users, items = (side.tolist() for side in liked.nonzero())
        rows = Dataset.from_uir(zip(users, items, [1.0] * len(users), strict=True), seed=seed)
        chosen = {"k": 50, "autoencoder_structure": [200], "likelihood": "mult"} | settings
        model = VAECF(seed=seed, use_gpu=False, verbose=False, **chosen)
        with one_thread():
            model.fit(rows)
        column = np.full(liked.shape[1], -1, np.int64)
        for item, place in rows.iid_map.items():
            column[item] = place
        return cls(model, column, np.asarray(liked.sum(axis=0), np.float32), data.positive_at)

    def score(self, queries: Sequence[Query], items: IntArray) -> FloatArray:
        """(n_queries, n_items); popularity without a support."""
        support = support_matrix(queries, len(self.counts), self.positive_at)
        met = np.flatnonzero(self.column >= 0)
        known = np.zeros((len(queries), len(met)), np.float32)
        known[:, self.column[met]] = support[:, met].toarray()
        with torch.inference_mode(), one_thread():
            code, _ = self.model.vae.encode(torch.from_numpy(known))
            decoded = self.model.vae.decode(code).numpy()
        scores = np.zeros((len(queries), len(items)), np.float32)
        here = self.column[items] >= 0
        scores[:, here] = decoded[:, self.column[items][here]]
        scores[np.asarray(support.sum(axis=1)) == 0] = self.counts[items]
        return scores
