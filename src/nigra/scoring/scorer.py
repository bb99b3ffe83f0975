"""One pass over a subject: the score of every voxel, the residuals behind it, the codes if asked for.

A ``Scorer`` looks once at its model and takes the fastest way that gives the values of the plain one: codes from
one dense pass per slice, the central pixel from a pruned decoder. Each is tried against the model itself on
random patches; what a model forbids is done unit by unit, and ``way`` says why.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nigra.errors import NigraError
from nigra.models.siamese import Model
from nigra.scoring.cone import Cone
from nigra.scoring.dense import DenseEncoder, dense_codes
from nigra.scoring.errors import ScoreSettings, joint_error, ready, unit_by_unit, units_at_once
from nigra.scoring.layers import NotExactError, channels_of, set_inplace
from nigra.shapes import Mask, ScoreMap, Volume
from nigra.training import Tick
from nigra.units import Patches, Source, Unit

TOLERANCE = 1e-5
"""Largest difference from the model itself at which a fast way is trusted, relative to values above 1; float32
rounds to about 1e-7, an error in a derivation shows at 1e-2."""

Batch = tuple[Int[ndarray, " n"], Float[Tensor, "n d"]]
"""Voxels, as numbers in the order of ``numpy.nonzero(mask)``, and the codes of their patches."""


@dataclass(frozen=True)
class Pass:
    """What one pass over a subject yields; NaN outside the mask and where no unit reaches.

    ``error`` is the joint error, higher = more abnormal. ``residual`` is input minus reconstruction, per channel;
    with ``overlap`` average the mean over the patches that show a voxel. ``codes`` come one per voxel of the
    mask, in the order of ``numpy.nonzero(mask)``, when asked for.
    """

    error: ScoreMap
    residual: Volume
    codes: Float[ndarray, "n_locations d"] | None


class Scorer:
    """Scores subjects with one model; the model stays as it is, a copy of it works.

    Args:
        model, unit: the model and what it sees.
        settings: how a voxel gets its score where several patches show it.
        device: "cpu" or "cuda"; on a GPU the same values to 1e-5 (TF32 is off while scoring).
        dense: False scores unit by unit, whatever the model allows: the plain way the fast one is held against.

    Raises:
        NigraError: the model does not take, or does not give back, patches of this size.
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
        self.code_length, self.code_refusal = None, None
        self._model = ready(model, device)
        set_inplace(self._model, False)  # the codes may be asked for after they were decoded
        self._encoder: DenseEncoder | None = None
        self._cone: Cone | None = None
        if isinstance(unit, Patches):
            self.way = self._derive(unit, dense)
        else:
            self.way = "slice by slice"
            self.code_refusal = (
                "the code of a slice describes the whole slice, and no voxel has one of its own; use a patch model"
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
            self._patches()
        inside = source.mask if mask is None else mask
        with torch.inference_mode(), exact_products():
            if isinstance(self.unit, Patches) and self.settings.overlap == "centre":
                return self._score_centres(self.unit, source, row, inside, codes, tick)
            return self._score_whole(source, row, mask, codes, tick)

    def codes(
        self, source: Source, row: int, mask: Mask | None = None, tick: Tick | None = None
    ) -> Float[ndarray, "n_locations d"]:
        """Codes of subject ``row`` alone, one per voxel of the mask, in the order of ``numpy.nonzero(mask)``.

        Raises:
            NigraError: the model has no code per voxel.
        """
        unit, inside = self._patches(), source.mask if mask is None else mask
        kept = np.empty((int(np.count_nonzero(inside)), self.code_length or 0), np.float32)
        with torch.inference_mode(), exact_products():
            for where, found in self._codes(unit, source, row, inside, tick):
                kept[where] = found.cpu().numpy()
        return kept

    def _patches(self) -> Patches:
        """The unit, when voxels have codes of their own."""
        if not isinstance(self.unit, Patches):
            raise NigraError(f"codes were asked for, but {self.code_refusal}.")
        return self.unit

    def _score_centres(
        self, unit: Patches, source: Source, row: int, mask: Mask, codes: bool, tick: Tick | None
    ) -> Pass:
        """Each voxel by the central pixel of its own patch."""
        count, channels = int(np.count_nonzero(mask)), source.volumes.shape[1]
        rebuilt = np.empty((count, channels), np.float32)
        kept = np.empty((count, self.code_length or 0), np.float32) if codes else None
        for where, found in self._codes(unit, source, row, mask, tick):
            rebuilt[where] = self._centres(unit, source, found).cpu().numpy()
            if kept is not None:
                kept[where] = found.cpu().numpy()
        residual = np.full((channels, *source.shape), np.nan, np.float32)
        residual[:, mask] = source.volume(row)[:, mask] - rebuilt.T
        return Pass(np.sqrt((residual**2).sum(axis=0)), residual, kept)

    def _score_whole(self, source: Source, row: int, mask: Mask | None, codes: bool, tick: Tick | None) -> Pass:
        """Each voxel by all units that show it."""
        inside = source.mask if mask is None else mask
        values = unit_by_unit(
            self._model, self.unit, source, row, self.settings, mask, self.device, 1 + source.volumes.shape[1],
            lambda units, rebuilt: np.concatenate([joint_error(units, rebuilt), units - rebuilt], axis=1), tick,
        )  # fmt: skip
        values[:, ~inside] = np.nan
        kept = self.codes(source, row, mask) if codes else None
        return Pass(values[0], values[1:], kept)

    def _codes(self, unit: Patches, source: Source, row: int, mask: Mask, tick: Tick | None) -> Iterator[Batch]:
        """Codes of the patches centred on the voxels of the mask, in batches; ``tick`` is told of those used."""
        if self._encoder is not None:
            batches = dense_codes(self._encoder, unit, source, row, mask, self.device)
        else:
            batches = self._codes_one_by_one(unit, source, row, mask)
        done, count = 0, int(np.count_nonzero(mask))
        for where, found in batches:
            yield where, found
            done += len(where)
            if tick:
                tick(done / count, "")

    def _codes_one_by_one(self, unit: Patches, source: Source, row: int, mask: Mask) -> Iterator[Batch]:
        locations, batch = unit.locate(mask), units_at_once(unit, source)
        for begin in range(0, len(locations), batch):
            some = locations[begin : begin + batch]
            units = torch.from_numpy(unit.cut(source, np.full(len(some), row), some))
            given = units.to(self.device, memory_format=torch.channels_last)
            yield np.arange(begin, begin + len(some)), self._model.encode(given).flatten(1)

    def _centres(self, unit: Patches, source: Source, codes: Float[Tensor, "n d"]) -> Float[Tensor, "n channels"]:
        """Central pixels of the patches that codes stand for."""
        if self._cone is not None:
            return self._cone(codes)
        shaped = codes.view(-1, *self._code_shape).split(units_at_once(unit, source))
        return torch.cat([self._model.decode(some)[:, :, unit.half, unit.half] for some in shaped])

    def _derive(self, unit: Patches, dense: bool) -> str:
        """Find the fast ways that hold; the sentence for the log."""
        channels, why = channels_of(self._model.encoder), []
        with exact_products():
            units, codes, rebuilt = self._examples(channels, unit.size)
            self._code_shape = (int(codes.shape[1]), int(codes.shape[2]), int(codes.shape[3]))
            self.code_length = codes[0].numel()
            if not dense:
                return "unit by unit: as asked"
            try:
                self._encoder = self._checked_encoder(channels, unit.size, units, codes)
            except NotExactError as reason:
                why.append(str(reason))
            try:
                if self.settings.overlap == "centre":
                    self._cone = self._checked_cone(unit, codes, rebuilt)
            except NotExactError as reason:
                why.append(str(reason))
        if self.settings.overlap == "average":
            why.insert(0, "overlap: average needs whole reconstructions")
            return f"unit by unit: {'; '.join(why)}"
        coding = "dense codes" if self._encoder else "unit by unit"
        decoding = "central pixel from a pruned decoder" if self._cone else "whole patches decoded"
        return f"{coding}, {decoding}" + (f": {'; '.join(why)}" if why else "")

    def _examples(self, channels: int, size: int) -> tuple[Tensor, Tensor, Tensor]:
        """Random patches, their codes and reconstructions by the model itself."""
        generator = torch.Generator().manual_seed(0)
        units = torch.rand(8, channels, size, size, generator=generator).to(self.device)
        try:
            with torch.inference_mode():
                codes = self._model.encode(units)
                rebuilt = self._model.decode(codes)
        except RuntimeError as error:
            raise NigraError(f"this model cannot take patches of {size} x {size} ({error}).") from error
        if rebuilt.shape != units.shape:
            raise NigraError(
                f"this model gives {tuple(rebuilt.shape[1:])} back for patches of {tuple(units.shape[1:])}; choose "
                "a patch size it rebuilds."
            )
        return units, codes, rebuilt

    def _checked_encoder(self, channels: int, size: int, units: Tensor, codes: Tensor) -> DenseEncoder:
        encoder = DenseEncoder(self._model.encoder, channels, size)
        with torch.inference_mode():
            values = encoder.map(units)
            places = torch.arange(len(units), device=units.device) * values[0, 0].numel()
            _require_same("dense codes", encoder.read(values, places), codes.flatten(1))
        return encoder

    def _checked_cone(self, unit: Patches, codes: Tensor, rebuilt: Tensor) -> Cone:
        cone = Cone(self._model.decoder, self._code_shape, unit.size, self.device)
        with torch.inference_mode():
            _require_same("the pruned decoder", cone(codes.flatten(1)), rebuilt[:, :, unit.half, unit.half])
        return cone


def _require_same(what: str, found: Tensor, expected: Tensor) -> None:
    """Law 2, for this very model: a model with an encode or decode of its own is noticed here."""
    same = found.shape == expected.shape
    difference = float((found - expected).abs().max()) if same else float("inf")
    if not difference <= TOLERANCE * max(1.0, float(expected.abs().max())):
        raise NotExactError(f"{what} differ from the model's own by {difference:.2g}")


@contextmanager
def exact_products() -> Iterator[None]:
    """On a GPU, matrix products and convolutions in float32 without TF32, which keeps only 3 digits."""
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32
    matmul.allow_tf32 = cudnn.allow_tf32 = False
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32 = before
