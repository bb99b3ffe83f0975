"""Small subjects of known anatomy: the packaged template, moved by a known affine and a known smooth warp."""

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from nigra.preparation import template
from nigra.preparation.image import Image

RESOLUTION = 6.0
SPACE = "MNI152NLin2009aSym"


@pytest.fixture(scope="session")
def small_template() -> template.Template:
    return template.load(SPACE, RESOLUTION)


def known_affine(scale: float = 0.9) -> np.ndarray:
    """Template mm to scan mm: 8 degrees about x, shrunk, shifted."""
    turn = np.deg2rad(8)
    affine = np.eye(4)
    affine[:3, :3] = scale * np.array(
        [[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]
    )
    affine[:3, 3] = [5.0, -9.0, 7.0]
    return affine


def moved(
    reference: template.Template, affine: np.ndarray, bend_mm: float, seed: int
) -> tuple[Image, np.ndarray, np.ndarray]:
    """A scan whose anatomy is the template's, moved by ``affine`` and a bend; its brain mask; the bend, mm.

    The template's point x stands at the scan's point p where ``p + bend(p) = affine @ x``.
    """
    rng = np.random.default_rng(seed)
    shape = tuple(n + 6 for n in reference.mask.shape)
    grid = reference.affine.copy()
    grid[:3, 3] -= 3 * RESOLUTION
    points = np.moveaxis(np.indices(shape), 0, -1) @ grid[:3, :3].T + grid[:3, 3]
    bend = np.stack([gaussian_filter(rng.normal(size=shape), 4) for _ in range(3)], -1)
    bend *= bend_mm / np.abs(bend).max()
    points = points + bend
    back = np.linalg.inv(reference.affine) @ np.linalg.inv(affine)
    voxels = np.moveaxis(points @ back[:3, :3].T + back[:3, 3], -1, 0)
    brain = map_coordinates(reference.brain.astype(float), voxels, order=1)
    mask = map_coordinates(reference.mask.astype(float), voxels, order=1) >= 0.5
    return Image((1000 * brain).astype(np.float32), grid), mask, bend


def write_psr(path: Path, data: np.ndarray, affine: np.ndarray) -> None:
    """Store an RAS array as PSR, the axis order of the real scans."""
    image = nib.Nifti1Image(data, affine)
    turn = nib.orientations.ornt_transform(
        nib.orientations.io_orientation(affine), nib.orientations.axcodes2ornt("PSR")
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image.as_reoriented(turn), path)


@pytest.fixture
def make_source(tmp_path: Path, small_template: template.Template) -> Callable[..., Path]:
    """Write a BIDS folder of ``count`` T1w subjects with masks; those in ``blank`` have a mask beside the brain."""

    def make(count: int, blank: tuple[int, ...] = ()) -> Path:
        source = tmp_path / "source"
        rows = ["participant_id\tage\tsex\tgroup\tsite"]
        for i in range(1, count + 1):
            name = f"sub-{i:02d}"
            scan, mask, _ = moved(small_template, known_affine(0.88 + 0.02 * i), 6.0, seed=i)
            if i in blank:
                mask = np.zeros_like(mask)
                mask[:3, :3, :3] = True
            folder = source / name / "anat"
            noise = np.random.default_rng(i).normal(0, 5, scan.data.shape)
            write_psr(folder / f"{name}_T1w.nii.gz", (scan.data + noise).astype(np.float32), scan.affine)
            write_psr(folder / f"{name}_desc-brain_mask.nii.gz", mask.astype(np.uint8), scan.affine)
            rows.append(f"{name}\t{30 + i}\tF\tcontrol\tA")
        (source / "participants.tsv").write_text("\n".join(rows) + "\n")
        return source

    return make
