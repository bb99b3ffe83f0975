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

from nigra.units import Centred, Cubes, Hemispheres, Slices, Source, Unit
from nigra.units.hemispheres import LEFT, RIGHT
from nigra.units.kernels import cube_windows, lay_out, windows
from nigra.units.planes import FIXED_AXIS, Plane, in_plane_shape, location_last, planes_last

LOG = logging.getLogger(__name__)

HOST_BYTES = 2 * 2**30
"""Subjects that take more than this are not held in the computer's memory but read from the cohort store."""

DEVICE_SHARE = 0.5
"""Share of a GPU's free memory that subjects may take; the rest is the model's."""

Cut = Callable[[np.ndarray, np.ndarray], Tensor]
"""Rows of the cohort and locations to units (n, C, *unit shape) on the device, float32, contiguous."""


@dataclass(frozen=True)
class Resident:
    """Scaled, masked planes of some subjects, padded so that patches and cubes at the border are windows too.

    Cubes are windows of sagittal planes; hemispheres are held as planes of their own, left before right.
    ``subject`` turns a row of the cohort into an index of ``planes``, -1 where that row is not held.
    """

    unit: Unit
    planes: Float[Tensor, "subjects planes channels height width"]
    subject: Int[ndarray, " n_subjects"]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, source: Source, unit: Unit, rows: Int[ndarray, " subjects"], device: str = "cpu") -> "Resident":
        """Read, scale and mask the subjects ``rows``; one after the other, so only one more is in memory."""
        if isinstance(unit, Hemispheres):
            unit.require_midline(source)
        shape = (len(rows), *_planes_shape(source, unit))
        # numpy asks the system for huge pages, torch does not: a patch lies on several small ones
        on_cpu = torch.device(device).type == "cpu"
        planes = torch.from_numpy(np.empty(shape, np.float32)) if on_cpu else torch.empty(shape, device=device)
        for index, row in enumerate(rows):
            planes[index].copy_(torch.from_numpy(_laid_out(source, unit, int(row))))
        subject = np.full(len(source.volumes), -1)
        subject[rows] = np.arange(len(rows))
        return cls(unit, planes, subject, source.shape)

    def cut(
        self, rows: Int[ndarray, " n"], locations: Int[ndarray, "n axes"]
    ) -> Float[Tensor, "n channels *unit_shape"]:
        """The values of ``unit.cut(source, rows, locations)``, bit for bit, on the device.

        Raises:
            ValueError: a subject that is not held, or a location outside the volume.
        """
        subjects = self.subject[rows]
        if (subjects < 0).any() or (locations < 0).any() or (locations >= self._ends()).any():
            raise ValueError("units were asked for of a subject that is not held, or outside the volume")
        if isinstance(self.unit, Slices):
            shown = self.unit.shown(locations, self.shape)
            return self.planes[self._index(subjects)[:, None], self._index(shown)].flatten(1, 2)
        if isinstance(self.unit, Hemispheres):
            return self.planes[self._index(subjects), self._index(2 * locations[:, 0] + locations[:, 1])]
        cubes = isinstance(self.unit, Cubes)
        where = np.ascontiguousarray(locations) if cubes else location_last(locations, _plane(self.unit))
        if self.planes.device.type == "cpu":
            return self._copied(self.unit, subjects, where)
        return self._indexed(self.unit, subjects, where)

    def _copied(self, unit: Centred, subjects: np.ndarray, where: np.ndarray) -> Tensor:
        """Patches or cubes by the compiled loop, in the computer's memory."""
        out = np.empty((len(subjects), self.planes.shape[2], *unit.unit_shape(self.shape)), np.float32)
        loop = cube_windows if isinstance(unit, Cubes) else windows
        loop(self.planes.numpy(), subjects, where, out)
        return torch.from_numpy(out)

    def _indexed(self, unit: Centred, subjects: np.ndarray, where: np.ndarray) -> Tensor:
        """Patches or cubes by torch's indexing of a view of all windows, on any device."""
        view = self.planes.unfold(3, unit.size, 1).unfold(4, unit.size, 1)
        first, second, third = (self._index(column) for column in where.T)
        if isinstance(unit, Cubes):
            # (subjects, x, C, y, z, size along y, z, x): the last axis comes to its place once they are chosen
            view = view.unfold(1, unit.size, 1)
            return view[self._index(subjects), first, :, second, third].movedim(-1, 2).contiguous()
        return view[self._index(subjects), third, :, first, second].contiguous()

    def _index(self, numbers: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.planes.device, non_blocking=True)

    def _ends(self) -> tuple[int, ...]:
        """What each axis of a location stays below."""
        if self.unit.centred:
            return self.shape
        depth = self.shape[FIXED_AXIS[_plane(self.unit)]]
        return (depth, 2) if isinstance(self.unit, Hemispheres) else (depth,)


def reader(source: Source, unit: Unit, rows: Int[ndarray, " subjects"], device: str = "cpu") -> Cut:
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


def held_bytes(source: Source, unit: Unit, subjects: int) -> int:
    """Memory that a ``Resident`` of so many subjects takes."""
    return 4 * subjects * int(np.prod(_planes_shape(source, unit)))


def _planes_shape(source: Source, unit: Unit) -> tuple[int, int, int, int]:
    """Planes, channels, height and width of one subject."""
    depth, channels, half = source.shape[FIXED_AXIS[_plane(unit)]], source.volumes.shape[1], _half(unit)
    if isinstance(unit, Hemispheres):
        return 2 * depth, channels, *unit.unit_shape(source.shape)
    height, width = (n + 2 * half for n in in_plane_shape(source.shape, _plane(unit)))
    return depth + 2 * half * isinstance(unit, Cubes), channels, height, width


def _laid_out(source: Source, unit: Unit, row: int) -> Float[ndarray, "planes channels height width"]:
    """One subject's planes: its own, those beyond the border for cubes, their halves for hemispheres."""
    plane, half = _plane(unit), _half(unit)
    volume = planes_last(source.volumes[row], plane)
    channels, height, width, depth = volume.shape
    planes = np.empty((depth, channels, height + 2 * half, width + 2 * half), np.float32)
    limits = np.float32(source.low), np.float32(source.high)
    lay_out(volume, planes_last(source.mask, plane), source.gain, source.offset, *limits, half, planes)
    if isinstance(unit, Cubes):
        return planes[np.clip(np.arange(-half, depth + half), 0, depth - 1)]
    if isinstance(unit, Hemispheres):
        halves = np.stack([unit.halve(planes, side) for side in (LEFT, RIGHT)], axis=1)
        return halves.reshape(-1, *halves.shape[2:])
    return planes


def _plane(unit: Unit) -> Plane:
    return "sagittal" if isinstance(unit, Cubes) else unit.plane


def _half(unit: Unit) -> int:
    return 0 if isinstance(unit, Slices | Hemispheres) else unit.half


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
