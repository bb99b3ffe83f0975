"""Smoothing in a mask: scipy on a full mask, constants at borders, nothing from outside."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from nigra.scoring.smoothing import smooth

FWHM = 6.0
SD = FWHM / 2.3548200450309493


def test_a_full_mask_is_scipys_filter_where_the_border_is_far(affine: np.ndarray, rng: np.random.Generator) -> None:
    volume = rng.normal(size=(31, 37, 23)).astype(np.float32)
    full = np.ones(volume.shape, bool)
    ours = smooth(volume.reshape(-1, 1), full, affine, FWHM).reshape(volume.shape)
    theirs = gaussian_filter(volume.astype(float), [SD / 2, SD / 1.5, SD / 3])
    inner = (slice(6, -6), slice(8, -8), slice(4, -4))
    np.testing.assert_allclose(ours[inner], theirs[inner], atol=2e-5)
    assert ours.std() < 0.5 * volume.std()
    assert np.abs(ours - volume).max() > 1


def test_a_constant_stays_constant_at_the_border(mask: np.ndarray, affine: np.ndarray) -> None:
    values = np.full((mask.sum(), 2), [0.7, -3.0], np.float32)
    np.testing.assert_allclose(smooth(values, mask, affine, FWHM), values, rtol=1e-5)
    plain = np.where(mask, np.float32(0.7), 0)
    assert gaussian_filter(plain, 1.2)[mask].min() < 0.5, "a plain filter would darken it"


def test_the_weighted_mean_of_what_is_known(mask: np.ndarray, affine: np.ndarray, rng: np.random.Generator) -> None:
    """Oracle: the Gaussian written out, voxel by voxel."""
    values = rng.normal(size=(mask.sum(), 1)).astype(np.float32)
    values[5] = np.nan
    ours = smooth(values, mask, affine, 4.0)[:, 0]
    places = np.argwhere(mask) * np.diag(affine)[:3]
    known = np.isfinite(values[:, 0])
    for voxel in (0, 4, len(values) // 2, len(values) - 1):
        weight = np.exp(-((places - places[voxel]) ** 2).sum(axis=1) / (2 * (4.0 / 2.35482) ** 2))[known]
        expected = (weight * values[known, 0]).sum() / weight.sum()
        assert ours[voxel] == pytest.approx(expected, abs=0.01)  # the tails are cut at four sd
    assert np.isnan(ours[5])
    assert np.isfinite(np.delete(ours, 5)).all()


def test_the_input_is_left_alone(mask: np.ndarray, affine: np.ndarray, rng: np.random.Generator) -> None:
    values = rng.normal(size=(mask.sum(), 1)).astype(np.float32)
    kept = values.copy()
    smooth(values, mask, affine, 4.0)
    np.testing.assert_array_equal(values, kept)
