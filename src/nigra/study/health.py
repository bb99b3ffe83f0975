"""The health of every training of a run in one table, ``health.tsv``: who collapsed is told beside the results."""

import pandas as pd

from nigra.files import read_json, write_tsv
from nigra.study.run import Run
from nigra.study.train import all_fits, is_trained

NUMBERS = (
    "effective_rank", "dimensions", "active_units", "kl", "similarity", "random_similarity", "alike", "error",
    "unit_error",
)  # fmt: skip

COLUMNS = ("model", "draw", "fold", "collapsed", "why", *NUMBERS)
"""Columns of ``health.tsv``; ``fold`` is that of the cross-fitting, missing where all training controls train."""


def health_table(run: Run) -> pd.DataFrame:
    """A row per finished training, columns ``COLUMNS``; see ``nigra.training.health`` for what they mean."""
    rows = []
    for fit in all_fits(run):
        if is_trained(run, fit):
            health = read_json(run.place(fit.model, fit.draw, fit.fold) / "model.json").get("health") or {}
            rows.append({
                "model": fit.model.label, "draw": fit.draw, "fold": fit.fold,
                "collapsed": "yes" if health.get("collapsed") else "no",
                "why": " ".join(health.get("why", [])) or None,
                **{name: health.get(name) for name in NUMBERS},
            })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"fold": "Int64"})


def write_health(run: Run) -> None:
    """Write ``health.tsv``; a run without models has none."""
    path, table = run.folder / "health.tsv", health_table(run)
    if len(table):
        write_tsv(path, table)
    else:
        path.unlink(missing_ok=True)
