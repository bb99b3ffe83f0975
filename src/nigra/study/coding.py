"""Codes of whole subjects by a model of a run, one per voxel or one per unit, and where each lies in the brain."""

from copy import deepcopy

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray

from nigra.cohort.splits import Draw
from nigra.latent.codes import Locations
from nigra.models.siamese import Model
from nigra.regions import Atlas, neuromorphometrics_tissues
from nigra.scoring.errors import ready, units_at_once
from nigra.scoring.scorer import Scorer
from nigra.simulation.shapes import voxel_mm
from nigra.study.features import Reader
from nigra.study.run import Fit, Run
from nigra.study.settings import ModelSettings
from nigra.study.train import trained
from nigra.units.planes import FIXED_AXIS


def with_fresh_weights(model: Model, seed: int) -> Model:
    """A copy whose weights are drawn anew, as before training; torch's global generator is left as it was."""
    copy = deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for part in copy.modules():
            reset = getattr(part, "reset_parameters", None)
            if callable(reset):
                reset()
    return copy


class Coder:
    """Codes subjects with the model that a draw's training controls trained, or with an untrained copy of it.

    A model with a unit around every voxel has a code per voxel, in the order of ``numpy.nonzero(mask)``; others
    (slices) a code per unit, in the order of ``unit.locate``.
    """

    def __init__(self, run: Run, settings: ModelSettings, draw: Draw, untrained: bool = False) -> None:
        part = run.parts(draw)[0]
        reader = Reader(run, settings, draw.draw, part, [])
        assert reader.scorer is not None  # there is a model
        self.run, self.source, self.trained_on = run, reader.source, tuple(reader.trained_on)
        self.scorer, self.unit = reader.scorer, reader.scorer.unit
        model = trained(run, Fit(settings, draw.draw, part.train, part.fold)).model
        if untrained:
            model = with_fresh_weights(model, settings.seed)
            self.scorer = Scorer(model, self.unit, settings.scores, run.device)
        self.model = ready(model, run.device)
        self.where = self.unit.locate(run.cohort.mask)
        first = self._encode(self.unit.cut(self.source, np.zeros(1, np.int64), self.where[:1]))
        self.code_shape = tuple(first.shape[1:])

    @property
    def per_voxel(self) -> bool:
        """Whether every voxel of the mask has a code of its own."""
        return self.scorer.code_length is not None

    @property
    def length(self) -> int:
        """d of a code."""
        return int(np.prod(self.code_shape))

    def read(self, row: int) -> Float[ndarray, "n_locations d"]:
        """All codes of a subject."""
        if self.per_voxel:
            return self.scorer.codes(self.source, row)
        found, batch = [], units_at_once(self.unit, self.source)
        for begin in range(0, len(self.where), batch):
            some = self.where[begin : begin + batch]
            units = self.unit.cut(self.source, np.full(len(some), row), some)
            found.append(self._encode(units).flatten(1).float().cpu().numpy())
        return np.concatenate(found)

    def locations(self, atlas: Atlas) -> Locations:
        """Where the codes lie; only a code of one voxel has a region."""
        affine, mask = self.run.cohort.affine, self.run.cohort.mask
        if not self.per_voxel:
            return Locations.of(self._unit_centres(), affine)
        names = {0: "", **atlas.names}
        tissues = neuromorphometrics_tissues(names.values()) if self._knows_tissues else {}
        labels, position = np.unique(atlas.labels[mask], return_inverse=True)
        region = np.array([names[int(label)] for label in labels], dtype=object)
        tissue = np.array([tissues.get(name, "") if name else "" for name in region], dtype=object)
        return Locations.of(np.argwhere(mask).astype(float), affine, region[position], tissue[position])

    @property
    def _knows_tissues(self) -> bool:
        return self.run.label_image is None

    def _unit_centres(self) -> Float[ndarray, "n 3"]:
        """A slice has one coordinate; half of one also that of its middle, from left to right."""
        found = np.full((len(self.where), 3), np.nan)
        found[:, FIXED_AXIS[self.unit.plane]] = self.where[:, 0]  # type: ignore[union-attr]
        if hasattr(self.unit, "columns"):
            width = self.run.cohort.mask.shape[0]
            found[:, 0] = [self.unit.columns(width, int(side)).mean() for side in self.where[:, 1]]
        return found

    @property
    def reach_mm(self) -> Float[ndarray, " 3"]:
        """How far apart centres are, along each axis, of units that share no voxel."""
        size = float(getattr(self.unit, "size", 1))
        voxels = np.full(3, size)
        if hasattr(self.unit, "plane"):
            voxels[FIXED_AXIS[self.unit.plane]] = getattr(self.unit, "stack", 1)
        return voxels * voxel_mm(self.run.cohort.affine)

    def covered(self) -> Bool[ndarray, "n_locations n_voxels"]:
        """Which voxels of the mask each unit is about; of a stack its central slice."""
        mask, k = self.run.cohort.mask, getattr(self.unit, "stack", 1)
        ones = np.ones((1, k, *self.unit.unit_shape(mask.shape)), np.float32)
        found = np.zeros((len(self.where), int(mask.sum())), dtype=bool)
        for number in range(len(self.where)):
            total, count = np.zeros((1, *mask.shape)), np.zeros(mask.shape, np.int64)
            self.unit.put_back(ones, self.where[number : number + 1], total, count, "centre")
            found[number] = count[mask] > 0
        return found

    def _encode(self, units: ndarray) -> torch.Tensor:
        with torch.inference_mode():
            return self.model.encode(torch.from_numpy(units).to(self.run.device))
