"""A canvas: values of units come in, in any number of batches; a volume of their means comes out."""

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.shapes import Volume
from nigra.units import Unit
from nigra.units.patches import Overlap


class Canvas:
    """Collects ``k`` values per pixel of each unit; a voxel's value is the mean over the units that cover it.

    Units that show several slices bring ``k`` values for each, as ``unit.unit_channels(k)`` channels.
    Sums are float64, so the mean of equal float32 values is that value, bit for bit (DESIGN, law 1).
    """

    def __init__(self, unit: Unit, shape: tuple[int, int, int], k: int, overlap: Overlap = "average") -> None:
        self.unit, self.overlap = unit, overlap
        self.total = np.zeros((k, *shape), np.float64)
        self.count = np.zeros(shape, np.int64)

    def add(self, values: Float[ndarray, "n values *unit"], locations: Int[ndarray, "n axes"]) -> None:
        """Put back a batch of unit values."""
        self.unit.put_back(values, locations, self.total, self.count, self.overlap)

    def mean(self) -> Volume:
        """(k, x, y, z) float32; NaN where no unit covers the voxel, so a gap can never pass for a score."""
        with np.errstate(invalid="ignore"):
            return (self.total / self.count).astype(np.float32)


def put_back(
    unit: Unit, values: Float[ndarray, "n values *unit"], locations: Int[ndarray, "n axes"],
    shape: tuple[int, int, int], overlap: Overlap = "average",
) -> Volume:  # fmt: skip
    """The inverse of ``cut``: values of units as a volume (k, x, y, z), NaN where no unit covers a voxel."""
    canvas = Canvas(unit, shape, values.shape[1] // unit.unit_channels(1), overlap)
    canvas.add(values, locations)
    return canvas.mean()
