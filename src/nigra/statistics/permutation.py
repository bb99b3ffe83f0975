"""The null: what a score that knows nothing of the groups reaches in this study, by permuting labels.

What may be permuted? A model and its cut-off depend on the training controls alone. Given these, patients and
tested controls are exchangeable if the disease does nothing, and the labels of the **tested** subjects of a draw
can be permuted: exactly valid, ties and the quality of the cut-off included. Training controls cannot be relabelled
without training again, and are not. The whole evaluation is repeated for every permutation, the choice of a cut-off
on the test subjects too.

Several draws share their subjects; a control tested in three of ten draws has no score in the others. Two nulls:

whole study     every tested subject is given the part (patient, or control tested in draws 2, 5 and 9) of another;
                its score where it was not tested is completed from its other draws. Exact for one draw, and for
                several when a subject's score is its own and not the draw's. Gives the null's quantiles, ``p`` and
                the maximum over regions.
within draws    labels permuted in each draw alone, where that is exact, and the draws' p merged by twice their
                mean, which holds however they depend on each other: ``p_exact``. No assumption, less power.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int8
from numpy import ndarray

from nigra.statistics.groups import BY_DRAW, HIGH_SPECIFICITY, in_order
from nigra.statistics.permutation_kernels import walk

ABSENT, CONTROL, PATIENT = 0, 1, 2
BLOCK = 1000  # permutations walked together: their counts stay in the fast caches


@dataclass(frozen=True)
class Relabelled:
    """Who is ``CONTROL``, ``PATIENT`` or ``ABSENT`` in every permutation.

    ``study`` permutes whole parts, ``within`` the labels of each draw, ``subjects`` is ``study`` without draws.
    """

    study: Int8[ndarray, "n_draws n_subjects permutations"]
    within: Int8[ndarray, "n_draws n_subjects permutations"]
    subjects: Int8[ndarray, "n_subjects permutations"]


def relabel(
    tested: Bool[ndarray, "n_draws n_subjects"],
    patient: Bool[ndarray, " n_subjects"],
    permutations: int,
    seed: int,
) -> Relabelled:
    """Permute the labels of tested subjects; the same for all regions, so that their dependence is kept."""
    rng = np.random.default_rng(seed)
    labels = np.where(tested, np.where(patient, PATIENT, CONTROL), ABSENT).astype(np.int8)
    ever = np.flatnonzero(tested.any(axis=0))
    parts = rng.permuted(np.tile(ever, (permutations, 1)), axis=1).T
    study = np.zeros((*labels.shape, permutations), dtype=np.int8)
    for draw, given in enumerate(labels):
        study[draw, ever] = given[parts]
    subjects = np.zeros((len(patient), permutations), dtype=np.int8)
    subjects[ever] = np.where(patient, PATIENT, CONTROL)[parts]
    if len(tested) == 1:  # one draw: the parts are its labels
        return Relabelled(study, study, subjects)
    within = np.zeros_like(study)
    for draw, given in enumerate(labels):
        seen = np.flatnonzero(tested[draw])
        within[draw, seen] = rng.permuted(np.tile(given[seen], (permutations, 1)), axis=1).T
    return Relabelled(study, within, subjects)


def complete(
    scores: Float[ndarray, "n_draws n_subjects"],
) -> tuple[Float[ndarray, "n_draws n_subjects"], Float[ndarray, " n_subjects"]]:
    """Scores with those missing put in, and one score per subject.

    A missing score is the subject's mean departure from the draw's median, added to this draw's median; the score
    per subject is that departure added to the mean median. Labels play no part. NaN where a subject or a draw has
    none.
    """
    scored = ~np.isnan(scores).all(axis=1)
    level = np.full((len(scores), 1), np.nan)
    for draw in np.flatnonzero(scored):
        level[draw] = np.nanmedian(scores[draw])
    departure = mean_of_known(scores - level)
    completed = np.where(np.isnan(scores), level + departure, scores)
    pooled = departure + level[scored].mean() if scored.any() else departure
    scale = np.abs(pooled[~np.isnan(pooled)]).max(initial=0)
    # averages of equal scores must stay equal: ties matter
    return completed, np.round(pooled / scale, 12) * scale if scale else pooled


def null(
    scores: Float[ndarray, "n_draws n_subjects"],
    labels: Int8[ndarray, "n_draws n_subjects permutations"],
    cuts: Float[ndarray, "n_draws 2"],
) -> Float[ndarray, "measures permutations"]:
    """Mean over the draws of ``BY_DRAW`` under every permutation; draws without scores are left out."""
    scored = np.flatnonzero(~np.isnan(scores).all(axis=1))
    if not len(scored):
        return np.full((len(BY_DRAW), labels.shape[2]), np.nan)
    return mean_of_known(np.stack([null_of_draw(scores[d], labels[d], cuts[d]) for d in scored]))


def null_of_draw(
    scores: Float[ndarray, " n_subjects"],
    labels: Int8[ndarray, "n_subjects permutations"],
    cuts: Float[ndarray, " 2"],
) -> Float[ndarray, "measures permutations"]:
    """``BY_DRAW`` of one draw under every permutation; subjects with NaN are left out with their labels.

    ``cuts`` are the cut-offs at the chosen and at the high specificity, fixed without test data (NaN: none).
    """
    known = np.flatnonzero(~np.isnan(scores))
    order = known[np.argsort(-scores[known], kind="stable")]
    ranked = scores[order]
    ends = np.append(np.diff(ranked) != 0, True)[: len(ranked)]
    above = (ranked[:, None] > cuts).sum(axis=0)
    counts = np.zeros((8, labels.shape[1]), dtype=np.int32)
    for start in range(0, labels.shape[1], BLOCK):
        some = slice(start, start + BLOCK)
        walk(np.ascontiguousarray(labels[:, some]), order, ends, above, 1 - HIGH_SPECIFICITY, counts[:, some])
    with np.errstate(invalid="ignore"):  # no patient or no control: 0 / 0 is NaN, as in ``groups.Roc``
        patients, controls, pairs, best, first, false, second, at_high = counts.astype(float)
        fixed, high = np.where(np.isfinite(cuts), 1.0, np.nan)
        return in_order(
            pairs / (2 * patients * controls), np.sqrt(best / (patients * controls)),
            fixed * first / patients, fixed * (1 - false / controls), high * second / patients,
            np.where(controls > 0, at_high / patients, np.nan),
        )  # fmt: skip


def mean_of_known(values: Float[ndarray, "n_draws *rest"]) -> Float[ndarray, "*rest"]:
    """Mean over draws of the values that are not NaN; NaN where none is (``numpy.nanmean`` would warn)."""
    known = ~np.isnan(values)
    total, count = np.where(known, values, 0).sum(axis=0), known.sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
