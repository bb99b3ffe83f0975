"""Subjects held where the model is, scaled and masked once, each plane in one piece: cutting is a copy.

In the cohort store neighbouring pixels of an axial patch lie one z-line apart, each on a cache line of its own.
Here a patch of 15 x 15 is 15 short rows of one plane; and on a GPU nothing crosses the bus but the indices.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.units.kernels import lay_out, windows
from nigra.units.patches import Patches
from nigra.units.planes import FIXED_AXIS, in_plane_shape, location_last, planes_last
from nigra.units.slices import Slices
from nigra.units.source import Source

LOG = logging.getLogger(__name__)

HOST_BYTES = 2 * 2**30
"""Subjects that take more than this are not held in the computer's memory but read from the cohort store."""

DEVICE_SHARE = 0.5
"""Share of a GPU's free memory that subjects may take; the rest is the model's."""

Cut = Callable[[np.ndarray, np.ndarray], Tensor]
"""Rows of the cohort and locations to units (n, C, height, width) on the device, float32, contiguous."""


@dataclass(frozen=True)
class Resident:
    """Scaled, masked planes of some subjects, padded so that patches at the border are windows too.

    ``subject`` turns a row of the cohort into an index of ``planes``, -1 where that row is not held.
    """

    unit: Patches | Slices
    planes: Float[Tensor, "subjects planes channels height width"]
    subject: Int[ndarray, " n_subjects"]
    shape: tuple[int, int, int]

    @classmethod
    def of(
        cls, source: Source, unit: Patches | Slices, rows: Int[ndarray, " subjects"], device: str = "cpu"
    ) -> "Resident":
        """Read, scale and mask the subjects ``rows``; one after the other, so only one more is in memory."""
        half = _half(unit)
        mask, limits = planes_last(source.mask, unit.plane), (np.float32(source.low), np.float32(source.high))
        shape = (len(rows), *_planes_shape(source, unit))
        # numpy asks the system for huge pages, torch does not: a patch lies on several small ones
        on_cpu = torch.device(device).type == "cpu"
        planes = torch.from_numpy(np.empty(shape, np.float32)) if on_cpu else torch.empty(shape, device=device)
        one = np.empty(planes.shape[1:], np.float32)
        for index, row in enumerate(rows):
            volume = planes_last(source.volumes[row], unit.plane)
            lay_out(volume, mask, source.gain, source.offset, *limits, half, one)
            planes[index].copy_(torch.from_numpy(one))
        subject = np.full(len(source.volumes), -1)
        subject[rows] = np.arange(len(rows))
        return cls(unit, planes, subject, source.shape)

    def cut(
        self, rows: Int[ndarray, " n"], locations: Int[ndarray, "n axes"]
    ) -> Float[Tensor, "n channels unit_height unit_width"]:
        """The values of ``unit.cut(source, rows, locations)``, bit for bit, on the device.

        Raises:
            ValueError: a subject that is not held, or a location outside the volume.
        """
        subjects = self.subject[rows]
        last = [self.shape[FIXED_AXIS[self.unit.plane]]] if isinstance(self.unit, Slices) else self.shape
        if (subjects < 0).any() or (locations < 0).any() or (locations >= last).any():
            raise ValueError("units were asked for of a subject that is not held, or outside the volume")
        if isinstance(self.unit, Slices):
            return self.planes[self._index(subjects), self._index(locations[:, 0])]
        where = location_last(locations, self.unit.plane)
        if self.planes.device.type == "cpu":
            return self._copied(self.unit, subjects, where)
        return self._indexed(self.unit, subjects, where)

    def _copied(self, unit: Patches, subjects: np.ndarray, where: np.ndarray) -> Tensor:
        """Patches by the compiled loop, in the computer's memory."""
        out = np.empty((len(subjects), self.planes.shape[2], unit.size, unit.size), np.float32)
        windows(self.planes.numpy(), subjects, where, out)
        return torch.from_numpy(out)

    def _indexed(self, unit: Patches, subjects: np.ndarray, where: np.ndarray) -> Tensor:
        """Patches by torch's indexing of a view of all windows, on any device."""
        view = self.planes.unfold(3, unit.size, 1).unfold(4, unit.size, 1)
        h, w, p = (self._index(column) for column in where.T)
        return view[self._index(subjects), p, :, h, w].contiguous()

    def _index(self, numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.planes.device, non_blocking=True)


def reader(source: Source, unit: Patches | Slices, rows: Int[ndarray, " subjects"], device: str = "cpu") -> Cut:
    """How to cut units of the subjects ``rows`` for a model on ``device``.

    The subjects are held there where they fit (``HOST_BYTES``, ``DEVICE_SHARE``); else every unit is read from the
    source, which the log says. The units are the same.
    """
    needed, room = held_bytes(source, unit, len(rows)), _room(device)
    if needed <= room:
        LOG.info("%d subjects held on %s: %s", len(rows), device, _size(needed))
        return Resident.of(source, unit, rows, device).cut
    text = "%d subjects take %s, %s may be held on %s; units are read from the cohort store"
    LOG.warning(text, len(rows), _size(needed), _size(room), device)
    return lambda rows, locations: torch.from_numpy(unit.cut(source, rows, locations)).to(device)


def held_bytes(source: Source, unit: Patches | Slices, subjects: int) -> int:
    """Memory that a ``Resident`` of so many subjects takes."""
    return 4 * subjects * int(np.prod(_planes_shape(source, unit)))


def _planes_shape(source: Source, unit: Patches | Slices) -> tuple[int, int, int, int]:
    height, width = (n + 2 * _half(unit) for n in in_plane_shape(source.shape, unit.plane))
    return source.shape[FIXED_AXIS[unit.plane]], source.volumes.shape[1], height, width


def _half(unit: Patches | Slices) -> int:
    return unit.half if isinstance(unit, Patches) else 0


def _room(device: str) -> int:
    if torch.device(device).type == "cuda":
        return int(DEVICE_SHARE * torch.cuda.mem_get_info(torch.device(device))[0])
    return HOST_BYTES


def _size(count: int) -> str:
    """Bytes in words.

    >>> _size(1_290_000_000), _size(2_000)
    ('1.3 GB', '0.1 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count / 1e6, 0.1):.1f} MB"
