"""One pass over a subject: the score of every voxel, the residuals behind it, the codes if asked for.

A ``Scorer`` looks once at its model and takes the fastest way that gives the values of the plain one: codes from
one dense pass per slice, the central pixel from a pruned decoder. What a model forbids is done unit by unit, and
``way`` says why.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.errors import NigraError
from nigra.models.siamese import Model
from nigra.scoring.cone import central
from nigra.scoring.dense import Part, dense_maps, parts_of
from nigra.scoring.derived import derive, exact_products
from nigra.scoring.errors import ScoreSettings, joint_error, layout_of, ready, unit_by_unit, units_at_once
from nigra.scoring.layers import set_inplace
from nigra.shapes import Mask, ScoreMap, Volume
from nigra.training import Tick
from nigra.units import Centred, Cubes, Patches, Slices, Source, Unit

Coded = tuple[Int[ndarray, " n"], Float[Tensor, "n d"]]
"""Voxels, as numbers in the order of ``numpy.nonzero(mask)``, and the codes of their patches or cubes."""

Batch = TypeVar("Batch", bound=tuple[Any, ...])


@dataclass(frozen=True)
class Pass:
    """What one pass over a subject yields; NaN outside the mask and where no unit reaches.

    ``error`` is the joint error, higher = more abnormal. ``residual`` is input minus reconstruction, per channel;
    with ``overlap`` average the mean over the units that show a voxel. ``codes`` come one per voxel of the
    mask, in the order of ``numpy.nonzero(mask)``, when asked for.
    """

    error: ScoreMap
    residual: Volume
    codes: Float[ndarray, "n_locations d"] | None


class Scorer:
    """Scores subjects with one model; the model stays as it is, a copy of it works.

    Args:
        model: the trained model.
        unit: what it sees.
        settings: how a voxel gets its score where several units show it.
        device: "cpu" or "cuda"; on a GPU the same values to 1e-5 (TF32 is off while scoring).
        dense: False scores unit by unit, whatever the model allows: the plain way the fast one is held against.

    Raises:
        NigraError: the model does not take, or does not give back, patches or cubes of this size.
    """

    way: str
    """How subjects are scored, for the log."""

    code_length: int | None
    """d of a voxel's code, or None."""

    code_refusal: str | None
    """Why there is no code per voxel, or None."""

    def __init__(
        self, model: Model, unit: Unit, settings: ScoreSettings | None = None, device: str = "cpu",
        dense: bool = True,
    ) -> None:  # fmt: skip
        self.unit, self.settings, self.device = unit, settings or ScoreSettings(), device
        self._model, self._parts = ready(model, device), (np.empty(0, bool), list[Part]())
        set_inplace(self._model, False)  # the codes may be asked for after they were decoded
        if isinstance(unit, Centred):
            self._derived = derive(self._model, unit, device, dense, self.settings.overlap == "centre")
            self.way, self.code_refusal = self._derived.way, None
            self.code_length = int(np.prod(self._derived.code_shape))
        else:
            what = _whole(unit)
            self.way, self.code_length = f"{what} by {what}", None
            self.code_refusal = (
                f"the code of a {what} describes the whole {what}, and no voxel has one of its own; use a patch "
                "model"
            )

    def score(
        self, source: Source, row: int, mask: Mask | None = None, codes: bool = False, tick: Tick | None = None
    ) -> Pass:
        """Score subject ``row``.

        Args:
            mask: voxels that get a score; None is the source's whole mask.
            codes: give the codes too.
            tick: told the fraction done.

        Raises:
            NigraError: codes are asked of a model that has none per voxel.
        """
        if codes:
            self._centred()
        with torch.inference_mode(), exact_products():
            if isinstance(self.unit, Centred) and self.settings.overlap == "centre":
                return self._score_centres(self.unit, source, row, mask, codes, tick)
            return self._score_whole(source, row, mask, codes, tick)

    def codes(
        self, source: Source, row: int, mask: Mask | None = None, tick: Tick | None = None,
        out: Float[ndarray, "n_locations d"] | None = None,
    ) -> Float[ndarray, "n_locations d"]:  # fmt: skip
        """Codes of subject ``row`` alone, one per voxel of the mask, in the order of ``numpy.nonzero(mask)``.

        Args:
            out: an array to fill, so that a loop over subjects takes no new memory for each.

        Raises:
            NigraError: the model has no code per voxel.
        """
        unit, encoder = self._centred(), self._derived.encoder
        mask = source.mask if mask is None else mask
        shape = int(np.count_nonzero(mask)), self.code_length or 0
        kept = np.empty(shape, np.float32) if out is None else out
        with torch.inference_mode(), exact_products():
            if encoder is None or isinstance(unit, Cubes):
                for where, found in _told(self._codes(unit, source, row, mask), len(kept), tick):
                    kept[where] = found.cpu().numpy()
                return kept
            maps = dense_maps(encoder, unit, source, row, self._parts_of(unit, mask), self.device)
            for where, values, first in _told(maps, len(kept), tick):
                encoder.read_into(kept, where, values, first)
        return kept

    def _centred(self) -> Centred:
        """The unit, when voxels have codes of their own."""
        if not isinstance(self.unit, Centred):
            raise NigraError(f"codes were asked for, but {self.code_refusal}.")
        return self.unit

    def _score_centres(
        self, unit: Centred, source: Source, row: int, mask: Mask | None, codes: bool, tick: Tick | None
    ) -> Pass:
        """Each voxel by the central pixel of its own unit."""
        mask = source.mask if mask is None else mask
        count, channels = int(np.count_nonzero(mask)), source.volumes.shape[1]
        rebuilt = np.empty((count, channels), np.float32)
        kept = np.empty((count, self.code_length or 0), np.float32) if codes else None
        for where, found in _told(self._codes(unit, source, row, mask), count, tick):
            rebuilt[where] = self._centres(unit, source, found).cpu().numpy()
            if kept is not None:
                kept[where] = found.cpu().numpy()
        residual = np.full((channels, *source.shape), np.nan, np.float32)
        residual[:, mask] = source.volume(row)[:, mask] - rebuilt.T
        return Pass(np.sqrt((residual**2).sum(axis=0)), residual, kept)

    def _score_whole(self, source: Source, row: int, mask: Mask | None, codes: bool, tick: Tick | None) -> Pass:
        """Each voxel by all units that show it."""
        values = unit_by_unit(
            self._model, self.unit, source, row, self.settings, mask, self.device, 1 + source.volumes.shape[1],
            lambda units, rebuilt: np.concatenate([joint_error(units, rebuilt), units - rebuilt], axis=1), tick,
        )  # fmt: skip
        values[:, ~(source.mask if mask is None else mask)] = np.nan
        return Pass(values[0], values[1:], self.codes(source, row, mask) if codes else None)

    def _codes(self, unit: Centred, source: Source, row: int, mask: Mask) -> Iterator[Coded]:
        """Codes of the units centred on the voxels of the mask, in batches."""
        encoder = self._derived.encoder
        if encoder is not None and isinstance(unit, Patches):
            maps = dense_maps(encoder, unit, source, row, self._parts_of(unit, mask), self.device)
            yield from ((where, encoder.read(values, first)) for where, values, first in maps)
            return
        locations, batch = unit.locate(mask), units_at_once(unit, source)
        for begin in range(0, len(locations), batch):
            some = locations[begin : begin + batch]
            units = torch.from_numpy(unit.cut(source, np.full(len(some), row), some))
            given = units.to(self.device, memory_format=layout_of(units.dim() - 2))
            yield np.arange(begin, begin + len(some)), self._model.encode(given).flatten(1)

    def _parts_of(self, unit: Patches, mask: Mask) -> list[Part]:
        """Found once per mask: a cohort shares one."""
        known, _ = self._parts
        if not np.array_equal(known, mask):
            self._parts = mask.copy(), parts_of(mask, unit, self.device)
        return self._parts[1]

    def _centres(self, unit: Centred, source: Source, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n channels"]:
        """Central pixels of the units that codes stand for."""
        if self._derived.cone is not None:
            return self._derived.cone(codes)
        shaped = codes.view(-1, *self._derived.code_shape).split(units_at_once(unit, source))
        return torch.cat([central(self._model.decode(some)) for some in shaped])


def _whole(unit: Unit) -> str:
    """What a unit that no voxel is the centre of is called.

    >>> _whole(Slices(stack=3)), _whole(Slices())
    ('stack of slices', 'slice')
    """
    if isinstance(unit, Slices):
        return "slice" if unit.stack == 1 else "stack of slices"
    return "hemisphere"


def _told(batches: Iterator[Batch], count: int, tick: Tick | None) -> Iterator[Batch]:
    """Batches as they come; ``tick`` hears of each one when it is done with."""
    done = 0
    for batch in batches:
        yield batch
        done += len(batch[0])
        if tick:
            tick(done / count, "")
