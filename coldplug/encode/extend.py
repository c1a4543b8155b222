"""More columns for attributes first met after training: what had a row before has the same row, with zeros beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from coldplug.encode.attributes import AttributeEncoder
from coldplug.types import Attributes, FloatArray, IntArray


@dataclass(frozen=True)
class Extended:
    """A grown encoder. `origin` (width,) is each column's place before, -1 where it is new.

    `start` (width,) is the old column that spoke for a new one so far, as the last knot did for all numbers beyond it;
    -1 where none did. For an old column it is the column itself.
    """

    encoder: AttributeEncoder
    origin: IntArray
    start: IntArray

    def rows(self, weights: FloatArray, places: IntArray) -> FloatArray:
        """Weights (..., 1 + old width, n) as (..., 1 + width, n), each column's from its place, 0 at -1.

        The first row is the intercept's, and stays.
        """
        padded = np.concatenate([weights, np.zeros_like(weights[..., :1, :])], axis=-2)
        return padded[..., np.concatenate([[0], np.where(places >= 0, places + 1, -1)]), :]


def extended(encoder: AttributeEncoder, attributes: Sequence[Attributes]) -> Extended:
    """Add what enough of these users have and the encoder has no column for: names, values, numbers beyond its knots.

    A name that held numbers and now holds words, or the other way round, stays as it was.
    """
    fresh = AttributeEncoder.fit(attributes)
    known, met = ({entry["name"]: entry for entry in e.state()["attributes"]} for e in (encoder, fresh))
    blocks = {block.name: block for block in encoder.parts}
    entries: list[dict[str, Any]] = []
    origin: list[int] = []
    start: list[int] = []
    for name in sorted(known.keys() | met.keys()):
        entry, more = known.get(name), met.get(name)
        old = [] if entry is None else list(range(encoder.blocks[name].start, encoder.blocks[name].stop))
        below = above = 0
        ends = (-1, -1)
        if entry is None:
            entry = met[name]
            above = fresh.blocks[name].stop - fresh.blocks[name].start
        elif more is not None and more["kind"] == entry["kind"] == "number":
            knots, ends = entry["knots"], (old[0], old[-1])
            lower = [knot for knot in more["knots"] if knot < knots[0]]
            higher = [knot for knot in more["knots"] if knot > knots[-1]]
            entry, below, above = entry | {"knots": lower + knots + higher}, len(lower), len(higher)
        elif more is not None and more["kind"] == entry["kind"]:
            added = [value for value in more["values"] if blocks[name].weights(value) is None]
            entry, above = entry | {"values": [*entry["values"], *added]}, len(added)
        entries.append(entry)
        origin += [-1] * below + old + [-1] * above
        start += [ends[0]] * below + old + [ends[1]] * above
    grown = AttributeEncoder.from_state(encoder.state() | {"attributes": entries})
    # What too few users have is no reason to warn while those users are encoded.
    grown = replace(grown, _seldom=encoder._seldom | fresh._seldom)
    return Extended(grown, np.array(origin, np.int64), np.array(start, np.int64))
