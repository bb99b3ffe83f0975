"""Cubes: patches in three dimensions, each centred on a voxel."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.shapes import Mask
from nigra.units.centres import ball, centres, mirrored, require_odd
from nigra.units.kernels import gather_cubes, scatter_cubes
from nigra.units.patches import Overlap
from nigra.units.source import Source


@dataclass(frozen=True)
class Cubes:
    """Cubes of an odd ``size``, in voxels; a location is the voxel index (x, y, z) of the centre.

    Near the border of the volume a cube repeats the nearest voxel; those repeats are never put back.
    """

    size: int = 15

    centred: ClassVar[bool] = True
    """Whether every voxel has a unit of its own, the one centred on it."""

    def __post_init__(self) -> None:
        require_odd("cube", self.size)

    @property
    def half(self) -> int:
        """Voxels on either side of the centre."""
        return self.size // 2

    def unit_shape(self, shape: tuple[int, ...]) -> tuple[int, int, int]:
        """Lengths of a unit along x, y, z, whatever the volume's shape."""
        return self.size, self.size, self.size

    def unit_channels(self, channels: int) -> int:
        """Channels of a unit: those of the scan."""
        return channels

    def locate(self, mask: Mask, stride: int = 1) -> Int[ndarray, "n 3"]:
        """Centres: every voxel of the mask; with a ``stride``, every so-manieth along each axis."""
        return centres(mask, (self.size,) * 3, stride)

    def mirrored(self, locations: Int[ndarray, "n 3"], source: Source) -> Int[ndarray, "n 3"]:
        """The voxels across the midline; the cubes there are shown as they are, not flipped."""
        return mirrored(locations, source.mirror_sum)

    def neighbours(self, distance: float) -> Int[ndarray, "shifts 3"]:
        """Shifts to the locations at most ``distance`` voxels away."""
        return ball(distance)

    def cut(
        self, source: Source, rows: Int[ndarray, " n"], locations: Int[ndarray, "n 3"]
    ) -> Float[ndarray, "n channels size size size"]:
        """Cubes of subjects ``rows`` centred at ``locations``, scaled, float32."""
        out = np.empty((len(rows), source.volumes.shape[1], *(self.size,) * 3), np.float32)
        limits = np.float32(source.low), np.float32(source.high)
        gather_cubes(
            np.asarray(source.volumes), source.mask, source.gain, source.offset, *limits,
            rows, np.ascontiguousarray(locations), self.half, out,
        )  # fmt: skip
        return out

    def put_back(
        self, values: Float[ndarray, "n k size size size"], locations: Int[ndarray, "n 3"],
        total: Float[ndarray, "k x y z"], count: Int[ndarray, "x y z"], overlap: Overlap = "average",
    ) -> None:  # fmt: skip
        """Add values onto ``total`` and ``count``: whole cubes, or the central voxel of each alone."""
        half = self.half if overlap == "average" else 0
        if overlap == "centre":
            central = slice(self.half, self.half + 1)
            values = np.ascontiguousarray(values[:, :, central, central, central])
        scatter_cubes(values, np.ascontiguousarray(locations), half, total, count)
