"""The network: one pass of the encoder over a window, vectors of its spans, vectors of labels, their products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from kgbuild.encoder import HIDDEN, load_encoder
from kgbuild.encoder.bert import Bert
from kgbuild.encoder.packed import unit_vectors
from kgbuild.extract.span.memory import N_SIGNS, Known
from kgbuild.extract.span.spans import MAX_WORDS, N_SHAPES, Window

FROZEN = 2
"""Layers of the encoder, from below, that training leaves as they are."""
SPAN = 256
"""Size of the vectors in which spans and labels meet."""
_IMPOSSIBLE = -1e4
MEMORY_SCALE = 5.0
"""Four weights among millions would move too slowly at the rate that suits the others."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows padded to one length: B windows of T pieces with M spans each."""

    ids: Tensor
    """(B, T) int64."""
    shapes: Tensor
    mask: Tensor
    """(B, T), 1 for a piece and 0 for padding."""
    spans: Tensor
    """(B, M, 4) int64: first piece, last piece, words, cut."""
    span_mask: Tensor
    """(B, M) bool."""
    known: Tensor
    """(3, N) int64: window, span, relation of each pair that training's values say something of."""
    signs: Tensor
    """(N, N_SIGNS): what they say."""


def batch_of(windows: Sequence[Window], known: Sequence[Sequence[Known]]) -> Batch:
    """The windows, and what is known of their spans, as padded tensors."""
    length = max(len(window.ids) for window in windows)
    most = max(1, *(len(window.spans) for window in windows))
    ids = torch.zeros(len(windows), length, dtype=torch.long)
    shapes, mask = torch.zeros_like(ids), torch.zeros_like(ids)
    spans = torch.zeros(len(windows), most, 4, dtype=torch.long)
    span_mask = torch.zeros(len(windows), most, dtype=torch.bool)
    for row, window in enumerate(windows):
        size = len(window.ids)
        ids[row, :size] = torch.tensor(window.ids)
        shapes[row, :size] = torch.tensor(window.shapes)
        mask[row, :size] = 1
        if window.spans:
            rows = [(span.first, span.last, span.words, span.cut) for span in window.spans]
            spans[row, : len(rows)] = torch.tensor(rows)
            span_mask[row, : len(rows)] = True
    places = [(row, span, relation) for row, found in enumerate(known) for span, relation, _ in found]
    signs = [signs for found in known for _, _, signs in found]
    return Batch(
        ids,
        shapes,
        mask,
        spans,
        span_mask,
        torch.tensor(places, dtype=torch.long).reshape(-1, 3).T,
        torch.tensor(signs, dtype=torch.float32).reshape(-1, N_SIGNS),
    )


