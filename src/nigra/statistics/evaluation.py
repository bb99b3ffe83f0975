"""Evaluation: can the percentage of abnormal voxels in a region tell patients from controls?

Every number comes with its spread over the draws, an interval over subjects and the null of a score that knows
nothing, because the published choice of cut-off lifts even that one above one half.
"""

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.errors import NigraError
from nigra.statistics.draws import TRAINING, Draws, read_draws
from nigra.statistics.groups import (
    GMEAN_HELD_OUT,
    GMEAN_TEST,
    MEASURES,
    SENSITIVITY,
    SPECIFICITY,
    cut_off,
    measures,
)
from nigra.statistics.null import benjamini_hochberg, mean_of_known, p_value, simulate

COLUMNS = (
    "region", "measure", "estimate", "sd", "low", "high", "draws", "controls", "patients",
    "null_median", "null_95", "p", "q", "note",
)  # fmt: skip
"""Columns of ``evaluation.tsv``, in order."""

AT_HELD_OUT = (GMEAN_HELD_OUT, SENSITIVITY, SPECIFICITY)


def evaluate(
    regions: pd.DataFrame,
    specificity: float = 0.8,
    bootstraps: int = 1000,
    simulations: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """Patients against controls in every region: one row per region x measure (columns: ``COLUMNS``).

    ``regions`` is a region table: its rows of set ``test`` are compared, those of ``held-out`` (training controls
    scored by cross-fitting; failing these ``training``) fix a cut-off, the ``specificity`` quantile of their
    percentages in the same fold. A subject is called abnormal when its percentage is above the cut-off.

    estimate, sd          mean and standard deviation (n - 1) over the draws
    low, high             95 % percentile interval of ``bootstraps`` resamplings of the subjects, each group on its
                          own and the same subjects in all draws; the models are not trained again
    draws                 draws with a value; ``controls`` and ``patients`` are the different subjects tested
    null_median, null_95  quantiles of an uninformative score on the same draws (``nigra.statistics.null``)
    p, q                  one-sided, patients higher; q is Benjamini-Hochberg over the regions of a measure. Not
                          given for sensitivity and specificity, which are the two halves of one g-mean

    The null takes the controls that set the cut-off for people like the test controls. Training controls scored by
    the model that saw them are not: with a cut-off from them, chance is not known and null, p and q are NaN.

    A region without scored voxels, or a cohort without patients, keeps its rows with NaN and a note.
    """
    if not 0 < specificity < 1:
        raise NigraError(f"specificity is {specificity}; choose a share between 0 and 1, such as 0.8.")
    draws = read_draws(regions)
    null = simulate(draws.tested, draws.reference, draws.patient, specificity, simulations, seed)
    weights = resample(draws.patient, bootstraps, seed)
    rows = []
    for index, region in enumerate(draws.regions):
        values = by_draw(draws, index, weights, specificity)
        rows += [
            _row(draws, index, measure, values[:, m], null[m]) | {"region": region, "measure": measure}
            for m, measure in enumerate(MEASURES)
        ]
    table = pd.DataFrame(rows)
    for _, tests in table.groupby("measure"):
        table.loc[tests.index, "q"] = benjamini_hochberg(tests["p"].to_numpy(dtype=float))
    return table[list(COLUMNS)]


def resample(patient: ndarray, bootstraps: int, seed: int) -> Float[ndarray, "n_subjects samples"]:
    """How often each subject is drawn: column 0 is the study itself, then one column per bootstrap.

    Each group is drawn with replacement at its own size (Efron and Tibshirani 1993, ch. 8).
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((len(patient), 1 + bootstraps))
    for group in (patient, ~patient):
        n = int(group.sum())
        if n:
            weights[group, 1:] = rng.multinomial(n, np.full(n, 1 / n), size=bootstraps).T
    return weights


def by_draw(
    draws: Draws, region: int, weights: Float[ndarray, "n_subjects samples"], specificity: float
) -> Float[ndarray, "n_draws measures samples"]:
    """``MEASURES`` of one region in every draw and sample; NaN in a draw that has no percentage there."""
    values = np.full((len(draws.folds), len(MEASURES), weights.shape[1]), np.nan)
    for fold in range(len(draws.folds)):
        scores, reference = draws.scores_tested[region, fold], draws.scores_reference[region, fold]
        seen, known = np.flatnonzero(~np.isnan(scores)), np.flatnonzero(~np.isnan(reference))
        if len(seen):
            cut = cut_off(reference[known], weights[known], specificity)
            values[fold] = measures(scores[seen], draws.patient[seen], weights[seen], cut)
    return values


def _row(
    draws: Draws, region: int, measure: str, values: Float[ndarray, "n_draws samples"], null: ndarray
) -> dict[str, object]:
    """One row of the table but for its names and q; ``values`` has the study in column 0, then the bootstraps."""
    per_draw = values[:, 0][~np.isnan(values[:, 0])]
    estimate = float(per_draw.mean()) if len(per_draw) else np.nan
    again = mean_of_known(values)[1:]
    again = again[~np.isnan(again)]
    low, high = np.quantile(again, [0.025, 0.975]) if len(again) else (np.nan, np.nan)
    exchangeable = measure not in AT_HELD_OUT or draws.reference_set != TRAINING
    known = exchangeable and len(null) > 0 and not np.isnan(null).any() and len(per_draw) > 0
    median, top = np.quantile(null, [0.5, 0.95]) if known else (np.nan, np.nan)
    seen = (~np.isnan(draws.scores_tested[region])).any(axis=0)
    return {
        "estimate": estimate,
        "sd": float(per_draw.std(ddof=1)) if len(per_draw) > 1 else np.nan,
        "low": low,
        "high": high,
        "draws": len(per_draw),
        "controls": int((seen & ~draws.patient).sum()),
        "patients": int((seen & draws.patient).sum()),
        "null_median": median,
        "null_95": top,
        "p": p_value(null, estimate) if known and measure not in (SENSITIVITY, SPECIFICITY) else np.nan,
        "note": "; ".join(_notes(draws, region, measure)),
    }


def _notes(draws: Draws, region: int, measure: str) -> list[str]:
    """What a reader must know beside the number, most important first."""
    percent = draws.scores_tested[region]
    seen = percent[~np.isnan(percent)]
    if not len(seen):
        return ["no scored voxel in this region"]
    notes = []
    if not (draws.patient & draws.tested).any() and measure != SPECIFICITY:
        notes.append("no patients: nothing to compare")
    if not (~draws.patient & draws.tested).any() and measure != SENSITIVITY:
        notes.append("no test controls: nothing to compare")
    if measure == GMEAN_TEST:
        notes.append("optimistic: cut-off chosen on the test subjects")
    if measure in AT_HELD_OUT and not draws.reference_set:
        notes.append("no held-out controls to set a cut-off")
    if measure in AT_HELD_OUT and draws.reference_set == TRAINING:
        notes.append("cut-off from training controls, scored by the model that saw them: chance is not known")
    constant = sum(np.ptp(row[~np.isnan(row)]) == 0 for row in percent if not np.isnan(row).all())
    if constant:
        notes.append(f"all percentages equal in {constant} of {len(percent)} draws")
    empty = int(np.isnan(percent).all(axis=1).sum())
    if empty:
        notes.append(f"no scored voxel in {empty} of {len(percent)} draws")
    tied = float(np.unique(seen, return_counts=True)[1].max() / len(seen))
    if tied > 0.2:
        notes.append(f"{tied:.0%} of the percentages are the same: the null is conservative")
    return notes
