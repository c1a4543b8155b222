"""The training as one object, for those who would rather write Python than call the command line."""

from __future__ import annotations

import tempfile
from os import PathLike
from pathlib import Path
from typing import Any

from coldplug.plug import Plug, load
from coldplug.train import TRAINABLE, train_model
from plugbase.errors import UserError, did_you_mean


class ColdStartSolver:
    """Trains on a graph and what lies beside it: `ColdStartSolver("graph.ttl").train()` gives a Plug.

    Args:
        kg_path: graph.ttl; `interactions.*` and `users.*` are looked for beside it unless named.
        meta_method: the learner; "posterior" is the one there is.
        device: "cpu"; the default learner gains nothing from another.
        interactions: interactions table.
        users: users table.
        seed: of every random draw.

    Raises:
        UserError: an unknown method or device.
    """

    def __init__(
        self,
        kg_path: str | PathLike[str],
        meta_method: str = "posterior",
        device: str = "cpu",
        *,
        interactions: str | PathLike[str] | None = None,
        users: str | PathLike[str] | None = None,
        seed: int = 0,
    ) -> None:
        if meta_method not in TRAINABLE:
            raise UserError(
                f"unknown meta_method {meta_method!r}",
                mend=did_you_mean(meta_method, TRAINABLE) or f"methods: {', '.join(TRAINABLE)}",
            )
        if device != "cpu":
            raise UserError(f"device {device!r}", mend='the posterior learner trains on "cpu"')
        self.graph, self.method, self.seed = Path(kg_path), meta_method, seed
        self.interactions = None if interactions is None else Path(interactions)
        self.users = None if users is None else Path(users)

    def train(
        self, epochs: int | None = None, batch_size: int = 256, *, out: str | PathLike[str] | None = None
    ) -> Plug:
        """Train and load the model.

        Args:
            epochs: passes over batches of 20 times `batch_size` episodes; the default of the learner where None.
            batch_size: episodes in one training batch.
            out: where the model folder is to stay; a temporary folder, gone afterwards, where None.
        """
        settings: dict[str, Any] = {"batch": batch_size}
        if epochs is not None:
            settings["steps"] = epochs * _BATCHES
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model" if out is None else Path(out)
            train_model(
                self.graph,
                folder,
                users=self.users,
                interactions=self.interactions,
                method=self.method,
                seed=self.seed,
                settings=settings,
            )
            return load(folder)


_BATCHES = 20
"""Batches that one epoch stands for."""
