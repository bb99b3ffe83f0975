"""Cubes against numpy's sliding windows and brute force."""

import numpy as np
import pytest

from nigra.errors import NigraError
from nigra.units import Cubes, Source
from nigra.units.canvas import put_back


def test_cubes_equal_numpy_windows(mask, rng):  # type: ignore[no-untyped-def]
    """Oracle: windows of the edge-padded volume; a shift by half a cube or swapped axes would show at once."""
    volumes = rng.normal(size=(2, 2, *mask.shape)).astype(np.float32)
    unit = Cubes(5)
    locations = unit.locate(mask)
    cubes = unit.cut(Source.plain(volumes), np.ones(len(locations), int), locations)
    padded = np.pad(volumes[1], [(0, 0), (2, 2), (2, 2), (2, 2)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5, 5), axis=(1, 2, 3))
    np.testing.assert_array_equal(cubes, np.array([windows[:, x, y, z] for x, y, z in locations]))
    assert (cubes[:, :, 2, 2, 2] == volumes[1][:, mask].T).all()


def test_overlap_average_is_the_mean_over_covering_cubes(rng):  # type: ignore[no-untyped-def]
    """Oracle: brute force over all cubes and voxels."""
    shape, unit = (5, 6, 4), Cubes(3)
    locations = np.argwhere(np.indices(shape).sum(axis=0) % 4 == 0)
    values = rng.normal(size=(len(locations), 1, 3, 3, 3)).astype(np.float32)
    sums: dict[tuple[int, int, int], list[float]] = {}
    for (x, y, z), cube in zip(locations, values[:, 0], strict=True):
        for i, j, k in np.ndindex(3, 3, 3):
            sums.setdefault((x + i - 1, y + j - 1, z + k - 1), []).append(float(cube[i, j, k]))
    back = put_back(unit, values, locations, shape)[0]
    for index in np.ndindex(shape):
        expected = np.mean(sums[index]) if index in sums else np.nan
        np.testing.assert_allclose(back[index], expected, rtol=1e-6)


def test_a_stride_longer_than_the_cube_is_refused(mask):  # type: ignore[no-untyped-def]
    assert len(Cubes(3).locate(mask, 3)) < mask.sum() / 8
    with pytest.raises(NigraError, match="stride 4 is longer than the unit"):
        Cubes(3).locate(mask, 4)
