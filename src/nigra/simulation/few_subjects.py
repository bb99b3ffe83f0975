"""95 % intervals over the few subjects that anomalies are planted into.

A percentile bootstrap of 7 subjects holds the truth in 84 to 87 % of studies, one of 12 in 90 %: it knows how they
spread, but not how badly so few tell it. Student's t does.
"""

import numpy as np
import scipy.stats
from jaxtyping import Float
from numpy import ndarray

Limits = tuple[float, float]


def mean_interval(
    values: Float[ndarray, "n_rows n_subjects"], within: Limits = (0.0, 1.0)
) -> tuple[Float[ndarray, " n_rows"], Float[ndarray, " n_rows"]]:
    """Interval of each row's mean over the subjects that have a value, cut to what a value may be.

    mean -+ t s / sqrt(n), n - 1 degrees of freedom; NaN with fewer than two.

    >>> low, high = mean_interval(np.array([[0.2, 0.4, np.nan], [0.5, 0.5, 0.5]]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.0, 0.5], [1.0, 0.5])
    """
    there = np.isfinite(values)
    n = there.sum(axis=1)
    mean = np.divide(np.where(there, values, 0).sum(axis=1), n, out=np.full(len(n), np.nan), where=n > 1)
    squares = np.where(there, values - mean[:, None], 0) ** 2
    freedom = np.maximum(n - 1, 1)
    error = np.sqrt(squares.sum(axis=1) / freedom / np.maximum(n, 1))
    half = np.where(n > 1, scipy.stats.t.ppf(0.975, freedom) * error, np.nan)
    return np.maximum(mean - half, within[0]), np.minimum(mean + half, within[1])


def ratio_interval(
    own: Float[ndarray, "n_conditions n_subjects"], reference: Float[ndarray, "n_conditions n_subjects"]
) -> tuple[float, float, float]:
    """Ratio of two means over conditions and subjects, and its interval; subjects are paired.

    The ratio without each subject in turn gives its error (the jackknife; Miller, Biometrika 1974), by t on the
    logarithm, or on the ratio itself, cut at 0, where some logarithm is not finite. Values are known to both or to
    neither.

    >>> ratio_interval(np.array([[0.2, 0.4, 0.6]]), np.array([[0.1, 0.2, 0.3]]))
    (2.0, 2.0, 2.0)
    """
    n = own.shape[1]
    ratio = _ratio(own, reference)
    if n < 2:
        return ratio, np.nan, np.nan
    without = np.array([_ratio(np.delete(own, k, axis=1), np.delete(reference, k, axis=1)) for k in range(n)])
    with np.errstate(divide="ignore"):
        logs, centre = np.log(without), np.log(ratio)
    if np.isfinite(logs).all() and np.isfinite(centre):
        half = _half(logs)
        return ratio, float(np.exp(centre - half)), float(np.exp(centre + half))
    half = _half(without)
    return ratio, max(ratio - half, 0.0), ratio + half


def ends(samples: Float[ndarray, " n_resamplings"], n_subjects: int) -> tuple[float, float]:
    """Percentiles of resampled values for an interval that holds 95 % with so few subjects too.

    The shares are moved outwards by as much as t and n / (n - 1) widen an interval of a mean (Hesterberg, American
    Statistician 2015, 69:371-386). For what has no mean of its own, as a strength beyond the grid (infinity).
    """
    if n_subjects < 2:
        return np.nan, np.nan
    wide = scipy.stats.t.ppf(0.975, n_subjects - 1) * np.sqrt(n_subjects / (n_subjects - 1))
    share = float(scipy.stats.norm.cdf(-wide))
    return (
        float(np.quantile(samples, share, method="lower")),
        float(np.quantile(samples, 1 - share, method="higher")),
    )


def _ratio(own: Float[ndarray, "n_conditions n"], reference: Float[ndarray, "n_conditions n"]) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.nanmean(np.nanmean(own, axis=1)) / np.nanmean(np.nanmean(reference, axis=1)))


def _half(without: Float[ndarray, " n_subjects"]) -> float:
    """Half the interval of an estimate, from its values without each subject."""
    n = len(without)
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return float(scipy.stats.t.ppf(0.975, n - 1) * error)
