import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from nigra.preparation import quality
from nigra.preparation.image import Image
from nigra.preparation.registration import Warp, affine_register, syn_register
from nigra.preparation.workers import limited
from tests.preparation.conftest import known_affine, moved


def still(template, affine):
    return Warp(affine, np.zeros((*template.mask.shape, 3), dtype=np.float32), template.affine)


@pytest.fixture(scope="module")
def registered(small_template):
    """A bent scan, its mask, and what registration finds: the affine and the whole warp."""
    fixed = Image(small_template.brain, small_template.affine)
    scan, mask, bend = moved(small_template, known_affine(), 10.0, seed=3)
    with limited(1):
        affine, _ = affine_register(fixed, scan, seed=0)
        return scan, mask, bend, affine, syn_register(fixed, scan, affine, (20, 15, 8))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_known_affine_is_recovered(small_template, seed):
    fixed = Image(small_template.brain, small_template.affine)
    scan, _, _ = moved(small_template, known_affine(), 0.0, seed=0)
    found, _ = affine_register(fixed, scan, seed)
    inside = np.argwhere(small_template.mask) @ small_template.affine[:3, :3].T + small_template.affine[:3, 3]
    points = np.c_[inside, np.ones(len(inside))]
    miss = np.linalg.norm((points @ (found - known_affine()).T)[:, :3], axis=1)
    unmoved = np.linalg.norm((points @ (np.eye(4) - known_affine()).T)[:, :3], axis=1)
    assert miss.mean() < 2.5 < 8 < unmoved.mean()  # mm, on 6 mm voxels


def test_syn_finds_the_bend_that_the_affine_cannot(small_template, registered):
    scan, mask, _, affine, warp = registered
    before, after = still(small_template, affine), warp
    overlap = [quality.dice(each.apply_mask(mask, scan.affine), small_template.mask) for each in (before, after)]
    likeness = [
        quality.correlation(each.apply(scan, 1), small_template.brain, small_template.mask)
        for each in (before, after)
    ]
    assert overlap[1] > max(0.97, overlap[0])
    assert likeness[1] > max(0.92, likeness[0])


def test_points_reach_the_anatomy_they_name(small_template, registered):
    """The oracle is the transform the scan was made with, not any intensity."""
    scan, _, bend, affine, warp = registered
    inside = small_template.mask

    def miss(each):
        points = each.points()[inside]
        voxels = (points - scan.affine[:3, 3]) @ np.linalg.inv(scan.affine[:3, :3]).T
        bent = np.stack([map_coordinates(bend[..., i], voxels.T, order=1) for i in range(3)], -1)
        template_mm = np.argwhere(inside) @ small_template.affine[:3, :3].T + small_template.affine[:3, 3]
        true = template_mm @ known_affine()[:3, :3].T + known_affine()[:3, 3]
        return np.linalg.norm(points + bent - true, axis=1).mean()

    assert miss(warp) < 0.8 * miss(still(small_template, affine))
    assert miss(warp) < 3  # mm, on 6 mm voxels


def test_one_cubic_interpolation_reproduces_a_cubic_polynomial(small_template, rng):
    """Exact where a second interpolation, or a linear one, would blur."""
    shape, spacing = (40, 44, 42), 5.5
    grid = np.diag([spacing, spacing, spacing, 1.0])
    grid[:3, 3] = [-107, -140, -95]
    smooth = lambda p: ((p / 100) ** 3).sum(-1) - (p[..., 0] / 100) * (p[..., 1] / 100)  # noqa: E731
    points = np.moveaxis(np.indices(shape), 0, -1) @ grid[:3, :3].T + grid[:3, 3]
    bend = rng.normal(0, 3, (*small_template.mask.shape, 3)).astype(np.float32)
    warp = Warp(known_affine(), bend, small_template.affine)
    found = warp.apply(Image(smooth(points).astype(np.float32), grid), order=3)
    inner = small_template.mask
    np.testing.assert_allclose(found[inner], smooth(warp.points())[inner], atol=2e-3)
    linear = warp.apply(Image(smooth(points).astype(np.float32), grid), order=1)
    assert np.abs(linear - found)[inner].max() < 0.05


def test_a_shift_of_whole_voxels_moves_values_untouched(small_template, rng):
    data = rng.normal(size=small_template.mask.shape).astype(np.float32)
    shift = np.eye(4)
    shift[0, 3] = small_template.resolution
    found = still(small_template, shift).apply(Image(data, small_template.affine))
    np.testing.assert_allclose(found[:-1], data[1:], atol=1e-4)
    assert (found[-1] == 0).all()


def test_registration_repeats_itself(small_template, registered):
    scan, _, _, affine, warp = registered
    fixed = Image(small_template.brain, small_template.affine)
    with limited(1):
        again, _ = affine_register(fixed, scan, seed=0)
        np.testing.assert_array_equal(again, affine)
        np.testing.assert_array_equal(syn_register(fixed, scan, again, (20, 15, 8)).displacement, warp.displacement)
    other, _ = affine_register(fixed, scan, seed=1)
    assert not np.array_equal(other, affine)
