"""LightFM (as lightfm-next): whatever features it was given, for the users and items that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from coldplug.hosts.matrix import MatrixHost
from coldplug.types import FloatArray, IntArray


class LightFMHost(MatrixHost):
    """A fitted LightFM. It has no way to take in a newcomer's support.

    Args:
        model: fitted.
        user_ids, item_ids, user_items: as for `MatrixHost`.
        user_features, item_features: what `model.fit` was given, if it was.
    """

    name = "lightfm"

    def __init__(
        self,
        model: Any,
        user_ids: Sequence[str],
        item_ids: Sequence[str],
        user_items: Any,
        *,
        user_features: Any = None,
        item_features: Any = None,
    ) -> None:
        super().__init__(user_ids, item_ids, user_items)
        self.model, self.features = model, {"user_features": user_features, "item_features": item_features}

    def known(self, users: IntArray, items: IntArray) -> FloatArray:
        """What `predict` says."""
        columns = items.astype(np.int32)
        rows = [self.model.predict(int(user), columns, **self.features) for user in users]
        return np.array(rows, np.float32).reshape(len(users), len(items))
