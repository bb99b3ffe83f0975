"""Units that are centred on a voxel: which voxels, their mirror images, their neighbours."""

from itertools import product

import numpy as np
from jaxtyping import Int
from numpy import ndarray
from scipy.ndimage import maximum_filter

from nigra.errors import NigraError
from nigra.shapes import Mask


def require_odd(what: str, size: int) -> None:
    """Refuse a size without a centre."""
    if size < 1 or size % 2 == 0:
        raise NigraError(f"{what} size is {size}; choose an odd one, so that a {what} has a centre.")


def centres(mask: Mask, extent: tuple[int, ...], stride: int) -> Int[ndarray, "n 3"]:
    """Every voxel of the mask; with a ``stride``, every so-manieth along the axes in which a unit has an extent.

    With a stride, centres just outside the mask are kept where their unit still shows a part of it, so that no
    voxel of the mask is left without a unit.

    Args:
        mask: where units are wanted.
        extent: voxels that a unit spans along x, y, z; 1 along an axis that it does not.
        stride: voxels between centres.
    """
    if stride == 1:
        return np.argwhere(mask)
    if stride > max(extent):
        raise NigraError(f"stride {stride} is longer than the unit ({max(extent)}); choose at most {max(extent)}.")
    shown = maximum_filter(mask, size=extent)
    for axis in (axis for axis in range(3) if extent[axis] > 1):
        index = np.arange(mask.shape[axis])
        chosen = (index % stride == 0) | (index == index[-1])  # the last one, or the far border would be missed
        shown &= np.expand_dims(chosen, [other for other in range(3) if other != axis])
    return np.argwhere(shown)


def mirrored(locations: Int[ndarray, "n 3"], mirror_sum: int) -> Int[ndarray, "n 3"]:
    """The voxels across the midline; ``mirror_sum`` is that of ``planes.mirror_sum``."""
    return np.column_stack([mirror_sum - locations[:, 0], locations[:, 1:]])


def ball(distance: float, axes: int = 3) -> Int[ndarray, "shifts axes"]:
    """Shifts of at most ``distance`` voxels, but for none at all.

    >>> len(ball(1.0)), len(ball(1.5)), ball(2.0, axes=1).ravel().tolist()
    (6, 18, [-2, -1, 1, 2])
    """
    reach = range(-int(distance), int(distance) + 1)
    shifts = np.array(list(product(reach, repeat=axes)))
    squared = (shifts**2).sum(axis=1)
    return shifts[(squared > 0) & (squared <= distance**2)]
