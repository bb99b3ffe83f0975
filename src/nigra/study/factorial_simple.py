"""What the methods without a network find in a factorial run: baselines, and detectors that read the maps."""

from pathlib import Path

import pandas as pd

from nigra.study.factorial_cells import group_rows, planted_rows
from nigra.study.outdated import draws_of
from nigra.study.settings import INTENSITIES

COLUMNS = ("model", "detector", "outcome", "estimate", "subjects", "folds")


def simple_methods(run: Path) -> pd.DataFrame:
    """Mean of every outcome of detection of ``runs/NAME``, over the subjects of a fold, then over folds."""
    rows = pd.concat([planted_rows(run), group_rows(run)])
    if rows.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    own = rows[(rows["model"] == INTENSITIES) & rows["fold"].isin(draws_of(run))].dropna(subset=["value"])
    method = ["model", "detector", "outcome"]
    by_fold = own.groupby([*method, "fold"], sort=False)["value"].mean()
    means = by_fold.groupby(method, sort=False).agg(["mean", "size"]).set_axis(["estimate", "folds"], axis=1)
    means["subjects"] = own.groupby(method, sort=False)["participant_id"].nunique()
    return means.reset_index().reindex(columns=list(COLUMNS))