class SpanNetwork(nn.Module):
    """Scores of every span of a window for every label, and of the label's absence from the window.

    A span's vector is made of its first and last piece, the mean over its pieces, its length and its cut; a
    label's of the sentence vector that the encoder as it came gives its text, so that a label that training
    did not see lies where its words put it. The score is their scaled product; that of absence is the product
    of the label's vector with one made of the window's first piece.

    Args:
        adapter_rank: 0 trains the encoder's layers themselves; r > 0 leaves them as they are and trains
            low-rank additions to them (Hu et al. 2021, LoRA), so that what has to be stored is small.
        dropout: share of the inputs of the heads that is dropped in training.
    """

    def __init__(self, adapter_rank: int = 0, dropout: float = 0.1) -> None:
        super().__init__()
        self.encoder = load_encoder()
        if adapter_rank:
            self.encoder.requires_grad_(False)
            for layer in self.encoder.encoder.layer[FROZEN:]:
                _adapt(layer, adapter_rank)
        # The vectors of words and the lowest layers stay: a value that training did not see keeps the place it
        # had beside others, and training takes a quarter less time.
        self.encoder.embeddings.requires_grad_(False)
        self.encoder.encoder.layer[:FROZEN].requires_grad_(False)
        self.shape = nn.Embedding(N_SHAPES, HIDDEN)
        self.width = nn.Embedding(MAX_WORDS + 1, SPAN)
        self.cut = nn.Embedding(4, SPAN)
        self.start, self.end, self.mean = (nn.Linear(HIDDEN, SPAN, bias=False) for _ in range(3))
        self.span = nn.Sequential(nn.LayerNorm(SPAN), nn.GELU(), nn.Dropout(dropout), nn.Linear(SPAN, SPAN))
        self.label = nn.Sequential(
            nn.Linear(HIDDEN, SPAN), nn.GELU(), nn.Dropout(dropout), nn.Linear(SPAN, SPAN)
        )
        self.absent = nn.Sequential(
            nn.Linear(HIDDEN, SPAN), nn.GELU(), nn.Dropout(dropout), nn.Linear(SPAN, SPAN)
        )
        self.label_bias = nn.Linear(SPAN, 1)
        self.memory = nn.Linear(N_SIGNS, 1, bias=False)
        for added in (self.shape, self.cut, self.memory):
            nn.init.zeros_(added.weight)

    def forward(self, batch: Batch, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Scores (B, M, K) of spans, and (B, K) of absence; padding scores -10,000.

        Args:
            labels: (K, HIDDEN) sentence vectors from `sentence_vectors`.
        """
        labels = self.label(labels)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and _has_bfloat16()):
            states = self._states(batch)
            vectors = self.span_vectors(states, batch.spans)
        vectors, states = vectors.float(), states.float()
        scores = vectors @ labels.T / SPAN**0.5
        scores = scores.index_put(
            tuple(batch.known), MEMORY_SCALE * self.memory(batch.signs)[:, 0], accumulate=True
        )
        scores = scores.masked_fill(~batch.span_mask[:, :, None], _IMPOSSIBLE)
        absent = self.absent(states[:, 0]) @ labels.T / SPAN**0.5 + self.label_bias(labels).T
        return scores, absent

    def _states(self, batch: Batch) -> Tensor:
        states: Tensor = self.encoder(batch.ids, batch.mask)
        return states + self.shape(batch.shapes)

    def span_vectors(self, states: Tensor, spans: Tensor) -> Tensor:
        """(B, M, SPAN) vectors of the spans, from (B, T, HIDDEN) states."""
        first, last, words, cut = spans.unbind(-1)
        sums = functional.pad(self.mean(states).float().cumsum(1), (0, 0, 1, 0))
        mean = (_taken(sums, last + 1) - _taken(sums, first)) / (last + 1 - first)[:, :, None]
        joined = _taken(self.start(states), first) + _taken(self.end(states), last) + mean
        vectors: Tensor = self.span(joined + self.width(words) + self.cut(cut))
        return vectors

    def stored(self) -> dict[str, Tensor]:
        """The parameters that training can change: all that has to be kept beside the encoder's own file."""
        return {name: value.detach() for name, value in self.named_parameters() if value.requires_grad}


def _taken(vectors: Tensor, places: Tensor) -> Tensor:
    """(B, M, d): rows of (B, T, d) at (B, M) places; as a look-up, whose gradient is summed up fastest."""
    size, length, width = vectors.shape
    flat = places + torch.arange(size)[:, None] * length
    return functional.embedding(flat, vectors.reshape(size * length, width))


def sentence_vectors(pieces: Sequence[Sequence[int]]) -> Tensor:
    """(K, HIDDEN) vectors of texts by the encoder as it came: the mean over their pieces, scaled to length
    sqrt(HIDDEN)."""
    return unit_vectors(sentence_encoder(), pieces) * HIDDEN**0.5


def sentence_encoder(tuned: SpanNetwork | None = None) -> Bert:
    """The encoder as it came.

    Args:
        tuned: a network whose lowest layers, which training leaves as they are, need not be in memory twice.
    """
    encoder = load_encoder()
    if tuned is not None:
        encoder.embeddings = tuned.encoder.embeddings
        for at in range(FROZEN):
            encoder.encoder.layer[at] = tuned.encoder.encoder.layer[at]
    return encoder


@cache
def _has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 itself; where it is emulated it is slower than float32."""
    check = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return bool(check and check())


class _Adapted(nn.Module):
    """A linear map with a trainable low-rank addition that begins as nothing."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.normal_(self.down.weight, std=base.in_features**-0.5)
        nn.init.zeros_(self.up.weight)

    def forward(self, states: Tensor) -> Tensor:
        """The map of (..., in) to (..., out)."""
        mapped: Tensor = self.base(states) + self.up(self.down(states))
        return mapped


def _adapt(layer: nn.Module, rank: int) -> None:
    """Put an adapter around every linear map of a layer; its norms become trainable too."""
    for module in list(layer.modules()):
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and not isinstance(module, _Adapted):
                setattr(module, name, _Adapted(child, rank))
