"""Patients against controls by one score: ROC, AUC, g-mean, for many reweighted or simulated samples at once.

Higher score = more abnormal; a subject is called abnormal when the score is *above* the cut-off. Arrays carry the
samples (bootstraps or simulations) on their last axis.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

AUC = "auc"
GMEAN_TEST = "g-mean, cut-off chosen on test"
GMEAN_HELD_OUT = "g-mean, cut-off from held-out controls"
SENSITIVITY, SPECIFICITY = "sensitivity", "specificity"
MEASURES = (AUC, GMEAN_TEST, GMEAN_HELD_OUT, SENSITIVITY, SPECIFICITY)
"""The measures of ``evaluation.tsv``, in order; the last two belong to the held-out cut-off."""


@dataclass(frozen=True)
class Roc:
    """Sensitivity and specificity when 0, 1, 2 ... of the distinct scores, from the highest, are abnormal.

    NaN throughout where a sample has no patient (sensitivity) or no control (specificity).
    """

    sensitivity: Float[ndarray, "points samples"]
    specificity: Float[ndarray, "points samples"]

    def auc(self) -> Float[ndarray, " samples"]:
        """Area under the curve by trapezoids: a tie between patient and control counts one half.

        Equal to Mann-Whitney U / (patients x controls) (Hanley and McNeil, Radiology 1982).
        """
        width = -np.diff(self.specificity, axis=0)
        return (width * (self.sensitivity[1:] + self.sensitivity[:-1]) / 2).sum(axis=0)

    def best_gmean(self) -> Float[ndarray, " samples"]:
        """Best sqrt(sensitivity x specificity) over all cut-offs: the published choice (mlcn2021), optimistic."""
        return np.sqrt((self.sensitivity * self.specificity).max(axis=0))

    def at(self, points: Int[ndarray, " samples"]) -> Float[ndarray, "2 samples"]:
        """Sensitivity and specificity at one point per sample."""
        columns = np.arange(self.sensitivity.shape[1])
        return np.stack([self.sensitivity[points, columns], self.specificity[points, columns]])


def roc(
    patients: Float[ndarray, "positions samples"],
    controls: Float[ndarray, "positions samples"],
    last: Int[ndarray, " levels"] | None = None,
) -> Roc:
    """ROC from the weight of patients and of controls at each position of the ranking, highest score first.

    ``last`` holds the last position of every distinct score; without it all scores are distinct.
    """
    below = [np.zeros((len(mass) + 1, mass.shape[1])) for mass in (patients, controls)]
    for share, mass in zip(below, (patients, controls), strict=True):
        np.cumsum(mass, axis=0, out=share[1:])
    if last is not None:
        below = [share[np.concatenate([[0], last + 1])] for share in below]
    with np.errstate(invalid="ignore"):  # no patient or no control in a sample: 0 / 0 is the NaN promised above
        sensitivity, false_positive = (share / share[-1] for share in below)
    return Roc(sensitivity, 1 - false_positive)


def cut_off(
    reference: Float[ndarray, " n_reference"],
    weights: Float[ndarray, "n_reference samples"],
    specificity: float,
) -> Float[ndarray, " samples"]:
    """The lowest reference score that at least a share ``specificity`` of the reference does not exceed.

    A weighted quantile without interpolation (type 1 of Hyndman and Fan 1996); NaN without reference.
    """
    if not len(reference):
        return np.full(weights.shape[1], np.nan)
    order = np.argsort(reference, kind="stable")
    mass = np.cumsum(weights[order], axis=0)
    # the small number keeps 0.8 x 5 from asking for a fifth subject because of rounding
    reached = mass >= specificity * mass[-1] - 1e-9
    return np.where(mass[-1] > 0, reference[order][reached.argmax(axis=0)], np.nan)


def measures(
    scores: Float[ndarray, " n_tested"],
    patient: Bool[ndarray, " n_tested"],
    weights: Float[ndarray, "n_tested samples"],
    cut: Float[ndarray, " samples"],
) -> Float[ndarray, "measures samples"]:
    """All ``MEASURES`` of one region in one draw; ``cut`` NaN leaves the last three NaN."""
    order = np.argsort(-scores, kind="stable")
    ranked, weights, patient = scores[order], weights[order], patient[order, None]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1) if len(ranked) else np.array([], dtype=int)
    curve = roc(weights * patient, weights * ~patient, last)
    above = np.searchsorted(-ranked[last], -cut)
    return combine(curve, above, np.isfinite(cut))


def combine(
    curve: Roc, points: Int[ndarray, " samples"], known: Bool[ndarray, " samples"]
) -> Float[ndarray, "measures samples"]:
    """All ``MEASURES`` from a ROC and the point of the held-out cut-off on it, where that is ``known``."""
    sensitivity, specificity = np.where(known, curve.at(points), np.nan)
    held_out = np.sqrt(sensitivity * specificity)
    return np.stack([curve.auc(), curve.best_gmean(), held_out, sensitivity, specificity])
