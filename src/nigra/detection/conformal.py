"""Conformal p-values: how many held-out controls reach a score, and what that many controls can promise.

An alternative to the one quantile for the whole brain (``nigra.detection.calibration``): every voxel is compared
with the controls at that very voxel. If a new healthy person and the n calibrating controls are exchangeable, then

    p = (1 + number of controls at or above the score) / (1 + n)

is at most alpha in at most a share alpha of such people, for every alpha, whatever the scores' distribution (Vovk
et al., Algorithmic Learning in a Random World, 2005; Bates et al., Annals of Statistics 51:149, 2023). The promise
is finite: p is never below 1 / (n + 1), so that 2 % takes 49 controls. It is a promise over cohorts; in one cohort
the share reached is Beta distributed around it (``achieved``).

A run asks for it by ``calibration: {rule: conformal}``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from nigra.errors import NigraError
from nigra.provenance import refuse_fitted
from nigra.shapes import Scores

Pool = Literal["voxel", "pooled", "subject"]
BLOCK = 2**16  # voxels ranked at once
_ROUNDING = 1e-9  # keeps 0.02 x 50 from being a little less than 1


def conformal_p(calibration: Scores, scores: Float[ndarray, "n_new n_voxels"]) -> Float[ndarray, "n_new n_voxels"]:
    """p-values voxel by voxel: (1 + controls at or above) / (1 + controls with a score there), float32.

    A tie counts against the subject, so that ties make p too large rather than too small. NaN where the subject
    has no score, 1 where no control has one.
    """
    known = 1 + np.isfinite(calibration).sum(axis=0)
    p = np.empty(scores.shape, dtype=np.float32)
    for row, own in zip(p, scores, strict=True):
        above = np.ones(own.shape, dtype=np.int32)
        for control in calibration:  # one subject at a time: no array of subjects x controls x voxels
            above += control >= own
        row[:] = np.where(np.isnan(own), np.nan, above / known)
    return p


def pooled_p(
    calibration: Scores, scores: Float[ndarray, "n_new n_voxels"], by_subject: bool = True
) -> Float[ndarray, "n_new n_voxels"]:
    """p-values of a voxel among *all* voxels of all controls: finer, and a weaker promise.

    ``by_subject``: (1 + sum over controls of their share of voxels at or above) / (1 + controls), which holds for
    a voxel drawn at random from a new exchangeable subject (pooling of distributions: Dunn, Wasserman and Ramdas,
    JASA 118:2491, 2023; Lee, Barber and Willett, arXiv 2306.06342), and is again never below 1 / (n + 1).
    Otherwise (1 + voxels at or above) / (1 + voxels): goes down to 1 / (number of voxels), but takes the voxels of
    a person for independent people. It is right on average for a cohort without end; with few controls a new
    person may well have more. Neither promises anything for a given voxel: places hard to reconstruct have more.
    """
    total, weight = np.zeros(scores.shape), 0.0
    wanted = np.where(np.isnan(scores), np.inf, scores)
    for control in calibration:
        ranked = np.sort(control[np.isfinite(control)])
        if ranked.size:
            above = ranked.size - np.searchsorted(ranked, wanted, side="left")
            total += above / ranked.size if by_subject else above
            weight += 1 if by_subject else ranked.size
    return np.where(np.isnan(scores), np.nan, (1 + total) / (1 + weight)).astype(np.float32)


@dataclass(frozen=True)
class Conformal:
    """A score above the threshold of its voxel has p <= ``alpha``; ``fitted_on`` are the controls behind it.

    Speaks like ``nigra.detection.calibration.Threshold``; ``value`` has one threshold per voxel of the mask, +inf
    where there are too few controls for ``alpha``, so that no score is abnormal there. ``expected_percent`` of a
    healthy person's voxels are abnormal, k / (n + 1) at each: ``alpha``, or less between the steps of k.
    """

    value: Float[ndarray, " n_voxels"]
    alpha: float
    expected_percent: float
    fitted_on: tuple[str, ...]

    @property
    def quantile(self) -> float:
        """Share of a control's voxels promised to be normal, 1 - alpha."""
        return round(1 - self.alpha, 12)

    @property
    def smallest_p(self) -> float:
        """No p lies below 1 / (n + 1)."""
        return 1 / (1 + len(self.fitted_on))

    def abnormal(self, scores: Scores) -> Bool[ndarray, "n_subjects n_voxels"]:
        """True where p <= alpha; a voxel without a score (NaN) is never abnormal."""
        return scores > self.value

    def observed_percent(self, scores: Scores, ids: Sequence[str]) -> Float[ndarray, " n_subjects"]:
        """Percentage of scored voxels that are abnormal, per subject, of subjects it was not fitted on."""
        refuse_fitted("conformal threshold", self.fitted_on, ids)
        return 100 * self.abnormal(scores).sum(axis=1) / np.isfinite(scores).sum(axis=1)

    def to_json(self) -> dict[str, Any]:
        """Plain values for ``thresholds.json``; ``value``, one number per voxel, is an array beside it."""
        reached = np.isfinite(self.value)
        return {
            "rule": "conformal", "value": None, "alpha": self.alpha, "quantile": self.quantile,
            "expected_percent": self.expected_percent, "smallest_p": self.smallest_p,
            "voxels_that_can_be_abnormal": int(reached.sum()), "fitted_on": list(self.fitted_on),
        }  # fmt: skip


