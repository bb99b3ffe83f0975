"""Dose and response: what is found against how strong it was, with intervals over subjects, and where half is."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.simulation.few_subjects import ends, mean_interval

KEYS = ("model", "detector", "shape", "size", "effect", "strength")
"""A condition: a method looking at one shape in one size with one effect of one strength."""

MEASURES = (
    "auroc", "auroc_paired", "average_precision", "sensitivity", "sensitivity_matched", "found", "region_found",
)  # fmt: skip
"""Columns of ``lesions.tsv`` that have a dose-response curve."""

CHANCE: dict[str, float | str] = {
    "auroc": 0.5, "auroc_paired": 0.5, "average_precision": "precision_chance", "sensitivity": "observed_rate",
    "sensitivity_matched": "observed_rate_matched",
}  # fmt: skip
"""What an uninformative score gives: a number, or the column that has it. The others have only ``unplanted``."""

HALF = ("sensitivity_matched", "found")
"""Measures of which the smallest effect is told."""

Curves = Float[ndarray, "n_strengths n_resamplings"]


def resamplings(n_subjects: int, count: int, seed: int) -> Float[ndarray, "n_resamplings n_subjects"]:
    """How often each subject is drawn in each bootstrap sample of as many subjects."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(n_subjects, size=(count, n_subjects))
    weights = np.zeros((count, n_subjects))
    np.add.at(weights, (np.arange(count)[:, None], drawn), 1.0)
    return weights


def resampled_means(
    values: Float[ndarray, "n_rows n_subjects"], weights: Float[ndarray, "n_resamplings n_subjects"]
) -> Float[ndarray, "n_rows n_resamplings"]:
    """Mean over the subjects of each bootstrap sample; subjects without a value (NaN) are left out of it."""
    there = np.isfinite(values)
    count = there.astype(float) @ weights.T
    total = np.where(there, values, 0.0) @ weights.T
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def by_subject(table: pd.DataFrame, columns: Sequence[str], keys: Sequence[str] = KEYS) -> pd.DataFrame:
    """Mean of ``columns`` within each condition and subject: lesions and draws of one subject are not independent.

    Rows keep the order of the table.
    """
    return table.groupby([*keys, "participant_id"], sort=False)[list(columns)].mean()


def _wide(values: pd.Series, subjects: Sequence[str]) -> pd.DataFrame:
    """One column per subject, in this order; rows without any value stay."""
    return values.unstack("participant_id", sort=False).reindex(columns=list(subjects))  # noqa: PD010


def dose_response(lesions: pd.DataFrame) -> pd.DataFrame:
    """One row per condition and measure: the mean over subjects with its interval.

    Args:
        lesions: as ``lesions.tsv``: ``KEYS``, participant_id, ``MEASURES`` and the columns ``CHANCE`` names; rows
            of strength 0 are the same lesions before planting.

    Returns:
        ``KEYS``, measure, estimate, low, high (95 % over subjects), chance, unplanted (the estimate at
        strength 0: the same places as scanned), subjects, lesions.
    """
    extra = [name for name in CHANCE.values() if isinstance(name, str)]
    means = by_subject(lesions, [*MEASURES, *extra])
    counts = lesions.groupby(list(KEYS), sort=False).size()
    subjects = lesions["participant_id"].unique().tolist()
    made = []
    for measure in MEASURES:
        values = _wide(means[measure], subjects)
        low, high = mean_interval(values.to_numpy(float))
        table = pd.DataFrame(
            {"measure": measure, "estimate": values.mean(axis=1), "low": low, "high": high}, index=values.index
        )
        table["chance"] = _chance(means, measure)
        table["subjects"], table["lesions"] = values.notna().sum(axis=1), counts
        made.append(table.reset_index())
    return _with_unplanted(pd.concat(made, ignore_index=True))


def _chance(means: pd.DataFrame, measure: str) -> "pd.Series[float]":
    """What an uninformative score gives in each condition, NaN where only the places as scanned can tell."""
    known = CHANCE.get(measure, float("nan"))
    conditions = means.groupby(list(KEYS), sort=False)
    return conditions[known].mean() if isinstance(known, str) else conditions[measure].mean() * 0 + known


def _with_unplanted(table: pd.DataFrame) -> pd.DataFrame:
    """Beside every estimate that of strength 0."""
    keys = [*KEYS[:-1], "measure"]
    zero = table[table["strength"] == 0].set_index(keys)["estimate"]
    table.insert(
        list(table).index("subjects"), "unplanted", zero.reindex(pd.MultiIndex.from_frame(table[keys])).array
    )
    return table


