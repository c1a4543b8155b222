"""coldplug where the host has no score: everything that the host says stays as it is, to the bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from coldplug.hosts import Host, Person
from coldplug.hosts.scale import Reference, plug_scores, stretch
from coldplug.plug import Plug
from coldplug.types import FloatArray


class Fallback:
    """The host's scores, and ours where it has none: for new items on the host's scale, for users new to it on our own.

    Args:
        host: a trained recommender.
        plug: a model, best trained on the same interactions.
    """

    def __init__(self, host: Host, plug: Plug) -> None:
        self.host, self.plug, self._reference = host, plug, Reference(host, plug)

    def score(self, person: Person, item_ids: Sequence[str]) -> FloatArray:
        """(n_items,) float32, as `score_batch`."""
        return np.asarray(self.score_batch([person], item_ids)[0])

    def score_batch(self, people: Sequence[Person], item_ids: Sequence[str]) -> FloatArray:
        """(n_people, n_items) float32, higher is better, comparable for one person; NaN where neither knows the item."""
        out = self.host.scores(people, item_ids)
        asked = np.flatnonzero(np.isnan(out).any(1))
        if len(asked):
            wanting = [people[row] for row in asked.tolist()]
            ours = plug_scores(self.plug, wanting, item_ids)
            theirs, reference = self._reference.scores(self.host, self.plug, wanting)
            scale, offset = stretch(theirs, reference)
            unscaled = np.isnan(scale)
            ours = ours * np.where(unscaled, np.float32(1), scale) + np.where(unscaled, np.float32(0), offset)
            out[asked] = np.where(np.isnan(out[asked]), ours, out[asked])
        return out
