"""The training of item embeddings: every item is drawn to its facts, so that the facts alone place it as well."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from coldplug.encode.rotate.items import RotatE
from coldplug.types import FloatArray, IntArray, ItemGraph

DIM = 64
EPOCHS = 40
NEGATIVES = 128
MARGIN = 3.0
TEMPERATURE = 3.0
LEARNING_RATE = 0.05
_BATCH = 1024
_THREADS = 2
_TINY = 1e-12
_OUT_OF_REACH = 1e9


@dataclass(frozen=True)
class Training:
    """The embeddings; `items` (n_items, 2 dim) as trained, zeros for an item with no fact to train on; the
    mean loss of each epoch."""

    model: RotatE
    items: FloatArray
    losses: Sequence[float]


def shared_values(graph: ItemGraph) -> IntArray:
    """Numbers of the values that at least two items have, rising; the others connect nothing."""
    pairs = np.unique(np.stack([graph.tails, graph.heads]), axis=1)
    tails, n_items = np.unique(pairs[0], return_counts=True)
    return np.asarray(tails[n_items >= 2], np.int64)


def train_rotate(graph: ItemGraph, **settings: Any) -> RotatE:
    """`fit_rotate` without what only a measurement needs."""
    return fit_rotate(graph, **settings).model


def fit_rotate(
    graph: ItemGraph,
    *,
    dim: int = DIM,
    epochs: int = EPOCHS,
    negatives: int = NEGATIVES,
    margin: float = MARGIN,
    temperature: float = TEMPERATURE,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> Training:
    """Train on the facts that connect items, with the self-adversarial negative sampling loss (eq. 5, 6).

    Corrupted heads and tails are drawn once a batch and serve all its facts, which makes their distances one
    matrix product. The distance is Euclidean, so that an item's embedding follows from its facts in closed
    form. A fact's loss is weighted by its confidence. The same graph, settings and number of threads give the
    same embeddings.

    Args:
        graph: its literal facts, and values that only one item has, are left out.
        dim: complex coordinates.
        epochs: passes over the facts.
        negatives: corrupted heads, and as many corrupted tails, a batch.
        margin: gamma, the distance at which a fact is as likely as not.
        temperature: alpha of the corrupted facts' weights, softmax(alpha x score); 0 weighs them equally.
        learning_rate: of Adam at the start; it falls to a tenth by the end.
        seed: of the start, the batches and the corrupted facts.
        progress: called with the number of epochs done since the last call.
    """
    import torch
    from torch.nn.functional import embedding, logsigmoid

    trained = shared_values(graph)
    used = np.flatnonzero(np.isin(graph.tails, trained))
    head_numbers, head_rows = np.unique(graph.heads[used], return_inverse=True)
    n_heads, n_values = len(head_numbers), len(trained)
    draw = torch.Generator().manual_seed(seed)
    # Two random rows start about one margin apart: neither all certain nor all impossible.
    reach = margin * (3 / (4 * dim)) ** 0.5
    rows = (torch.rand(n_heads + n_values, 2 * dim, generator=draw) * 2 - 1) * reach
    angles = (torch.rand(len(graph.relation_names), dim, generator=draw) * 2 - 1) * torch.pi
    items = np.zeros((graph.n_items, 2 * dim), np.float32)
    losses: list[float] = []
    if len(used):
        heads = torch.from_numpy(head_rows.astype(np.int64))
        relations = torch.from_numpy(graph.relations[used])
        tails = torch.from_numpy(np.searchsorted(trained, graph.tails[used]) + n_heads)
        weights = torch.from_numpy(graph.weights[used] / graph.weights[used].mean())
        rows.requires_grad_()
        angles.requires_grad_()
        adam = torch.optim.Adam([rows, angles], lr=learning_rate, fused=True)
        steps = epochs * -(-len(used) // _BATCH)
        slower = torch.optim.lr_scheduler.LambdaLR(adam, lambda step: 1 - 0.9 * step / max(steps, 1))

        def turned(vectors: Any, cosines: Any, sines: Any) -> Any:
            real, imaginary = vectors[:, :dim], vectors[:, dim:]
            return torch.cat([real * cosines - imaginary * sines, real * sines + imaginary * cosines], dim=1)

        def adversarial(centres: Any, corrupted: Any, hit: Any) -> Any:
            own, other = (centres**2).sum(1, keepdim=True), (corrupted**2).sum(1)
            squared = torch.addmm(other, centres, corrupted.T, alpha=-2) + own
            # A draw that hit the true value is put out of reach: it has no weight, no loss and no gradient.
            distances = squared.clamp_min(_TINY).sqrt().masked_fill(hit, _OUT_OF_REACH)
            chances = (-temperature * distances.detach()).softmax(dim=1)
            return (chances * logsigmoid(distances - margin)).sum(1)

        before = torch.get_num_threads()
        torch.set_num_threads(min(_THREADS, before))
        try:
            for _ in range(epochs):
                order = torch.randperm(len(used), generator=draw)
                total = 0.0
                for batch in order.split(_BATCH):
                    false_heads = torch.randint(0, n_heads, (negatives,), generator=draw)
                    false_tails = torch.randint(n_heads, n_heads + n_values, (negatives,), generator=draw)
                    # One look-up for all four, since the gradient of each is as large as the whole table.
                    chosen = torch.cat([heads[batch], tails[batch], false_heads, false_tails])
                    h, t, corrupted_h, corrupted_t = embedding(chosen, rows).split(
                        [len(batch), len(batch), negatives, negatives]
                    )
                    angle = embedding(relations[batch], angles)
                    cosines, sines = angle.cos(), angle.sin()
                    ahead, back = turned(h, cosines, sines), turned(t, cosines, -sines)
                    true = ((ahead - t) ** 2).sum(1).clamp_min(_TINY).sqrt()
                    gain = logsigmoid(margin - true) + 0.5 * (
                        adversarial(ahead, corrupted_t, false_tails == tails[batch][:, None])
                        + adversarial(back, corrupted_h, false_heads == heads[batch][:, None])
                    )
                    loss = -(weights[batch] * gain).mean()
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
                    slower.step()
                    total += loss.item() * len(batch)
                losses.append(total / len(used))
                if progress:
                    progress(1)
        finally:
            torch.set_num_threads(before)
    learned = rows.detach().numpy()
    items[head_numbers] = learned[:n_heads]
    model = RotatE(
        list(graph.relation_names),
        [graph.value_iris[number] for number in trained],
        trained,
        angles.detach().numpy(),
        learned[n_heads:].copy(),
    )
    return Training(model, items, losses)
