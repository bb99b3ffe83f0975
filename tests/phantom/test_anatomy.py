"""The common brain: fractions add up, fields have the statistics they promise."""

import numpy as np

from nigra.phantom.anatomy import smooth_field


def test_fractions_add_up_to_one(anatomy):
    total = anatomy.grey + anatomy.white + anatomy.csf
    total.flat[anatomy.nuclei_voxels] += anatomy.nuclei_shares.sum(axis=0)
    np.testing.assert_allclose(total, 1, atol=1e-5)
    assert min(part.min() for part in (anatomy.grey, anatomy.white, anatomy.csf, anatomy.nuclei_shares)) >= -1e-6


def test_smooth_field_has_unit_variance_and_the_stated_correlation(rng):
    """Correlation at d mm is exp(-d² / 4 w²): over 400 draws, standard error 0.05."""
    axes = [np.arange(0.0, 31, 10), np.arange(-20.0, 1, 10), np.array([5.0])]
    draws = np.stack([smooth_field(rng, axes, 10.0) for _ in range(400)])
    assert abs(draws.mean()) < 0.1
    np.testing.assert_allclose(draws.var(axis=0), 1, atol=0.3)
    correlation = (draws[:, :-1] * draws[:, 1:]).mean() / draws.var()
    assert abs(correlation - np.exp(-0.25)) < 0.08


def test_smooth_field_is_the_same_on_every_resolution():
    fine, coarse = ([np.arange(-40, 41, step, dtype=float)] * 3 for step in (2, 4))
    a, b = (smooth_field(np.random.default_rng(5), axes, 12.0) for axes in (fine, coarse))
    np.testing.assert_allclose(a[::2, ::2, ::2], b, atol=1e-5)
    assert b.std() > 0.3


def test_ventricles_widen_outwards(anatomy):
    """Sampling one step along the widening field from beside a ventricle lands nearer to its middle."""
    x = anatomy.affine[0, 3] + anatomy.resolution * np.arange(anatomy.mask.shape[0])
    near = np.linalg.norm(anatomy.widening, axis=0) > 0.5
    side = np.sign(x)[:, None, None] * near
    assert near.sum() > 20
    assert (anatomy.widening[0] * side)[near & (np.abs(x) > 15)[:, None, None]].mean() < -0.1
