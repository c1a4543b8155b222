"""What a trained network says of windows, many in one pass; and how it is made ready for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import attrgetter

import numpy as np
import torch
from torch import Tensor

from kgbuild.encoder.layout import lay_out
from kgbuild.encoder.packed import LEAST_ROWS, bounds_of, packed_states
from kgbuild.extract.span.memory import Known
from kgbuild.extract.span.network import MEMORY_SCALE, SPAN, SpanNetwork
from kgbuild.extract.span.spans import Window

_PLACE = attrgetter("first", "last", "words", "cut")


def make_ready(network: SpanNetwork) -> None:
    """Merge the adapters of a network and lay the weights of its encoder out, in place; its scores stay the same."""
    merge_adapters(network)
    lay_out(network.encoder)


def merge_adapters(network: SpanNetwork) -> None:
    """Add each low-rank addition to the map that it stands beside: the same scores for less work.

    An adapter is a module with a `base` and maps `down` and `up` (Hu et al. 2021: W + BA).
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if all(hasattr(child, part) for part in ("base", "down", "up")):
                with torch.no_grad():
                    child.base.weight += child.up.weight @ child.down.weight
                setattr(module, name, child.base)


def window_margins(
    network: SpanNetwork,
    windows: Sequence[Window],
    known: Sequence[Sequence[Known]],
    labels: Tensor,
) -> Iterator[Tensor]:
    """For each window, (spans, K) scores above that of absence: what the network's forward gives, one pass for all.

    Args:
        network: in evaluation mode.
        windows: what is read.
        known: for each window, what training's values say of its spans.
        labels: (K, HIDDEN) sentence vectors of the relations asked for.
    """
    bounds = bounds_of([len(window.ids) for window in windows])
    states = packed_states(network.encoder, [window.ids for window in windows])
    shapes = [shape for window in windows for shape in window.shapes]
    states = states + network.shape(torch.tensor([*shapes, *[0] * (len(states) - len(shapes))]))
    vectors = _span_vectors(network, states, windows, bounds)
    asked = network.label(labels)
    bias = network.label_bias(asked).T
    parts = bounds_of([len(window.spans) for window in windows])
    for (first, last), (begin, _), found in zip(parts, bounds, known, strict=True):
        # Window by window: these products are small, and small ones differ in their bits by the number of rows.
        scores = vectors[first:last] @ asked.T / SPAN**0.5
        if found:
            spans, relations, signs = zip(*found, strict=True)
            said = MEMORY_SCALE * network.memory(torch.tensor(signs))[:, 0]
            scores.index_put_((torch.tensor(spans), torch.tensor(relations)), said, accumulate=True)
        absent = network.absent(states[begin : begin + 1]) @ asked.T / SPAN**0.5 + bias
        yield scores - absent


def _span_vectors(
    network: SpanNetwork, states: Tensor, windows: Sequence[Window], bounds: Sequence[tuple[int, int]]
) -> Tensor:
    """(M, SPAN) vectors of the M spans of all windows, and of padding after them."""
    places = np.array([*map(_PLACE, chain.from_iterable(window.spans for window in windows))], np.int64)
    rows = np.zeros((4, max(LEAST_ROWS, len(places))), np.int64)
    rows[:, : len(places)] = places.reshape(-1, 4).T
    rows[:2, : len(places)] += np.repeat(
        [begin for begin, _ in bounds], [len(window.spans) for window in windows]
    )
    first, last, words, cut = torch.from_numpy(rows)
    means = network.mean(states)
    sums = torch.zeros(len(states) + len(windows), means.shape[1])
    shift = torch.zeros(len(states), dtype=torch.long)
    for number, (begin, end) in enumerate(bounds):
        torch.cumsum(means[begin:end], 0, out=sums[begin + number + 1 : end + number + 1])
        shift[begin:end] = number
    # In place, for there are thousands of spans: memory that is asked for anew costs more than the sums do.
    mean = sums[last + shift[first] + 1].sub_(sums[first + shift[first]]).div_((last + 1 - first)[:, None])
    joined = network.start(states)[first].add_(network.end(states)[last]).add_(mean)
    vectors: Tensor = network.span(joined.add_(network.width(words)).add_(network.cut(cut)))
    return vectors