def fit_conformal(scores: Scores, ids: Sequence[str], alpha: float) -> Conformal:
    """Per voxel the k-th highest score of the controls there, k = floor(alpha (n + 1)).

    Above it p <= ``alpha``, at or below it p > ``alpha``, exactly.

    Raises:
        NigraError: fewer controls than ``alpha`` needs, ids that do not fit, scores that are all the same.
    """
    if not 0 < alpha < 1:
        raise NigraError(f"alpha is {alpha}; choose a share between 0 and 1, such as 0.02.")
    if len(ids) != len(scores):
        raise NigraError(f"{len(scores)} score maps came with {len(ids)} subjects; give one subject per map.")
    if len(ids) < controls_needed(alpha):
        raise NigraError(
            f"a conformal p of {alpha:g} needs {controls_needed(alpha)} held-out controls, but found {len(ids)}; "
            f"choose alpha of at least {1 - highest_quantile(len(ids)):.3g} or the rule quantile."
        )
    seen = [value for block in _blocks(scores) for value in _extremes(scores[:, block])]
    if not seen:
        raise NigraError("the controls have no scored voxel; check the mask and the slices that are covered.")
    if min(seen) == max(seen):
        raise NigraError(f"all scores of the controls are {seen[0]:g}; a constant score detects nothing.")
    n = np.concatenate([np.isfinite(scores[:, block]).sum(axis=0) for block in _blocks(scores)])
    expected = 100 * float((_rank(n, alpha) / (n + 1))[n > 0].mean())
    value = np.concatenate([_kth(scores[:, block], alpha) for block in _blocks(scores)])
    return Conformal(value, alpha, expected, tuple(ids))


def leave_one_out_abnormal(scores: Scores, alpha: float) -> Bool[ndarray, "n_subjects n_voxels"]:
    """Abnormal voxels of the calibrating controls, each against the k-th highest score of the *others*.

    So their percentages, which later fix a cut-off, come from a threshold that their own scores took no part in;
    k is that of ``fit_conformal`` with all of them, so that they stand k / n of their voxels above it, and a new
    person k / (n + 1). A control is above the k-th of the others where it is above the (k + 1)-th of all.
    """
    parts = [block > _kth(block, alpha, 1) for block in (scores[:, at] for at in _blocks(scores))]
    return np.concatenate(parts, axis=1)


def _blocks(scores: Scores) -> list[slice]:
    """Voxels in blocks, so that the scores may be a memory map larger than memory."""
    return [slice(start, start + BLOCK) for start in range(0, scores.shape[1], BLOCK)]


