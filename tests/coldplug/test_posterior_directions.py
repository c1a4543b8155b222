"""The two sets of directions that profiles are written in, and the association of pairs."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from coldplug.learn.posterior.association import associations
from coldplug.learn.posterior.moments import Basis
from coldplug.learn.posterior.profiles import Profiles


def planted_profiles() -> Profiles:
    """Three circles of items; whoever likes one of a circle likes most of it. Two items alone are liked by all."""
    rng = np.random.default_rng(1)
    dense = np.zeros((300, 17), np.float32)
    for row in range(300):
        circle = rng.integers(3)
        dense[row, 5 * circle : 5 * circle + 5] = rng.random(5) < 0.7
        dense[row, 15:] = rng.random(2) < 0.9
    grades = sparse.csr_matrix(dense)
    return Profiles(np.arange(300), np.arange(17), grades, grades.astype(bool).astype(np.float32))


def test_a_profile_comes_back_from_all_its_directions() -> None:
    profiles = planted_profiles()
    basis = Basis.of(profiles, 17, seed=0)
    dense = profiles.grades.toarray()
    np.testing.assert_allclose((dense @ basis.analysis) @ basis.rows.T, dense, atol=1e-3)
    np.testing.assert_allclose(basis.plain.T @ basis.plain, np.eye(17), atol=1e-4)


def test_the_second_set_of_directions_gives_the_tail_more_of_a_say() -> None:
    profiles = planted_profiles()
    basis = Basis.of(profiles, 3, seed=0)
    dense = profiles.grades.toarray()
    one, two = ((dense @ (2 * basis.analysis[:, part])) @ basis.rows[:, part].T for part in np.s_[:3, 3:])
    lost = [np.square(found - dense).mean(0) for found in (one, two)]
    tail, head = np.s_[:15], np.s_[15:]
    assert lost[1][tail].mean() < lost[0][tail].mean()
    assert lost[1][head].mean() > lost[0][head].mean()


def test_associations_are_the_mutual_information_of_pairs() -> None:
    profiles = planted_profiles()
    found = associations(profiles, length=17)
    liked = profiles.liked.toarray()
    together, count = liked.T @ liked, liked.sum(0)
    wanted = np.log((together + 2) / (np.outer(count, count) / 300 + 2))
    np.fill_diagonal(wanted, 0)
    strengths, directions = np.linalg.eigh(wanted)
    wanted = (directions * np.maximum(strengths, 0)) @ directions.T
    np.testing.assert_allclose(found @ found.T, wanted, atol=1e-3)
    circle = np.arange(15) // 5
    same = (circle[:, None] == circle) & ~np.eye(15, dtype=bool)
    scores = (found @ found.T)[:15, :15]
    assert scores[same].min() > scores[circle[:, None] != circle].max()


def test_few_associations_are_the_leading_ones_whichever_way_they_are_found() -> None:
    """Lanczos where items are many, a full decomposition where they are few."""
    profiles = planted_profiles()
    few, all_of_them = associations(profiles, length=3), associations(profiles, length=17)
    np.testing.assert_allclose(np.abs(few), np.abs(all_of_them[:, :3]), atol=1e-3)
    padded = associations(profiles, length=30)
    np.testing.assert_allclose(padded[:, :17], all_of_them, atol=1e-4)
    assert not padded[:, 17:].any()
