"""Distances by sums are those of the double loop."""

import numpy as np
import pytest

from nigra.latent.pairs import closer_at_same_place, other_place, same_place, unit_length
from tests.latent.latent_spaces import spaces


def test_same_and_other_place_are_those_of_the_loop(rng: np.random.Generator) -> None:
    codes, _ = spaces(rng, 4, 7, 3, place=2)
    codes += 50
    same, other = same_place(codes), other_place(codes)
    for a in range(4):
        for b in range(4):
            apart = ((codes[a][:, None] - codes[b][None]) ** 2).sum(axis=2)
            assert same[a, b] == pytest.approx(np.diagonal(apart).mean(), abs=1e-9)
            assert other[a, b] == pytest.approx(apart[~np.eye(7, dtype=bool)].mean())


def test_the_same_place_is_closer_where_place_shows_and_as_often_as_not_where_not(rng: np.random.Generator) -> None:
    apart = ~np.eye(8, dtype=bool)
    shares = [closer_at_same_place(spaces(rng, 8, 200, 5, place=p)[0], rng)[apart].mean() for p in (3, 0)]
    assert shares[0] > 0.9
    assert shares[1] == pytest.approx(0.5, abs=0.02)
    assert (closer_at_same_place(np.ones((3, 5, 2)), rng) == 0.5).all()


def test_unit_length_leaves_a_code_of_zeros(rng: np.random.Generator) -> None:
    codes = rng.normal(size=(2, 3, 4))
    codes[0, 0] = 0
    lengths = np.linalg.norm(unit_length(codes), axis=2)
    assert lengths[0, 0] == 0
    np.testing.assert_allclose(lengths.ravel()[1:], 1)
