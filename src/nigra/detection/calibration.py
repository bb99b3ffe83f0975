"""The threshold above which a voxel is called abnormal: a high quantile of controls' scores, of nobody else.

mlcn2021 and isbi2023 use the 98 % quantile, of training controls in isbi2023; mlcn2021 does not say. A model
reconstructs the controls it was trained on better than any other person, so their quantile is too low for
new people. The default here is therefore cross-fitting: training controls are scored by models that never saw
them.

One number for the whole brain is one rule; the other, a threshold per voxel, is ``nigra.detection.conformal``.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray
from pydantic import BaseModel, ConfigDict, Field

from nigra.detection.conformal import achieved
from nigra.errors import NigraError
from nigra.provenance import refuse_fitted
from nigra.shapes import Scores

Controls = Literal["held-out", "training"]
Rule = Literal["quantile", "conformal"]


class CalibrationSettings(BaseModel):
    """Which controls set the threshold, and where on their scores it lies."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    rule: Rule = Field(
        "quantile",
        description="quantile: one threshold for the whole brain, of all voxels of all controls; conformal: one "
        "per voxel, from the controls there, and maps of p-values; needs quantile / (1 - quantile) controls",
    )
    quantile: float = Field(0.98, gt=0, lt=1, description="share of the controls' voxels at or below the threshold")
    controls: Controls = Field(
        "held-out",
        description="held-out: training controls scored by cross-fitting, each by a model trained without it; "
        "training: training controls scored by the very model they trained (isbi2023)",
    )
    folds: int = Field(3, ge=2, description="folds of the cross-fitting; each costs one more training")

    @property
    def alpha(self) -> float:
        """Share of a healthy person's voxels that may be called abnormal."""
        return round(1 - self.quantile, 12)

    def expected_percent(self, n: int) -> float:
        """Percentage of a healthy person's voxels to be called abnormal with ``n`` controls; conformal: at most.

        >>> CalibrationSettings().expected_percent(41), CalibrationSettings(rule="conformal").expected_percent(99)
        (2.0, 2.0)
        """
        return round(100 * (self.alpha if self.rule == "quantile" else achieved(n, self.alpha)[0]), 12)

    def to_key(self) -> dict[str, Any]:
        """What keys are made of: a rule that is not the quantile changes them."""
        return self.model_dump(exclude={"rule"} if self.rule == "quantile" else None)


@dataclass(frozen=True)
class Threshold:
    """A score above ``value`` is abnormal; ``fitted_on`` are the controls behind it."""

    value: float
    quantile: float
    controls: Controls
    fitted_on: tuple[str, ...]

    def abnormal(self, scores: Scores) -> Bool[ndarray, "n_subjects n_voxels"]:
        """True where a score lies above the threshold; a voxel without a score (NaN) is never abnormal."""
        return scores > self.value

    @property
    def expected_percent(self) -> float:
        """Percentage of a healthy person's voxels to be called abnormal."""
        return 100 * (1 - self.quantile)

    def observed_percent(self, scores: Scores, ids: list[str]) -> Float[ndarray, " n_subjects"]:
        """Percentage of scored voxels above the threshold, per subject, of subjects it was not fitted on."""
        refuse_fitted("threshold", self.fitted_on, ids)
        return 100 * self.abnormal(scores).sum(axis=1) / np.isfinite(scores).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``thresholds.json``."""
        return {
            "rule": "quantile", "value": self.value, "quantile": self.quantile, "controls": self.controls,
            "fitted_on": list(self.fitted_on),
        }  # fmt: skip


def fit_threshold(scores: Scores, ids: list[str], quantile: float, controls: Controls) -> Threshold:
    """The quantile of all scored voxels of the given controls together.

    Raises:
        NigraError: no finite score, or one constant score, which no threshold can divide (DESIGN, law 6).
    """
    if len(ids) != len(scores):
        raise NigraError(f"{len(scores)} score maps came with {len(ids)} subjects; give one subject per map.")
    values = scores[np.isfinite(scores)]
    if values.size == 0:
        raise NigraError("the controls have no scored voxel; check the mask and the slices that are covered.")
    if values.min() == values.max():
        raise NigraError(f"all scores of the controls are {values.min():g}; a constant score detects nothing.")
    return Threshold(float(np.quantile(values, quantile)), quantile, controls, tuple(ids))


def leave_fold_out_abnormal(
    scores: Scores, ids: list[str], folds: list[list[str]], quantile: float
) -> Bool[ndarray, "n_subjects n_voxels"]:
    """Abnormal voxels of cross-fitted controls, each fold against the threshold of the other folds.

    So the percentages that later fix a cut-off come from subjects whose own scores took no part in model or
    threshold. (The models that scored the other folds saw them, as in any cross-fitting.)
    """
    abnormal = np.zeros(scores.shape, dtype=bool)
    for fold in folds:
        inside = np.isin(ids, fold)
        others = [name for name in ids if name not in set(fold)]
        threshold = fit_threshold(scores[~inside], others, quantile, "held-out")
        abnormal[inside] = threshold.abnormal(scores[inside])
    return abnormal
