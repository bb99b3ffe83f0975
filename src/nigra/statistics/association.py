"""Does a score follow age, sex, site, brain size or quality? Rank association with its interval.

Everything is one linear model on ranks. A numeric covariate gives Spearman's rho, partial where a group is held
fixed; a category gives eta2, the share of the ranks' variance between its levels (of that left by the group).
"""

from dataclasses import dataclass
from math import exp, lgamma

import numpy as np
import scipy.linalg
import scipy.stats
from jaxtyping import Float
from numpy import ndarray
from scipy.optimize import brentq

SPEARMAN, ETA2 = "spearman", "eta2"


@dataclass(frozen=True)
class Association:
    """``estimate`` with its 95 % interval; ``chance``: what it averages where nothing is; p is two-sided."""

    measure: str
    n: int
    estimate: float
    low: float
    high: float
    chance: float
    p: float


def spearman(
    scores: Float[ndarray, " n"], values: Float[ndarray, " n"], fixed: Float[ndarray, "n fixed"] | None = None
) -> Association:
    """Spearman's rho of the known pairs, partial given the columns ``fixed``; NaN with fewer than 4 to spare.

    p by t on n - 2 - fixed degrees of freedom; interval by Fisher's z with the variance
    (1 + rho2 / 2) / (n - 3 - fixed) of Bonett and Wright (Psychometrika 65:23, 2000). A perfect order leaves no
    error to estimate: it has no interval, and the chance of just this order, either way round, as p.
    """
    known, nuisance = _known(scores, values[:, None], fixed)
    n, held = int(known.sum()), nuisance.shape[1] - 1
    x = scipy.stats.rankdata(values[known])[:, None]
    r2, _, k, left = _partial(scipy.stats.rankdata(scores[known]), x, nuisance)
    if k == 0 or n - 3 - held < 1 or np.isnan(r2):
        return Association(SPEARMAN, n, np.nan, np.nan, np.nan, 0.0, np.nan)
    rho = float(np.sqrt(r2) * _sign(scipy.stats.rankdata(scores[known]), x[:, 0], nuisance))
    if r2 > 1 - 1e-12:
        alike = sum(map(lgamma, np.unique(x, return_counts=True)[1] + 1.0))
        chance = min(1.0, 2 * exp(alike - lgamma(n - held + 1)))
        return Association(SPEARMAN, n, float(round(rho)), np.nan, np.nan, 0.0, chance)
    half = 1.959964 * np.sqrt((1 + rho**2 / 2) / (n - 3 - held))
    z, t = np.arctanh(rho), np.sqrt(left * r2 / (1 - r2))
    return Association(
        SPEARMAN, n, rho, float(np.tanh(z - half)), float(np.tanh(z + half)), 0.0,
        float(2 * scipy.stats.t.sf(t, left)),
    )  # fmt: skip


def eta2(
    scores: Float[ndarray, " n"], indicators: Float[ndarray, "n levels_less_1"],
    fixed: Float[ndarray, "n fixed"] | None = None,
) -> Association:  # fmt: skip
    """eta2 of the ranked scores over the levels of a category, partial given the columns ``fixed``.

    Without ``fixed`` it is Kruskal and Wallis' H / (n - 1). p by F on the ranks (Conover and Iman, Am Stat 35:124,
    1981); interval by inverting the noncentral F (Steiger, Psychol Methods 9:164, 2004), so that it begins above 0
    exactly where p < .025. eta2 is never negative: nothing at all averages ``chance``.
    """
    known, nuisance = _known(scores, indicators, fixed)
    n = int(known.sum())
    r2, f, k, left = _partial(scipy.stats.rankdata(scores[known]), indicators[known], nuisance)
    if k == 0 or left < 2 or np.isnan(r2):
        return Association(ETA2, n, np.nan, np.nan, np.nan, np.nan, np.nan)
    low, high = (_noncentral(f, k, left, share) for share in (0.975, 0.025))
    return Association(
        ETA2, n, r2, low / (low + n), high / (high + n), k / (k + left), float(scipy.stats.f.sf(f, k, left))
    )  # fmt: skip


def _known(scores: ndarray, values: ndarray, fixed: ndarray | None) -> tuple[ndarray, ndarray]:
    """Who has score, values and ``fixed``; an orthonormal basis of the intercept and ``fixed`` among them.

    A column that is constant there (a clinical score known in patients only leaves one group) adds nothing to it.
    """
    columns = np.ones((len(scores), 1)) if fixed is None else np.column_stack([np.ones(len(scores)), fixed])
    known = ~np.isnan(np.column_stack([scores, values, columns])).any(axis=1)
    return known, scipy.linalg.orth(columns[known]) if known.any() else columns[known]


def _partial(y: ndarray, x: ndarray, nuisance: ndarray) -> tuple[float, float, int, int]:
    """Partial R2 of ``x`` on ``y`` given ``nuisance``, its F, and F's two degrees of freedom; NaN if constant."""
    if len(y) <= nuisance.shape[1]:
        return np.nan, np.nan, 0, 0
    y, x = (a - nuisance @ (nuisance.T @ a) for a in (y, x))
    k = int(np.linalg.matrix_rank(x, tol=1e-8 * max(1.0, float(np.abs(x).max(initial=0)))))
    left, total = len(y) - nuisance.shape[1] - k, float(y @ y)
    if k == 0 or total < 1e-12 * len(y) or left < 1:
        return np.nan, np.nan, 0, 0
    explained = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    r2 = min(float(explained @ explained) / total, 1.0)
    return r2, r2 / k / max((1 - r2) / left, 1e-300), k, left


def _sign(y: ndarray, x: ndarray, nuisance: ndarray) -> float:
    """The sign of the partial association."""
    return float(np.sign((y - nuisance @ (nuisance.T @ y)) @ x))


def _noncentral(f: float, k: int, left: int, share: float) -> float:
    """The noncentrality for which a share ``share`` of F lies below ``f``; 0 where even none gives less."""
    if scipy.stats.f.cdf(f, k, left) <= share:
        return 0.0
    top = 10.0 + 10 * k * f
    while scipy.stats.ncf.cdf(f, k, left, top) > share and top < 1e8:
        top *= 4
    return float(brentq(lambda nc: scipy.stats.ncf.cdf(f, k, left, nc) - share, 1e-9, top)) if top < 1e8 else top
