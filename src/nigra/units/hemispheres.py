"""Hemispheres: the halves of slices, the right one mirrored onto the left, so that both train one model."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.shapes import Mask
from nigra.units.centres import ball
from nigra.units.patches import Overlap
from nigra.units.planes import Plane, in_plane_shape, mirror_sum, planes_last
from nigra.units.slices import central_slices, require_some, scaled_slices
from nigra.units.source import Source

LEFT, RIGHT = 0, 1
"""Sides of a location."""


@dataclass(frozen=True)
class Hemispheres:
    """Half slices of a ``plane``, axial or coronal; a location is (slice index, side), shape (n, 2).

    The grid need not be symmetric: a unit reaches from the ``midline`` (x index as in ``Source``; None: middle of
    the grid) to the farther edge; what lies outside the volume is 0 and is never put back. A column of voxels on
    the midline belongs to both sides. ``central`` is that of ``Slices``.
    """

    plane: Plane = "axial"
    central: int | None = 40
    midline: float | None = None

    centred: ClassVar[bool] = False
    """Whether every voxel has a unit of its own; half a slice is shared by all its voxels."""

    def __post_init__(self) -> None:
        require_some(self.central)
        if self.plane == "sagittal":
            raise NigraError("a sagittal slice lies on one side already; choose axial or coronal hemispheres.")

    def unit_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Columns from the midline to the farther edge of a volume of ``shape``, and the slice's other length."""
        width, other = in_plane_shape(shape, self.plane)
        return len(self.columns(width, LEFT)), other

    def unit_channels(self, channels: int) -> int:
        """Channels of a unit: those of the scan."""
        return channels

    def columns(self, width: int, side: int) -> Int[ndarray, " half"]:
        """The x index of a unit's columns, edge to midline; some may lie outside a grid of ``width``."""
        total = mirror_sum(self.midline, width)
        half = max(total // 2 + 1, width - (total + 1) // 2)
        left = np.arange(half) + total // 2 + 1 - half
        return left if side == LEFT else total - left

    def locate(self, mask: Mask, stride: int = 1) -> Int[ndarray, "n 2"]:
        """Half slices that the mask touches, bottom to top, left before right."""
        planes, found = planes_last(mask, self.plane), []
        for index in central_slices(mask, self.plane, self.central)[::stride]:
            for side in (LEFT, RIGHT):
                columns = self.columns(len(mask), side)
                if planes[columns[_inside(columns, len(mask))], :, index].any():
                    found.append((index, side))
        return np.array(found, np.int64).reshape(-1, 2)

    def mirrored(self, locations: Int[ndarray, "n 2"], source: Source) -> Int[ndarray, "n 2"]:
        """The other half of the same slice."""
        return np.column_stack([locations[:, 0], LEFT + RIGHT - locations[:, 1]])

    def neighbours(self, distance: float) -> Int[ndarray, "shifts 2"]:
        """Shifts to the slices at most ``distance`` away, on the same side."""
        shifts = ball(distance, axes=1)
        return np.column_stack([shifts, np.zeros_like(shifts)])

    def halve(
        self, slices: Float[ndarray, "n channels x width"], side: int
    ) -> Float[ndarray, "n channels half width"]:
        """One half of slices of scaled values, 0 outside the volume."""
        width = slices.shape[2]
        columns = self.columns(width, side)
        inside = _inside(columns, width)
        out = np.zeros((*slices.shape[:2], len(columns), slices.shape[3]), np.float32)
        out[:, :, inside] = slices[:, :, columns[inside]]
        return out

    def cut(
        self, source: Source, rows: Int[ndarray, " n"], locations: Int[ndarray, "n 2"]
    ) -> Float[ndarray, "n channels half width"]:
        """Half slices ``locations`` of subjects ``rows``, scaled, float32.

        Raises:
            NigraError: the source has its midline elsewhere.
        """
        self.require_midline(source)
        slices = scaled_slices(source, self.plane, rows, locations[:, 0])
        out = np.empty((len(rows), slices.shape[1], *self.unit_shape(source.shape)), np.float32)
        for side in (LEFT, RIGHT):
            chosen = locations[:, 1] == side
            out[chosen] = self.halve(slices[chosen], side)
        return out

    def put_back(
        self, values: Float[ndarray, "n k half width"], locations: Int[ndarray, "n 2"],
        total: Float[ndarray, "k x y z"], count: Int[ndarray, "x y z"], overlap: Overlap = "average",
    ) -> None:  # fmt: skip
        """Add half slices onto ``total`` and ``count``; both halves meet in a column on the midline."""
        totals, counts = planes_last(total, self.plane), planes_last(count, self.plane)
        for value, (index, side) in zip(values, locations, strict=True):
            columns = self.columns(len(count), int(side))
            inside = _inside(columns, len(count))
            totals[..., index][:, columns[inside]] += value[:, inside]
            counts[..., index][columns[inside]] += 1

    def require_midline(self, source: Source) -> None:
        """Refuse a source whose midline is another one: its halves would not be what the model was built for."""
        own = mirror_sum(self.midline, source.shape[0])
        if own != source.mirror_sum:
            raise NigraError(
                f"these hemispheres meet at x index {own / 2:g}, those of the cohort at {source.mirror_sum / 2:g}; "
                "build the units with the cohort's midline."
            )


def _inside(columns: Int[ndarray, " half"], width: int) -> ndarray:
    return (columns >= 0) & (columns < width)
