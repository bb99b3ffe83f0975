"""Slices: whole planes of a volume (mlcn2021: 40 axial slices around the centre of the brain)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.shapes import Mask
from nigra.units.patches import Overlap
from nigra.units.planes import FIXED_AXIS, Plane, in_plane_shape, planes_last
from nigra.units.source import Source


@dataclass(frozen=True)
class Slices:
    """Whole slices of a ``plane``; a location is the slice's index, shape (n, 1).

    ``central`` keeps that many slices around the middle of the mask; None keeps every slice the mask touches.
    """

    plane: Plane = "axial"
    central: int | None = 40

    def __post_init__(self) -> None:
        if self.central is not None and self.central < 1:
            raise NigraError(f"central slices are {self.central}; keep at least one, or all of them (null).")

    def unit_shape(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of a slice of a volume of ``shape`` (x, y, z)."""
        return in_plane_shape(shape, self.plane)

    def locate(self, mask: Mask, stride: int = 1) -> Int[ndarray, "n 1"]:
        """Slices to use, bottom to top; ``stride`` keeps every so-manieth one."""
        touched = np.flatnonzero(planes_last(mask, self.plane).any(axis=(0, 1)))
        if self.central is not None and len(touched):
            first = max((touched[0] + touched[-1] + 1 - self.central) // 2, 0)
            touched = touched[(touched >= first) & (touched < first + self.central)]
        return touched[::stride, None]

    def cut(
        self, source: Source, rows: Int[ndarray, " n"], locations: Int[ndarray, "n 1"]
    ) -> Float[ndarray, "n channels height width"]:
        """Slices ``locations`` of subjects ``rows``, scaled, float32."""
        volumes = planes_last(source.volumes, self.plane)
        mask = planes_last(source.mask, self.plane)
        out = np.empty((len(rows), volumes.shape[1], *volumes.shape[2:4]), np.float32)
        spread = (slice(None), None, None)
        for n, (row, index) in enumerate(zip(rows, locations[:, 0], strict=True)):
            values = volumes[row, ..., index] * source.gain[spread] + source.offset[spread]
            out[n] = np.where(mask[..., index], np.clip(values, source.low, source.high), 0)
        return out

    def put_back(
        self, values: Float[ndarray, "n k height width"], locations: Int[ndarray, "n 1"],
        total: Float[ndarray, "k x y z"], count: Int[ndarray, "x y z"], overlap: Overlap = "average",
    ) -> None:  # fmt: skip
        """Add slices onto ``total`` and ``count``; slices of one plane never overlap."""
        axis = FIXED_AXIS[self.plane]
        for value, index in zip(values, locations[:, 0], strict=True):
            np.moveaxis(total, axis + 1, -1)[..., index] += value
            np.moveaxis(count, axis, -1)[..., index] += 1
