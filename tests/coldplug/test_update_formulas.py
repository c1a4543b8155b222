"""The formulas behind an update, against plain ones: precisions, Fisher information, columns of attributes."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy import sparse

from coldplug.encode.attributes import AttributeEncoder
from coldplug.encode.extend import extended
from coldplug.learn.meta.fisher import by_drawn_labels
from coldplug.learn.meta.tasks import Episode, Tasks
from coldplug.learn.posterior import memory
from coldplug.learn.posterior.episodes import AnchorVectors, UserModel
from coldplug.learn.posterior.memory import Fisher, Precisions, Solved, compressed, fisher_of
from coldplug.learn.posterior.moments import Basis, Moments
from coldplug.learn.posterior.profiles import Profiles
from coldplug.learn.posterior.update import Learned, closed_form, drift
from coldplug.types import FloatArray

N_ANCHORS, DIM = 12, 3


def profiles(n_users: int, likes: int, seed: int) -> tuple[Profiles, FloatArray]:
    """Users who each like so many of the anchors, and two attributes that say a little of which."""
    rng = np.random.default_rng(seed)
    attributes = rng.integers(0, 2, (n_users, 2)).astype(np.float32)
    liked = np.zeros((n_users, N_ANCHORS), np.float32)
    for row, user in zip(liked, attributes, strict=True):
        weight = np.where(np.arange(N_ANCHORS) % 2 == user[0], 3.0, 1.0)
        row[rng.choice(N_ANCHORS, likes, replace=False, p=weight / weight.sum())] = 1
    grades = liked * rng.choice([0.8, 1.0], liked.shape).astype(np.float32)
    users, anchors = np.arange(n_users), np.arange(N_ANCHORS)
    return Profiles(users, anchors, sparse.csr_matrix(grades), sparse.csr_matrix(liked)), attributes


def both(one: Profiles, other: Profiles) -> Profiles:
    stack = [
        sparse.csr_matrix(sparse.vstack(pair))
        for pair in zip(*[(p.grades, p.liked) for p in (one, other)], strict=True)
    ]
    return Profiles(np.arange(one.shape[0] + other.shape[0]), one.anchors, *stack)


def test_a_compressed_precision_keeps_its_diagonal_and_its_leading_directions() -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((40, 3)) * np.array([9.0, 5.0, 3.0])
    whole = (common @ common.T + np.diag(rng.uniform(1, 2, 40))).astype(np.float32)
    rest, directions = compressed(whole, 3)
    again = directions @ directions.T + np.diag(rest)
    np.testing.assert_allclose(np.diag(again), np.diag(whole), rtol=1e-4)
    assert np.linalg.norm(again - whole) < 0.05 * np.linalg.norm(whole)
    diagonal_alone = np.linalg.norm(np.diag(np.diag(whole)) - whole)
    assert np.linalg.norm(again - whole) < 0.1 * diagonal_alone
    assert np.linalg.eigvalsh(again.astype(np.float64)).min() > 0


def test_with_all_directions_kept_an_update_is_training_on_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.compressed, "__defaults__", (1 + 2 + N_ANCHORS,))
    monkeypatch.setattr(memory, "_LEAST_REST", 1e-7)
    (old, first), (new, second) = profiles(60, 7, 1), profiles(40, 6, 2)
    together, attributes = both(old, new), np.concatenate([first, second])
    basis = Basis.of(old, 5, 0)
    ridges = {"ridge": 0.5, "attribute_ridge": 2.0}
    solved: list[Solved] = []
    moments = Moments.fit(old, first, basis, **ridges, remember=lambda *told: solved.append(Solved.of(*told)))
    wanted = Moments.fit(together, attributes, basis, **ridges)
    zeros = np.zeros(1, np.float32)
    before = Learned(
        AttributeEncoder(()),
        moments,
        UserModel(zeros, zeros, zeros),
        AnchorVectors(zeros, zeros, zeros),
        Precisions.of(solved, 3 + N_ANCHORS),
        Fisher(*[zeros] * 6),
    )
    found, _ = closed_form(before, new, second, basis.rows)
    # sizes that the old users' profiles were too short for stay what they were
    for place, size in enumerate((0, 1, 2, 3)):
        np.testing.assert_allclose(found.prior[place], wanted.prior[place], atol=2e-3, err_msg=str(size))
        np.testing.assert_allclose(found.keys[place], wanted.keys[place], atol=2e-3, err_msg=str(size))
    assert np.abs(wanted.keys[3] - moments.keys[3]).max() > 0.02


def test_the_trained_halfs_fisher_is_the_diagonal_of_the_hessian() -> None:
    """Profiles of three likes have no support, so the logits are linear in each weight, and Gauss-Newton is exact."""
    rng = np.random.default_rng(3)
    some, attributes = profiles(50, 3, 4)
    draw = lambda *shape: rng.standard_normal(shape).astype(np.float32)  # noqa: E731
    values, keys, bias, prior = draw(N_ANCHORS, DIM), draw(N_ANCHORS, DIM), draw(N_ANCHORS), draw(3, DIM)
    model = UserModel(prior, np.zeros(2, np.float32), np.array([0, 1], np.float32))
    found = fisher_of(some, attributes, model, AnchorVectors(values, keys, bias), passes=200, seed=0)
    x = torch.from_numpy(np.hstack([np.ones((50, 1), np.float32), attributes]))
    target = torch.from_numpy(some.grades.toarray())
    target = target / target.sum(1, keepdim=True).sqrt()

    def loss(values: torch.Tensor, bias: torch.Tensor, prior: torch.Tensor) -> torch.Tensor:
        return -(target * torch.log_softmax(x @ prior @ values.T + bias, 1)).sum()

    given = tuple(torch.from_numpy(array) for array in (values, bias, prior))
    hessians = torch.autograd.functional.hessian(loss, given)
    diagonals = []
    for place, weight in enumerate(given):
        square = hessians[place][place].reshape(weight.numel(), weight.numel())
        diagonals.append(torch.diagonal(square).reshape(weight.shape).numpy())
    np.testing.assert_allclose(found.values, diagonals[0], rtol=2e-3)
    np.testing.assert_allclose(found.bias, diagonals[1], rtol=2e-3)
    np.testing.assert_allclose(found.prior, diagonals[2], rtol=0.2)
    assert not found.keys.any()


def episode(target: torch.Tensor, given: torch.Tensor) -> Episode:
    nothing = torch.zeros((len(target), 1))
    items = np.arange(target.shape[1])
    places = torch.from_numpy(items)
    tasks = Tasks(nothing, nothing.long(), nothing, nothing)
    return Episode(tasks, np.arange(len(target)), items, places, places, target, (target > 0).float(), given)


def test_gradients_by_drawn_labels_have_the_covariance_of_the_loss() -> None:
    torch.manual_seed(0)
    scores = torch.tensor([[0.3, -1.0, 1.2, 0.0]]).repeat(40_000, 1)
    target = torch.tensor([[2.0, 0.0, 1.0, 0.0]]).repeat(40_000, 1)
    given = torch.tensor([[0.0, 0.0, 0.0, 1.0]]).repeat(40_000, 1)
    drawn = by_drawn_labels(scores, episode(target, given), "clicks").double()
    chances = torch.softmax(torch.tensor([0.3, -1.0, 1.2, -1e4]), 0).double()
    wanted = 3**0.5 * (torch.diag(chances) - torch.outer(chances, chances))
    np.testing.assert_allclose(drawn.mean(0), np.zeros(4), atol=0.02)
    np.testing.assert_allclose(drawn.T @ drawn / len(drawn), wanted, atol=0.02)
    rated = by_drawn_labels(scores, episode(target, given), "ratings").double()
    np.testing.assert_allclose(rated.T @ rated / len(rated), np.diag([1.0, 0, 1.0, 0]), atol=0.03)


def test_what_moves_together_is_followed_and_what_does_not_is_left() -> None:
    rng = np.random.default_rng(5)
    before = rng.standard_normal((400, 3)).astype(np.float32)
    turn = np.array([[1.0, 0.4, 0], [-0.4, 1.0, 0], [0, 0, 0.5]], np.float32)
    found, shift = drift(before, before @ turn + 2.0)
    np.testing.assert_allclose(found, turn, atol=0.02)
    np.testing.assert_allclose(shift, [2, 2, 2], atol=0.02)
    found, shift = drift(before, before + rng.standard_normal(before.shape).astype(np.float32))
    np.testing.assert_allclose(found, np.eye(3), atol=0.25)
    found, shift = drift(before, before)
    np.testing.assert_allclose(found, np.eye(3), atol=1e-6)
    np.testing.assert_allclose(shift, np.zeros(3), atol=1e-6)


OLD = [{"age": 20 + n % 5, "job": ("baker", "smith")[n % 2], "zip": f"0{n:04d}"} for n in range(40)]
NEW = [
    {"age": 18 + n % 20, "job": ("Baker", "potter")[n % 2], "town": "Ulm", "zip": f"1x{n}"} for n in range(30)
]


def test_old_rows_stay_and_new_words_and_numbers_get_columns() -> None:
    encoder = AttributeEncoder.fit(OLD)
    grown = extended(encoder, NEW)
    names = grown.encoder.names
    assert {"job=baker", "job=smith", "job=potter", "town=Ulm", "age@20", "age@24"} < set(names)
    assert names.count("job=baker") + names.count("job=Baker") == 1
    assert any(name.startswith("age@3") for name in names)
    rows, again = encoder.transform(OLD), grown.encoder.transform(OLD)
    kept = grown.origin >= 0
    np.testing.assert_array_equal(again[:, kept], rows[:, grown.origin[kept]])
    assert not again[:, ~kept].any()
    starts = dict(zip(names, grown.start.tolist(), strict=True))
    assert starts["job=potter"] == starts["town=Ulm"] == -1
    beyond = [name for name in names if name.startswith("age@3")]
    assert {encoder.names[starts[name]] for name in beyond} == {"age@24"}


def test_scores_do_not_change_before_anything_is_learned() -> None:
    encoder = AttributeEncoder.fit(OLD)
    grown = extended(encoder, NEW)
    weights = np.random.default_rng(0).standard_normal((2, 1 + encoder.width, 3)).astype(np.float32)
    taken = grown.rows(weights, grown.start)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = encoder.transform(NEW + OLD) @ weights[:, 1:] + weights[:, :1]
    after = grown.encoder.transform(NEW + OLD) @ taken[:, 1:] + taken[:, :1]
    np.testing.assert_allclose(after, before, atol=1e-5)
    assert not grown.rows(weights, grown.origin)[:, 1:][:, grown.origin < 0].any()


def test_rare_values_of_new_users_are_no_reason_to_warn() -> None:
    grown = extended(AttributeEncoder.fit(OLD), NEW)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        grown.encoder.transform(NEW)


def test_a_name_that_changes_its_kind_stays_as_it_was() -> None:
    encoder = AttributeEncoder.fit(OLD)
    grown = extended(encoder, [{"age": "young", "job": 3} for _ in range(20)])
    assert grown.encoder.state() == encoder.state()
    assert extended(encoder, [{} for _ in range(3)]).encoder.state() == encoder.state()
    bare = extended(AttributeEncoder.fit([{}]), NEW)
    assert bare.encoder.state() == AttributeEncoder.fit(NEW).state()
    assert (bare.origin == -1).all()
