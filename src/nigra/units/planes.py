"""The three anatomical planes: which axis of a RAS volume a plane fixes, which two it shows."""

from typing import Literal

import numpy as np

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
