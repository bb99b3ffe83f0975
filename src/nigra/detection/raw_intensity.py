"""The intensity itself as score: the baseline that asks whether a model adds anything to the scan.

Meissen, Kaissis and Rueckert (2021, arXiv 2109.06023) segment bright lesions by thresholding the scan alone and
beat most published auto-encoders with it.
"""

from typing import Literal

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nigra.detection.detector import Detector, as_float32, blocks, contamination_offset
from nigra.errors import NigraError
from nigra.shapes import Codes, CodeScores
from nigra.training import Tick


class RawIntensity(Detector):
    """How bright, how dark, or how far from the brain's mean a voxel is, whoever and wherever it is.

    With x the codes less the grand mean of the controls' codes, over all subjects and locations, the score is

    - ``high``: minus the mean of x over features, so that bright is abnormal, as published;
    - ``low``: its negative, for changes that darken;
    - ``both``: minus the root mean square of x over features, blind to the direction as a reconstruction error is.

    Nothing is learnt of the place, and one control moves the grand mean by next to nothing, so none is left out.

    Args:
        side: high, low or both.
        contamination: share of the controls' scores below ``offset_``.

    Fitted: ``mean_`` (d,) float64.
    """

    per_location = False

    def __init__(self, side: Literal["high", "low", "both"] = "both", contamination: float = 0.02) -> None:
        self.side = side
        self.contamination = contamination

    def _fit(self, codes: Codes, tick: Tick | None) -> None:
        if self.side not in ("high", "low", "both"):
            raise NigraError(f"side is {self.side!r}; give high, low or both.")
        self.mean_ = grand_mean(codes)
        self.offset_ = contamination_offset(self._score_all(codes, tick), self.contamination)

    def _score(self, codes: Codes, at: slice | ndarray) -> CodeScores:
        away = codes - self.mean_
        if self.side == "both":
            return -np.sqrt((away**2).mean(axis=2)).astype(np.float32)
        mean = away.mean(axis=2).astype(np.float32)
        return -mean if self.side == "high" else mean


def grand_mean(codes: Codes) -> Float[ndarray, " d"]:
    """Mean over all subjects and locations of the finite codes, read in blocks, in float64."""
    total, count = np.zeros(codes.shape[2]), 0
    for at in blocks(codes):
        block = as_float32(codes[:, at])
        known = np.isfinite(block).all(axis=2)
        total += block[known].sum(axis=0, dtype=np.float64)
        count += int(known.sum())
    if count == 0:
        raise NigraError("no control has a finite code; check the mask and the scans.")
    return total / count
