"""Slices: whole planes of a volume (mlcn2021: 40 axial slices around the centre of the brain), alone or stacked."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.shapes import Mask
from nigra.units.centres import ball, require_odd
from nigra.units.patches import Overlap
from nigra.units.planes import FIXED_AXIS, Plane, in_plane_shape, planes_last
from nigra.units.source import Source


@dataclass(frozen=True)
class Slices:
    """Whole slices of a ``plane``; a location is the slice's index, shape (n, 1).

    ``central`` keeps that many slices around the middle of the mask; None keeps every slice the mask touches.
    ``stack`` shows so many neighbouring slices, the location's in the middle, one after the other as channels;
    beyond the volume the nearest slice is repeated, and those repeats are never put back.
    """

    plane: Plane = "axial"
    central: int | None = 40
    stack: int = 1

    centred: ClassVar[bool] = False
    """Whether every voxel has a unit of its own; a slice is shared by all its voxels."""

    def __post_init__(self) -> None:
        require_some(self.central)
        require_odd("stack", self.stack)

    def unit_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a slice of a volume of ``shape`` (x, y, z)."""
        return in_plane_shape(shape, self.plane)

    def unit_channels(self, channels: int) -> int:
        """Channels of a unit: those of the scan for every slice of the stack."""
        return self.stack * channels

    def locate(self, mask: Mask, stride: int = 1) -> Int[ndarray, "n 1"]:
        """Slices to use, bottom to top; ``stride`` keeps every so-manieth one."""
        return central_slices(mask, self.plane, self.central)[::stride, None]

    def mirrored(self, locations: Int[ndarray, "n 1"], source: Source) -> Int[ndarray, "n 1"]:
        """Sagittal slices across the midline.

        Raises:
            NigraError: another plane, whose slices show both sides of the brain.
        """
        if self.plane != "sagittal":
            raise NigraError(
                f"{self.plane} slices show both sides and have no mirrored place; choose hemispheres, sagittal "
                "slices or another place of the pairs."
            )
        return source.mirror_sum - locations

    def neighbours(self, distance: float) -> Int[ndarray, "shifts 1"]:
        """Shifts to the slices at most ``distance`` away."""
        return ball(distance, axes=1)

    @property
    def shifts(self) -> Int[ndarray, " stack"]:
        """Where the slices of a stack lie relative to its location."""
        return np.arange(self.stack) - self.stack // 2

    def shown(self, locations: Int[ndarray, "n 1"], shape: tuple[int, ...]) -> Int[ndarray, "n stack"]:
        """Index of every slice that units show, the last one repeated beyond a volume of ``shape``."""
        return np.clip(locations + self.shifts, 0, shape[FIXED_AXIS[self.plane]] - 1)

    def cut(
        self, source: Source, rows: Int[ndarray, " n"], locations: Int[ndarray, "n 1"]
    ) -> Float[ndarray, "n stacked height width"]:
        """Slices ``locations`` of subjects ``rows``, scaled, float32; a stack's slice by slice, lowest first."""
        shown = self.shown(locations, source.shape)
        slices = scaled_slices(source, self.plane, np.repeat(rows, self.stack), shown.ravel())
        return slices.reshape(len(rows), -1, *slices.shape[2:])

    def put_back(
        self, values: Float[ndarray, "n stacked height width"], locations: Int[ndarray, "n 1"],
        total: Float[ndarray, "k x y z"], count: Int[ndarray, "x y z"], overlap: Overlap = "average",
    ) -> None:  # fmt: skip
        """Add slices onto ``total`` and ``count``: all that a stack shows, or its central one alone."""
        totals, counts = planes_last(total, self.plane), planes_last(count, self.plane)
        stacks = values.reshape(len(values), self.stack, len(total), *values.shape[2:])
        for stack, index in zip(stacks, locations[:, 0], strict=True):
            for value, shift in zip(stack, self.shifts, strict=True):
                if 0 <= index + shift < counts.shape[-1] and (overlap == "average" or shift == 0):
                    totals[..., index + shift] += value
                    counts[..., index + shift] += 1


def require_some(central: int | None) -> None:
    """Refuse to keep no slice at all."""
    if central is not None and central < 1:
        raise NigraError(f"central slices are {central}; keep at least one, or all of them (null).")


def central_slices(mask: Mask, plane: Plane, central: int | None) -> Int[ndarray, " n"]:
    """Indices of the slices that the mask touches, so many around their middle; None: all of them."""
    touched = np.flatnonzero(planes_last(mask, plane).any(axis=(0, 1)))
    if central is not None and len(touched):
        first = max((touched[0] + touched[-1] + 1 - central) // 2, 0)
        touched = touched[(touched >= first) & (touched < first + central)]
    return touched


def scaled_slices(
    source: Source, plane: Plane, rows: Int[ndarray, " n"], indices: Int[ndarray, " n"]
) -> Float[ndarray, "n channels height width"]:
    """Slices of subjects ``rows`` on the scale the models see, float32, 0 outside the mask."""
    volumes, mask = planes_last(source.volumes, plane), planes_last(source.mask, plane)
    out = np.empty((len(rows), volumes.shape[1], *volumes.shape[2:4]), np.float32)
    spread = (slice(None), None, None)
    for n, (row, index) in enumerate(zip(rows, indices, strict=True)):
        values = volumes[row, ..., index] * source.gain[spread] + source.offset[spread]
        out[n] = np.where(mask[..., index], np.clip(values, source.low, source.high), 0)
    return out
