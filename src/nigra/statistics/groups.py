"""Patients against controls by one score: AUC, g-mean and their kin, for many reweighted samples at once.

Higher score = more abnormal; a subject is called abnormal when the score is *above* the cut-off. Arrays carry the
samples (the study, its bootstraps, its jackknife) on their last axis.
"""

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

AUC = "auc"
GMEAN_TEST = "g-mean, cut-off chosen on test"
GMEAN_HELD_OUT = "g-mean, cut-off from held-out controls"
BALANCED = "balanced accuracy, cut-off from held-out controls"
SENSITIVITY, SPECIFICITY = "sensitivity", "specificity"
SENSITIVITY_HELD_OUT = "sensitivity, cut-off at 90 % specificity of held-out controls"
SENSITIVITY_TEST = "sensitivity at 90 % specificity, read off the test ROC"
AUC_POOLED = "auc, one score per subject"
DELTA = "Cliff's delta, one score per subject"

BY_DRAW = (
    AUC, GMEAN_TEST, GMEAN_HELD_OUT, BALANCED, SENSITIVITY, SPECIFICITY, SENSITIVITY_HELD_OUT, SENSITIVITY_TEST,
)  # fmt: skip
"""Measures with a value in every draw; the mean over the draws is reported."""

POOLED = (AUC_POOLED, DELTA)
"""Measures in which each pair of patient and control counts once, by their mean scores over common draws."""

MEASURES = (*BY_DRAW, *POOLED)
"""The measures of ``evaluation.tsv``, in order."""

AT_HELD_OUT = (GMEAN_HELD_OUT, BALANCED, SENSITIVITY, SPECIFICITY, SENSITIVITY_HELD_OUT)
"""Measures at a cut-off fixed without test data."""

ON_TEST = (GMEAN_TEST, SENSITIVITY_TEST)
"""Measures whose cut-off was chosen on the test subjects: optimistic."""

HALVES = (SENSITIVITY, SPECIFICITY, SENSITIVITY_HELD_OUT)
"""Measures that rise at the cost of another: no p is given."""

HIGH_SPECIFICITY = 0.9
"""Specificity of the two sensitivities that name it."""


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


def auc(
    scores: Float[ndarray, " n_tested"],
    patient: Bool[ndarray, " n_tested"],
    weights: Float[ndarray, "n_tested samples"],
) -> Float[ndarray, " samples"]:
    """Area under the ROC of finite scores: Mann-Whitney's U / (patients x controls) (Hanley and McNeil 1982).

    A tie between patient and control counts one half. NaN in a sample without patients or controls.
    """
    patients, controls, levels = scores[patient], scores[~patient], np.unique(scores[~patient])[:, None]
    above = ((patients > levels) / 2 + (patients >= levels) / 2) @ weights[patient]
    pairs = (above * ((controls == levels).astype(float) @ weights[~patient])).sum(axis=0)
    return pairs / (_known(weights[patient]) * _known(weights[~patient]))


def measures(
    scores: Float[ndarray, " n_tested"],
    patient: Bool[ndarray, " n_tested"],
    weights: Float[ndarray, "n_tested samples"],
    cuts: Float[ndarray, "2 samples"],
) -> Float[ndarray, "measures samples"]:
    """All ``BY_DRAW`` of one region in one draw; a weight is that many copies of a subject.

    ``cuts`` are the cut-offs at the chosen and at the high specificity of the held-out controls; where they are NaN
    the measures of ``AT_HELD_OUT`` are. Of the cut-offs to choose from only controls' scores matter: between two of
    them a lower one finds more patients at no cost.
    """
    all_patients, all_controls = _known(weights[patient]), _known(weights[~patient])
    levels = np.unique(scores[~patient])[:, None]
    sensitivity = (scores[patient] > levels).astype(float) @ weights[patient] / all_patients
    specificity = (scores[~patient] <= levels).astype(float) @ weights[~patient] / all_controls
    nan = 0 * all_patients * all_controls
    allowed = np.where(specificity >= HIGH_SPECIFICITY - 1e-9, sensitivity, 0)
    above = weights * (scores[:, None] > cuts[0])
    high = weights * (scores[:, None] > cuts[1])
    fixed = np.where(np.isfinite(cuts), 1.0, np.nan)
    return in_order(
        auc(scores, patient, weights),
        np.sqrt((sensitivity * specificity).max(axis=0, initial=0)) + nan,
        fixed[0] * above[patient].sum(axis=0) / all_patients,
        fixed[0] * (1 - above[~patient].sum(axis=0) / all_controls),
        fixed[1] * high[patient].sum(axis=0) / all_patients,
        allowed.max(axis=0, initial=0) + nan,
    )


def _known(weights: Float[ndarray, "n_group samples"]) -> Float[ndarray, " samples"]:
    """How many there are in each sample; NaN for nobody, so that what is divided by it is NaN too."""
    total = weights.sum(axis=0)
    return np.where(total > 0, total, np.nan)


def in_order(
    auc: Float[ndarray, " samples"],
    best: Float[ndarray, " samples"],
    sensitivity: Float[ndarray, " samples"],
    specificity: Float[ndarray, " samples"],
    sensitivity_held_out: Float[ndarray, " samples"],
    sensitivity_test: Float[ndarray, " samples"],
) -> Float[ndarray, "measures samples"]:
    """The rows of ``BY_DRAW`` from what is counted."""
    held_out, balanced = np.sqrt(sensitivity * specificity), (sensitivity + specificity) / 2
    return np.stack(
        [auc, best, held_out, balanced, sensitivity, specificity, sensitivity_held_out, sensitivity_test]
    )
