"""Patches: squares in one plane, each centred on a voxel (mlcn2021: 15 x 15 axial)."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.shapes import Mask
from nigra.units.centres import ball, centres, mirrored, require_odd
from nigra.units.kernels import gather, scatter
from nigra.units.planes import FIXED_AXIS, Plane, location_last, planes_last
from nigra.units.source import Source

Overlap = Literal["centre", "average"]


@dataclass(frozen=True)
class Patches:
    """Square patches of an odd ``size`` in a ``plane``; a location is the voxel index (x, y, z) of the centre.

    Near the border of the volume a patch repeats the nearest voxel; those repeats are never put back.
    """

    size: int = 15
    plane: Plane = "axial"

    centred: ClassVar[bool] = True
    """Whether every voxel has a unit of its own, the one centred on it."""

    def __post_init__(self) -> None:
        require_odd("patch", self.size)

    @property
    def half(self) -> int:
        """Pixels on either side of the centre."""
        return self.size // 2

    def unit_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a unit, whatever the volume's shape."""
        return self.size, self.size

    def unit_channels(self, channels: int) -> int:
        """Channels of a unit: those of the scan."""
        return channels

    def locate(self, mask: Mask, stride: int = 1) -> Int[ndarray, "n 3"]:
        """Centres: every voxel of the mask; with a ``stride``, every so-manieth pixel of a plane, both ways.

        With a stride, centres just outside the mask are kept where their patch still shows a part of it, so that
        no voxel of the mask is left without a patch.
        """
        extent = tuple(1 if axis == FIXED_AXIS[self.plane] else self.size for axis in range(3))
        return centres(mask, extent, stride)

    def mirrored(self, locations: Int[ndarray, "n 3"], source: Source) -> Int[ndarray, "n 3"]:
        """The voxels across the midline; the patches there are shown as they are, not flipped."""
        return mirrored(locations, source.mirror_sum)

    def neighbours(self, distance: float) -> Int[ndarray, "shifts 3"]:
        """Shifts to the locations at most ``distance`` voxels away, in the plane and across planes."""
        return ball(distance)

    def cut(
        self, source: Source, rows: Int[ndarray, " n"], locations: Int[ndarray, "n 3"]
    ) -> Float[ndarray, "n channels size size"]:
        """Patches of subjects ``rows`` centred at ``locations``, scaled, float32."""
        out = np.empty((len(rows), source.volumes.shape[1], self.size, self.size), np.float32)
        volumes = planes_last(source.volumes, self.plane)
        mask = planes_last(source.mask, self.plane)
        where = location_last(locations, self.plane)
        limits = np.float32(source.low), np.float32(source.high)
        gather(volumes, mask, source.gain, source.offset, *limits, rows, where, self.half, out)
        return out

    def put_back(
        self, values: Float[ndarray, "n k size size"], locations: Int[ndarray, "n 3"],
        total: Float[ndarray, "k x y z"], count: Int[ndarray, "x y z"], overlap: Overlap = "average",
    ) -> None:  # fmt: skip
        """Add values onto ``total`` and ``count``: whole patches, or the central pixel of each alone."""
        half = self.half if overlap == "average" else 0
        if overlap == "centre":
            values = np.ascontiguousarray(values[:, :, self.half : self.half + 1, self.half : self.half + 1])
        where = location_last(locations, self.plane)
        scatter(values, where, half, planes_last(total, self.plane), planes_last(count, self.plane))
