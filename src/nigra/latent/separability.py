"""Do patients' codes differ from controls' beyond place, region by region?

Two scores of a subject in a region, both learnt from training controls alone, higher = more abnormal:

shift     Mahalanobis distance of the region's mean code from training controls' mean codes, their covariance shrunk
          (Ledoit and Wolf 2004). The same places are in every mean, so place is taken out. Sees a common direction.
spread    mean over the region of the squared distance of a code from its place's mean, over the variance there of
          training controls. Sees departures in any direction, also those that cancel in the mean.

Patients and *tested* controls are compared, neither of which the model saw: AUC, its interval over subjects, and
its null by permuting their labels.
"""

from typing import Any

import numpy as np
import pandas as pd
import scipy.stats
from jaxtyping import Bool, Float
from numpy import ndarray
from sklearn.covariance import ledoit_wolf

from nigra.latent.measured import Measured, Resampling
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.bootstrap import bca, resample
from nigra.statistics.groups import auc
from nigra.statistics.multiplicity import benjamini_hochberg, p_value

COLUMNS = ("statistic", "region", "estimate", "low", "high", "null_median", "null_95", "p", "q", "note")
"""Columns of ``separability.tsv``, in order."""

AXES = 128
"""Mean codes wider than this are looked at along the main axes of training controls."""


def shift_scores(
    train: Float[ndarray, "n_train d"], tested: Float[ndarray, "n_tested d"]
) -> Float[ndarray, " n_tested"]:
    """Mahalanobis distance of tested subjects' mean codes from those of training controls."""
    centre, wide = train.mean(axis=0, dtype=np.float64), train.astype(np.float64)
    train_, tested_ = wide - centre, tested.astype(np.float64) - centre
    if train_.shape[1] > AXES:
        axes = np.linalg.svd(train_, full_matrices=False)[2][: min(AXES, len(train_) - 1)]
        train_, tested_ = train_ @ axes.T, tested_ @ axes.T
    covariance, _ = ledoit_wolf(train_, assume_centered=True)
    covariance += 1e-9 * max(np.trace(covariance), 1e-12) * np.eye(len(covariance))
    return np.sqrt(np.einsum("ij,ij->i", tested_ @ np.linalg.inv(covariance), tested_))


def permuted_auc(
    scores: Float[ndarray, " n_tested"], patient: Bool[ndarray, " n_tested"], permutations: int, seed: int
) -> Float[ndarray, " permutations"]:
    """AUC of the scores under permuted labels; the same seed permutes all regions alike."""
    ranks, rng = scipy.stats.rankdata(scores), np.random.default_rng(seed)
    labels = rng.permuted(np.tile(patient, (permutations, 1)), axis=1)
    patients, controls = int(patient.sum()), int((~patient).sum())
    return (labels @ ranks - patients * (patients + 1) / 2) / (patients * controls)


def separability_table(
    scores: dict[str, Float[ndarray, "n_tested n_regions"]], regions: list[str],
    patient: Bool[ndarray, " n_tested"], resampling: Resampling, permutations: int = 1000,
) -> pd.DataFrame:  # fmt: skip
    """AUC of patients against tested controls per statistic and region (columns: ``COLUMNS``).

    Args:
        scores: by statistic, a score per subject and region; NaN where a region has no code.
        regions: their names; q is over all but the whole brain.
        patient: who is one.
        resampling: how intervals are drawn.
        permutations: permuted labels behind the null.
    """
    rows = []
    few = int(min(patient.sum(), (~patient).sum()))
    weights = resample(patient, resampling.bootstraps, resampling.seed) if few else None
    for statistic, values in scores.items():
        own = []
        for column, region in enumerate(regions):
            row: dict[str, Any] = {
                "statistic": statistic,
                "region": region,
                **dict.fromkeys(COLUMNS[2:-1], np.nan),
                "note": "",
            }
            score = values[:, column]
            if weights is None or few < 2 or not np.isfinite(score).all():
                row["note"] = "no code here" if few >= 2 else f"{few} subjects in the smaller group"
            else:
                sampled = auc(score, patient, weights)
                null = permuted_auc(score, patient, permutations, resampling.seed)
                low, high = bca(sampled, patient)
                row |= {"estimate": float(sampled[0]), "low": low, "high": high}
                row |= {"null_median": float(np.median(null)), "null_95": float(np.quantile(null, 0.95))}
                row["p"] = p_value(null, float(sampled[0]))
            own.append(row)
        tested = np.array([row["region"] != WHOLE_BRAIN for row in own])
        p = np.array([row["p"] for row in own], dtype=float)
        q = np.full(len(own), np.nan)
        q[tested] = benjamini_hochberg(p[tested])
        rows += [row | {"q": value} for row, value in zip(own, q, strict=True)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def separability_numbers(table: pd.DataFrame) -> list[Measured]:
    """The rows of the whole brain, for ``latent.tsv``."""
    found = []
    for row in table[table["region"] == WHOLE_BRAIN].to_dict("records"):
        others = table[(table["statistic"] == row["statistic"]) & (table["region"] != WHOLE_BRAIN)]
        note = row["note"] or f"{int((others['q'] < 0.05).sum())} of {len(others)} regions with q < .05"
        name = f"group AUC, {row['statistic']}"
        found.append(Measured(name, row["estimate"], row["low"], row["high"], 0.5, note))
    return found
