"""Several texts through the encoder in one pass without padding, each with the bits that it has by itself.

The weights are larger than a processor's caches: with one short text a pass, most of the time goes into fetching
them. Here the pieces of all texts are the rows of one matrix, and only attention is done text by text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import chain, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.extract.span.layout import laid_out

if TYPE_CHECKING:
    from kgbuild.extract.span.memory import Known
    from kgbuild.extract.span.network import SpanNetwork
    from kgbuild.extract.span.spans import Window

PIECES = 512
"""Word pieces a pass, unless one text alone has more: as many as fetch the weights seldom and stay in caches."""
_LEAST_ROWS = 16
"""Products of very few rows take another way through the library, whose sums end in other bits."""
_PLACE = attrgetter("first", "last", "words", "cut")


@cache
def rows_are_apart() -> bool:
    """Whether a row of a product has the same bits here whatever rows stand beside it.

    It has with every library that sums each element in one order; if not, texts are read one by one.
    """
    draw = torch.Generator().manual_seed(0)
    for wide, narrow in ((384, 1536), (1536, 384), (384, 256)):
        rows, linear = torch.randn(PIECES, wide, generator=draw), nn.Linear(wide, narrow)
        for product in (linear, laid_out(linear)):
            whole = product(rows)
            for first, last in ((0, _LEAST_ROWS), (3, 40), (101, 222), (7, PIECES - 9)):
                if not torch.equal(whole[first:last], product(rows[first:last])):
                    return False
    return True


def passes(sizes: Sequence[int]) -> Iterator[slice]:
    """Neighbouring texts that go through the encoder together.

    Args:
        sizes: pieces of each text.
    """
    begin = total = 0
    for at, size in enumerate(sizes):
        if at > begin and (total + size > PIECES or not rows_are_apart()):
            yield slice(begin, at)
            begin, total = at, 0
        total += size
    if begin < len(sizes):
        yield slice(begin, len(sizes))


def bounds_of(sizes: Sequence[int]) -> list[tuple[int, int]]:
    """The rows [first, last) of each text, one after the other."""
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    return list(pairwise(ends))


def packed_states(encoder: Any, texts: Sequence[Sequence[int]]) -> Tensor:
    """(N, HIDDEN) last states of a BERT encoder for the N pieces of all texts, and rows of padding after them.

    Args:
        encoder: transformers' BertModel, in evaluation mode.
        texts: the ids of each text's pieces, with the marks around them.
    """
    bounds = bounds_of([len(ids) for ids in texts])
    padding = max(0, _LEAST_ROWS - bounds[-1][1])
    pieces = torch.tensor([*(piece for ids in texts for piece in ids), *[0] * padding])
    places = torch.tensor([*(at for ids in texts for at in range(len(ids))), *[0] * padding])
    own = encoder.embeddings
    states = own.word_embeddings(pieces) + own.token_type_embeddings.weight[0]
    states = own.LayerNorm(states + own.position_embeddings(places))
    for layer in encoder.encoder.layer:
        attention = layer.attention
        mixed = torch.zeros_like(states)
        heads = (-1, attention.self.num_attention_heads, attention.self.attention_head_size)
        query, key, value = (
            linear(states).view(heads).transpose(0, 1)
            for linear in (attention.self.query, attention.self.key, attention.self.value)
        )
        for first, last in bounds:
            seen = functional.scaled_dot_product_attention(
                query[None, :, first:last], key[None, :, first:last], value[None, :, first:last]
            )
            mixed[first:last] = seen[0].transpose(0, 1).flatten(1)
        states = attention.output(mixed, states)
        states = layer.output(layer.intermediate(states), states)
    return states


def unit_vectors(encoder: Any, texts: Sequence[Sequence[int]]) -> Tensor:
    """(len(texts), HIDDEN): the mean over the states of each text's pieces, scaled to length 1.

    Args:
        encoder: as for `packed_states`.
        texts: the ids of each text's pieces, with the marks around them.
    """
    rows = []
    with torch.inference_mode():
        for part in passes([len(ids) for ids in texts]):
            states = packed_states(encoder, texts[part])
            for first, last in bounds_of([len(ids) for ids in texts[part]]):
                rows.append(functional.normalize(states[first:last].mean(0), dim=0))
    return torch.stack(rows).clone()


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
    from kgbuild.extract.span.network import MEMORY_SCALE, SPAN

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
    rows = np.zeros((4, max(_LEAST_ROWS, len(places))), np.int64)
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
    before = first + shift[first]
    mean = (sums[last + shift[first] + 1] - sums[before]) / (last + 1 - first)[:, None]
    joined = network.start(states)[first] + network.end(states)[last] + mean
    vectors: Tensor = network.span(joined + network.width(words) + network.cut(cut))
    return vectors
