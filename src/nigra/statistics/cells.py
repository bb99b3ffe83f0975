"""The cells of a factorial: which levels there are, and every value by cell, fold, seed and subject."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from nigra.errors import NigraError
from nigra.statistics.crossed import Crossed

Levels = Mapping[str, Mapping[str, str]]
"""Of each model, by its label: the level of every factor."""

Cell = tuple[str, ...]
"""A level of each factor."""

Contrast = tuple[tuple[Cell, int], ...]
"""Cells whose signed sum is one difference, or one difference of differences."""

COLUMNS_TAKEN = frozenset(
    {"model", "fold", "seed", "outcome", "detector", "participant_id", "value", "collapsed", "estimate", "low",
     "high", "folds", "seeds", "subjects", "models", "note", "at", "curve", "unmatched", "why"}
)  # fmt: skip
"""Names that the tables of a factorial use themselves."""

AXES = ("fold", "seed", "participant_id")


def factors_of(levels: Levels) -> dict[str, list[str]]:
    """Every factor that varies with its levels, in order of appearance: the first level is the reference.

    Raises:
        NigraError: a model lacks a factor that others have, no factor varies, or one is called like a column of
            the tables.

    >>> factors_of({"a": {"unit": "slice", "plane": "axial"}, "b": {"unit": "patch", "plane": "axial"}})
    {'unit': ['slice', 'patch']}
    """
    names = list(dict.fromkeys(name for own in levels.values() for name in own))
    taken = [name for name in names if name in COLUMNS_TAKEN]
    if taken:
        raise NigraError(
            f"a factor is called {taken[0]}, which the tables call something else; choose another name."
        )
    for label, own in levels.items():
        lacking = [name for name in names if name not in own]
        if lacking:
            raise NigraError(
                f"{label}: every model of a factorial has a level of {lacking[0]}, but found none; give it one."
            )
    found = {name: list(dict.fromkeys(own[name] for own in levels.values())) for name in names}
    varying = {name: values for name, values in found.items() if len(values) > 1}
    if not varying:
        raise NigraError("a factorial compares levels of a factor, but all models have the same; name two levels.")
    return varying


def is_number(text: str) -> bool:
    """Whether a level is a finite number.

    >>> is_number("0.005"), is_number("slice"), is_number("nan")
    (True, False, False)
    """
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def checked(cells: pd.DataFrame, factors: Iterable[str]) -> pd.DataFrame:
    """The long table of values with every column it may have.

    Raises:
        NigraError: a column is missing, or a cell has two values for one fold, seed and subject.
    """
    names = list(factors)
    missing = {*names, "fold", "seed", "outcome", "value"} - set(cells)
    if missing:
        raise NigraError(f"the table of cells lacks the column {min(missing)}; score the models of the run first.")
    defaults: dict[str, Any] = {"detector": "", "participant_id": "", "collapsed": False}
    cells = cells.assign(**{name: value for name, value in defaults.items() if name not in cells})
    cells = with_text(cells)
    twice = cells.duplicated([*names, "outcome", "detector", *AXES])
    if twice.any():
        row = cells[twice].iloc[0]
        where = ", ".join(f"{name} {row[name]}" for name in [*names, "fold", "seed"])
        raise NigraError(
            f"{row['outcome']}: one value per model, fold, seed and subject, but found two at {where}; give models "
            "of the same levels different seeds."
        )
    return cells


def with_text(cells: pd.DataFrame) -> pd.DataFrame:
    """The table with an empty text where a value has no detector or no subject."""
    names = ("detector", "participant_id")
    return cells.assign(**{name: cells[name].astype(object).where(cells[name].notna(), "") for name in names})


class ValueTable:
    """One outcome's values per cell as arrays of one shape: folds, seeds, subjects."""

    def __init__(self, own: pd.DataFrame, factors: Iterable[str]) -> None:
        self.factors = list(factors)
        axes = {name: pd.Index(sorted(own[name].unique())) for name in AXES}
        shape = tuple(len(axis) for axis in axes.values())
        self.missing = np.full(shape, np.nan)
        self.cells: dict[Cell, Crossed] = {}
        self.collapsed: dict[Cell, np.ndarray] = {}
        for cell, rows in own.groupby(self.factors, sort=False):
            at = tuple(axis.get_indexer(pd.Index(rows[name])) for name, axis in axes.items())
            values, flat = self.missing.copy(), np.zeros(shape[:2], dtype=bool)
            values[at] = rows["value"].to_numpy(dtype=float)
            flat[at[:2]] = rows["collapsed"].to_numpy(dtype=bool)
            self.cells[tuple(map(str, cell))], self.collapsed[tuple(map(str, cell))] = values, flat

    def values(self, contrast: Contrast, healthy: bool = False) -> Crossed:
        """The signed sum of cells; NaN where one is missing or, with ``healthy``, collapsed."""
        total = np.zeros(self.missing.shape)
        for cell, sign in contrast:
            total += sign * self.cells.get(cell, self.missing)
            if healthy and cell in self.collapsed:
                total[self.collapsed[cell]] = np.nan
        return total

    def counts(self, cells: Iterable[Cell]) -> tuple[int, int]:
        """How many models these cells have a value of, and how many of those collapsed."""
        own = [cell for cell in cells if cell in self.cells]
        there = [(~np.isnan(self.cells[cell])).any(axis=2) for cell in own]
        flat = [known & self.collapsed[cell] for known, cell in zip(there, own, strict=True)]
        return int(np.sum(there)), int(np.sum(flat))

    def alike(self, names: Iterable[str]) -> list[dict[str, str]]:
        """The combinations of levels that the factors other than ``names`` have in this table."""
        held = set(names)
        others = [[(name, level) for name, level in zip(self.factors, cell, strict=True) if name not in held]
                  for cell in self.cells]  # fmt: skip
        return [dict(other) for other in dict.fromkeys(map(tuple, others))]

    def cell(self, levels: Mapping[str, str]) -> Cell:
        """The cell of these levels."""
        return tuple(levels[name] for name in self.factors)


def all_cells(factors: Mapping[str, list[str]]) -> list[Cell]:
    """Every combination of levels."""
    return list(product(*factors.values()))
