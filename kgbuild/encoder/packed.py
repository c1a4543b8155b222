"""Several texts through the encoder in one pass without padding, each with the bits that it has by itself.

The weights are larger than a processor's caches: with one short text a pass, most of the time goes into fetching
them. Here the pieces of all texts are the rows of one matrix, and only attention is done text by text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.encoder.bert import Bert
from kgbuild.encoder.layout import laid_out

PIECES = 512
"""Word pieces a pass, unless one text alone has more: as many as fetch the weights seldom and stay in caches."""
LEAST_ROWS = 16
"""Products of very few rows take another way through the library, whose sums end in other bits."""


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
            for first, last in ((0, LEAST_ROWS), (3, 40), (101, 222), (7, PIECES - 9)):
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


def packed_states(encoder: Bert, texts: Sequence[Sequence[int]]) -> Tensor:
    """(N, HIDDEN) last states for the N pieces of all texts, and rows of padding after them.

    Args:
        encoder: in evaluation mode.
        texts: the ids of each text's pieces, with the marks around them.
    """
    bounds = bounds_of([len(ids) for ids in texts])
    padding = max(0, LEAST_ROWS - bounds[-1][1])
    pieces = torch.tensor([*(piece for ids in texts for piece in ids), *[0] * padding])
    places = torch.tensor([*(at for ids in texts for at in range(len(ids))), *[0] * padding])
    states = encoder.embeddings(pieces, places)
    for layer in encoder.encoder.layer:
        attention = layer.attention
        mixed = torch.zeros_like(states)
        query, key, value = (
            linear(states).view(attention.self.shape).transpose(0, 1)
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


def unit_vectors(encoder: Bert, texts: Sequence[Sequence[int]]) -> Tensor:
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
