"""The three anatomical planes: which axis of a RAS volume each fixes, which two it shows; and its midline."""

from math import floor
from typing import Literal

import numpy as np

from nigra.shapes import Affine

Plane = Literal["sagittal", "coronal", "axial"]

FIXED_AXIS: dict[str, int] = {"sagittal": 0, "coronal": 1, "axial": 2}
"""The axis of (x, y, z) along which one steps from plane to plane."""


def in_plane_shape(shape: tuple[int, ...], plane: Plane) -> tuple[int, int]:
    """Height and width of one plane of a volume of shape (x, y, z).

    >>> in_plane_shape((121, 145, 120), "axial"), in_plane_shape((121, 145, 120), "sagittal")
    ((121, 145), (145, 120))
    """
    height, width = (n for axis, n in enumerate(shape) if axis != FIXED_AXIS[plane])
    return height, width


def planes_last(volumes: np.ndarray, plane: Plane) -> np.ndarray:
    """View (..., x, y, z) as (..., height, width, planes), without a copy."""
    return np.moveaxis(np.asarray(volumes), FIXED_AXIS[plane] - 3, -1)


def location_last(locations: np.ndarray, plane: Plane) -> np.ndarray:
    """Reorder (n, 3) voxel indices x, y, z as height, width, plane."""
    order = [axis for axis in range(3) if axis != FIXED_AXIS[plane]] + [FIXED_AXIS[plane]]
    return np.ascontiguousarray(locations[:, order])


def midline_of(affine: Affine, shape: tuple[int, ...]) -> float:
    """The x index of the mid-sagittal plane of a volume of ``shape``: where x is 0 mm, half way up and back.

    An affine that puts 0 mm outside the grid does not speak of the brain's middle; then it is the grid's.

    >>> midline_of(np.array([[1.5, 0, 0, -90], [0, 1.5, 0, 0], [0, 0, 1.5, 0], [0, 0, 0, 1]]), (125, 145, 121))
    60.0
    """
    middle = (np.array(shape) - 1) / 2
    index = -float(affine[0, 1:] @ [*middle[1:], 1]) / float(affine[0, 0])
    return index if 0 <= index <= shape[0] - 1 else float(middle[0])


def mirror_sum(midline: float | None, width: int) -> int:
    """The x index of any voxel plus that of its mirror image; None is the middle of a grid of ``width``.

    A midline between voxels is taken at the nearest voxel or the nearest border of two, so that voxels fall on
    voxels.

    >>> mirror_sum(None, 11), mirror_sum(60.2, 121), mirror_sum(60.3, 121)
    (10, 120, 121)
    """
    return width - 1 if midline is None else floor(2 * midline + 0.5)
