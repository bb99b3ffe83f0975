"""What each factor of a factorial does: main effects and two-way interactions, paired over folds and seeds.

Models of a factorial differ in the levels of named factors and in nothing else; each is trained on the same folds
with the same seeds. A difference between two levels is therefore taken within a fold and a seed and between models
alike in all other factors (a *pair*), then averaged: what makes a fold easy for one makes it easy for the other.

A pair with a missing model (a failed task) drops out and is counted; nothing is filled in. A collapsed model stays
in the estimate, as who chooses the level runs that risk, and is counted; beside it stands the estimate without.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from itertools import combinations, product
from typing import Any

import numpy as np
import pandas as pd

from nigra.statistics.cells import Cell, Contrast, ValueTable, all_cells, checked, is_number
from nigra.statistics.comparison import holm
from nigra.statistics.crossed import Crossed, crossed_mean, mean_over
from nigra.statistics.multiplicity import benjamini_hochberg
from nigra.statistics.outcomes import outcome_of

MAIN, INTERACTION = "main effect", "interaction"

COLUMNS = (
    "outcome", "detector", "effect", "factor", "level", "reference", "by", "by_level", "by_reference", "estimate",
    "low", "high", "first", "second", "p", "p_holm", "q", "freedom", "folds", "seeds", "subjects", "pairs",
    "pairs_planned", "collapsed", "estimate_healthy", "note",
)  # fmt: skip
"""Columns of ``factorial.tsv``, in order."""

MEANS = (
    "outcome",
    "detector",
    "estimate",
    "low",
    "high",
    "folds",
    "seeds",
    "subjects",
    "models",
    "collapsed",
    "note",
)
"""Columns of ``cells.tsv`` beside those of the factors."""


def effects(
    cells: pd.DataFrame, factors: Mapping[str, list[str]], test_to_train: float, every_pair: bool = True
) -> pd.DataFrame:
    """Main effects and two-way interactions on every outcome, one row each (columns: ``COLUMNS``).

    Args:
        cells: long table with a column per factor (text), fold, seed, outcome, value; optionally detector,
            participant_id (then a value per subject) and collapsed (bool, of the model).
        factors: of ``factors_of``, the reference level of each first.
        test_to_train: number of tested over that of training controls of a fold.
        every_pair: compare all levels of a factor in pairs, not only each with the reference. Levels that are
            numbers are compared with the reference only: their curve is a sweep.

    estimate         main effect: mean at ``level`` minus mean at ``reference``, over all levels of the others
                     interaction: effect of ``factor`` at ``by_level`` minus that at ``by_reference``
    first, second    the two numbers that ``estimate`` is the difference of
    low, high, p     see ``nigra.statistics.crossed``
    p_holm, q        ``p`` after Holm, and after Benjamini-Hochberg, over the effects on one outcome
    pairs            paired differences there are, of ``pairs_planned``; the note says what is missing
    collapsed        collapsed models among those compared; ``estimate_healthy`` is without their pairs

    Raises:
        NigraError: as ``nigra.statistics.cells.checked``.
    """
    rows = []
    for (outcome, detector), own in checked(cells, factors).groupby(["outcome", "detector"], sort=False):
        table = ValueTable(own, factors)
        for row in _compared(factors, every_pair):
            rows.append({"outcome": outcome, "detector": detector, **row, **_effect(table, row, test_to_train)})
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    for _, family in found.groupby(["outcome", "detector"]):
        p = family["p"].to_numpy(dtype=float)
        found.loc[family.index, "p_holm"], found.loc[family.index, "q"] = holm(p), benjamini_hochberg(p)
    return found


def cell_means(cells: pd.DataFrame, factors: Mapping[str, list[str]], test_to_train: float) -> pd.DataFrame:
    """Mean of every cell on every outcome with its interval: a column per factor, then ``MEANS``.

    Intervals of two cells overlap more than their difference is uncertain: the folds are the same.

    Args:
        cells: as of ``effects``.
        factors: of ``factors_of``.
        test_to_train: as of ``effects``.
    """
    rows = []
    for (outcome, detector), own in checked(cells, factors).groupby(["outcome", "detector"], sort=False):
        table, known = ValueTable(own, factors), outcome_of(str(outcome))
        for cell in all_cells(factors):
            models, collapsed = table.counts([cell])
            found = asdict(crossed_mean(table.values(((cell, 1),)), test_to_train))
            rows.append({
                **dict(zip(factors, cell, strict=True)), "outcome": outcome, "detector": detector,
                **found, **known.cut(found["low"], found["high"]),
                "models": models, "collapsed": collapsed,
            })  # fmt: skip
    return pd.DataFrame(rows, columns=[*factors, *MEANS])


def _compared(factors: Mapping[str, list[str]], every_pair: bool) -> Iterator[dict[str, str]]:
    """Which levels are compared: main effects, then interactions of each level with the references."""
    for name, levels in factors.items():
        numeric = all(is_number(level) for level in levels)
        for reference, level in combinations(levels, 2):
            if reference == levels[0] or (every_pair and not numeric):
                yield {
                    "effect": MAIN, "factor": name, "level": level, "reference": reference,
                    "by": "", "by_level": "", "by_reference": "",
                }  # fmt: skip
    for (one, ones), (two, twos) in combinations(factors.items(), 2):
        for level, by_level in product(ones[1:], twos[1:]):
            yield {
                "effect": INTERACTION, "factor": one, "level": level, "reference": ones[0],
                "by": two, "by_level": by_level, "by_reference": twos[0],
            }  # fmt: skip


def _sides(table: ValueTable, row: Mapping[str, str]) -> list[tuple[Contrast, Contrast]]:
    """What is subtracted from what, once per combination of the other factors' levels."""

    def cell(other: Mapping[str, str], level: str, by_level: str) -> Cell:
        own = {row["factor"]: level} | ({row["by"]: by_level} if row["by"] else {})
        return table.cell({**other, **own})

    def effect(other: Mapping[str, str], by_level: str) -> Contrast:
        return (cell(other, row["level"], by_level), 1), (cell(other, row["reference"], by_level), -1)

    others = table.alike([row["factor"], row["by"]])
    if row["by"]:
        return [(effect(other, row["by_level"]), effect(other, row["by_reference"])) for other in others]
    return [(((cell(o, row["level"], ""), 1),), ((cell(o, row["reference"], ""), 1),)) for o in others]


