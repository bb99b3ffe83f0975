"""Intervals from resampled subjects: bias corrected and accelerated (BCa).

Efron (JASA 1987); for several groups the acceleration sums over the groups (Davison and Hinkley 1997, section 5.3).
Subjects are resampled, each group on its own and one resample for all draws: a subject tested again is no new one.
"""

import numpy as np
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray
from scipy.special import ndtr, ndtri

from nigra.statistics.delong import welch


def resample(
    patient: Bool[ndarray, " n_subjects"], bootstraps: int, seed: int
) -> Float[ndarray, "n_subjects samples"]:
    """How often each subject counts: column 0 the study itself, then the bootstraps, then each subject left out.

    Each group is drawn with replacement at its own size (Efron and Tibshirani 1993, ch. 8).
    """
    rng = np.random.default_rng(seed)
    subjects = len(patient)
    weights = np.ones((subjects, 1 + bootstraps + subjects))
    for group in (patient, ~patient):
        n = int(group.sum())
        if n:
            weights[group, 1 : 1 + bootstraps] = rng.multinomial(n, np.full(n, 1 / n), size=bootstraps).T
    weights[:, 1 + bootstraps :] -= np.eye(subjects)
    return weights


def bca(
    values: Float[ndarray, " samples"], patient: Bool[ndarray, " n_subjects"], level: float = 0.95,
    few: bool = True,
) -> tuple[float, float]:  # fmt: skip
    """BCa interval of a statistic evaluated in every column of ``resample``; NaN without bootstraps.

    ``few``: its shares are moved outwards by as much as t and n / (n - 1) widen an interval of a mean (Hesterberg,
    American Statistician 2015, 69:371-386): resamples spread too little where few subjects are resampled. False is
    Efron's interval as it stands.

    A statistic that no resample changes (perfect separation) has an interval without width.
    """
    estimate, again, left_out = values[0], values[1 : -len(patient)], values[-len(patient) :]
    again = again[~np.isnan(again)]
    if not len(again) or np.isnan(estimate):
        return np.nan, np.nan
    # a tie counts half; a share of 0 or 1 says no more than that the bias is beyond the resamples drawn
    below = ((again < estimate - 1e-12).mean() + (again <= estimate + 1e-12).mean()) / 2
    bias = ndtri(np.clip(below, 0.5 / len(again), 1 - 0.5 / len(again)))
    wide = widening(left_out, patient, level) if few else 1.0
    normal = bias + wide * ndtri([(1 - level) / 2, (1 + level) / 2])
    shares = ndtr(bias + normal / (1 - acceleration(left_out, patient) * normal))
    low, high = np.quantile(again, shares)
    return float(low), float(high)


def widening(
    left_out: Float[ndarray, " n_subjects"], patient: Bool[ndarray, " n_subjects"], level: float = 0.95
) -> float:
    """How much wider an interval must be for so few subjects: above 1, from the jackknifed variance of each group.

    The square root of what n / (n - 1) adds to the variance, times t over z with Welch and Satterthwaite's degrees
    of freedom; 1 where nothing varies.
    """
    parts, plain = [], 0.0
    for group in (patient, ~patient):
        values = left_out[group & ~np.isnan(left_out)]
        n = len(values)
        if n > 1:
            variance = float(((n - 1) * (values.mean() - values) ** 2).sum()) * (n - 1) / n**2
            plain += variance
            parts.append((variance * n / (n - 1), n))
    total = sum(variance for variance, _ in parts)
    if not plain > 0:
        return 1.0
    share = (1 + level) / 2
    return float(np.sqrt(total / plain) * scipy.stats.t.ppf(share, welch(parts)) / ndtri(share))


def acceleration(left_out: Float[ndarray, " n_subjects"], patient: Bool[ndarray, " n_subjects"]) -> float:
    """How the standard error changes with the statistic, from the statistic without each of the subjects."""
    third = second = 0.0
    for group in (patient, ~patient):
        values = left_out[group & ~np.isnan(left_out)]
        n = len(values)
        influence = (n - 1) * (values.mean() - values) if n else values
        third += float((influence**3).sum()) / max(n, 1) ** 3
        second += float((influence**2).sum()) / max(n, 1) ** 2
    return third / (6 * second**1.5) if second > 1e-24 else 0.0
