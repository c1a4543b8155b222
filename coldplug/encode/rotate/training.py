"""Training of RotatE on any facts: corrupted facts that a batch shares, true ones left out, gradients by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from coldplug.encode.rotate.clusters import Clusters, checked_clusters, one_start
from coldplug.encode.rotate.embedding import GraphEmbedding
from coldplug.encode.rotate.facts import Triples, Truth
from coldplug.encode.rotate.loss import gradient
from coldplug.learn.settings import checked
from coldplug.types import FloatArray, IntArray

_THREADS = 2
_TINY = 1e-8
_START = 0.25
"""How far apart two rows start, about: near enough for every distance to count at once."""


class RotatESettings(BaseModel):
    """Settings of the training."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dim: int = Field(64, ge=1, description="complex coordinates; an embedding has twice as many numbers")
    epochs: int = Field(40, ge=0, description="passes over the facts")
    batch: int = Field(1024, ge=1, description="facts whose gradients are added up before a step")
    negatives: int = Field(256, ge=1, description="corrupted facts for each true one, shared by its batch")
    shares: tuple[float, float, float] = Field(
        (1, 0, 1), description="of the corrupted facts: with another head : another relation : another tail"
    )
    temperature: float | None = Field(
        None, ge=0, description="of self-adversarial weights; none: the true fact competes in one softmax"
    )
    margin: float | None = Field(
        None, gt=0, description="the paper's: a fact scores margin - distance; none: biases - distance^2"
    )
    penalty: float = Field(
        0.1, ge=0, description="on ||h||^2 + ||t||^2 of every true fact, against overfitting"
    )
    cluster_weight: float = Field(
        0.3, ge=0, description="of what a fact costs whose relation turns otherwise than its cluster"
    )
    learning_rate: float = Field(0.1, gt=0, description="of Adagrad at the start; it falls to 0 in a line")
    seed: int = Field(0, ge=0, description="of the start, the batches and the corrupted facts")

    @field_validator("shares")
    @classmethod
    def _of_something(cls, shares: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(shares) < 0 or sum(shares) <= 0:
            raise ValueError("shares are 0 or more, and not all 0")
        return shares


@dataclass
class _Side:
    """One way to corrupt a fact: its head, its relation or its tail is exchanged."""

    truth: Truth
    rows: IntArray
    """(n_facts,) the question of `truth` that each fact answers."""
    candidates: IntArray
    column_of: IntArray
    """(n,) scratch, -1 between uses: the column of each number among those drawn."""
    count: int
    share: float

    @classmethod
    def of(
        cls,
        first: IntArray,
        second: IntArray,
        answers: IntArray,
        candidates: IntArray,
        count: int,
        share: float,
    ) -> _Side:
        truth = Truth.of(first, second, answers)
        room = max(int(candidates.max(initial=-1)), int(answers.max(initial=-1))) + 1
        return cls(truth, truth.rows(first, second), candidates, np.full(room, -1), count, share)

    def draw(self, rng: np.random.Generator) -> IntArray:
        """Other answers for a batch; one that is drawn twice counts once."""
        if not self.count:
            return np.empty(0, np.int64)
        return np.unique(self.candidates[rng.integers(0, len(self.candidates), self.count)])

    def absent(self, drawn: IntArray) -> float:
        """The log of how many candidates each one drawn stands for."""
        return float(np.log(len(self.candidates) / len(drawn))) if len(drawn) else 0.0

    def true(self, facts: IntArray, drawn: IntArray) -> Any:
        """(n_facts, n_drawn) tensor: where a corrupted fact is true, and so no negative."""
        import torch

        self.column_of[drawn] = np.arange(len(drawn))
        mask = self.truth.mask(self.rows[facts], self.column_of, len(drawn))
        self.column_of[drawn] = -1
        return torch.from_numpy(mask)


class _Adagrad:
    """Adagrad (Duchi, Hazan and Singer, 2011) on the rows that a batch touches; the others stay as they are."""

    def __init__(self, table: Any) -> None:
        import torch

        self.table, self.squares = table, torch.zeros_like(table)

    def step(self, rows: Any, gradient: Any, rate: float) -> None:
        squares = self.squares[rows].addcmul_(gradient, gradient)
        self.squares[rows] = squares
        self.table.index_add_(0, rows, gradient.div_(squares.sqrt_().add_(_TINY)), alpha=-rate)


def train_triples(
    facts: Triples,
    *,
    n_entities: int,
    n_relations: int,
    weights: FloatArray | None = None,
    heads: IntArray | None = None,
    tails: IntArray | None = None,
    start: GraphEmbedding | None = None,
    clusters: IntArray | None = None,
    watch: Callable[[int, GraphEmbedding, float], None] | None = None,
    **settings: Any,
) -> GraphEmbedding:
    """Embed entities and relations so that true facts score above corrupted ones.

    A fact scores b_h + b_t - ||h o r - t||^2: RotatE (Sun, Deng, Nie and Tang, 2019) with the square of the distance
    and a bias an entity (as Balazevic, Allen and Hospedales, 2019), or margin - ||h o r - t|| where a `margin` is
    given. The loss is -log of the true fact's share in the softmax over it and its corruptions, each counted for the
    candidates that were not drawn too; or, with a `temperature`, the self-adversarial loss (RotatE, eq. 5 and 6). The
    penalty is that of Zhang, Cai and Wang (DURA, 2020). Corruptions are drawn evenly once a batch and serve all its
    facts, so that their distances are one matrix product; one that is itself among `facts` is never a negative. The
    same facts, settings and number of threads give the same embedding.

    Args:
        facts: heads and tails below `n_entities`, relations below `n_relations`.
        n_entities: rows of the embedding.
        n_relations: likewise.
        weights: (n_facts,) how much each fact counts, above 0; all alike where left out.
        heads: entities that may be drawn as another head; all where left out.
        tails: likewise.
        start: to train on from; its angles, entities and biases are copied.
        clusters: (n_relations,) the same number for relations that are wordings of one: they begin with the same
            angles and are held near their mean; see `clusters.Clusters`.
        watch: called after every epoch with its number from 1, the embedding so far and the epoch's mean loss.
        settings: of `RotatESettings`.

    Raises:
        UserError: a setting is unknown or out of range, or clusters are not as many as relations.
    """
    import torch

    chosen = checked(RotatESettings, settings)
    rng = np.random.default_rng(chosen.seed)
    model = start or _begun(n_entities, n_relations, chosen, rng)
    table = torch.from_numpy(np.hstack([model.entities, model.biases[:, None]]))
    angles, held = torch.from_numpy(model.phases.copy()), None
    if clusters is not None:
        clusters = checked_clusters(clusters, n_relations)
        held = Clusters(clusters, facts, chosen.cluster_weight)
        if start is None:
            angles = torch.from_numpy(one_start(model.phases, clusters))
    scale = None
    if weights is not None and len(weights):
        scale = torch.from_numpy(weights / weights.mean()).float()[:, None]
    everyone = np.arange(n_entities)
    whole = sum(chosen.shares)
    counts = [round(chosen.negatives * share / whole) for share in chosen.shares]
    h, r, t = facts.heads, facts.relations, facts.tails
    sides = [
        _Side.of(first, second, answers, candidates, count, share / whole)
        for first, second, answers, candidates, count, share in zip(
            (t, h, h),
            (r, t, r),
            (h, r, t),
            (
                everyone if heads is None else heads,
                np.arange(n_relations),
                everyone if tails is None else tails,
            ),
            counts,
            chosen.shares,
            strict=True,
        )
    ]
    rows_adagrad, angles_adagrad = _Adagrad(table), _Adagrad(angles)
    steps, step, before = chosen.epochs * -(-len(facts) // chosen.batch), 0, torch.get_num_threads()
    torch.set_num_threads(min(_THREADS, before))
    try:
        with torch.inference_mode():
            for epoch in range(chosen.epochs if len(facts) else 0):
                order, total = rng.permutation(len(facts)), 0.0
                for begin in range(0, len(order), chosen.batch):
                    batch = order[begin : begin + chosen.batch]
                    drawn = [side.draw(rng) for side in sides]
                    touched, place = _distinct([h[batch], t[batch], drawn[0], drawn[2]])
                    turning, which = _distinct([r[batch], drawn[1]])
                    block, turns = table[touched], angles[turning]
                    loss, slopes, angle_slopes = gradient(
                        block,
                        turns,
                        place,
                        which,
                        [side.true(batch, others) for side, others in zip(sides, drawn, strict=True)],
                        [side.share for side in sides],
                        None if scale is None else scale[batch],
                        chosen.temperature,
                        chosen.penalty,
                        [side.absent(others) for side, others in zip(sides, drawn, strict=True)],
                        chosen.margin,
                    )
                    if chosen.margin is not None:
                        slopes[:, -1] = 0
                    if held is not None:
                        cost, cluster_slopes = held.pull(angles, turning, which[0])
                        loss += cost
                        angle_slopes += cluster_slopes
                    rate = chosen.learning_rate * (1 - step / steps)
                    rows_adagrad.step(touched, slopes, rate)
                    angles_adagrad.step(turning, angle_slopes, rate)
                    step += 1
                    total += loss * len(batch)
                if watch:
                    watch(epoch + 1, _embedding(table, angles), total / len(facts))
    finally:
        torch.set_num_threads(before)
    return _embedding(table, angles)


def _distinct(parts: Sequence[IntArray]) -> tuple[Any, list[Any]]:
    """The numbers in all parts, each once and rising, and where each part's are among them."""
    import torch

    distinct, where = np.unique(np.concatenate(parts), return_inverse=True)
    split = np.split(where, np.cumsum([len(part) for part in parts])[:-1])
    return torch.from_numpy(distinct), [torch.from_numpy(part) for part in split]


def _begun(
    n_entities: int, n_relations: int, settings: RotatESettings, rng: np.random.Generator
) -> GraphEmbedding:
    """Random rows, about one margin apart where there is one, else near enough for every distance to count."""
    dim = settings.dim
    reach = (settings.margin or _START) * (3 / (4 * dim)) ** 0.5
    return GraphEmbedding(
        rng.uniform(-reach, reach, (n_entities, 2 * dim)).astype(np.float32),
        rng.uniform(-np.pi, np.pi, (n_relations, dim)).astype(np.float32),
        np.zeros(n_entities, np.float32),
    )


def _embedding(table: Any, angles: Any) -> GraphEmbedding:
    rows = table.numpy()
    return GraphEmbedding(rows[:, :-1].copy(), angles.numpy().copy(), rows[:, -1].copy())
