"""The calibration panel: is the promised share of false positives kept, and for whom and where is it not?"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy import ndarray

from nigra.cohort.store import CONTROL
from nigra.errors import NigraError
from nigra.regions import WHOLE_BRAIN
from nigra.statistics.bootstrap import bca, resample
from nigra.statistics.covariates import NUMERIC, kind_of, levels_of
from nigra.statistics.draws import TEST

COLUMNS = (
    "factor", "level", "controls", "percent", "low", "high", "expected_percent", "lowest", "highest", "note",
)  # fmt: skip
"""Columns of ``false_positives.tsv``, in order."""

BRAIN, REGION, TISSUE = "whole brain", "region", "tissue"
FEW = 8
"""Controls below which an interval from resampling them is not to be trusted."""


def false_positives(
    regions: pd.DataFrame,
    covariates: pd.DataFrame,
    expected_percent: float,
    tissue: Mapping[str, str] | None = None,
    factors: Sequence[str] = ("age", "sex"),
    bands: Mapping[str, Sequence[float | int]] | None = None,
    bootstraps: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Percent abnormal voxels of test controls by region, tissue, and (whole brain) by covariates: ``COLUMNS``.

    ``regions`` is the region table of one voxel-wise method. A control tested in several draws is averaged first:
    voxels and draws of a person are no further people, so that the 95 % interval (BCa) resamples subjects.
    ``lowest`` and ``highest`` are the extremes among them. ``expected_percent`` = 100 x (1 - quantile).

    ``tissue`` maps region names that do not overlap to a tissue (grey matter ...), whose voxels are taken together.
    ``factors`` are columns of ``covariates``: a category by its levels, a number in ``bands`` (edges per column; by
    default three bands of about as many controls). Controls without a value are a level of their own, ``n/a``.

    Where the interval leaves the promise out, ``note`` says so. A threshold that is one number for the whole brain
    promises nothing for a region: those rows show where the voxels of healthy people pass it.
    """
    tested = regions[(regions["set"] == TEST) & (regions["group"] == CONTROL)]
    if tested.empty:
        raise NigraError("a calibration panel shows the test controls, but found none; test some in every draw.")
    percent = _wide(tested, "percent")
    if percent.isna().all(axis=None):
        raise NigraError("a calibration panel needs percentages of abnormal voxels; this method thresholds none.")
    parts = [(BRAIN, BRAIN, percent[WHOLE_BRAIN])]
    parts += [(TISSUE, name, values) for name, values in _tissues(tested, tissue or {})]
    for name in factors:
        if name in covariates:
            own = covariates[name].reindex(percent.index)
            levels = _levels(own, (bands or {}).get(name))
            parts += [(name, level, percent.loc[who, WHOLE_BRAIN]) for level, who in levels]
    parts += [(REGION, str(name), percent[name]) for name in percent if name != WHOLE_BRAIN]
    rows = [
        {"factor": factor, "level": level} | _row(values.to_numpy(dtype=float), expected_percent, bootstraps, seed)
        for factor, level, values in parts
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _wide(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """One row per control, one column per region, averaged over draws."""
    wide = rows.pivot_table(index="participant_id", columns="region", values=column, dropna=False, sort=False)
    return wide.reindex(columns=rows["region"].unique())


def _tissues(rows: pd.DataFrame, tissue: Mapping[str, str]) -> Iterator[tuple[str, pd.Series]]:
    """Percentage of each control in each tissue: voxels of its regions counted together."""
    unknown = sorted(set(tissue) - set(rows["region"]))
    if unknown:
        raise NigraError(f"tissue of {unknown[0]!r}: a region of the table has a tissue, but found no such region.")
    for name in dict.fromkeys(tissue.values()):
        own = rows[rows["region"].map(tissue) == name]
        sums = own.groupby(["participant_id", "fold"], sort=False)[["abnormal", "voxels"]].sum(min_count=1)
        share = 100 * sums["abnormal"].astype(float) / sums["voxels"].where(sums["voxels"] > 0)
        yield name, share.groupby("participant_id", sort=False).mean()


def _levels(values: pd.Series, edges: Sequence[float | int] | None) -> Iterator[tuple[str, ndarray]]:
    """Levels of a covariate, and who has them; bands of numbers are closed on the left."""
    if kind_of(values) != NUMERIC:
        for level in levels_of(values):
            yield level, (values == level).to_numpy(dtype=bool)
    elif values.notna().any():
        thirds = np.quantile(values.dropna(), [1 / 3, 2 / 3])
        # whole years or millilitres where they are fine enough to name a band by
        thirds = thirds.round() if np.ptp(values.dropna()) > 10 else np.array([float(f"{t:.3g}") for t in thirds])
        inner = np.unique(thirds if edges is None else edges)
        code = np.searchsorted(inner, values.to_numpy(dtype=float), side="right")
        names = [f"< {inner[0]:g}", *(f"{a:g} to < {b:g}" for a, b in pairwise(inner))]
        for number, name in enumerate([*names, f"{inner[-1]:g} and more"]):
            yield name, (code == number) & values.notna().to_numpy()
    if values.isna().any():
        yield "n/a", values.isna().to_numpy()


def _row(values: Float[ndarray, " n"], expected: float, bootstraps: int, seed: int) -> dict[str, object]:
    """Mean over the controls with its interval, and what to say of it."""
    values = values[~np.isnan(values)]
    n = len(values)
    row: dict[str, object] = {"controls": n, "expected_percent": float(expected), "note": "no control with a value"}
    if not n:
        return row
    row |= {"percent": float(values.mean()), "lowest": float(values.min()), "highest": float(values.max())}
    if n < 3:
        return row | {"note": f"{n} controls: no interval"}
    weights = resample(np.zeros(n, dtype=bool), bootstraps, seed)
    low, high = bca(values @ weights / weights.sum(axis=0), np.zeros(n, dtype=bool))
    words = "more than promised" if low > expected else "less than promised" if high < expected else ""
    few = f"{n} controls: the interval is a rough guess" if n < FEW else ""
    return row | {"low": low, "high": high, "note": "; ".join(part for part in (words, few) if part)}
