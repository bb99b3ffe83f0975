"""The AUC of one or several scores of the same subjects, with its standard error in closed form.

DeLong, DeLong and Clarke-Pearson (Biometrics 1988), from all pairs of a patient and a control: which of the two
looks more like a patient? A subject of several draws is no new subject: a pair is judged once, over the draws in
which both were tested. Patients are tested in all draws, controls in a few. Were each subject's scores averaged
over its own draws first, the average of a patient would be the less noisy one, and of skewed scores the higher one,
with no disease at all (decisions/0015).
"""

from collections.abc import Sequence

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray

Pairs = Float[ndarray, "n_patients n_controls"]
"""1 where the patient is the more patient-like of the pair, 0.5 for a tie, 0 otherwise; NaN where unknown."""


def wins(scores: Float[ndarray, "n_draws n_subjects"], patient: Bool[ndarray, " n_subjects"]) -> Pairs:
    """Every pair by its mean scores over the draws that scored both, higher = more patient-like.

    NaN in ``scores``: not tested in that draw. The mean over the pairs is the AUC; a single draw is one row.
    """
    lead, common = np.zeros((2, patient.sum(), (~patient).sum()))
    for row in scores:
        apart = row[patient][:, None] - row[~patient]
        known = ~np.isnan(apart)
        lead += np.where(known, apart, 0)
        common += known
    rounding = 1e-12 * np.abs(scores[~np.isnan(scores)]).max(initial=0)  # equal means must stay a tie
    lead[np.abs(lead) <= rounding * common] = 0
    return np.where(common > 0, (np.sign(lead) + 1) / 2, np.nan)


def pair_auc(
    pairs: Pairs,
    of_patients: Float[ndarray, "n_patients samples"],
    of_controls: Float[ndarray, "n_controls samples"],
) -> Float[ndarray, " samples"]:
    """AUC with every subject counted so many times; NaN in a sample without a known pair."""
    known = ~np.isnan(pairs)
    won = (of_patients * (np.where(known, pairs, 0) @ of_controls)).sum(axis=0)
    counted = (of_patients * (known.astype(float) @ of_controls)).sum(axis=0)
    return np.divide(won, counted, out=np.full(won.shape, np.nan), where=counted > 0)


def auc_covariance(
    pairs: Float[ndarray, "k n_patients n_controls"],
) -> tuple[Float[ndarray, " k"], Float[ndarray, "k k"]]:
    """AUC of ``k`` scores of the same subjects, and the covariance of these AUCs (equation 4 of DeLong 1988).

    Pairs unknown to one of the scores are left out for all. Everything is NaN without a patient or a control, the
    covariance with fewer than two of each.
    """
    k, known = len(pairs), ~np.isnan(pairs).any(axis=0)
    rows, columns = known.any(axis=1), known.any(axis=0)
    if not known.any():
        return np.full(k, np.nan), np.full((k, k), np.nan)
    used = np.where(known, pairs, np.nan)[:, rows][:, :, columns]
    auc = np.nanmean(used, axis=(1, 2))
    if rows.sum() < 2 or columns.sum() < 2:
        return auc, np.full((k, k), np.nan)
    covariance = sum(np.cov(np.nanmean(used, axis=axis)) / used.shape[3 - axis] for axis in (1, 2))
    return auc, np.reshape(covariance, (k, k))


def freedom(pairs: Pairs) -> float:
    """Degrees of freedom of DeLong's variance: Welch and Satterthwaite's of its two parts, patients and controls.

    With 15 controls and many patients it is hardly known better than from 15 numbers. NaN as the variance.
    """
    parts = []
    for axis in (1, 0):
        mean = np.nanmean(pairs[:, ~np.isnan(pairs).all(axis=0)][~np.isnan(pairs).all(axis=1)], axis=axis)
        if len(mean) < 2:
            return np.nan
        parts.append((float(mean.var(ddof=1)) / len(mean), len(mean)))
    return welch(parts)


def welch(parts: Sequence[tuple[float, int]]) -> float:
    """Degrees of freedom of a sum of independent variances of means, each with the number of values behind it.

    >>> welch([(1.0, 11), (0.0, 99)]), welch([(1.0, 11), (1.0, 11)]), welch([(0.0, 5)])
    (10.0, 20.0, inf)
    """
    below = sum(variance**2 / max(n - 1, 1) for variance, n in parts)
    return sum(variance for variance, _ in parts) ** 2 / below if below > 0 else np.inf


def auc_interval(auc: float, variance: float, level: float = 0.95, freedom: float = np.inf) -> tuple[float, float]:
    """Interval of an AUC from its variance, on the logit scale and back, so that it stays within [0, 1].

    By t with ``freedom`` degrees of freedom, as the variance is known from few subjects. The plain interval passes
    1 and covers too little for few subjects and a high AUC (docs/results/coverage.md). NaN where the AUC is 0 or 1
    or nothing varies: DeLong's variance is 0 there, not the uncertainty.
    """
    if not (0 < auc < 1 and variance > 0):
        return np.nan, np.nan
    half = scipy.stats.t.ppf((1 + level) / 2, freedom) * np.sqrt(variance) / (auc * (1 - auc))
    low, high = scipy.special.expit(scipy.special.logit(auc) + np.array([-half, half]))
    return float(low), float(high)
