"""One channel of one scan in memory: an array in RAS order with its affine, and its SimpleITK twin."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from jaxtyping import Float
from numpy import ndarray

from nigra.shapes import Affine

TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""SimpleITK counts millimetres to the left and back, nibabel and nigra to the right and front."""


@dataclass(frozen=True)
class Image:
    """``data`` (x, y, z) float32 in RAS order; ``affine`` (4, 4) takes voxel indices to RAS millimetres."""

    data: Float[ndarray, "x y z"]
    affine: Affine

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def voxel_size(self) -> tuple[float, float, float]:
        """Edge lengths of one voxel in mm."""
        x, y, z = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(x), float(y), float(z)

    def masked(self, mask: ndarray) -> "Image":
        """The same image, 0 outside ``mask`` (x, y, z)."""
        return Image(np.where(mask, self.data, np.float32(0)), self.affine)


def read(path: Path) -> Image:
    """Read a 3-D NIfTI with its axes permuted and flipped to RAS; a trailing singleton axis is dropped.

    Only the order of the voxels in memory changes: every voxel keeps its place in millimetres and its value.
    """
    image = nib.as_closest_canonical(nib.squeeze_image(nib.load(path)))
    return Image(np.asarray(image.dataobj, dtype=np.float32), np.asarray(image.affine, dtype=float))


def to_itk(image: Image) -> sitk.Image:
    """The SimpleITK image of the same voxels at the same places."""
    axes = (TO_LPS @ image.affine)[:3, :3]
    spacing = np.linalg.norm(axes, axis=0)
    itk = sitk.GetImageFromArray(np.ascontiguousarray(image.data.transpose(2, 1, 0), dtype=np.float32))
    itk.SetSpacing(spacing.tolist())
    itk.SetDirection((axes / spacing).ravel().tolist())
    itk.SetOrigin((TO_LPS @ image.affine)[:3, 3].tolist())
    return itk


def from_itk(itk: sitk.Image) -> ndarray:
    """The (x, y, z) array of a SimpleITK image."""
    return sitk.GetArrayFromImage(itk).transpose(2, 1, 0)