def smallest_effect(
    lesions: pd.DataFrame, target: float = 0.5, bootstrap: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """The strength at which the mean over subjects first reaches ``target``, by linear interpolation.

    Args:
        lesions: as for ``dose_response``.

    Returns:
        A row per method, shape, size, effect and measure of ``HALF``: estimate, low, high (bootstrap over
        subjects; NaN beyond the grid), strongest (strength planted), subjects, note: words where a number would
        not be honest.
    """
    means, subjects = by_subject(lesions, HALF), lesions["participant_id"].unique().tolist()
    weights, rows = resamplings(len(subjects), bootstrap, seed), []
    for keys, own in means.groupby(list(KEYS[:-1]), sort=False):
        for measure in HALF:
            values = _wide(own[measure].droplevel(list(KEYS[:-1])), subjects).sort_index()
            strengths = values.index.to_numpy(float)
            found = float(crossing(strengths, values.mean(axis=1).to_numpy(float)[:, None], target)[0])
            samples = crossing(strengths, resampled_means(values.to_numpy(float), weights), target)
            count = int(values.notna().any().sum())
            low, high = ends(samples, count)
            note = _note(found, high, strengths[-1], target, count)
            rows.append(
                (*keys, measure, target, *(_finite(x) for x in (found, low, high)), strengths[-1], count, note)
            )
    names = (*KEYS[:-1], "measure", "target", "estimate", "low", "high", "strongest", "subjects", "note")
    return pd.DataFrame(rows, columns=list(names))


def crossing(
    strengths: Float[ndarray, " n_strengths"], curves: Curves, target: float
) -> Float[ndarray, " n_curves"]:
    """Where each curve (a column) first reaches the target; infinity where it never does.

    >>> crossing(np.array([0.0, 1.0, 2.0]), np.array([[0.0, 0.0], [0.4, 0.1], [0.6, 0.2]]), 0.5)
    array([1.5, inf])
    """
    reached = curves >= target
    first, ever = reached.argmax(axis=0), reached.any(axis=0)
    before, at = np.maximum(first - 1, 0), np.arange(curves.shape[1])
    y0, y1, x0, x1 = curves[before, at], curves[first, at], strengths[before], strengths[first]
    share = np.divide(target - y0, y1 - y0, out=np.ones(len(at)), where=first > 0)
    return np.where(ever, x0 + share * (x1 - x0), np.inf)


def _finite(value: float) -> float:
    return float(value) if np.isfinite(value) else float("nan")


def _note(found: float, high: float, strongest: float, target: float, subjects: int) -> str:
    if not np.isfinite(found):
        return f"{target:.0%} not reached at {strongest:g}, the strongest planted"
    if found == 0:
        return f"{target:.0%} reached without any planting"
    if subjects < 2:
        return "one subject: no interval"
    return "" if np.isfinite(high) else f"the interval ends beyond {strongest:g}, the strongest planted"


def froc(volumes: pd.DataFrame) -> pd.DataFrame:
    """Lesions found against false-positive clusters, along the thresholds; one row per condition and rate.

    Args:
        volumes: ``KEYS``, participant_id, rate, lesions, found, false_clusters: a row per planted volume and rate.

    Returns:
        ``KEYS``, rate (observed share of abnormal voxels in unplanted test controls), sensitivity (share of the
        lesions found) and false_clusters (per subject), each with low and high (95 % over subjects), and subjects.
        Along the rates false clusters may become fewer again: they grow together, or into a lesion.
    """
    keys = [*KEYS, "rate"]
    totals = volumes.assign(sensitivity=volumes["found"] / volumes["lesions"])
    means = by_subject(totals, ["sensitivity", "false_clusters"], keys)
    subjects = volumes["participant_id"].unique().tolist()
    columns = dict[str, Any]()
    for name, short, most in (("sensitivity", "", 1.0), ("false_clusters", "false_", np.inf)):
        values = _wide(means[name], subjects)
        low, high = mean_interval(values.to_numpy(float), (0.0, most))
        columns |= {name: values.mean(axis=1), f"{short}low": low, f"{short}high": high}
        columns["subjects"] = values.notna().sum(axis=1)
    return pd.DataFrame(columns).reset_index()
