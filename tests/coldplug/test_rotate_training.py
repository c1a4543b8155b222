"""RotatE on any graph: look-ups of what is true, the gradient, planted rules both ways, ranks, new entities."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from coldplug.encode.rotate import GraphEmbedding, Triples, Truth, train_triples
from coldplug.encode.rotate.embedding import conjugate, product
from coldplug.encode.rotate.loss import gradient
from plugbase.errors import UserError

N_PEOPLE, N_TOWNS, N_COUNTRIES = 90, 15, 5
BORN_IN, LIES_IN, CITIZEN_OF = range(3)
N = N_PEOPLE + N_TOWNS + N_COUNTRIES


def world() -> Triples:
    """People are born in towns, towns lie in countries, people are citizens of the country of their town."""
    rows = [(N_PEOPLE + town, LIES_IN, N_PEOPLE + N_TOWNS + town % N_COUNTRIES) for town in range(N_TOWNS)]
    for person in range(N_PEOPLE):
        town = person % N_TOWNS
        rows.append((person, BORN_IN, N_PEOPLE + town))
        rows.append((person, CITIZEN_OF, N_PEOPLE + N_TOWNS + town % N_COUNTRIES))
    return Triples(*np.array(rows, np.int64).T.copy())


def taught(facts: Triples, **settings: Any) -> GraphEmbedding:
    chosen = {"dim": 16, "epochs": 60, "batch": 64, "negatives": 64} | settings
    return train_triples(facts, n_entities=N, n_relations=3, **chosen)


@pytest.fixture(scope="module")
def left_out() -> NDArray[np.bool_]:
    """The citizenship of every sixth person."""
    facts = world()
    return np.asarray((facts.relations == CITIZEN_OF) & (facts.heads % 6 == 0))


@pytest.fixture(scope="module")
def model(left_out: NDArray[np.bool_]) -> GraphEmbedding:
    return taught(world().chosen(~left_out))


def test_what_is_true_is_looked_up_as_a_set_would() -> None:
    rng = np.random.default_rng(0)
    facts = [rng.integers(0, top, 300) for top in (12, 4, 20)]
    truth = Truth.of(*facts)
    said = set(zip(*(column.tolist() for column in facts), strict=True))
    first, second = np.repeat(np.arange(14), 6), np.tile(np.arange(6), 14)
    rows = truth.rows(first, second)
    drawn = np.array([3, 7, 19, 0])
    column_of = np.full(20, -1)
    column_of[drawn] = np.arange(4)
    want = [
        [(a, b, c) in said for c in drawn.tolist()]
        for a, b in zip(first.tolist(), second.tolist(), strict=True)
    ]
    np.testing.assert_array_equal(truth.mask(rows, column_of, 4), want)
    owners, answers = truth.pairs(rows)
    found = set(zip(first[owners].tolist(), second[owners].tolist(), answers.tolist(), strict=True))
    assert found == said
    assert len(owners) == len(said)


def test_of_no_facts_nothing_is_true() -> None:
    none = np.empty(0, np.int64)
    truth = Truth.of(none, none, none)
    rows = truth.rows(np.array([0, 1]), np.array([0, 0]))
    assert rows.tolist() == [-1, -1]
    assert not truth.mask(rows, np.array([0]), 1).any()


@pytest.mark.parametrize("margin", [None, 2.0])
@pytest.mark.parametrize("temperature", [None, 0.0, 1.5])
@pytest.mark.parametrize("shares", [(0.5, 0.0, 0.5), (0.2, 0.3, 0.5), (0.0, 1.0, 0.0)])
def test_the_gradient_is_that_of_the_loss(
    margin: float | None, temperature: float | None, shares: tuple[float, float, float]
) -> None:
    """Against automatic gradients of the loss as the papers write it, with distances taken one by one."""
    import torch
    from torch.nn.functional import logsigmoid

    torch.manual_seed(0)
    n, m, dim, batch, drawn = 12, 4, 3, 5, (6, 4, 7)
    block = torch.randn(n, 2 * dim + 1, dtype=torch.float64)
    if margin is not None:
        block[:, -1] = 0
    block.requires_grad_()
    turns = torch.randn(m, dim, dtype=torch.float64, requires_grad=True)
    place = [torch.randint(0, n, (k,)) for k in (batch, batch, drawn[0], drawn[2])]
    which = [torch.randint(0, m, (k,)) for k in (batch, drawn[1])]
    true = [torch.rand(batch, k) < 0.3 for k in drawn]
    true[0][1] = True
    weights = torch.rand(batch, 1, dtype=torch.float64) + 0.5
    absent = [0.3, 0.0, 1.1]
    found = gradient(
        block.detach(), turns.detach(), place, which, true, shares, weights, temperature, 0.2, absent, margin
    )

    def score(h: Any, r: Any, t: Any) -> Any:
        complex_h, complex_t = (torch.complex(x[:dim], x[dim : 2 * dim]) for x in (h, t))
        gap = complex_h * torch.polar(torch.ones_like(r), r) - complex_t
        squared = (gap.abs() ** 2).sum()
        return h[-1] + t[-1] - squared if margin is None else margin - squared.sqrt()

    loss = torch.zeros((), dtype=torch.float64)
    for i in range(batch):
        h, r, t = block[place[0][i]], turns[which[0][i]], block[place[1][i]]
        own = score(h, r, t)
        corrupted: list[Callable[[int], Any]] = [
            lambda j, r=r, t=t: score(block[place[2][j]], r, t),
            lambda j, h=h, t=t: score(h, turns[which[1][j]], t),
            lambda j, h=h, r=r: score(h, r, block[place[3][j]]),
        ]
        for side, share in enumerate(shares):
            scores = [corrupted[side](j) for j in range(drawn[side]) if not true[side][i, j]]
            others = torch.stack(scores) if scores else own.new_empty(0)
            if temperature is None:
                part = torch.logsumexp(torch.cat([own[None], others + absent[side]]), 0) - own
            else:
                chances = (temperature * others.detach()).softmax(0)
                part = -logsigmoid(own) - (chances * logsigmoid(-others)).sum()
            loss = loss + share * weights[i, 0] * part
        loss = loss + 0.2 * ((h[:-1] ** 2).sum() + (t[:-1] ** 2).sum())
    loss = loss / batch
    loss.backward()
    assert found[0] == pytest.approx(loss.item(), rel=1e-6)
    columns = slice(None) if margin is None else slice(0, -1)
    np.testing.assert_allclose(found[1].numpy()[:, columns], block.grad.numpy()[:, columns], atol=1e-9)
    np.testing.assert_allclose(found[2].numpy(), turns.grad.numpy(), atol=1e-9)


def test_a_rule_over_two_steps_is_found_both_ways(model: GraphEmbedding, left_out: NDArray[np.bool_]) -> None:
    asked = world().chosen(left_out)
    tails = model.rank(asked, world(), asked="tails")
    assert len(tails) == N_PEOPLE // 6
    # Chance is half of 110 in both.
    assert (1 / tails).mean() > 0.8
    assert model.rank(asked, world(), asked="heads").mean() < 30


@pytest.mark.parametrize(
    "settings",
    [
        {"temperature": 1.0},
        {"margin": 3.0, "temperature": 3.0, "penalty": 0.0},
        {"shares": (1, 1, 1), "negatives": 96},
        {"shares": (0, 0, 1)},
    ],
)
def test_other_ways_to_be_wrong_teach_it_too(left_out: NDArray[np.bool_], settings: dict[str, Any]) -> None:
    learned = taught(world().chosen(~left_out), **settings)
    assert (1 / learned.rank(world().chosen(left_out), world())).mean() > 0.6


def test_a_corrupted_fact_that_is_true_is_no_negative() -> None:
    # Everything is true of everything: nothing is left to be pushed away, and so nothing is learned.
    rows = np.array([(h, 0, t) for h in range(4) for t in range(4)], np.int64)
    facts = Triples(*rows.T.copy())
    settings: dict[str, Any] = {"n_entities": 4, "n_relations": 1, "dim": 4, "negatives": 16, "seed": 3}
    learned = train_triples(facts, epochs=5, penalty=0.0, **settings)
    np.testing.assert_array_equal(learned.entities, train_triples(facts, epochs=0, **settings).entities)
    short = facts.chosen(rows[:, 0] != rows[:, 2])
    assert (train_triples(short, epochs=5, **settings).entities != learned.entities).any()


def test_candidates_bound_what_is_pushed() -> None:
    facts = world().chosen(world().relations == BORN_IN)
    before = taught(facts, epochs=0)
    people, towns = np.arange(N_PEOPLE), np.arange(N_PEOPLE, N_PEOPLE + N_TOWNS)
    after = taught(facts, epochs=3, heads=people, tails=towns)
    countries = slice(N_PEOPLE + N_TOWNS, None)
    np.testing.assert_array_equal(after.entities[countries], before.entities[countries])
    assert (taught(facts, epochs=3).entities[countries] != before.entities[countries]).any()


def test_training_on_starts_where_it_stopped(model: GraphEmbedding) -> None:
    before = model.entities.copy()
    again = taught(world(), start=model, epochs=1, learning_rate=1e-6)
    np.testing.assert_allclose(again.entities, before, atol=1e-4)
    np.testing.assert_array_equal(model.entities, before)


def test_ranks_are_those_of_a_loop(model: GraphEmbedding) -> None:
    facts, known = world().chosen(slice(0, 40)), world()
    said = set(zip(known.heads.tolist(), known.relations.tolist(), known.tails.tolist(), strict=True))

    def score(h: int, r: int, t: int) -> float:
        gap = product(model.entities[[h]], model.rotations[[r]])[0] - model.entities[t]
        return float(model.biases[h] + model.biases[t] - (gap.astype(np.float64) ** 2).sum())

    for asked in ("heads", "tails"):
        ranks = model.rank(facts, known, asked=asked)  # type: ignore[arg-type]
        for rank, h, r, t in zip(ranks, facts.heads, facts.relations, facts.tails, strict=True):
            others = [(h, r, e) if asked == "tails" else (e, r, t) for e in range(N)]
            scores = np.array([score(*o) for o in others if tuple(map(int, o)) not in said])
            assert rank == 1 + (scores > score(h, r, t)).sum()


def test_a_constant_score_gets_the_middle_rank() -> None:
    blank = GraphEmbedding(
        np.zeros((7, 2), np.float32), np.zeros((1, 1), np.float32), np.zeros(7, np.float32)
    )
    fact = Triples(np.array([1]), np.array([0]), np.array([2]))
    also = Triples(np.array([1, 1]), np.array([0, 0]), np.array([2, 5]))
    assert blank.rank(fact).tolist() == [4]
    assert blank.rank(fact, also).tolist() == [3.5]


def test_a_new_entity_stands_where_its_facts_point(model: GraphEmbedding) -> None:
    as_heads = Triples(np.array([0, 0]), np.array([BORN_IN, CITIZEN_OF]), np.array([N_PEOPLE, N - 1]))
    as_tails = Triples(np.array([4, 5]), np.array([BORN_IN, BORN_IN]), np.array([0, 2]))
    rows = model.place(as_heads, as_tails, 3)
    back = conjugate(model.rotations)
    pointed = np.vstack(
        [
            product(model.entities[[N_PEOPLE]], back[[BORN_IN]]),
            product(model.entities[[N - 1]], back[[CITIZEN_OF]]),
            product(model.entities[[4]], model.rotations[[BORN_IN]]),
        ]
    )
    np.testing.assert_allclose(rows[0], pointed.mean(axis=0), atol=1e-6)
    assert not rows[1].any()
    np.testing.assert_allclose(
        rows[2], product(model.entities[[5]], model.rotations[[BORN_IN]])[0], atol=1e-6
    )


def test_a_new_entity_is_known_by_its_facts() -> None:
    # A sixth of the people are never trained; the town alone places them, and the country follows.
    facts = world()
    new = np.asarray((facts.heads < N_PEOPLE) & (facts.heads % 6 == 0))
    learned = taught(facts.chosen(~new))
    born = facts.chosen(new & (facts.relations == BORN_IN))
    none = facts.chosen(slice(0, 0))
    entities = learned.entities.copy()
    entities[:N_PEOPLE] = np.where(
        (np.arange(N_PEOPLE) % 6 == 0)[:, None], learned.place(born, none, N_PEOPLE), entities[:N_PEOPLE]
    )
    asked = facts.chosen(new & (facts.relations == CITIZEN_OF))
    placed = (1 / replace(learned, entities=entities).rank(asked, facts)).mean()
    assert placed > 0.6
    assert placed > (1 / learned.rank(asked, facts)).mean() + 0.2


def test_a_setting_that_is_not_there_is_named() -> None:
    with pytest.raises(UserError, match="negative"):
        taught(world(), negative=3)
    with pytest.raises(UserError, match="shares"):
        taught(world(), shares=(0, 0, 0))
