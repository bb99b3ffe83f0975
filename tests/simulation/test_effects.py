"""Effects: each against its formula, nothing touched outside, strength 0 is nothing."""

import numpy as np
import pytest
from scipy import ndimage

from nigra.errors import NigraError
from nigra.simulation.effects import EFFECTS, apply, weights
from nigra.simulation.shapes import sphere
from tests.conftest import SHAPE

PLACE = np.array([5, 6, 3])


@pytest.fixture
def volume(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    return np.where(mask, rng.uniform(0.2, 0.9, (2, *SHAPE)), 0).astype(np.float32)


@pytest.fixture
def lesion(affine: np.ndarray) -> np.ndarray:
    return sphere(SHAPE, affine, PLACE, 8.0)


@pytest.mark.parametrize("kind", EFFECTS)
@pytest.mark.parametrize("edge", [0.0, 3.0])
def test_other_voxels_channels_and_the_input_stay_bit_for_bit(kind, edge, volume, lesion, mask, affine) -> None:
    before = volume.copy()
    out = apply(kind, volume, lesion, 0.5, {1: 1.0}, mask, affine, edge)
    np.testing.assert_array_equal(volume, before)
    np.testing.assert_array_equal(out[0], before[0])
    np.testing.assert_array_equal(out[1][~lesion], before[1][~lesion])
    changed = out[1] != before[1]
    assert changed.sum() > 5  # negative control: something did change
    assert out.dtype == volume.dtype


@pytest.mark.parametrize("kind", EFFECTS)
def test_strength_0_leaves_everything_as_it_is(kind, volume, lesion, mask, affine) -> None:
    np.testing.assert_array_equal(apply(kind, volume, lesion, 0.0, {0: 1.0, 1: -1.0}, mask, affine), volume)


@pytest.mark.parametrize("kind", EFFECTS)
def test_more_strength_changes_more(kind, volume, lesion, mask, affine) -> None:
    away = [
        np.abs(
            apply(kind, volume, lesion, strength, {0: 1.0 if kind != "blur" else 5.0}, mask, affine) - volume
        ).sum()
        for strength in (0.1, 0.3, 0.6)
    ]
    assert 0 < away[0] < away[1] < away[2]


@pytest.mark.parametrize("share", [-1.0, 1.0, -0.3])
def test_multiply_and_add_are_their_formulas(share, volume, lesion, mask, affine) -> None:
    inside = lesion & mask
    out = apply("multiply", volume, lesion, 0.2, {0: share}, mask, affine)
    np.testing.assert_allclose(out[0][inside], volume[0][inside] * (1 + 0.2 * share), rtol=1e-6)
    out = apply("add", volume, lesion, 0.2, {0: share}, mask, affine)
    np.testing.assert_allclose(out[0][inside], volume[0][inside] + 0.2 * share, rtol=1e-6)


def test_blur_is_the_mean_of_brain_voxels_alone(volume, lesion, mask, affine) -> None:
    """Oracle: Gaussian weights by hand, the brain's voxels only, cut at four standard deviations per axis."""
    sigma = 1.5 / np.array([2.0, 1.5, 3.0])
    out = apply("blur", volume, lesion, 1.5, {0: 1.0}, mask, affine)
    for voxel in np.argwhere(lesion & mask)[::7]:
        away = np.argwhere(mask) - voxel
        near = (np.abs(away) <= (4 * sigma + 0.5).astype(int)).all(axis=1)
        weight = np.exp(-0.5 * ((away / sigma) ** 2).sum(axis=1)) * near
        expected = (weight * volume[0][mask]).sum() / weight.sum()
        assert out[0][tuple(voxel)] == pytest.approx(expected, rel=1e-3)


def test_a_flat_brain_has_no_texture_no_blur_and_no_shape(lesion, mask, affine) -> None:
    flat = np.where(mask, 0.7, 0)[None].astype(np.float32)
    inner = lesion & ndimage.binary_erosion(mask)
    for kind in ("blur", "texture"):
        np.testing.assert_allclose(apply(kind, flat, inner, 0.5, {0: 1.0}, mask, affine)[0][mask], 0.7, atol=1e-6)


def test_full_texture_loss_leaves_what_is_smooth(volume, lesion, mask, affine) -> None:
    lost = apply("texture", volume, lesion, 1.0, {0: 1.0}, mask, affine, scale_mm=3.0)
    blurred = apply("blur", volume, lesion, 3.0, {0: 1.0}, mask, affine)
    np.testing.assert_allclose(lost, blurred, atol=1e-6)
    half = apply("texture", volume, lesion, 0.5, {0: 1.0}, mask, affine, scale_mm=3.0)
    np.testing.assert_allclose(half, (volume + lost) / 2, atol=1e-6)
    assert lost[0][lesion & mask].std() < 0.7 * volume[0][lesion & mask].std()


def test_shrinking_draws_tissue_towards_the_middle() -> None:
    """A bright shell around the middle of a large lesion comes nearer to it; a constant slope gives the formula."""
    grid, middle = (31, 31, 31), np.array([15, 15, 15])
    lesion = sphere(grid, np.eye(4), middle, 26.0)
    radius = np.linalg.norm((np.indices(grid).T - middle).T, axis=0)
    shell = np.exp(-0.5 * (radius - 6) ** 2)
    brain = np.ones(grid, dtype=bool)
    for strength, nearer in ((0.1, 0.2), (0.4, 1.0)):
        out = apply("shrink", shell[None], lesion, strength, {0: 1.0}, brain, np.eye(4))[0]
        assert radius[out > 0.8].mean() < radius[shell > 0.8].mean() - nearer
    slope = np.indices(grid)[0].astype(float)
    out = apply("shrink", slope[None], lesion, 0.4, {0: 1.0}, brain, np.eye(4))[0]
    deep = ndimage.distance_transform_edt(lesion)
    part = deep / deep.max()
    expected = slope + 0.4 * part**2 * (3 - 2 * part) * (slope - 15)
    np.testing.assert_allclose(out, expected, atol=2e-2)
    assert (np.diff(out[:, 15, 15]) > 0).all()  # it does not fold


def test_a_contraction_that_would_fold_is_refused(volume, lesion, mask, affine) -> None:
    with pytest.raises(NigraError, match=r"shrink by 0.9: at most 0.6"):
        apply("shrink", volume, lesion, 0.9, {0: 1.0}, mask, affine)


def test_a_soft_edge_lies_inside_the_lesion(lesion, affine) -> None:
    hard, soft = weights(lesion, affine), weights(lesion, affine, 4.0)
    assert (hard == lesion).all()
    assert (soft[~lesion] == 0).all()
    assert (soft[lesion] > 0).all()
    assert soft[lesion].min() < 0.5
    assert soft[tuple(PLACE)] == soft.max() > 0.5
