"""Shapes: volumes against formulas, connectedness, the grid's own millimetres, masks by affine."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from nigra.errors import NigraError
from nigra.simulation.shapes import around, blob, distance_mm, grow, moved, read_masks, sphere, voxel_mm3
from tests.conftest import SHAPE

FINE = (61, 55, 50)


def fine_affine() -> np.ndarray:
    """Voxels of 0.5 x 0.6 x 0.7 mm, axes turned so that the affine is not diagonal."""
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.5, 0.6, 0.7])
    return affine


@pytest.mark.parametrize("diameter", [6.0, 11.0])
def test_a_sphere_has_the_volume_of_the_formula(diameter: float) -> None:
    affine = fine_affine()
    found = sphere(FINE, affine, np.array([30, 27, 25]), diameter).sum() * voxel_mm3(affine)
    assert found == pytest.approx(np.pi * diameter**3 / 6, rel=0.02)


def test_distances_are_those_of_the_affine(affine: np.ndarray) -> None:
    place = np.array([3, 7, 2])
    got = distance_mm(SHAPE, affine, place)
    world = nib.affines.apply_affine(affine, np.indices(SHAPE).reshape(3, -1).T)
    expected = np.linalg.norm(world - nib.affines.apply_affine(affine, place), axis=1)
    np.testing.assert_allclose(got.ravel(), expected, atol=1e-9)


def test_a_tiny_sphere_is_one_voxel(affine: np.ndarray) -> None:
    assert np.argwhere(sphere(SHAPE, affine, np.array([3, 7, 2]), 0.1)).tolist() == [[3, 7, 2]]


@pytest.mark.parametrize("volume", [40.0, 300.0])
def test_a_blob_has_its_volume_is_connected_and_no_ball(volume: float, rng: np.random.Generator) -> None:
    affine, inside, place = fine_affine(), np.ones(FINE, dtype=bool), np.array([30, 27, 25])
    mask = blob(inside, affine, place, volume, rng)
    assert mask.sum() * voxel_mm3(affine) == pytest.approx(volume, abs=voxel_mm3(affine))
    assert ndimage.label(mask)[1] == 1
    assert mask[30, 27, 25]
    ball = blob(inside, affine, place, volume, rng, roughness=0.0)
    reach = distance_mm(FINE, affine, place)
    assert reach[ball].max() == pytest.approx((3 * volume / 4 / np.pi) ** (1 / 3), rel=0.1)
    assert reach[mask].max() > 1.1 * reach[ball].max()


def test_growth_takes_the_cheapest_neighbours_and_stays_inside(mask: np.ndarray) -> None:
    cost = np.zeros(SHAPE)
    cost[6:] = 1  # dear on one side
    found = grow(cost, mask, np.array([5, 6, 3]), 40)
    assert found.sum() == 40
    assert not (found & ~mask).any()
    assert not found[6:].any()
    assert grow(cost, mask, np.array([5, 6, 3]), 10**6).sum() == mask.sum()  # no more than there is
    assert not grow(cost, mask, np.array([0, 0, 8]), 5).any()  # starts outside


def test_a_mask_moves_whole_or_not_at_all(mask: np.ndarray) -> None:
    small = np.zeros(SHAPE, dtype=bool)
    small[4:6, 5, 3] = True
    there = moved(small, np.array([2, -1, 1]))
    assert there is not None
    assert np.argwhere(there).tolist() == [[6, 4, 4], [7, 4, 4]]
    assert moved(small, np.array([6, 0, 0])) is None


def test_no_window_of_that_side_sees_both(affine: np.ndarray) -> None:
    """Oracle: every window of 6 mm sides, brute force."""
    one = np.zeros(SHAPE, dtype=bool)
    one[5, 6, 4] = True
    near = around(one, 6.0, affine)
    sides = np.ceil(6.0 / np.array([2.0, 1.5, 3.0])).astype(int)  # 3, 4, 2 voxels
    seen = np.zeros(SHAPE, dtype=bool)
    for corner in np.ndindex(*SHAPE):
        window = tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))
        if one[window].any():
            seen[window] = True
    np.testing.assert_array_equal(near, seen)
    assert near.sum() == 5 * 7 * 3


def test_masks_come_onto_the_grid_by_their_affines(tmp_path: Path, affine: np.ndarray) -> None:
    """A mask drawn in flipped voxels of another size lies where its millimetres say."""
    other = np.diag([-1.0, 0.75, 1.5, 1.0])
    other[:3, 3] = [20.0, -9.0, -12.25]
    data = np.zeros((40, 30, 20), np.uint8)
    world = nib.affines.apply_affine(other, np.indices(data.shape).reshape(3, -1).T).reshape(*data.shape, 3)
    data[(np.abs(world - [-2.5, 0.0, -3.25]) <= [2.9, 2.2, 4.4]).all(axis=-1)] = 1
    data[35, 2, 1] = 1  # a second part: -15 mm, outside of the grid
    nib.save(nib.Nifti1Image(data, other), tmp_path / "one.nii.gz")
    found = read_masks([tmp_path / "one.nii.gz"], SHAPE, affine)
    assert list(found) == ["one-1"]
    where = nib.affines.apply_affine(affine, np.argwhere(found["one-1"]))
    assert np.abs(where - [-2.5, 0.0, -3.25]).max(axis=0).tolist() == pytest.approx([2.0, 1.5, 3.0])
    assert len(where) == 27


def test_parts_are_lesions_of_their_own_unless_the_whole_file_is_one(tmp_path: Path, affine: np.ndarray) -> None:
    data = np.zeros(SHAPE, np.uint8)
    data[2:4, 3, 3], data[8, 8:11, 5] = 1, 2
    nib.save(nib.Nifti1Image(data, affine), tmp_path / "two.nii")
    assert [m.sum() for m in read_masks([tmp_path / "two.nii"], SHAPE, affine).values()] == [2, 3]
    whole = read_masks([tmp_path / "two.nii"], SHAPE, affine, "whole")
    assert [m.sum() for m in whole.values()] == [5]
    assert [m.sum() for m in read_masks([tmp_path / "two.nii"], SHAPE, affine, smallest_mm3=20.0).values()] == [3]
    with pytest.raises(NigraError, match=r"two\.nii: a lesion has 100 mm3 or more, .* lower smallest_mm3"):
        read_masks([tmp_path / "two.nii"], SHAPE, affine, smallest_mm3=100.0)


def test_masks_called_alike_in_two_folders_stay_two(tmp_path: Path, affine: np.ndarray) -> None:
    paths = [tmp_path / name / "lesion.nii.gz" for name in ("sub-1", "sub-2")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        data = np.zeros(SHAPE, np.uint8)
        data[2 : 4 + number, 3, 3] = 1
        nib.save(nib.Nifti1Image(data, affine), path)
    found = read_masks(paths, SHAPE, affine)
    assert {name: int(mask.sum()) for name, mask in found.items()} == {"sub-1-lesion-1": 2, "sub-2-lesion-1": 3}
    with pytest.raises(NigraError, match="found sub-1-lesion twice"):
        read_masks([paths[0], paths[0]], SHAPE, affine)


def test_one_mask_of_several_with_nothing_on_the_grid_is_told(tmp_path: Path, affine: np.ndarray) -> None:
    data = np.zeros(SHAPE, np.float32)
    data[2:4, 3, 3] = 1
    far = affine.copy()
    far[:3, 3] += 1000
    for name, values, own in (("good", data, affine), ("far", data, far), ("nan", data * np.nan, affine)):
        nib.save(nib.Nifti1Image(values, own), tmp_path / f"{name}.nii")
    for name in ("far", "nan"):
        with pytest.raises(NigraError, match=rf"{name}\.nii: a lesion mask has voxels where the maps lie"):
            read_masks([tmp_path / "good.nii", tmp_path / f"{name}.nii"], SHAPE, affine)


def test_a_file_that_is_no_mask_is_one_sentence(tmp_path: Path, affine: np.ndarray) -> None:
    (tmp_path / "no.nii").write_text("no image")
    with pytest.raises(NigraError, match="is not a readable mask"):
        read_masks([tmp_path / "no.nii"], SHAPE, affine)
    with pytest.raises(NigraError, match="is not a readable mask"):
        read_masks([tmp_path / "absent.nii"], SHAPE, affine)


@pytest.mark.real
def test_real_lesions_keep_their_volume_on_a_coarser_grid(real_data: Path) -> None:
    paths = sorted((real_data / "lesions").glob("*.nii.gz"))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    found = read_masks(paths, (91, 109, 91), affine, smallest_mm3=50.0)
    assert len(paths) == 15
    assert len(found) > 100
    whole = read_masks(paths, (91, 109, 91), affine, "whole")
    native = {path: (np.asarray(nib.load(path).dataobj) > 0).sum() for path in paths}  # voxels of 1 mm3
    for path, name in zip(paths, whole, strict=True):
        assert whole[name].sum() * 8 == pytest.approx(native[path], rel=0.12)
