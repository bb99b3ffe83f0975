"""Places: the same seed the same lesions, inside what is allowed, apart, and one drawn without the others."""

import numpy as np
import pytest
from scipy import ndimage

from nigra.simulation.placing import Lesion, draw_lesions, middle, seed_of
from nigra.simulation.settings import ShapeSettings
from nigra.simulation.shapes import around, voxel_mm3

GRID = (30, 34, 26)
AFFINE = np.diag([2.0, 2.0, 2.5, 1.0])


def brain() -> np.ndarray:
    x, y, z = np.indices(GRID)
    return ((x - 15) / 14) ** 2 + ((y - 17) / 15) ** 2 + ((z - 12) / 12) ** 2 <= 1


def regions() -> dict[str, np.ndarray]:
    left, right = brain(), brain()
    left[15:], right[:15] = False, False
    left[..., 12:], right[..., 12:] = False, False
    return {"left": left, "right": right}


def masks() -> dict[str, np.ndarray]:
    """One lesion well inside, one half outside of the brain, one nearly all outside."""
    found = {name: np.zeros(GRID, dtype=bool) for name in ("inside", "edge", "outside")}
    found["inside"][14:17, 16:19, 11:13] = True
    found["edge"][0:4, 17, 12] = True
    found["outside"][0, 17, 12] = True
    return found


KINDS = {
    "sphere": (ShapeSettings(kind="sphere", sizes=[9]), 9.0),
    "blob": (ShapeSettings(kind="blob", sizes=[400]), 400.0),
    "region": (ShapeSettings(kind="region", sizes=[300]), 300.0),
    "whole": (ShapeSettings(kind="region"), None),
    "mask": (ShapeSettings(kind="mask", files=["a.nii"]), None),
    "moved": (ShapeSettings(kind="mask", files=["a.nii"], moved=True), None),
}


def drawn(kind: str, seed: int = 5, count: int = 3, distance: float = 12.0) -> list[Lesion]:
    shape, size = KINDS[kind]
    return draw_lesions(shape, size, brain(), AFFINE, seed, count, distance, regions(), masks())


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_lesions_and_another_others(kind: str) -> None:
    first, again, other = drawn(kind), drawn(kind), drawn(kind, seed=6)
    assert [(each.place, each.seed, each.source, each.shift) for each in first] == [
        (each.place, each.seed, each.source, each.shift) for each in again
    ]
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.mask, two.mask)
    assert [each.seed for each in first] != [each.seed for each in other]
    if kind not in ("whole", "mask"):  # these have few places to choose from
        assert {each.place for each in first} != {each.place for each in other}


@pytest.mark.parametrize("kind", KINDS)
def test_lesions_lie_inside_and_apart(kind: str) -> None:
    for seed in range(4):
        lesions = drawn(kind, seed)
        assert 1 <= len(lesions) <= 3
        assert [each.number for each in lesions] == list(range(1, len(lesions) + 1))
        for each in lesions:
            assert each.mask.any()
            assert not (each.mask & ~brain()).any()
            assert each.mask[each.place]
            others = [other.mask for other in lesions if other is not each]
            assert not any((around(each.mask, 12.0, AFFINE) & other).any() for other in others)


def test_the_first_lesion_does_not_depend_on_how_many_are_drawn() -> None:
    one, three = drawn("blob", count=1), drawn("blob", count=3)
    assert (len(one), len(three)) == (1, 3)
    np.testing.assert_array_equal(one[0].mask, three[0].mask)


def test_sizes_are_the_ones_asked_for() -> None:
    assert [each.mask.sum() for each in drawn("blob")] == [round(400 / voxel_mm3(AFFINE))] * 3
    for each in drawn("region"):
        assert each.mask.sum() == 30
        assert ndimage.label(each.mask)[1] == 1
        assert not (each.mask & ~regions()[each.source]).any()
    diameter = [2 * (3 * each.mask.sum() * voxel_mm3(AFFINE) / 4 / np.pi) ** (1 / 3) for each in drawn("sphere")]
    assert diameter == pytest.approx([9, 9, 9], rel=0.05)


def test_masks_stay_or_move_by_their_recorded_shift() -> None:
    for each in drawn("mask", distance=0.0):
        assert each.source in ("inside", "edge")  # the third lies outside of the brain
        np.testing.assert_array_equal(each.mask, masks()[each.source] & brain())
        assert each.shift == (0, 0, 0)
    lesions = drawn("moved")
    assert len({each.source for each in lesions}) == len(lesions) == 3
    assert any(each.shift != (0, 0, 0) for each in lesions)
    for each in lesions:
        np.testing.assert_array_equal(np.argwhere(each.mask), np.argwhere(masks()[each.source]) + each.shift)


def test_what_does_not_fit_is_not_drawn() -> None:
    huge = ShapeSettings(kind="sphere", sizes=[90])
    assert draw_lesions(huge, 90.0, brain(), AFFINE, 1, 2) == []
    assert len(drawn("sphere", count=50, distance=30.0)) < 50
    assert drawn("sphere", count=50, distance=30.0)


def test_places_are_spread_over_the_brain() -> None:
    places = np.array([drawn("sphere", seed, 1)[0].place for seed in range(60)])
    assert (np.ptp(places, axis=0) > 12).all()


def test_the_middle_is_a_voxel_of_the_lesion_even_of_a_ring() -> None:
    ring = np.zeros((7, 7, 1), dtype=bool)
    ring[1:6, 1:6] = True
    ring[2:5, 2:5] = False
    assert ring[middle(ring)]


def test_seeds_are_the_same_on_every_machine() -> None:
    assert seed_of(0, "sub-01", 3, "sphere", 8.0) == seed_of(0, "sub-01", 3, "sphere", 8.0) == 200709911189247
