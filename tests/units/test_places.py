"""Places of partners: mirrored, neighbouring or any, by brute force and by counting."""

import numpy as np
import pytest
from scipy.stats import chisquare

from nigra.errors import NigraError
from nigra.units import Cubes, Hemispheres, Patches, Slices, Source, Unit
from nigra.units.places import partner_places

SHAPE = (11, 13, 9)


def places(place: str, unit: Unit, locations: np.ndarray, distance: float = 3.0) -> np.ndarray:
    """Locations of the partners of all locations, one drawing."""
    source = Source.plain(np.zeros((1, 1, *SHAPE), np.float32))
    draw = partner_places(place, distance, unit, source, locations)  # type: ignore[arg-type]
    return locations[draw(np.random.default_rng(0), np.arange(len(locations)))]


@pytest.mark.parametrize("unit", [Patches(3), Patches(3, "sagittal"), Cubes(3)])
def test_mirrored_places_lie_across_the_midline_or_nearest_to_there(mask, unit):  # type: ignore[no-untyped-def]
    """Oracle: brute force over all locations; the mask is lopsided, so some have no mirror image in it."""
    mask = mask.copy()
    mask[7:, 4:9] = False
    locations = unit.locate(mask)
    found = places("mirrored", unit, locations)
    wanted = locations * [-1, 1, 1] + [10, 0, 0]
    exact = mask[tuple(wanted.T)]
    assert 0.5 < exact.mean() < 1
    np.testing.assert_array_equal(found[exact], wanted[exact])
    nearest = np.linalg.norm(wanted[:, None] - locations, axis=2).min(axis=1)
    np.testing.assert_allclose(np.linalg.norm(found - wanted, axis=1), nearest)


def test_mirrored_slices_and_hemispheres() -> None:
    everywhere = np.ones(SHAPE, bool)
    sagittal, halves = Slices("sagittal", None), Hemispheres("axial", None)
    np.testing.assert_array_equal(
        places("mirrored", sagittal, sagittal.locate(everywhere))[:, 0], np.arange(11)[::-1]
    )
    locations = halves.locate(everywhere)
    np.testing.assert_array_equal(places("mirrored", halves, locations), locations * [1, -1] + [0, 1])
    # a half without its other half is paired with the other half nearest to that
    lone = np.array([[0, 0], [1, 0], [2, 0], [5, 1]])
    np.testing.assert_array_equal(places("mirrored", halves, lone), [[5, 1], [5, 1], [5, 1], [2, 0]])
    axial = Slices("axial", None)
    with pytest.raises(NigraError, match="show both sides and have no mirrored place"):
        places("mirrored", axial, axial.locate(everywhere))


@pytest.mark.parametrize("unit", [Patches(3), Cubes(3), Slices("axial", None), Hemispheres("coronal", None)])
@pytest.mark.parametrize("distance", [1.0, 2.5])
def test_neighbours_are_other_locations_within_the_distance(mask, unit, distance):  # type: ignore[no-untyped-def]
    locations = unit.locate(mask)
    shift = places("neighbouring", unit, locations, distance) - locations
    length = np.linalg.norm(shift, axis=1)
    assert (length > 0).all()
    assert (length <= distance).all()
    assert length.max() > distance - 0.6
    if isinstance(unit, Hemispheres):
        assert (shift[:, 1] == 0).all()


def test_each_neighbour_is_as_likely_as_the_others(mask) -> None:  # type: ignore[no-untyped-def]
    unit = Patches(3)
    locations = unit.locate(mask)
    distances = np.linalg.norm(locations[:, None] - locations, axis=2)
    neighbours = (distances > 0) & (distances <= 2)
    inside, border = int(neighbours.sum(axis=1).argmax()), int(neighbours.sum(axis=1).argmin())
    draw = partner_places("neighbouring", 2.0, unit, Source.plain(np.zeros((1, 1, *SHAPE), np.float32)), locations)
    for place in (inside, border):
        found = draw(np.random.default_rng(1), np.full(4000, place))
        counts = np.bincount(found, minlength=len(locations))
        assert counts[~neighbours[place]].sum() == 0
        assert chisquare(counts[neighbours[place]]).pvalue > 1e-3
    assert neighbours[inside].sum() == 32 > neighbours[border].sum() + 5


def test_a_place_alone_takes_the_nearest_other_one() -> None:
    locations = np.array([[0, 0, 0], [9, 9, 8], [9, 9, 7], [0, 12, 0]])
    found = places("neighbouring", Patches(3), locations, 2.0)
    np.testing.assert_array_equal(found, locations[[3, 2, 1, 2]])
    with pytest.raises(NigraError, match="need two locations, but found 1"):
        places("neighbouring", Patches(3), locations[:1])


def test_random_places_are_uniform() -> None:
    locations = Slices("axial", None).locate(np.ones(SHAPE, bool))
    source = Source.plain(np.zeros((1, 1, *SHAPE), np.float32))
    draw = partner_places("random", 1.0, Slices("axial", None), source, locations)
    found = draw(np.random.default_rng(2), np.zeros(9000, int))
    assert chisquare(np.bincount(found, minlength=9)).pvalue > 1e-3
