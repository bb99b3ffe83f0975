"""Stacks of slices: channels in order, the last slice repeated at the end, each put back where it came from."""

import numpy as np
import pytest

from nigra.units import Slices, Source
from nigra.units.canvas import put_back


def test_a_stack_by_hand(rng):  # type: ignore[no-untyped-def]
    volumes = rng.normal(size=(2, 2, 3, 4, 6)).astype(np.float32)
    unit = Slices("axial", None, 3)
    cut = unit.cut(Source.plain(volumes), np.array([1, 0]), np.array([[0], [4]]))
    assert unit.unit_channels(2) == 6 == cut.shape[1]
    for channels, row, index in ((0, 1, 0), (2, 1, 0), (4, 1, 1)):  # below the lowest slice it is repeated
        np.testing.assert_array_equal(cut[0, channels : channels + 2], volumes[row, ..., index])
    for number, index in enumerate((3, 4, 5)):
        np.testing.assert_array_equal(cut[1, 2 * number : 2 * number + 2], volumes[0, ..., index])


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_put_back_is_the_mean_of_all_that_show_a_slice_or_the_central_one(plane, rng):  # type: ignore[no-untyped-def]
    """Oracle: brute force over stacks and slices; repeats beyond the volume are left out."""
    shape, unit = (4, 5, 6), Slices(plane, None, 3)
    axis = ["sagittal", "coronal", "axial"].index(plane)
    locations = np.array([[0], [1], [shape[axis] - 1]])
    values = rng.normal(size=(3, 6, *unit.unit_shape(shape))).astype(np.float32)
    shown: dict[int, list[np.ndarray]] = {}
    for stack, (index,) in zip(values, locations, strict=True):
        for number, place in enumerate((index - 1, index, index + 1)):
            if 0 <= place < shape[axis]:
                shown.setdefault(int(place), []).append(stack[2 * number : 2 * number + 2])
    average, centre = (put_back(unit, values, locations, shape, overlap) for overlap in ("average", "centre"))
    for place in range(shape[axis]):
        found = np.take(average, place, axis + 1)
        expected = np.mean(shown[place], axis=0) if place in shown else np.full_like(found, np.nan)
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    for stack, (index,) in zip(values, locations, strict=True):
        np.testing.assert_array_equal(np.take(centre, index, axis + 1), stack[2:4])
    assert np.isnan(np.take(centre, 2, axis + 1)).all()