def _extremes(scores: Scores) -> list[float]:
    known = scores[np.isfinite(scores)]
    return [float(known.min()), float(known.max())] if known.size else []


def _rank(n: Int[ndarray, " n_voxels"], alpha: float) -> Int[ndarray, " n_voxels"]:
    """k, by the number of controls with a score there."""
    return np.floor(alpha * (n + 1) + _ROUNDING).astype(int)


def _kth(scores: Scores, alpha: float, further: int = 0) -> Float[ndarray, " n_voxels"]:
    """Per voxel the k-th highest score (or some ``further`` ones on), +inf where k is 0, -inf beyond the last."""
    finite = np.isfinite(scores)
    ranked = -np.sort(np.where(finite, -scores, np.inf), axis=0)  # highest first, without score (-inf) last
    k = _rank(finite.sum(axis=0), alpha)
    ranked = np.concatenate([ranked, np.full((1, scores.shape[1]), -np.inf, ranked.dtype)])
    at = np.clip(k - 1 + further, 0, len(scores))
    return np.where(k > 0, np.take_along_axis(ranked, at[None], axis=0)[0], np.inf)


def highest_quantile(n: int) -> float:
    """The highest quantile that ``n`` controls can promise at a voxel, rounded down to .001.

    >>> highest_quantile(49), highest_quantile(8)
    (0.98, 0.888)
    """
    return floor(1000 * n / (n + 1) + _ROUNDING) / 1000


def controls_needed(alpha: float, at_most: float | None = None, confidence: float = 0.95) -> int:
    """Fewest controls with which p can reach ``alpha`` at a voxel: 1 / alpha - 1, rounded up.

    With ``at_most``, the fewest with which, in a share ``confidence`` of cohorts, the false-positive rate reached
    at a voxel is no higher than that (``achieved``).

    >>> controls_needed(0.02), controls_needed(0.02, at_most=0.04)
    (49, 156)
    """
    n = max(ceil(1 / alpha - 1 - _ROUNDING), 1)
    if at_most is None:
        return n
    if at_most <= alpha:
        raise NigraError(f"the rate allowed, {at_most:g}, lies above alpha, {alpha:g}; allow more.")
    # the quantile rises and falls by a step wherever k does: the first n from which it stays below
    while not all(_upper(m, alpha, confidence) <= at_most for m in range(n, n + ceil(1 / alpha) + 1)):
        n += 1
    return n


def achieved(n: int, alpha: float, level: float = 0.95) -> tuple[float, float, float]:
    """Expected false-positive rate at a voxel with ``n`` controls, and the interval of what one cohort reaches.

    The threshold is the k-th highest of n scores; the share of healthy people above it is Beta(k, n + 1 - k) over
    cohorts (order statistics; Vovk, ACML 2012), of mean k / (n + 1). With k = 0 nobody is ever above: three zeros.
    """
    k = floor(alpha * (n + 1) + _ROUNDING)
    if k == 0:
        return 0.0, 0.0, 0.0
    low, high = scipy.stats.beta.ppf([(1 - level) / 2, (1 + level) / 2], k, n + 1 - k)
    return k / (n + 1), float(low), float(high)


def _upper(n: int, alpha: float, confidence: float) -> float:
    k = floor(alpha * (n + 1) + _ROUNDING)
    return float(scipy.stats.beta.ppf(confidence, k, n + 1 - k)) if k else 0.0


def controls_table(alpha: float, sizes: Sequence[int] = (20, 40, 49, 60, 80, 99, 149, 199, 299)) -> pd.DataFrame:
    """What ``sizes`` controls promise at a voxel: n, smallest_p, alpha, expected, low, high (95 % of cohorts)."""
    rows = [(n, 1 / (n + 1), alpha, *achieved(n, alpha)) for n in sizes]
    return pd.DataFrame(rows, columns=["n", "smallest_p", "alpha", "expected", "low", "high"])
