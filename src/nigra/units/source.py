"""What units are cut from: the volumes of many subjects, scaled and masked while they are read."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.cohort.store import Cohort
from nigra.preparation.scaling import IntensityScaling
from nigra.shapes import Mask, Volumes
from nigra.units.planes import midline_of, mirror_sum


@dataclass(frozen=True)
class Source:
    """Volumes and the linear map applied to each value read: ``clip(value * gain + offset)``, 0 outside the mask.

    The volumes may be a memory map far larger than memory; only the units asked for are read.
    """

    volumes: Volumes
    mask: Mask
    gain: Float[ndarray, " channels"]
    offset: Float[ndarray, " channels"]
    low: float = -np.inf
    high: float = np.inf
    midline: float | None = None
    """The x index where the sides of the brain meet; None: the middle of the grid."""

    @classmethod
    def plain(cls, volumes: Volumes, mask: Mask | None = None) -> "Source":
        """Values as they are; without a mask every voxel counts as inside."""
        channels, shape = volumes.shape[1], volumes.shape[2:]
        inside = np.ones(shape, dtype=bool) if mask is None else mask
        return cls(volumes, inside, np.ones(channels, np.float32), np.zeros(channels, np.float32))

    @classmethod
    def scaled(cls, cohort: Cohort, scaling: IntensityScaling) -> "Source":
        """The cohort's volumes on the 0-1 scale fitted on training controls."""
        low, high = (0.0, 1.0) if scaling.clip else (-np.inf, np.inf)
        return cls(
            cohort.volumes,
            cohort.mask,
            scaling.gain,
            scaling.offset,
            low,
            high,
            midline_of(cohort.affine, cohort.mask.shape),
        )

    def unclipped(self) -> "Source":
        """The same scale without its ends: what lies beyond them is what a detector looks for."""
        return replace(self, low=-np.inf, high=np.inf)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (x, y, z) of one volume."""
        x, y, z = self.mask.shape
        return x, y, z

    @property
    def mirror_sum(self) -> int:
        """The x index of any voxel plus that of its mirror image across the midline."""
        return mirror_sum(self.midline, self.mask.shape[0])

    def volume(self, row: int) -> Float[ndarray, "channels x y z"]:
        """One subject's volume on the scale the models see."""
        spread = (slice(None), None, None, None)
        values = np.asarray(self.volumes[row]) * self.gain[spread] + self.offset[spread]
        return np.where(self.mask, np.clip(values, self.low, self.high), 0).astype(np.float32)
