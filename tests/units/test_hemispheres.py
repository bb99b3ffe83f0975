"""Hemispheres: halves of a grid that need not be symmetric, the right one mirrored onto the left."""

from dataclasses import replace

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.units import Hemispheres, Source
from nigra.units.hemispheres import LEFT, RIGHT

SHAPE = (7, 5, 4)


def source_of(midline: float | None) -> Source:
    """A voxel's value is its x index + 1, so that 0 is outside."""
    x = np.indices(SHAPE)[0] + 1.0
    return replace(Source.plain(x[None, None].astype(np.float32)), midline=midline)


@pytest.mark.parametrize(
    ("midline", "left", "right"),
    [
        (None, [1, 2, 3, 4], [7, 6, 5, 4]),  # on voxel 3, which both sides share
        (2.5, [0, 1, 2, 3], [7, 6, 5, 4]),  # between voxels 2 and 3: no left voxel mirrors the last right one
        (4.0, [1, 2, 3, 4, 5], [0, 0, 7, 6, 5]),
        (1.0, [0, 0, 0, 0, 1, 2], [7, 6, 5, 4, 3, 2]),
        (4.1, [1, 2, 3, 4, 5], [0, 0, 7, 6, 5]),
    ],
)
@pytest.mark.parametrize("plane", ["axial", "coronal"])
def test_columns_by_hand(plane, midline, left, right):  # type: ignore[no-untyped-def]
    unit = Hemispheres(plane, None, midline)
    cut = unit.cut(source_of(midline), np.zeros(2, int), np.array([[1, LEFT], [1, RIGHT]]))
    width = SHAPE[1] if plane == "axial" else SHAPE[2]
    assert unit.unit_shape(SHAPE) == (len(left), width)
    np.testing.assert_array_equal(cut[0, 0], np.tile(np.array(left)[:, None], width))
    np.testing.assert_array_equal(cut[1, 0], np.tile(np.array(right)[:, None], width))


def test_a_symmetric_brain_has_equal_halves(rng):  # type: ignore[no-untyped-def]
    half = rng.normal(size=(1, 2, 4, 6, 5)).astype(np.float32)
    volumes = np.concatenate([half, half[:, :, 2::-1]], axis=2)  # 7 columns, the fourth is the midline
    unit = Hemispheres("axial", None)
    locations = unit.locate(np.ones(volumes.shape[2:], bool))
    cut = unit.cut(Source.plain(volumes), np.zeros(len(locations), int), locations)
    np.testing.assert_array_equal(cut[locations[:, 1] == LEFT], cut[locations[:, 1] == RIGHT])
    volumes[0, :, 0] += 1  # negative control
    cut = unit.cut(Source.plain(volumes), np.zeros(len(locations), int), locations)
    assert np.abs(cut[locations[:, 1] == LEFT] - cut[locations[:, 1] == RIGHT]).max() > 0.5


def test_both_halves_meet_in_the_column_on_the_midline() -> None:
    unit, total, count = Hemispheres("axial", None), np.zeros((1, *SHAPE)), np.zeros(SHAPE, int)
    values = np.stack([np.full((1, 4, 5), value, np.float32) for value in (1, 3)])
    unit.put_back(values, np.array([[2, LEFT], [2, RIGHT]]), total, count)
    np.testing.assert_array_equal((total[0] / np.maximum(count, 1))[:, 0, 2], [1, 1, 1, 2, 3, 3, 3])
    assert count.sum() == 8 * 5


def test_only_halves_that_the_mask_touches_are_located() -> None:
    mask = np.zeros(SHAPE, bool)
    mask[1, 2, 0] = mask[3, 2, 1] = mask[6, 2, 2] = True
    np.testing.assert_array_equal(
        Hemispheres("axial", None).locate(mask), [[0, LEFT], [1, LEFT], [1, RIGHT], [2, RIGHT]]
    )
    np.testing.assert_array_equal(Hemispheres("axial", 1).locate(mask), [[1, LEFT], [1, RIGHT]])
    np.testing.assert_array_equal(Hemispheres("axial", None, 6.0).locate(mask)[:2], [[0, LEFT], [1, LEFT]])
    assert Hemispheres().locate(np.zeros(SHAPE, bool)).shape == (0, 2)


def test_what_is_not_half_a_slice_is_refused() -> None:
    with pytest.raises(NigraError, match="choose axial or coronal hemispheres"):
        Hemispheres("sagittal")
    with pytest.raises(NigraError, match=r"meet at x index 3, those of the cohort at 2\.5"):
        Hemispheres().cut(source_of(2.5), np.zeros(1, int), np.array([[1, LEFT]]))
