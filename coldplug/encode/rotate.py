"""RotatE: embeddings of the graph in which a relation is a rotation, and of any item from its facts alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from coldplug.errors import ModelFormatError
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
_CHUNK = 512


@dataclass(frozen=True)
class Triples:
    """Facts in the numbers of a graph: `heads` items, `relations`, `tails` values, each (n,)."""

    heads: IntArray
    relations: IntArray
    tails: IntArray

    @classmethod
    def of(cls, graph: ItemGraph) -> Triples:
        """All facts of a graph but the literal ones."""
        return cls(graph.heads, graph.relations, graph.tails)


@dataclass(frozen=True)
class RotatE:
    """Trained embeddings (Sun, Deng, Nie and Tang, RotatE, 2019, eq. 2).

    A fact (h, r, t) scores -||h o r - t||: r turns each complex coordinate of the item h by an angle of its
    own towards the value t, so |r_i| = 1 whatever was learned. A row of `dim` complex numbers is stored as
    2 dim reals, real parts first.
    """

    relation_names: Sequence[str]
    value_iris: Sequence[str]
    """The values that were trained, those that at least two items share."""
    trained: IntArray
    """(n_values,) their numbers in the graph of the training, rising."""
    phases: FloatArray
    """(n_relations, dim) angles in radians."""
    values: FloatArray
    """(n_values, 2 dim)."""

    @property
    def dim(self) -> int:
        """Complex coordinates of an embedding."""
        return int(self.phases.shape[1])

    @cached_property
    def rotations(self) -> FloatArray:
        """(n_relations, 2 dim): e^(i phase)."""
        return np.hstack([np.cos(self.phases), np.sin(self.phases)]).astype(np.float32)

    def closed_form(
        self, heads: IntArray, relations: IntArray, tails: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """(n_items, 2 dim) the h that minimises sum w ||h o r - t||^2 over the facts of each item.

        Turning both sides back leaves lengths as they are, ||h o r - t|| = ||h - t o conj(r)||, so the
        minimum is the weighted mean of t o conj(r).

        Args:
            heads: (n,) which of the `n_items` rows a fact belongs to.
            relations: (n,) in the numbers of the graph of the training.
            tails: (n,) likewise; values that were not trained are passed over.
            weights: (n,) confidences, above 0.
            n_items: rows of the result; zeros for an item without facts on trained values.
        """
        where = np.searchsorted(self.trained, tails)
        where[where == len(self.trained)] = 0
        known = self.trained[where] == tails if len(self.trained) else np.zeros(len(tails), np.bool_)
        return self._mean(heads[known], relations[known], where[known], weights[known], n_items)

    def embed_items(
        self, heads: IntArray, relations: IntArray, tails: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """(n_items, 2 dim) `closed_form` with rows of length 1, or 0 for an item without facts."""
        return _unit(self.closed_form(heads, relations, tails, weights, n_items))

    def embed_graph(self, graph: ItemGraph) -> FloatArray:
        """(graph.n_items, 2 dim) `embed_items` for any graph: values and relations are found by name."""
        values = {iri: number for number, iri in enumerate(self.value_iris)}
        names = {name: number for number, name in enumerate(self.relation_names)}
        value_of = np.array([values.get(iri, -1) for iri in graph.value_iris], np.int64)
        relation_of = np.array([names.get(name, -1) for name in graph.relation_names], np.int64)
        if not len(graph.heads):
            return np.zeros((graph.n_items, 2 * self.dim), np.float32)
        relations, tails = relation_of[graph.relations], value_of[graph.tails]
        known = (relations >= 0) & (tails >= 0)
        return _unit(
            self._mean(
                graph.heads[known], relations[known], tails[known], graph.weights[known], graph.n_items
            )
        )

    def rank(self, items: FloatArray, facts: Triples, known: Triples | None = None) -> NDArray[np.float64]:
        """(n,) the rank of each fact's value among all trained values as the tail, 1 the best.

        Ties count half ("realistic" ranks; Berrendorf et al. 2020): a constant score is worth a chance order.

        Args:
            items: (n_items, 2 dim) embeddings, not of length 1: as trained, or as `closed_form` gives them.
            facts: in the numbers of the graph of the training, on trained values.
            known: facts that are true as well; their values do not count as competitors ("filtered" ranks).

        Raises:
            ValueError: a fact is on a value that was not trained.
        """
        where = np.searchsorted(self.trained, facts.tails)
        if not np.isin(facts.tails, self.trained).all():
            raise ValueError("a fact is on a value that was not trained")
        others: dict[tuple[int, int], list[int]] = {}
        if known is not None:
            for h, r, t in zip(
                known.heads.tolist(), known.relations.tolist(), known.tails.tolist(), strict=True
            ):
                others.setdefault((h, r), []).append(t)
        ranks = np.empty(len(where))
        squares = (self.values**2).sum(axis=1)
        for start in range(0, len(where), _CHUNK):
            part = slice(start, start + _CHUNK)
            turned = _product(items[facts.heads[part]], self.rotations[facts.relations[part]], self.dim)
            # Nearer is better; what all candidates of a row have in common, ||h o r||^2, does not matter.
            far = squares - 2 * turned @ self.values.T
            own = far[np.arange(len(far)), where[part]].copy()
            for row, (h, r) in enumerate(zip(facts.heads[part], facts.relations[part], strict=True)):
                also = np.array(others.get((int(h), int(r)), ()), np.int64)
                far[row, np.searchsorted(self.trained, also[np.isin(also, self.trained)])] = np.inf
            far[np.arange(len(far)), where[part]] = own
            better = (far < own[:, None]).sum(axis=1)
            equal = (far == own[:, None]).sum(axis=1) - 1
            ranks[part] = 1 + better + equal / 2
        return ranks

    def state(self) -> dict[str, NDArray[Any]]:
        """The arrays, for a safetensors file; with `vocabulary` all there is to know."""
        return {"phases": self.phases, "values": self.values, "trained": self.trained}

    def vocabulary(self) -> dict[str, list[str]]:
        """The names of the arrays' rows, for plain-text files or JSON."""
        return {"relations": list(self.relation_names), "values": list(self.value_iris)}

    @classmethod
    def from_state(
        cls, arrays: Mapping[str, NDArray[Any]], vocabulary: Mapping[str, Sequence[str]]
    ) -> RotatE:
        """The embeddings whose `state` and `vocabulary` these are.

        Raises:
            ModelFormatError: an array or a list is missing or of another size than the others.
        """
        try:
            phases, values = (
                np.asarray(arrays["phases"], np.float32),
                np.asarray(arrays["values"], np.float32),
            )
            trained = np.asarray(arrays["trained"], np.int64)
            relations, iris = list(vocabulary["relations"]), list(vocabulary["values"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFormatError(f"not the state of graph embeddings: {error!r}") from error
        n_values = (len(iris), 2 * phases.shape[1] if phases.ndim == 2 else -1)
        if len(phases) != len(relations) or values.shape != n_values or trained.shape != (len(iris),):
            raise ModelFormatError("graph embeddings whose arrays and names are not of one size")
        return cls(relations, iris, trained, phases, values)

    def _mean(
        self, rows: IntArray, relations: IntArray, values: IntArray, weights: FloatArray, n_items: int
    ) -> FloatArray:
        """The weighted mean of t o conj(r), in the numbers of `values`."""
        back = self.rotations * np.repeat(np.array([1, -1], np.float32), self.dim)
        turned = _product(self.values[values], back[relations], self.dim)
        by_item = sparse.csr_array((weights, (rows, np.arange(len(rows)))), shape=(n_items, len(rows)))
        total: FloatArray = np.asarray(by_item.sum(axis=1), np.float32).reshape(-1, 1)
        return np.asarray((by_item @ turned) / np.where(total > 0, total, 1), np.float32)


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


def _product(left: FloatArray, right: FloatArray, dim: int) -> FloatArray:
    """Complex product of rows, real parts first."""
    a, b, c, d = left[:, :dim], left[:, dim:], right[:, :dim], right[:, dim:]
    return np.hstack([a * c - b * d, a * d + b * c])


def _unit(rows: FloatArray) -> FloatArray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > _TINY, lengths, 1), np.float32)