def _effect(table: ValueTable, row: Mapping[str, str], test_to_train: float) -> dict[str, Any]:
    """Estimate of one main effect or interaction, and what it rests on."""
    sides = _sides(table, row)
    contrasts = [(*first, *((cell, -sign) for cell, sign in second)) for first, second in sides]
    each = np.stack([table.values(contrast) for contrast in contrasts])
    healthy = np.stack([table.values(contrast, healthy=True) for contrast in contrasts])
    found = asdict(crossed_mean(mean_over(each, 0), test_to_train))
    both = (
        np.where(np.isnan(each), np.nan, np.stack([table.values(pair[side]) for pair in sides])) for side in (0, 1)
    )
    first, second = (_mean(values) for values in both)
    there, planned = int((~np.isnan(each)).any(axis=3).sum()), int(np.prod(each.shape[:3]))
    _, collapsed = table.counts(dict.fromkeys(cell for contrast in contrasts for cell, _ in contrast))
    said = [found["note"], _missing(there, planned), f"{collapsed} collapsed" * bool(collapsed)]
    return found | {
        "first": first, "second": second, "pairs": there, "pairs_planned": planned, "collapsed": collapsed,
        "estimate_healthy": _mean(healthy), "note": "; ".join(text for text in said if text),
    }  # fmt: skip


def _mean(values: np.ndarray) -> float:
    """The mean over pairs, then as ``crossed_mean`` takes it."""
    by_cell: Crossed = mean_over(values, 0)
    return crossed_mean(by_cell, 0.0).estimate


def _missing(there: int, planned: int) -> str:
    if not there:
        return "no pair of models to compare"
    return f"{planned - there} of {planned} pairs missing" if there < planned else ""
