import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from nigra.preparation import mask, quality, template
from nigra.preparation.image import Image, read
from nigra.preparation.workers import limited

VOXEL = 4.0


@pytest.fixture(scope="module")
def head():
    """A head around the template's brain: dark skull, bright scalp, a neck; and the brain's mask."""
    reference = template.load("MNI152NLin2009aSym", VOXEL)
    wide = [(6, 6), (6, 6), (22, 6)]
    brain = np.pad(reference.mask, wide)
    data = 1000 * np.pad(reference.brain, wide)
    away = distance_transform_edt(~brain, sampling=VOXEL)
    data[~brain & (away <= 8)] = 120  # skull and CSF
    data[(away > 8) & (away <= 16)] = 900  # scalp
    x, y, z = np.indices(brain.shape)
    neck = ((x - brain.shape[0] / 2) ** 2 + (y - brain.shape[1] / 2) ** 2 < 14**2) & (z < 22) & (away > 8)
    data[neck] = 600
    affine = reference.affine.copy()
    affine[:3, 3] -= [6 * VOXEL, 6 * VOXEL, 22 * VOXEL]
    affine[:3, 3] += [3, 40, -20]  # the scanner's origin is not the template's
    noise = np.random.default_rng(0).normal(0, 15, brain.shape)
    return Image(np.abs(data + noise).astype(np.float32), affine), brain, reference


def test_the_brain_is_found_inside_the_head(head):
    scan, brain, reference = head
    with limited(1):
        found = mask.extract_brain(scan, Image(reference.brain, reference.affine), 0, (5, 3))
    assert quality.dice(found, brain) > 0.93
    assert quality.dice(scan.data > 300, brain) < 0.8  # the scalp and neck are there to be mistaken for it


def test_growing_and_shrinking_are_in_millimetres():
    image = Image(np.zeros((11, 13, 9), dtype=np.float32), np.diag([2.0, 1.0, 3.0, 1.0]))
    point = np.zeros((11, 13, 9), dtype=bool)
    point[5, 6, 4] = True
    grown = mask.dilated(point, image, 3.0)
    assert [int(grown.any(axis=tuple({0, 1, 2} - {axis})).sum()) for axis in range(3)] == [3, 7, 3]
    assert (mask.eroded(mask.dilated(point, image, 3.0), image, 2.9) == point).all()


def test_closing_fills_a_gap_and_spares_the_border():
    image = Image(np.zeros((15, 13, 11), dtype=np.float32), np.eye(4))
    halves = np.zeros((15, 13, 11), dtype=bool)
    halves[:, 2:11, 2:9] = True
    whole = halves.copy()
    halves[7] = False
    found = mask.closed(halves, image, 2.0)
    assert found[7, 4:9, 4:7].all()  # the gap; its outermost voxels stay open, as a ball leaves them
    assert (found == whole)[np.arange(15) != 7].all()


def test_the_largest_piece_is_kept(rng):
    pieces = np.zeros((11, 13, 9), dtype=bool)
    pieces[:3, :3, :3] = True
    expected = np.zeros_like(pieces)
    expected[6:, 6:, 4:] = True
    assert (mask.largest(pieces | expected) == expected).all()
    assert not mask.largest(np.zeros_like(pieces)).any()


@pytest.mark.real
@pytest.mark.slow
def test_real_heads(real_data):
    """Against the published masks of six whole heads."""
    reference = template.load("MNI152NLin2009aSym", 2.0)
    found = {}
    for path in sorted((real_data / "ixi").glob("sub-*/anat/*_desc-head_T1w.nii.gz")):
        truth = read(path.with_name(path.name.replace("desc-head_T1w", "desc-brain_mask"))).data > 0.5
        with limited(1):
            brain = mask.extract_brain(read(path), Image(reference.brain, reference.affine))
        found[path.name] = quality.dice(brain, truth)
    assert len(found) == 6
    assert min(found.values()) > 0.93, found
    assert np.mean(list(found.values())) > 0.95, found
