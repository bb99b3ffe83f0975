"""What a run could not train is told before its first training, by the name of the model: never hours later."""

from collections.abc import Callable
from functools import cache
from math import prod

import numpy as np

from nigra.errors import NigraError
from nigra.models.blocks import shape_text
from nigra.models.composition import describe
from nigra.study.model_settings import ModelSettings
from nigra.study.run import Fit, Run
from nigra.training import validation_split
from nigra.units import Source, Unit
from nigra.units.pairs import PairRule, PairSettings
from nigra.units.planes import FIXED_AXIS, midline_of

MOST_PARAMETERS = 500_000_000
"""A model with more is a mistake in a study file: with Adam's moments it takes 8 GB, before any unit is seen."""


def refuse_untrainable(run: Run, fits: list[Fit]) -> None:
    """Build every model without its weights, and look whether its units, pairs and subjects are there.

    Args:
        run: the run.
        fits: its trainings.

    Raises:
        NigraError: a unit that the volumes have no room for or the architecture cannot take, no unit in the mask,
            pairs that the unit does not have, amounts smaller than a unit, too few subjects; each with the model.
    """
    shape, places = run.cohort.mask.shape, _places_of(run)
    for model in run.settings.models:
        try:
            unit = run.unit(model)
            _refuse_larger(unit, shape)
            _refuse_network(model, unit.unit_channels(len(run.cohort.channels)), unit.unit_shape(shape))
            _refuse_less_than_a_unit(model, unit.unit_shape(shape))
            places(unit, model.pairs if model.siamese else None)
            for fit in (fit for fit in fits if fit.model == model):
                validation_split(run.learners(fit), model.training)
        except NigraError as error:
            text = str(error).removeprefix(f"{model.label}, ")
            raise NigraError(f"model {model.label}: {text}") from error


def _places_of(run: Run) -> Callable[[Unit, PairSettings | None], None]:
    """Refuses units without a place, or pairs without partners; what models share is looked up once."""
    mask, cohort = run.cohort.mask, run.cohort
    ones = np.ones(len(cohort.channels), np.float32)
    source = Source(cohort.volumes, mask, ones, 0 * ones, midline=midline_of(cohort.affine, mask.shape))

    @cache
    def located(unit: Unit) -> np.ndarray:
        found = unit.locate(mask)
        if len(found) == 0:
            raise NigraError("the mask has no place for its units; look at cohort/mask.nii.gz.")
        return found

    @cache
    def paired(unit: Unit, pairs: PairSettings | None) -> None:
        where = located(unit)
        if pairs is None:
            return
        PairRule.of(pairs, unit, source, where)
        if pairs.subject == "same" and len(where) < 2:
            raise NigraError("pairs within a subject need two places, but the units have one; show more slices.")

    return paired


def _refuse_larger(unit: Unit, shape: tuple[int, ...]) -> None:
    """A unit that shows more border than brain."""
    size, stack = getattr(unit, "size", 1), getattr(unit, "stack", 1)
    across = FIXED_AXIS[getattr(unit, "plane", "axial")]
    lengths = [n for axis, n in enumerate(shape) if axis != across or not hasattr(unit, "plane")]
    if size > max(lengths):
        raise NigraError(
            f"its units are {size} voxels wide, but the volumes have {shape_text(shape)} voxels; take smaller ones."
        )
    if stack > shape[across]:
        raise NigraError(
            f"it stacks {stack} slices, but the volumes have {shape[across]} in this plane; take a smaller stack."
        )


def _refuse_network(model: ModelSettings, channels: int, shape: tuple[int, ...]) -> None:
    """An architecture or a term that cannot take the unit, or far too many parameters."""
    count = describe(model.composition, channels, shape)["parameters"]
    if count > MOST_PARAMETERS:
        raise NigraError(
            f"it has {count:,} parameters, more than the {MOST_PARAMETERS:,} that are trained; take smaller "
            "widths, or a smaller code_size."
        )


def _refuse_less_than_a_unit(model: ModelSettings, shape: tuple[int, ...]) -> None:
    """Amounts in voxels that come to no unit at all; one unit would be another amount."""
    for name in ("voxels_per_subject", "batch_voxels"):
        voxels = getattr(model, name)
        if voxels is not None and round(voxels / prod(shape)) < 1:
            raise NigraError(
                f"{name} is {voxels}, less than half of one unit ({shape_text(shape)} voxels); give at least "
                f"{prod(shape)}, or smaller units."
            )
