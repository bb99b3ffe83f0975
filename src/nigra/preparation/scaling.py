"""Intensity scaling to 0-1 by quantiles of the training controls (isbi2023)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field

from nigra.cohort.store import Cohort
from nigra.errors import NigraError


class ScalingSettings(BaseModel):
    """How intensities are brought to the 0-1 range of the models' sigmoid output."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    low_quantile: float = Field(0.01, ge=0, lt=1, description="quantile of the training controls sent to 0")
    high_quantile: float = Field(0.99, gt=0, le=1, description="quantile of the training controls sent to 1")
    clip: bool = Field(
        True,
        description="cut scaled values to 0-1, as a sigmoid can rebuild nothing beyond; "
        "off: the formula as published, without a cut",
    )


@dataclass(frozen=True)
class IntensityScaling:
    """``(x - low) / (high - low)`` per channel; knows the subjects it was fitted on."""

    low: Float[ndarray, " channels"]
    high: Float[ndarray, " channels"]
    clip: bool
    fitted_on: tuple[str, ...]

    @property
    def gain(self) -> Float[ndarray, " channels"]:
        """Factor per channel, float32."""
        return (1 / (self.high - self.low)).astype(np.float32)

    @property
    def offset(self) -> Float[ndarray, " channels"]:
        """Summand per channel, float32."""
        return (-self.low / (self.high - self.low)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model's JSON file."""
        return {
            "low": self.low.tolist(), "high": self.high.tolist(), "clip": self.clip,
            "fitted_on": list(self.fitted_on),
        }  # fmt: skip

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "IntensityScaling":
        """The inverse of ``to_json``."""
        low, high = np.array(content["low"]), np.array(content["high"])
        return cls(low, high, content["clip"], tuple(content["fitted_on"]))


def fit_scaling(cohort: Cohort, ids: list[str], settings: ScalingSettings | None = None) -> IntensityScaling:
    """Quantiles over all brain voxels of the subjects ``ids``, one pair per channel.

    One channel of those subjects is in memory at a time. A channel whose two quantiles coincide is refused.
    """
    settings = settings or ScalingSettings()
    rows = cohort.rows(ids)
    wanted = [settings.low_quantile, settings.high_quantile]
    if wanted[0] >= wanted[1]:
        raise NigraError(f"low_quantile {wanted[0]} is not below high_quantile {wanted[1]}; swap them.")
    limits = []
    for channel, name in enumerate(cohort.channels):
        values = np.concatenate([cohort.volumes[row, channel][cohort.mask] for row in rows])
        low, high = np.quantile(values, wanted)
        if not low < high:
            raise NigraError(f"channel {name} of the training controls is constant ({low:g}); check the scans.")
        limits.append((float(low), float(high)))
    lows, highs = np.array(limits).T
    return IntensityScaling(lows, highs, settings.clip, tuple(ids))
