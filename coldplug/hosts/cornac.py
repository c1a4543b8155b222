"""Cornac (3): any of its models that ranks the items it was trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from coldplug.hosts.matrix import MatrixHost
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError


class CornacHost(MatrixHost):
    """A fitted model of Cornac; ids and interactions are those it was fitted on. It cannot take in a newcomer's support.

    Args:
        model: fitted.

    Raises:
        UserError: it was not fitted.
    """

    name = "cornac"

    def __init__(self, model: Any) -> None:
        rows = getattr(model, "train_set", None)
        if rows is None:
            raise UserError(f"the {type(model).__name__} is not fitted", mend="call model.fit(...) first")
        # The maps also hold the ids of a test set, behind those of the training.
        users, items = list(rows.uid_map)[: rows.num_users], list(rows.iid_map)[: rows.num_items]
        super().__init__(users, items, rows.csr_matrix[: len(users), : len(items)])
        self.model = model

    def known(self, users: IntArray, items: IntArray) -> FloatArray:
        """What `score` says."""
        rows = [np.ravel(self.model.score(int(user)))[items] for user in users]
        return np.array(rows, np.float32).reshape(len(users), len(items))
