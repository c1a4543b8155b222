"""The training as one object, for those who would rather write Python than call the command line."""

from __future__ import annotations

import tempfile
import warnings
from os import PathLike
from pathlib import Path
from typing import Any

from coldplug.learn import trainable_class
from coldplug.plug import Plug, load
from coldplug.train import train_model
from plugbase.errors import UserError


class ColdStartSolver:
    """Trains on a graph and what lies beside it: `ColdStartSolver("graph.ttl").train()` gives a Plug.

    Args:
        kg_path: graph.ttl; `interactions.*` and `users.*` are looked for beside it unless named.
        meta_method: the learner, by any name that `coldplug train --method` takes.
        device: "cpu"; the learners are small, and there is no other.
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
        trainable_class(meta_method)
        if device != "cpu":
            raise UserError(f"device {device!r}", mend='every learner trains on "cpu"')
        self.graph, self.method, self.seed = Path(kg_path), meta_method, seed
        self.interactions = None if interactions is None else Path(interactions)
        self.users = None if users is None else Path(users)

    def train(
        self,
        epochs: int | None = None,
        batch_size: int | None = None,
        *,
        out: str | PathLike[str] | None = None,
        **settings: Any,
    ) -> Plug:
        """Train and load the model. What was left out of the tables, or changes nothing, is warned of.

        Args:
            epochs: passes over the users; the learner's own number of steps where None. One pass is as many batches as
                there are users to fill, and for "mf", which solves for all users at once, one sweep.
            batch_size: users in one training batch; the learner's own where None. "mf" has no batches.
            out: where the model folder is to stay; a temporary folder, gone afterwards, where None.
            settings: of the learner, as `coldplug train --set` takes them.

        Raises:
            UserError: a setting that does not exist or cannot be, or too little to learn from.
        """
        if batch_size is not None:
            settings["batch"] = batch_size
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "model" if out is None else Path(out)
            summary = train_model(
                self.graph,
                folder,
                users=self.users,
                interactions=self.interactions,
                method=self.method,
                seed=self.seed,
                settings=settings,
                epochs=epochs,
            )
            for remark in summary.remarks:
                warnings.warn(remark, stacklevel=2)
            return load(folder)
