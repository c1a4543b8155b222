"""implicit (0.7): matrix factorisations; alternating least squares also folds in a newcomer by their support."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from implicit.cpu.matrix_factorization_base import MatrixFactorizationBase
from scipy import sparse

from coldplug.hosts.matrix import MatrixHost
from coldplug.types import FloatArray, IntArray
from plugbase.errors import UserError


class ImplicitHost(MatrixHost):
    """A fitted model of implicit that has user and item factors: ALS, BPR, LMF, on the processor.

    Args:
        model: fitted.
        user_ids, item_ids, user_items: as for `MatrixHost`.
    """

    name = "implicit"

    def __init__(self, model: Any, user_ids: Sequence[str], item_ids: Sequence[str], user_items: Any) -> None:
        super().__init__(user_ids, item_ids, user_items)
        if not isinstance(model, MatrixFactorizationBase) or model.item_factors is None:
            raise UserError(
                f"a {type(model).__name__} is no fitted matrix factorisation of implicit's",
                mend="fit one first: AlternatingLeastSquares, BayesianPersonalizedRanking, ...",
            )
        self.model = model

    def known(self, users: IntArray, items: IntArray) -> FloatArray:
        """Inner products of the factors."""
        return np.asarray(self.model.user_factors[users] @ self.model.item_factors[items].T, np.float32)

    def newcomers(self, rows: sparse.csr_matrix, items: IntArray) -> FloatArray:
        """The same, with user factors that the library solves for."""
        users = self.model.recalculate_user(np.arange(rows.shape[0]), rows)
        return np.asarray(np.asarray(users) @ self.model.item_factors[items].T, np.float32)

    @property
    def takes_newcomers(self) -> bool:
        """Least squares can solve for a user; the losses over pairs cannot."""
        return type(self.model).recalculate_user is not MatrixFactorizationBase.recalculate_user
