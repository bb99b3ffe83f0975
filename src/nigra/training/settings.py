"""Settings of the loop, who watches it, and how its progress is told."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from nigra.errors import NigraError

Tick = Callable[[float, str], None]
"""Progress: fraction done and a short text."""


class TrainingSettings(BaseModel):
    """Settings of the loop; a preset's own are the published ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    epochs: int = Field(30, ge=1, description="passes over the drawn units")
    batch: int = Field(225, ge=2, description="units (for siamese models: pairs) per step of the optimiser")
    learning_rate: float = Field(1e-3, gt=0, description="Adam's step size")
    units_per_subject: int | None = Field(
        15_000, ge=1, description="units drawn per training subject and epoch; null: every location"
    )
    validation_fraction: float = Field(
        0.0, ge=0, lt=1, description="share of the training controls kept out of the gradient to watch the loss"
    )
    keep: Literal["last", "best-on-validation"] = Field(
        "last", description="which epoch's weights become the model"
    )
    seed: int = Field(0, ge=0, description="seed of initial weights, batches and the validation choice")


def validation_split(ids: list[str], settings: TrainingSettings) -> tuple[list[str], list[str]]:
    """Training subjects split by subject into (gradient, validation); pairs need two subjects in either."""
    if settings.keep == "best-on-validation" and settings.validation_fraction == 0:
        raise NigraError("keep is best-on-validation, but validation_fraction is 0; set it, for example to 0.1.")
    count = round(settings.validation_fraction * len(ids))
    if settings.validation_fraction:
        count = max(count, 2)
        if len(ids) - count < 2:
            raise NigraError(
                f"validation_fraction {settings.validation_fraction} of {len(ids)} training controls leaves "
                f"{max(len(ids) - count, 0)} to learn from; at least 2 are needed."
            )
    order = np.random.default_rng([settings.seed, 1]).permutation(len(ids))
    chosen = set(order[:count].tolist())
    return [s for i, s in enumerate(ids) if i not in chosen], [s for i, s in enumerate(ids) if i in chosen]
