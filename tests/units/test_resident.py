"""Subjects held in memory give the very units that cutting gives, wherever they are held."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.units import Patches, Slices, Source, resident
from nigra.units.planes import location_last
from nigra.units.resident import Resident, held_bytes, reader

PLANES = st.sampled_from(["sagittal", "coronal", "axial"])
SHAPES = st.tuples(*[st.integers(2, 13)] * 3)
SUBJECTS = np.array([4, 0, 3])


def source_of(shape: tuple[int, int, int], channels: int = 2, seed: int = 0) -> Source:
    """Five subjects, values of either sign, a sparse mask and a NaN that must come through as one."""
    rng = np.random.default_rng(seed)
    volumes = rng.normal(size=(5, channels, *shape)).astype(np.float32)
    volumes[3, 0, 1, 1, 1] = np.nan
    gain, offset = rng.uniform(0.3, 2, channels).astype(np.float32), rng.normal(size=channels).astype(np.float32)
    return Source(volumes, rng.random(shape) < 0.8, gain, offset, 0.0, 1.0)


def asked(rng: np.random.Generator, locations: np.ndarray, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    return rng.choice(SUBJECTS, n), locations[rng.integers(len(locations), size=n)]


@settings(max_examples=40, deadline=None)
@given(SHAPES, st.integers(1, 3), st.sampled_from([1, 3, 5, 15]), PLANES, st.integers(0, 99))
def test_held_patches_are_the_cut_ones(shape, channels, size, plane, seed):  # type: ignore[no-untyped-def]
    source, unit = source_of(shape, channels, seed), Patches(size, plane)
    rows, where = asked(np.random.default_rng(seed), unit.locate(np.ones(shape, bool)))
    held = Resident.of(source, unit, SUBJECTS)
    expected = unit.cut(source, rows, where)
    np.testing.assert_array_equal(held.cut(rows, where).numpy(), expected)
    by_torch = held._indexed(unit, held.subject[rows], location_last(where, plane))
    np.testing.assert_array_equal(by_torch.numpy(), expected)
    assert by_torch.stride() == held.cut(rows, where).stride()


@settings(max_examples=20, deadline=None)
@given(SHAPES, st.integers(1, 3), PLANES)
def test_held_slices_are_the_cut_ones(shape, channels, plane):  # type: ignore[no-untyped-def]
    source, unit = source_of(shape, channels), Slices(plane, None)
    rows, where = asked(np.random.default_rng(1), unit.locate(np.ones(shape, bool)), 12)
    held = Resident.of(source, unit, SUBJECTS)
    np.testing.assert_array_equal(held.cut(rows, where).numpy(), unit.cut(source, rows, where))


def test_patches_equal_numpy_windows_of_the_scaled_volume(mask, rng):  # type: ignore[no-untyped-def]
    """Oracle: sliding windows over ``Source.volume``, edge-padded; the patches differ from subject to subject."""
    source, unit = source_of(mask.shape), Patches(5)
    rows, where = asked(rng, unit.locate(np.ones(mask.shape, bool)), 300)
    padded = {
        row: np.pad(source.volume(int(row)), [(0, 0), (2, 2), (2, 2), (0, 0)], mode="edge") for row in SUBJECTS
    }
    expected = [padded[row][:, x : x + 5, y : y + 5, z] for row, (x, y, z) in zip(rows, where, strict=True)]
    cut = Resident.of(source, unit, SUBJECTS).cut(rows, where).numpy()
    np.testing.assert_allclose(cut, np.array(expected), atol=1e-6)
    assert np.nanstd(cut) > 0.1


def test_more_threads_cut_the_same(mask, rng):  # type: ignore[no-untyped-def]
    import numba

    source, unit = source_of(mask.shape), Patches(15)
    rows, where = asked(rng, unit.locate(mask), 200)
    before, cut = numba.get_num_threads(), []
    for threads in (1, numba.config.NUMBA_NUM_THREADS):
        numba.set_num_threads(threads)
        cut += [unit.cut(source, rows, where), Resident.of(source, unit, SUBJECTS).cut(rows, where).numpy()]
    numba.set_num_threads(before)
    for other in cut[1:]:
        np.testing.assert_array_equal(cut[0], other)


def test_the_store_is_read_where_memory_is_short(mask, rng, monkeypatch, caplog):  # type: ignore[no-untyped-def]
    source, unit = source_of(mask.shape), Patches(5)
    rows, where = asked(rng, unit.locate(mask))
    with caplog.at_level(logging.INFO):
        held = reader(source, unit, SUBJECTS)
    assert "3 subjects held on cpu" in caplog.text
    monkeypatch.setattr(resident, "HOST_BYTES", held_bytes(source, unit, len(SUBJECTS)) - 1)
    caplog.clear()
    read = reader(source, unit, SUBJECTS)
    assert "read from the cohort store" in caplog.text
    assert not isinstance(getattr(read, "__self__", None), Resident)
    torch.testing.assert_close(read(rows, where), held(rows, where), rtol=0, atol=0, equal_nan=True)


def test_held_bytes_are_those_of_the_tensor(mask):  # type: ignore[no-untyped-def]
    source = source_of(mask.shape, 3)
    for unit in (Patches(7, "coronal"), Slices("sagittal")):
        assert held_bytes(source, unit, 3) == Resident.of(source, unit, SUBJECTS).planes.nbytes > 0


@pytest.mark.parametrize(("row", "where"), [(1, (2, 2, 2)), (0, (11, 2, 2)), (0, (2, -1, 2)), (0, (2, 2, 9))])
def test_what_is_not_held_is_refused(mask, row, where):  # type: ignore[no-untyped-def]
    held = Resident.of(source_of(mask.shape), Patches(3), SUBJECTS)
    with pytest.raises(ValueError, match="not held, or outside"):
        held.cut(np.array([row]), np.array([where]))


def test_slices_outside_are_refused(mask):  # type: ignore[no-untyped-def]
    held = Resident.of(source_of(mask.shape), Slices("sagittal", None), SUBJECTS)
    assert held.cut(np.array([4]), np.array([[10]])).shape == (1, 2, 13, 9)
    with pytest.raises(ValueError, match="outside"):
        held.cut(np.array([4]), np.array([[11]]))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("unit", [Patches(15), Patches(5, "coronal"), Slices("axial", None)])
def test_held_on_a_gpu_the_units_are_the_same(mask, rng, unit):  # type: ignore[no-untyped-def]
    source = source_of(mask.shape)
    rows, where = asked(rng, unit.locate(mask))
    on_gpu = reader(source, unit, SUBJECTS, "cuda")(rows, where)
    assert on_gpu.is_cuda
    np.testing.assert_array_equal(on_gpu.cpu().numpy(), unit.cut(source, rows, where))
