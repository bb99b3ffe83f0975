"""The AUC of one or several scores of the same subjects, with its standard error in closed form.

DeLong, DeLong and Clarke-Pearson (Biometrics 1988), by midranks (Sun and Xu, IEEE Signal Processing Letters 2014):
n log n instead of every pair of patient and control. One row = one subject; scores of several draws are averaged
per subject first, as draws of one subject are no new subjects.
"""

import numpy as np
import scipy.special
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray

Placements = tuple[Float[ndarray, "*scores n_patients"], Float[ndarray, "*scores n_controls"]]


def placements(scores: Float[ndarray, "*scores n_subjects"], patient: Bool[ndarray, " n_subjects"]) -> Placements:
    """For each patient the share of controls below it, for each control the share of patients above it.

    A tie counts one half; the mean of either is the AUC.
    """
    patients, controls = scores[..., patient], scores[..., ~patient]
    among_all = scipy.stats.rankdata(scores, axis=-1)
    below = among_all[..., patient] - scipy.stats.rankdata(patients, axis=-1)
    above = patients.shape[-1] - (among_all[..., ~patient] - scipy.stats.rankdata(controls, axis=-1))
    return below / max(controls.shape[-1], 1), above / max(patients.shape[-1], 1)


def auc_covariance(
    scores: Float[ndarray, "k n_subjects"], patient: Bool[ndarray, " n_subjects"]
) -> tuple[Float[ndarray, " k"], Float[ndarray, "k k"]]:
    """AUC of ``k`` scores of the same subjects, and the covariance of these AUCs (equation 4 of DeLong 1988).

    Scores are finite. Everything is NaN without a patient or a control, the covariance with fewer than two of each.
    """
    k, patients, controls = len(scores), int(patient.sum()), int((~patient).sum())
    if not patients or not controls:
        return np.full(k, np.nan), np.full((k, k), np.nan)
    of_patients, of_controls = placements(scores, patient)
    auc = of_patients.mean(axis=-1)
    if patients < 2 or controls < 2:
        return auc, np.full((k, k), np.nan)
    covariance = np.cov(of_patients) / patients + np.cov(of_controls) / controls
    return auc, covariance.reshape(k, k)


def auc_interval(auc: float, variance: float, level: float = 0.95) -> tuple[float, float]:
    """Interval of an AUC from its variance, on the logit scale and back, so that it stays within [0, 1].

    The plain interval passes 1 and covers too little for few subjects and a high AUC (docs/results/coverage.md).
    NaN where the AUC is 0 or 1 or nothing varies: DeLong's variance is 0 there, not the uncertainty.
    """
    if not (0 < auc < 1 and variance > 0):
        return np.nan, np.nan
    half = scipy.stats.norm.ppf((1 + level) / 2) * np.sqrt(variance) / (auc * (1 - auc))
    low, high = scipy.special.expit(scipy.special.logit(auc) + np.array([-half, half]))
    return float(low), float(high)
