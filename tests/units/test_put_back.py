"""Law 1: put_back(cut(x)) == x for every unit, plane, overlap, border and unequal shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.errors import NigraError
from nigra.units import Cubes, Hemispheres, Patches, Slices, Source
from nigra.units.canvas import Canvas, put_back
from tests.units.samples import OVERLAPS, PLANES, SHAPES, everywhere, like, units


def volumes_of(shape: tuple[int, int, int], channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(3, channels, *shape)).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(st.data(), SHAPES, st.integers(1, 3), OVERLAPS)
def test_every_unit_gives_back_what_was_cut(data, shape, channels, overlap):  # type: ignore[no-untyped-def]
    unit = data.draw(units(shape))
    volumes = volumes_of(shape, channels, 0)
    locations = everywhere(unit, shape)
    cut = unit.cut(like(unit, Source.plain(volumes)), np.full(len(locations), 1), locations)
    assert cut.shape[1:] == (unit.unit_channels(channels), *unit.unit_shape(shape))
    np.testing.assert_array_equal(put_back(unit, cut, locations, shape, overlap), volumes[1])


@settings(max_examples=40, deadline=None)
@given(st.data(), SHAPES, OVERLAPS, st.sampled_from([0.1, -3.7e-4, 1e6]))
def test_a_constant_volume_stays_constant_bit_for_bit(data, shape, overlap, value):  # type: ignore[no-untyped-def]
    unit = data.draw(units(shape))
    volumes, locations = np.full((2, 1, *shape), value, np.float32), everywhere(unit, shape)
    cut = unit.cut(like(unit, Source.plain(volumes)), np.zeros(len(locations), int), locations)
    assert (put_back(unit, cut, locations, shape, overlap) == np.float32(value)).all()


@pytest.mark.parametrize("value", [0.1, -3.7e-4])
def test_a_constant_volume_stays_constant_with_a_stride(value):  # type: ignore[no-untyped-def]
    volumes = np.full((2, 1, 11, 13, 9), value, np.float32)
    for unit in (Patches(7, "coronal"), Cubes(5)):
        locations = unit.locate(np.ones((11, 13, 9), bool), stride=2)
        assert len(locations) < 11 * 13 * 9 / 2
        cut = unit.cut(Source.plain(volumes), np.zeros(len(locations), int), locations)
        assert (put_back(unit, cut, locations, (11, 13, 9)) == np.float32(value)).all()


@pytest.mark.parametrize("unit", [Patches(5), Cubes(3), Slices("coronal", None, 3), Hemispheres("axial", None)])
def test_units_put_back_one_step_away_are_noticed(unit, rng):  # type: ignore[no-untyped-def]
    """Negative control of the law."""
    volumes, locations = volumes_of((11, 13, 9), 2, 3), everywhere(unit, (11, 13, 9))
    inner = locations[locations[:, 0] < 8]
    cut = unit.cut(Source.plain(volumes), np.zeros(len(inner), int), inner)
    back = put_back(unit, cut, inner + np.eye(inner.shape[1], dtype=int)[0], (11, 13, 9), "centre")
    known = np.isfinite(back)
    assert known.mean() > 0.5
    assert np.abs(back - volumes[0])[known].mean() > 0.5


@settings(max_examples=40, deadline=None)
@given(SHAPES, PLANES, st.integers(1, 5), st.integers(0, 99))
def test_a_stride_leaves_no_voxel_of_the_mask_without_a_patch(shape, plane, stride, seed):  # type: ignore[no-untyped-def]
    sparse = np.random.default_rng(seed).random(shape) < 0.1
    for unit in (Patches(5, plane), Cubes(5)):
        locations = unit.locate(sparse, stride)
        ones = np.ones((len(locations), 1, *unit.unit_shape(shape)), np.float32)
        assert (put_back(unit, ones, locations, shape)[0][sparse] == 1).all()


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
    for unit in (Patches(5, "axial"), Cubes(3), Slices("coronal", None, 5), Hemispheres("coronal", None)):
        locations = unit.locate(np.ones_like(mask))
        cut = unit.cut(source, np.ones(len(locations), int), locations)
        np.testing.assert_allclose(put_back(unit, cut, locations, mask.shape), expected, atol=1e-7)
    np.testing.assert_allclose(source.volume(1), expected, atol=1e-7)


def test_input_is_untouched(mask, rng):  # type: ignore[no-untyped-def]
    volumes = rng.normal(size=(2, 1, *mask.shape)).astype(np.float32)
    before = volumes.copy()
    volumes.setflags(write=False)
    for unit in (Patches(5), Cubes(5), Slices(stack=3), Hemispheres()):
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
    for even in (lambda: Patches(14), lambda: Cubes(6), lambda: Slices(stack=2)):
        with pytest.raises(NigraError, match="odd"):
            even()
    with pytest.raises(NigraError, match="at least one"):
        Slices("axial", 0)
