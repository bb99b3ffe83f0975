"""Does the score follow a clinical score? Spearman's rank correlation, plain or given age and sex."""

from dataclasses import dataclass
from math import factorial

import numpy as np
import scipy.stats
from jaxtyping import Float
from numpy import ndarray


@dataclass(frozen=True)
class Correlation:
    """Spearman's ``estimate``, its 95 % interval and the two-sided ``p`` of no correlation; NaN where unknown."""

    estimate: float
    low: float
    high: float
    p: float


UNKNOWN = Correlation(np.nan, np.nan, np.nan, np.nan)


def spearman(
    scores: Float[ndarray, " n_subjects"],
    clinical: Float[ndarray, " n_subjects"],
    covariates: Float[ndarray, "n_subjects n_covariates"] | None = None,
) -> Correlation:
    """Rank correlation of two columns of finite values, given ``covariates``.

    The partial correlation is that of what is left of both ranks after regression on the covariates' ranks, as in
    Conover (Practical Nonparametric Statistics 1999). Interval by Fisher's z with the variance
    (1 + r² / 2) / (n - 3 - covariates) of Bonett and Wright (Psychometrika 2000), p by t with n - 2 - covariates
    degrees of freedom. UNKNOWN for fewer than 5 subjects more than covariates, or where either column has nothing
    left that varies.
    """
    given = np.empty((len(scores), 0)) if covariates is None else covariates
    n = len(scores) - given.shape[1]
    if n < 5:
        return UNKNOWN
    design = np.column_stack([np.ones(len(scores)), scipy.stats.rankdata(given, axis=0)])
    ranks = scipy.stats.rankdata(np.column_stack([scores, clinical]), axis=0)
    left = ranks - design @ np.linalg.lstsq(design, ranks, rcond=None)[0]
    size = np.linalg.norm(left, axis=0)
    if (size < 1e-8 * np.linalg.norm(ranks, axis=0)).any():
        return UNKNOWN
    r = float(np.clip(left[:, 0] @ left[:, 1] / size.prod(), -1, 1))
    if abs(r) > 1 - 1e-12:
        return Correlation(float(round(r)), np.nan, np.nan, 2 / factorial(n))  # two of all orders
    half = scipy.stats.norm.ppf(0.975) * np.sqrt((1 + r**2 / 2) / (n - 3))
    t = r * np.sqrt((n - 2) / (1 - r**2))
    low, high = np.tanh(np.arctanh(r) + np.array([-half, half]))
    return Correlation(r, float(low), float(high), float(2 * scipy.stats.t.sf(abs(t), n - 2)))
