"""Reconstruction errors, unit by unit (mlcn2021, isbi2023).

The score of a voxel is the joint error, the square root of the sum over channels of the squared difference
between input and reconstruction. It is blind to the direction of a change: an FA drop scores like a rise.
``scorer.Scorer`` gives the score map of a subject, by a faster way where there is one.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from nigra.models.siamese import Model
from nigra.shapes import Mask, Volume
from nigra.training import Tick
from nigra.units import Centred, Source, Unit
from nigra.units.canvas import Canvas


class ScoreSettings(BaseModel):
    """How a voxel gets its score where several units show it: patches, cubes and stacks of slices."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    overlap: Literal["centre", "average"] = Field(
        "centre",
        description="centre: the error of the patch or cube centred on the voxel, or of the stack's middle slice; "
        "average: the mean error over all units that show it",
    )
    stride: int = Field(
        1, ge=1, description="voxels between centres of patches or cubes; more than 1 needs overlap: average"
    )

    @model_validator(mode="after")
    def _every_voxel_is_reached(self) -> "ScoreSettings":
        if self.stride > 1 and self.overlap == "centre":
            raise ValueError(
                f"stride {self.stride} with overlap: centre leaves voxels without a score; use average"
            )
        return self


def joint_error(
    units: Float[ndarray, "n channels *unit"], rebuilt: Float[ndarray, "n channels *unit"]
) -> Float[ndarray, "n 1 *unit"]:
    """Square root of the squared error summed over channels, per pixel."""
    return np.sqrt(((units - rebuilt) ** 2).sum(axis=1, keepdims=True))


def reconstruct(
    model: Model, unit: Unit, source: Source, row: int, settings: ScoreSettings | None = None,
    mask: Mask | None = None, device: str = "cpu",
) -> Volume:  # fmt: skip
    """The reconstruction as a volume on the 0-1 scale: central pixels of patches, or the mean over them.

    With ``overlap`` average, the joint error of this volume is not the score: a mean of errors is not the error
    of a mean.
    """
    settings, channels = settings or ScoreSettings(), source.volumes.shape[1]
    model = ready(model, device)
    return unit_by_unit(model, unit, source, row, settings, mask, device, channels, lambda units, rebuilt: rebuilt)


def ready(model: Model, device: str) -> Model:
    """A copy of the model to score with: in evaluation mode, on the device; the model stays as it is."""
    dimensions = 3 if any(weight.dim() == 5 for weight in model.parameters()) else 2
    copy = deepcopy(model).to(device, memory_format=layout_of(dimensions))  # type: ignore[call-overload]
    return copy.eval().requires_grad_(False)


def layout_of(dimensions: int) -> torch.memory_format:
    """Channels last, which convolutions of units of 2 or 3 dimensions run fastest on."""
    return torch.channels_last if dimensions == 2 else torch.channels_last_3d


def unit_by_unit(
    model: Model, unit: Unit, source: Source, row: int, settings: ScoreSettings, mask: Mask | None,
    device: str, k: int, value: Callable[[np.ndarray, np.ndarray], np.ndarray], tick: Tick | None = None,
) -> Volume:  # fmt: skip
    """Send every unit of a subject through the model and put ``value(units, reconstructions)`` back.

    Args:
        model: ``ready`` to score.
        k: values per pixel that ``value`` gives, (n, k, *unit shape); stacks are handed to it slice by slice.
        tick: told the fraction of units done.

    Returns:
        (k, x, y, z), NaN where no unit reaches.
    """
    locations = _locations(unit, source, settings, mask)
    canvas = Canvas(unit, source.shape, k, settings.overlap)
    layout, single = layout_of(len(unit.unit_shape(source.shape))), (-1, source.volumes.shape[1])
    batch = units_at_once(unit, source)
    with torch.inference_mode():
        for begin in range(0, len(locations), batch):
            where = locations[begin : begin + batch]
            units = unit.cut(source, np.full(len(where), row), where)
            given = torch.from_numpy(units).to(device, memory_format=layout)
            rebuilt = model(given).cpu().contiguous().numpy()
            shape = units.shape[2:]
            values = value(units.reshape(*single, *shape), rebuilt.reshape(*single, *shape))
            canvas.add(values.reshape(len(units), -1, *shape), where)
            if tick:
                tick((begin + len(where)) / len(locations), "")
    return canvas.mean()


def units_at_once(unit: Unit, source: Source) -> int:
    """Units per batch: about 2 MB a map, which stays in the cache."""
    return max(1, 500_000 // (unit.unit_channels(1) * int(np.prod(unit.unit_shape(source.shape)))))


def _locations(
    unit: Unit, source: Source, settings: ScoreSettings, mask: Mask | None
) -> Int[ndarray, "n_locations axes"]:
    """Units to score. The central slices are those of the whole brain, also when only part of it is asked for."""
    if isinstance(unit, Centred):
        centred = settings.overlap == "centre" and mask is not None
        return unit.locate(mask if centred and mask is not None else source.mask, settings.stride)
    return unit.locate(source.mask)
