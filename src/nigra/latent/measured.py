"""A number of a latent space: its estimate, an interval over whole subjects, and what chance gives.

A statistic is a function of how often each subject counts. Codes of one subject are no independent samples, so
subjects are what is resampled (``statistics.bootstrap``), never codes.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.statistics.bootstrap import bca, resample

COLUMNS = ("measure", "estimate", "low", "high", "null", "note")
"""Columns of ``latent.tsv``, in order."""

Weighted = Callable[[Float[ndarray, "n_subjects samples"]], Float[ndarray, " samples"]]
"""The statistic in every column of weights: how often each subject counts."""


@dataclass(frozen=True)
class Measured:
    """One row of ``latent.tsv``; ``null`` is the value without any signal, NaN where theory and data name none."""

    measure: str
    estimate: float
    low: float = np.nan
    high: float = np.nan
    null: float = np.nan
    note: str = ""


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn: ``bootstraps`` resamples of the subjects from ``seed``."""

    bootstraps: int = 500
    seed: int = 0


def measured(
    measure: str, statistic: Weighted, n_subjects: int, resampling: Resampling, null: float = np.nan, note: str = ""
) -> Measured:
    """The statistic of all subjects with its 95 % BCa interval over resampled subjects.

    Below three subjects there is no interval.
    """
    nobody = np.zeros(n_subjects, dtype=bool)  # one group
    weights = resample(nobody, resampling.bootstraps, resampling.seed)
    if n_subjects < 3:
        return Measured(measure, float(statistic(weights[:, :1])[0]), null=null, note=note)
    values = statistic(weights)
    return Measured(measure, float(values[0]), *bca(values, nobody), null=null, note=note)


def jackknifed(
    measure: str, statistic: Weighted, n_subjects: int, null: float = np.nan, note: str = ""
) -> Measured:
    """As ``measured`` for a costly statistic: estimate +- 1.96 standard errors from leaving out each subject.

    Efron and Tibshirani (1993), ch. 11.
    """
    values = statistic(resample(np.zeros(n_subjects, dtype=bool), 0, 0))
    estimate, left_out = float(values[0]), values[1:]
    if n_subjects < 3:
        return Measured(measure, estimate, null=null, note=note)
    error = float(np.sqrt((n_subjects - 1) * left_out.var()))
    return Measured(measure, estimate, estimate - 1.96 * error, estimate + 1.96 * error, null, note)


def of_pairs(
    above: Float[ndarray, "n_subjects n_subjects"], below: Float[ndarray, "n_subjects n_subjects"] | None = None
) -> Weighted:
    """Mean over ordered pairs of different subjects, or a ratio of two such means; a NaN pair is left out.

    A subject drawn twice makes no pair with itself.
    """
    apart = ~np.eye(len(above), dtype=bool)

    def mean(values: ndarray, weights: ndarray) -> ndarray:
        known = apart & ~np.isnan(values)
        filled, counted = np.where(known, values, 0), known.astype(float)
        return _divide((weights * (filled @ weights)).sum(axis=0), (weights * (counted @ weights)).sum(axis=0))

    def statistic(weights: Float[ndarray, "n_subjects samples"]) -> Float[ndarray, " samples"]:
        top = mean(above, weights)
        return top if below is None else _divide(top, mean(below, weights))

    return statistic


def of_subjects(
    above: Float[ndarray, " n_subjects"], below: Float[ndarray, " n_subjects"] | None = None
) -> Weighted:
    """Weighted mean over subjects, or a ratio of two sums; a subject with NaN is left out."""
    known = ~np.isnan(above) & (True if below is None else ~np.isnan(below))
    top = np.where(known, above, 0)
    bottom = known.astype(float) if below is None else np.where(known, below, 0)
    return lambda weights: _divide(top @ weights, bottom @ weights)


def as_table(rows: list[Measured]) -> pd.DataFrame:
    """Rows of ``latent.tsv``."""
    return pd.DataFrame([asdict(row) for row in rows], columns=list(COLUMNS))


def _divide(top: ndarray, bottom: ndarray) -> ndarray:
    """Where nobody is left the value is NaN."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
