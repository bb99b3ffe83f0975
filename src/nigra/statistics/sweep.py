"""Sweeps: an outcome against a factor whose levels are numbers (alpha, code size, beta, patch size, subjects).

A row per value and per combination of the other factors: the mean over folds and seeds with its interval, and the
difference from a reference value, which is paired and therefore much better known.
"""

from collections.abc import Mapping
from dataclasses import asdict
from itertools import product

import numpy as np
import pandas as pd

from nigra.errors import NigraError
from nigra.statistics.cells import ValueTable, checked, is_number
from nigra.statistics.crossed import crossed_mean
from nigra.statistics.outcomes import outcome_of

COLUMNS = (
    "factor", "value", "curve", "outcome", "detector", "estimate", "low", "high", "folds", "seeds", "subjects",
    "models", "collapsed", "reference_value", "difference", "difference_low", "difference_high", "p", "published",
    "note",
)  # fmt: skip
"""Columns of ``sweeps.tsv``, in order."""

PUBLISHED = {"alpha": 0.005, "patch_size": 15.0}
"""Values of mlcn2021, by the last word of a factor's name."""

FEWEST = 3
"""Values below which a factor is two levels and no curve."""


def swept(factors: Mapping[str, list[str]]) -> list[str]:
    """The factors that are sweeps: three or more levels, all of them numbers.

    >>> swept({"alpha": ["0", "0.005", "0.1"], "unit": ["patch", "slice", "cube"], "size": ["9", "15"]})
    ['alpha']
    """
    return [n for n, levels in factors.items() if len(levels) >= FEWEST and all(is_number(each) for each in levels)]


def published_value(factor: str, published: Mapping[str, float] = PUBLISHED) -> float:
    """The published value of a factor; NaN where there is none.

    >>> published_value("siamese.alpha"), published_value("beta")
    (0.005, nan)
    """
    words = factor.lower().replace(" ", "_").replace("-", "_")
    return next((value for name, value in published.items() if words.split(".")[-1].endswith(name)), float("nan"))


def sweep(
    cells: pd.DataFrame, factors: Mapping[str, list[str]], factor: str, test_to_train: float,
    published: Mapping[str, float] = PUBLISHED,
) -> pd.DataFrame:  # fmt: skip
    """The curve of every outcome against ``factor``, one row per value and curve (columns: ``COLUMNS``).

    Args:
        cells: as of ``nigra.statistics.factorial.effects``.
        factors: of ``factors_of``; the first level of ``factor`` is the reference where no level is the published
            value.
        factor: one whose levels are numbers.
        test_to_train: as of ``effects``.
        published: values that are marked, and the reference where they are among the levels.

    Raises:
        NigraError: a level of ``factor`` is no number.
    """
    words = [level for level in factors[factor] if not is_number(level)]
    if words:
        raise NigraError(f"{factor}: a sweep needs numbers as levels, but found {words[0]}; take it as a factor.")
    levels = sorted(factors[factor], key=float)
    mark = published_value(factor, published)
    reference = next((level for level in levels if float(level) == mark), factors[factor][0])
    others = {name: values for name, values in factors.items() if name != factor}
    cells, rows = checked(cells, list(factors)), []
    for (outcome, detector), own in cells.groupby(["outcome", "detector"], sort=False):
        table, known = ValueTable(own, list(factors)), outcome_of(str(outcome))
        for fixed in product(*others.values()):
            along = dict(zip(others, fixed, strict=True))
            curve = curve_of(along)
            at = {level: tuple((along | {factor: level})[name] for name in factors) for level in levels}
            if not any(cell in table.cells for cell in at.values()):
                continue
            for level, cell in at.items():
                found = asdict(crossed_mean(table.values(((cell, 1),)), test_to_train))
                away = crossed_mean(table.values(((cell, 1), (at[reference], -1))), test_to_train)
                models, collapsed = table.counts([cell])
                rows.append({
                    **found, **known.cut(found["low"], found["high"]), "factor": factor, "value": float(level),
                    "curve": curve, "outcome": outcome, "detector": detector, "models": models,
                    "collapsed": collapsed, "published": mark,
                    "reference_value": float(reference), "difference": away.estimate, "difference_low": away.low,
                    "difference_high": away.high, "p": np.nan if level == reference else away.p,
                })  # fmt: skip
    return pd.DataFrame(rows, columns=list(COLUMNS))


def points_of(cells: pd.DataFrame, factors: Mapping[str, list[str]], factor: str) -> pd.DataFrame:
    """The values with the columns ``at``, the value of ``factor``, and ``curve``, as ``sweep`` calls them."""
    cells = checked(cells, factors)
    others = [name for name in factors if name != factor]
    curves = [curve_of(dict(zip(others, levels, strict=True))) for levels in cells[others].itertuples(index=False)]
    return cells.assign(at=cells[factor].astype(float), curve=curves)


def curve_of(levels: Mapping[str, str]) -> str:
    """The name of a curve: the levels of the factors that stay the same along it.

    >>> curve_of({"unit": "patch", "loss": "l1"})
    'unit patch, loss l1'
    """
    return ", ".join(f"{name} {level}" for name, level in levels.items())
