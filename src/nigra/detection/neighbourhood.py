"""Where locations lie beside each other: a mask's voxels, their neighbours at given distances, blurring in mm.

Detectors see codes as (subjects, locations, d) and know nothing of places; one that looks at a location's
surroundings is given the ``Grid`` its locations lie on, in the order of ``numpy.nonzero(mask)``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.ndimage import find_objects, gaussian_filter

from nigra.shapes import Affine, Mask

TRUNCATE = 3.0
"""Gaussians are cut at so many standard deviations."""

Offsets = Int[ndarray, "n_offsets 3"]
"""Steps from a voxel to others, in voxels."""


@dataclass(frozen=True, eq=False, repr=False)
class Grid:
    """Voxels of a mask and the sides (mm) of a voxel."""

    mask: Mask
    voxel_mm: tuple[float, float, float]

    @classmethod
    def of(cls, mask: Mask, affine: Affine) -> "Grid":
        """The grid of a cohort's mask."""
        x, y, z = np.linalg.norm(affine[:3, :3], axis=0).tolist()
        return cls(mask, (x, y, z))

    @classmethod
    def apart(cls, locations: int) -> "Grid":
        """Locations too far from each other for any of them to be a neighbour."""
        return cls(np.ones((locations, 1, 1), bool), (1e6, 1e6, 1e6))

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Grid) and self.voxel_mm == other.voxel_mm and np.array_equal(self.mask, other.mask)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Grid({int(self.mask.sum())} voxels)"

    def sd_voxels(self, sd_mm: float) -> tuple[float, float, float]:
        """A Gaussian's standard deviation along each axis, in voxels."""
        x, y, z = (sd_mm / side for side in self.voxel_mm)
        return x, y, z

    def reach(self, sd_mm: float) -> int:
        """Planes of the first axis that a blur looks at, to each side."""
        return int(TRUNCATE * self.sd_voxels(sd_mm)[0] + 0.5)

    def ball(self, radius_mm: float, spacing_mm: float = 0.0) -> Offsets:
        """Offsets no farther than ``radius_mm``, every ``spacing_mm`` along each axis (at least every voxel)."""
        steps = np.array([max(1, round(spacing_mm / side)) for side in self.voxel_mm])
        most = [int(radius_mm / side / step) for side, step in zip(self.voxel_mm, steps, strict=True)]
        axes = np.meshgrid(
            *(np.arange(-n, n + 1) * step for n, step in zip(most, steps, strict=True)), indexing="ij"
        )
        offsets = np.stack([axis.ravel() for axis in axes], axis=1)
        near = ((offsets * np.array(self.voxel_mm)) ** 2).sum(axis=1) <= radius_mm**2 + 1e-6
        return offsets[near].astype(np.int64)

    def slabs(self, halo: int, planes: int) -> Iterator[tuple["Grid", slice, slice]]:
        """Pieces of at most ``planes`` planes of the first axis, with ``halo`` more on each side to look at.

        Yields the piece's grid, the locations in it, and those of them (counted in the piece) that are its own.
        """
        before = np.concatenate([[0], self.mask.sum(axis=(1, 2)).cumsum()])
        used = find_objects(self.mask.any(axis=(1, 2)).astype(np.uint8))[0][0]
        for first in range(used.start, used.stop, planes):
            last = min(first + planes, used.stop)
            low, high = max(first - halo, 0), min(last + halo, len(self.mask))
            own = slice(int(before[first] - before[low]), int(before[last] - before[low]))
            yield Grid(self.mask[low:high], self.voxel_mm), slice(int(before[low]), int(before[high])), own


class Frame:
    """A grid's box with a border, so that a step from a voxel of the mask is a step in flat memory."""

    def __init__(self, grid: Grid, border: ndarray) -> None:
        box = find_objects(grid.mask.astype(np.uint8))[0]
        self.grid, self.mask = grid, np.pad(grid.mask[box], [(int(b), int(b)) for b in border])
        self.index = np.flatnonzero(self.mask)

    def flat(self, offsets: Offsets) -> Int[ndarray, " n_offsets"]:
        """Offsets as steps in flat memory."""
        _, y, z = self.mask.shape
        return offsets @ np.array([y * z, z, 1])

    def volume(self, values: Float[ndarray, " n_locations"]) -> Float[ndarray, "x y z"]:
        """Values of the mask's voxels in the box, 0 elsewhere."""
        out = np.zeros(self.mask.shape, np.float32)
        out.ravel()[self.index] = values
        return out

    def blur(self, volume: Float[ndarray, "x y z"], sd_mm: float) -> Float[ndarray, "x y z"]:
        """Gaussian sum around every voxel; outside the mask counts as 0."""
        return gaussian_filter(volume, self.grid.sd_voxels(sd_mm), mode="constant", truncate=TRUNCATE)

    def kernel(self, sd_mm: float, steps: Int[ndarray, "*any 3"]) -> Float[ndarray, "*any"]:
        """What a blur carries over such steps."""
        weights = np.ones(steps.shape[:-1])
        for axis, sd in enumerate(self.grid.sd_voxels(sd_mm)):
            line = np.zeros(2 * int(np.abs(steps[..., axis]).max(initial=0)) + 1)
            line[len(line) // 2] = 1
            weights *= gaussian_filter(line, sd, mode="constant", truncate=TRUNCATE)[
                len(line) // 2 + steps[..., axis]
            ]
        return weights
