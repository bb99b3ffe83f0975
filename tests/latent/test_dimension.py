"""TwoNN: on cubes of known dimension, bent or not, and with copies."""

import numpy as np
import pytest

from nigra.latent.dimension import dimension_numbers, neighbour_ratios, two_nn
from tests.latent.latent_spaces import FEW

ONE = np.ones((1, 1))


@pytest.mark.parametrize("d", [1, 2, 5])
def test_a_cube_has_its_dimension_wherever_it_lies(rng: np.random.Generator, d: int) -> None:
    cube = rng.random((2500, d)) @ np.linalg.qr(rng.normal(size=(20, d)))[0].T
    found = two_nn(neighbour_ratios(cube), np.zeros(2500, dtype=np.int64))(ONE)[0]
    assert found == pytest.approx(d, rel=0.12)


def test_a_roll_is_a_surface_though_its_covariance_has_three_axes(rng: np.random.Generator) -> None:
    turn, height = rng.uniform(5, 14, 3000), rng.uniform(0, 15, 3000)
    roll = np.stack([turn * np.cos(turn), height, turn * np.sin(turn)], axis=1).reshape(10, 300, 3)
    (row,) = dimension_numbers(roll, FEW)
    assert row.estimate == pytest.approx(2, abs=0.25)
    assert row.low <= row.estimate <= row.high
    assert row.null > 2.6


def test_the_same_places_in_many_people_are_no_surface(rng: np.random.Generator) -> None:
    """Flat and Gaussian: 10 directions of place, 3 of person. Among all codes TwoNN would tell the persons' 3."""
    places = rng.normal(size=(300, 10)) @ rng.normal(size=(10, 16))
    people = 0.3 * rng.normal(size=(8, 300, 3)) @ rng.normal(size=(3, 16))
    codes = places + people
    (row,) = dimension_numbers(codes, FEW)
    assert row.estimate == pytest.approx(row.null, rel=0.12)
    assert row.estimate > 6
    pooled = two_nn(neighbour_ratios(codes.reshape(-1, 16)), np.zeros(2400, dtype=np.int64))(ONE)[0]
    assert pooled < 4.5  # what stood here before


def test_ratios_by_hand() -> None:
    line = np.array([[0.0], [1.0], [3.0], [3.0]])
    np.testing.assert_array_equal(neighbour_ratios(line)[:2], [3, 2])
    assert np.isnan(neighbour_ratios(line)[2:]).all()


def test_copies_are_left_out_and_counted(rng: np.random.Generator) -> None:
    codes = rng.random((4, 50, 2))
    codes[0, :20] = codes[0, 0]
    (row,) = dimension_numbers(codes, FEW)
    assert row.note.startswith("20 of 200")
    assert row.estimate == pytest.approx(2, abs=0.6)
    (row,) = dimension_numbers(np.ones((4, 50, 2)), FEW)
    assert np.isnan(row.estimate)
    assert row.note
