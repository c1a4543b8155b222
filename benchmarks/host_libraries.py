"""The recommenders of other libraries that benchmarks/hosts.py puts coldplug into, with the settings that they run with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from coldplug.hosts import Host, host_class
from coldplug.types import TrainingData


@dataclass(frozen=True)
class Library:
    """`settings` are all that differs from the library's own defaults, in words."""

    package: str
    settings: str
    make: Callable[[TrainingData], Host]


def likes(data: TrainingData) -> sparse.csr_matrix:
    """(n_users, n_items) ones where a user liked an item."""
    rows, liked = data.interactions, data.positives()
    pairs = (rows.users[liked].astype(np.int32), rows.items[liked].astype(np.int32))
    shape = (len(data.user_ids), data.graph.n_items)
    made = sparse.csr_matrix((np.ones(int(liked.sum()), np.float32), pairs), shape=shape)
    made.sort_indices()
    return made


def on_matrix(name: str, fit: Callable[[sparse.csr_matrix], Any]) -> Callable[[TrainingData], Host]:
    """A host whose library is given the matrix."""

    def make(data: TrainingData) -> Host:
        matrix = likes(data)
        made: Host = host_class(name)(fit(matrix), data.user_ids, data.graph.item_ids, matrix)
        return made

    return make


def lenskit(scorer: Callable[[], Any]) -> Callable[[TrainingData], Host]:
    """A host whose library is LensKit."""

    def make(data: TrainingData) -> Host:
        import pandas as pd
        from lenskit.data import from_interactions_df
        from lenskit.training import TrainingOptions

        kind = host_class("lenskit")
        users, items = likes(data).nonzero()
        ids = {
            "user_id": np.array(data.user_ids)[users],
            "item_id": np.array(data.graph.item_ids)[items],
        }
        rows = from_interactions_df(pd.DataFrame(ids))
        made = scorer()
        made.train(rows, TrainingOptions(rng=0))
        host: Host = kind(made, rows)
        return host

    return make


def implicit_mf() -> Any:
    from lenskit.als import ImplicitMFScorer

    return ImplicitMFScorer()


def item_knn() -> Any:
    from lenskit.knn import ItemKNNScorer

    return ItemKNNScorer(feedback="implicit")


def als(matrix: sparse.csr_matrix) -> Any:
    from implicit.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(random_state=0, use_gpu=False, num_threads=1)
    model.fit(matrix, show_progress=False)
    return model


def warp(matrix: sparse.csr_matrix) -> Any:
    from lightfm import LightFM

    model = LightFM(no_components=32, loss="warp", random_state=0)
    return model.fit(matrix.tocoo(), epochs=20, num_threads=1)


def svd(matrix: sparse.csr_matrix) -> Any:
    from sklearn.decomposition import TruncatedSVD

    return TruncatedSVD(64, random_state=0).fit(matrix)


def ease(data: TrainingData) -> Host:
    from cornac.data import Dataset
    from cornac.models import EASE

    kind = host_class("cornac")
    users, items = (side.tolist() for side in likes(data).nonzero())
    triples = [(data.user_ids[u], data.graph.item_ids[i], 1.0) for u, i in zip(users, items, strict=True)]
    host: Host = kind(EASE(verbose=False, seed=0).fit(Dataset.from_uir(triples, seed=0)))
    return host


LIBRARIES_BY_ROW: dict[str, Library] = {
    "LensKit ImplicitMF": Library("lenskit", "defaults", lenskit(implicit_mf)),
    "LensKit ItemKNN": Library("lenskit", 'feedback="implicit"', lenskit(item_knn)),
    "implicit ALS": Library("implicit", "defaults", on_matrix("implicit", als)),
    "LightFM WARP": Library(
        "lightfm-next", 'loss="warp", 32 components, 20 epochs, no features', on_matrix("lightfm", warp)
    ),
    "Cornac EASE": Library("cornac", "defaults", ease),
    "scikit-learn TruncatedSVD": Library("scikit-learn", "64 components", on_matrix("sklearn", svd)),
}
