"""Law 1: put_back(cut(x)) == x for every unit, plane, overlap, border and unequal shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.errors import NigraError
from nigra.units import Patches, Slices, Source
from nigra.units.canvas import Canvas, put_back

PLANES = st.sampled_from(["sagittal", "coronal", "axial"])
SHAPES = st.tuples(*[st.integers(2, 13)] * 3)


def volumes_of(shape: tuple[int, int, int], channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, channels, *shape)).astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(SHAPES, st.integers(1, 3), st.sampled_from([1, 3, 5, 15]), PLANES, st.sampled_from(["centre", "average"]))
def test_patches_give_back_what_was_cut(shape, channels, size, plane, overlap):  # type: ignore[no-untyped-def]
    volumes = volumes_of(shape, channels, size)
    unit, everywhere = Patches(size, plane), np.ones(shape, bool)
    locations = unit.locate(everywhere)
    patches = unit.cut(Source.plain(volumes), np.full(len(locations), 1), locations)
    np.testing.assert_array_equal(put_back(unit, patches, locations, shape, overlap), volumes[1])


@settings(max_examples=30, deadline=None)
@given(SHAPES, st.integers(1, 3), PLANES)
def test_slices_give_back_what_was_cut(shape, channels, plane):  # type: ignore[no-untyped-def]
    volumes = volumes_of(shape, channels, 0)
    unit = Slices(plane, None)
    locations = unit.locate(np.ones(shape, bool))
    slices = unit.cut(Source.plain(volumes), np.full(len(locations), 2), locations)
    np.testing.assert_array_equal(put_back(unit, slices, locations, shape), volumes[2])


@pytest.mark.parametrize("value", [0.1, -3.7e-4, 1e6])
def test_a_constant_volume_stays_constant_bit_for_bit(value):  # type: ignore[no-untyped-def]
    volumes = np.full((2, 1, 11, 13, 9), value, np.float32)
    unit = Patches(7, "coronal")
    locations = unit.locate(np.ones((11, 13, 9), bool), stride=2)
    patches = unit.cut(Source.plain(volumes), np.zeros(len(locations), int), locations)
    assert (put_back(unit, patches, locations, (11, 13, 9)) == np.float32(value)).all()


@settings(max_examples=40, deadline=None)
@given(SHAPES, PLANES, st.integers(1, 5), st.integers(0, 99))
def test_a_stride_leaves_no_voxel_of_the_mask_without_a_patch(shape, plane, stride, seed):  # type: ignore[no-untyped-def]
    sparse = np.random.default_rng(seed).random(shape) < 0.1
    unit = Patches(5, plane)
    locations = unit.locate(sparse, stride)
    back = put_back(unit, np.ones((len(locations), 1, 5, 5), np.float32), locations, shape)[0]
    assert (back[sparse] == 1).all()


def test_patches_equal_numpy_windows(mask, rng):  # type: ignore[no-untyped-def]
    """Oracle: numpy's sliding windows over the edge-padded volume; a half-patch shift would show at once."""
    volumes = rng.normal(size=(2, 2, *mask.shape)).astype(np.float32)
    unit = Patches(5, "sagittal")
    locations = unit.locate(mask)
    patches = unit.cut(Source.plain(volumes), np.ones(len(locations), int), locations)
    padded = np.pad(volumes[1], [(0, 0), (0, 0), (2, 2), (2, 2)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(2, 3))
    expected = np.array([windows[:, x, y, z] for x, y, z in locations])
    np.testing.assert_array_equal(patches, expected)
    assert (patches[:, :, 2, 2] == volumes[1][:, mask].T).all()


def test_a_gap_is_nan_and_never_a_score(mask):  # type: ignore[no-untyped-def]
    unit = Slices("axial", central=2)
    locations = unit.locate(mask)
    canvas = Canvas(unit, mask.shape, 1)
    canvas.add(np.ones((2, 1, *mask.shape[:2]), np.float32), locations)
    mean = canvas.mean()[0]
    assert np.isfinite(mean).any(axis=(0, 1)).sum() == 2
    assert np.isnan(mean[..., -1]).all()


def test_batches_add_up_to_the_whole(mask, rng):  # type: ignore[no-untyped-def]
    unit = Patches(3)
    locations = unit.locate(mask)
    values = rng.normal(size=(len(locations), 1, 3, 3)).astype(np.float32)
    canvas = Canvas(unit, mask.shape, 1)
    for begin in range(0, len(locations), 7):
        canvas.add(values[begin : begin + 7], locations[begin : begin + 7])
    np.testing.assert_array_equal(canvas.mean(), put_back(unit, values, locations, mask.shape))


def test_overlap_average_is_the_mean_over_covering_patches(rng):  # type: ignore[no-untyped-def]
    """Oracle: brute force over all patches and pixels."""
    shape = (6, 7, 4)
    unit = Patches(3)
    locations = np.argwhere(np.indices(shape).sum(axis=0) % 3 == 0)
    values = rng.normal(size=(len(locations), 1, 3, 3)).astype(np.float32)
    sums: dict[tuple[int, int, int], list[float]] = {}
    for (x, y, z), patch in zip(locations, values[:, 0], strict=True):
        for i in range(3):
            for j in range(3):
                sums.setdefault((x + i - 1, y + j - 1, z), []).append(float(patch[i, j]))
    back = put_back(unit, values, locations, shape)[0]
    for index in np.ndindex(shape):
        expected = np.mean(sums[index]) if index in sums else np.nan
        np.testing.assert_allclose(back[index], expected, rtol=1e-6)


def test_scaling_and_mask_are_applied_while_cutting(mask, rng):  # type: ignore[no-untyped-def]
    volumes = rng.normal(size=(2, 2, *mask.shape)).astype(np.float32)
    gain, offset = np.array([2.0, 0.5], np.float32), np.array([0.1, -0.3], np.float32)
    source = Source(volumes, mask, gain, offset, 0.0, 1.0)
    expected = np.where(
        mask, np.clip(volumes[1] * gain[:, None, None, None] + offset[:, None, None, None], 0, 1), 0
    )
    for unit in (Patches(5, "axial"), Slices("coronal", None)):
        locations = unit.locate(np.ones_like(mask))
        cut = unit.cut(source, np.ones(len(locations), int), locations)
        np.testing.assert_allclose(put_back(unit, cut, locations, mask.shape), expected, atol=1e-7)
    np.testing.assert_allclose(source.volume(1), expected, atol=1e-7)


def test_input_is_untouched(mask, rng):  # type: ignore[no-untyped-def]
    volumes = rng.normal(size=(2, 1, *mask.shape)).astype(np.float32)
    before = volumes.copy()
    volumes.setflags(write=False)
    unit = Patches(5)
    locations = unit.locate(mask)
    unit.cut(Source.plain(volumes, mask), np.zeros(len(locations), int), locations)
    np.testing.assert_array_equal(volumes, before)


@pytest.mark.parametrize("central", [1, 2, 5])
def test_central_slices_are_around_the_middle_of_the_mask(mask, central):  # type: ignore[no-untyped-def]
    touched = np.flatnonzero(mask.any(axis=(0, 1)))
    chosen = Slices("axial", central).locate(mask)[:, 0]
    assert len(chosen) == central
    assert abs(chosen.mean() - touched.mean()) <= 0.5
    assert set(chosen) <= set(touched)


def test_an_even_patch_has_no_centre() -> None:
    with pytest.raises(NigraError, match="odd"):
        Patches(14)
    with pytest.raises(NigraError, match="at least one"):
        Slices("axial", 0)
