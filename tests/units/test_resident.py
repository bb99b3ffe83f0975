"""Subjects held in memory give the very units that cutting gives, wherever they are held."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nigra.errors import NigraError
from nigra.units import Centred, Cubes, Hemispheres, Patches, Slices, Source, resident
from nigra.units.planes import location_last
from nigra.units.resident import Resident, held_bytes, reader
from tests.units.samples import SHAPES, everywhere, like, units

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


@settings(max_examples=120, deadline=None)
@given(st.data(), SHAPES, st.integers(1, 3), st.integers(0, 99))
def test_held_units_are_the_cut_ones(data, shape, channels, seed):  # type: ignore[no-untyped-def]
    unit = data.draw(units(shape))
    source = like(unit, source_of(shape, channels, seed))
    rows, where = asked(np.random.default_rng(seed), everywhere(unit, shape))
    held, expected = Resident.of(source, unit, SUBJECTS), unit.cut(source, rows, where)
    np.testing.assert_array_equal(held.cut(rows, where).numpy(), expected)
    assert held_bytes(source, unit, 3) == held.planes.nbytes
    if isinstance(unit, Centred):  # what a GPU does, in torch
        axes = location_last(where, unit.plane) if isinstance(unit, Patches) else where
        by_torch = held._indexed(unit, held.subject[rows], axes)
        np.testing.assert_array_equal(by_torch.numpy(), expected)
        assert by_torch.is_contiguous()
        assert held.cut(rows, where).is_contiguous()


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


@pytest.mark.parametrize("unit", [Patches(15), Cubes(5)])
def test_more_threads_cut_the_same(mask, rng, unit):  # type: ignore[no-untyped-def]
    import numba

    source = source_of(mask.shape)
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


@pytest.mark.parametrize(("row", "where"), [(1, (2, 2, 2)), (0, (11, 2, 2)), (0, (2, -1, 2)), (0, (2, 2, 9))])
def test_what_is_not_held_is_refused(mask, row, where):  # type: ignore[no-untyped-def]
    held = Resident.of(source_of(mask.shape), Patches(3), SUBJECTS)
    with pytest.raises(ValueError, match="not held, or outside"):
        held.cut(np.array([row]), np.array([where]))


@pytest.mark.parametrize(
    ("unit", "last", "beyond"),
    [(Slices("sagittal", None), [10], [11]), (Hemispheres("coronal", None), [12, 1], [12, 2]),
     (Cubes(3), [10, 12, 8], [10, 13, 8])],
)  # fmt: skip
def test_locations_outside_are_refused(mask, unit, last, beyond):  # type: ignore[no-untyped-def]
    held = Resident.of(source_of(mask.shape), unit, SUBJECTS)
    assert held.cut(np.array([4]), np.array([last])).shape == (1, 2, *unit.unit_shape(mask.shape))
    with pytest.raises(ValueError, match="outside"):
        held.cut(np.array([4]), np.array([beyond]))


def test_hemispheres_of_another_midline_are_refused(mask):  # type: ignore[no-untyped-def]
    with pytest.raises(NigraError, match="build the units with the cohort's midline"):
        reader(source_of(mask.shape), Hemispheres("axial", None, 4.0), SUBJECTS)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    "unit", [Patches(15), Patches(5, "coronal"), Slices("axial", None, 3), Cubes(5), Hemispheres()]
)
def test_held_on_a_gpu_the_units_are_the_same(mask, rng, unit):  # type: ignore[no-untyped-def]
    source = source_of(mask.shape)
    rows, where = asked(rng, unit.locate(mask))
    on_gpu = reader(source, unit, SUBJECTS, "cuda")(rows, where)
    assert on_gpu.is_cuda
    np.testing.assert_array_equal(on_gpu.cpu().numpy(), unit.cut(source, rows, where))
