"""Places of locations: offsets in mm, slabs that see enough, blurs that a kernel describes."""

import copy

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nigra.detection.neighbourhood import TRUNCATE, Frame, Grid

VOXEL = (2.0, 1.0, 3.0)


@pytest.fixture
def grid(rng: np.random.Generator) -> Grid:
    """An irregular brain that reaches one border of its volume and leaves planes empty at the other."""
    mask = rng.random((11, 13, 9)) < 0.7
    mask[8:], mask[:, 0] = False, False
    return Grid(mask, VOXEL)


def test_a_grid_from_an_affine_has_the_voxels_sides(grid: Grid) -> None:
    turned = np.array([[0, -1.0, 0, 5], [2.0, 0, 0, 7], [0, 0, -3.0, 1], [0, 0, 0, 1]])
    assert Grid.of(grid.mask, turned) == grid


def test_grids_are_equal_by_content_and_copied(grid: Grid) -> None:
    other = Grid(grid.mask.copy(), VOXEL)
    assert grid == other == copy.deepcopy(grid)
    other.mask[3, 3, 3] ^= True
    assert grid != other
    assert grid != Grid(grid.mask, (2.0, 1.0, 2.0))


def test_a_ball_is_all_voxels_within_its_radius(grid: Grid) -> None:
    found = {tuple(offset) for offset in grid.ball(3.0)}
    box = [(i, j, k) for i in range(-5, 6) for j in range(-5, 6) for k in range(-5, 6)]
    assert found == {o for o in box if 4 * o[0] ** 2 + o[1] ** 2 + 9 * o[2] ** 2 <= 9}
    assert len(found) > 10


def test_a_spaced_ball_keeps_every_nth_voxel_and_the_middle(grid: Grid) -> None:
    spaced = grid.ball(8.0, spacing_mm=4.0)
    assert {tuple(o) for o in spaced} < {tuple(o) for o in grid.ball(8.0)}
    assert (0, 0, 0) in {tuple(o) for o in spaced}
    assert (spaced % [2, 4, 1] == 0).all(), "4 mm are 2, 4 and 1 voxels"


def test_places_apart_have_no_neighbours() -> None:
    alone = Grid.apart(7)
    assert alone.mask.sum() == 7
    assert alone.ball(100.0).tolist() == [[0, 0, 0]]
    assert alone.reach(50.0) == 0


@pytest.mark.parametrize("planes", [1, 3, 50])
def test_slabs_cover_each_location_once_and_see_their_surroundings(grid: Grid, planes: int) -> None:
    places, seen = np.argwhere(grid.mask), []
    for piece, wide, own in grid.slabs(2, planes):
        assert piece.mask.sum() == wide.stop - wide.start
        mine = np.arange(wide.start, wide.stop)[own]
        seen.extend(mine)
        rows = places[mine, 0]
        assert np.ptp(rows) < planes
        around = np.flatnonzero((places[:, 0] >= rows.min() - 2) & (places[:, 0] <= rows.max() + 2))
        assert set(around) <= set(range(wide.start, wide.stop))
    assert seen == list(range(len(places)))


def test_steps_in_a_frame_lead_to_the_neighbour_or_to_0(grid: Grid, rng: np.random.Generator) -> None:
    values = rng.normal(size=int(grid.mask.sum())).astype(np.float32)
    frame, whole = Frame(grid, np.array([2, 3, 1])), np.zeros(grid.mask.shape, np.float32)
    whole[grid.mask] = values
    offset = np.array([-2, 3, 1])
    found = frame.volume(values).ravel()[frame.index + frame.flat(offset[None])[0]]
    there = np.argwhere(grid.mask) + offset
    inside = ((there >= 0) & (there < grid.mask.shape)).all(axis=1)
    expected = np.where(inside, whole[tuple(np.where(inside[:, None], there, 0).T)], 0)
    np.testing.assert_array_equal(found, expected)
    assert (expected != 0).sum() > 20


def test_the_kernel_is_what_a_blur_carries(grid: Grid) -> None:
    frame = Frame(grid, np.array([6, 6, 6]))
    point = np.zeros(frame.mask.shape, np.float32)
    middle = np.array(point.shape) // 2
    point[tuple(middle)] = 1
    steps = Grid(grid.mask, VOXEL).ball(4.0)
    blurred = frame.blur(point, 2.0)
    np.testing.assert_allclose(frame.kernel(2.0, steps), blurred[tuple((middle + steps).T)], rtol=1e-5)
    expected = gaussian_filter(point, [1.0, 2.0, 2 / 3], mode="constant", truncate=TRUNCATE)
    np.testing.assert_allclose(blurred, expected, rtol=1e-6)
